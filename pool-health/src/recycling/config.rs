//! When a connection deserves more than a light reset.

use std::time::Duration;

use super::Recycler;
use crate::{ConfigError, Mode};
use pool_core::Problems;

/// How it is chosen what happens to a connection between two leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecyclingPolicy {
    /// All go on as they are, or after a light reset if they are dirty.
    Fast,
    /// All go through a full reset.
    Checked,
    /// All are closed.
    Replace,
    /// Each as it deserves: healthy ones fast, degraded ones checked, degraded and old ones replaced.
    /// The default.
    #[default]
    Adaptive,
}

/// Builds a [`Recycler`].
#[derive(Clone, Copy, Debug)]
pub struct RecyclerBuilder {
    pub(super) mode: Mode,
    pub(super) policy: RecyclingPolicy,
    pub(super) error_threshold: f64,
    pub(super) low_score: f64,
    pub(super) high_score: f64,
    pub(super) old_after: Duration,
}

impl RecyclerBuilder {
    pub(super) const fn new() -> Self {
        Self {
            mode: Mode::Off,
            policy: RecyclingPolicy::Adaptive,
            error_threshold: 0.05,
            low_score: 0.6,
            high_score: 0.8,
            old_after: Duration::from_secs(1800),
        }
    }

    /// Whether it acts. Default off.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// How it is chosen. Default adaptive.
    #[must_use]
    pub const fn policy(mut self, policy: RecyclingPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The rate of errors per use above which a connection is degraded, above 0, up to 1. Default
    /// 0.05.
    #[must_use]
    pub const fn error_threshold(mut self, rate: f64) -> Self {
        self.error_threshold = rate;
        self
    }

    /// The score below which a connection is degraded, and the one from which on it is healthy
    /// again. Defaults 0.6 and 0.8, three standard deviations of noise to either side of 0.7.
    #[must_use]
    pub const fn scores(mut self, low: f64, high: f64) -> Self {
        (self.low_score, self.high_score) = (low, high);
        self
    }

    /// From which age on a degraded connection is replaced instead of reset. Default half an hour:
    /// half the usual lifetime, when the better part of what its connect cost has been used.
    #[must_use]
    pub const fn old_after(mut self, age: Duration) -> Self {
        self.old_after = age;
        self
    }

    /// The part, or everything that is wrong with its settings.
    ///
    /// # Errors
    ///
    /// Says which settings cannot be.
    pub fn build(self) -> Result<Recycler, ConfigError> {
        let mut problems = Problems::of("recycling");
        problems.share("error_threshold", self.error_threshold);
        problems.within("low score", self.low_score, 0.0..=1.0);
        problems.within("high score", self.high_score, 0.0..=1.0);
        problems.check(self.low_score >= self.high_score, || {
            format!(
                "the low score {} is not below the high score {}; it would flap",
                self.low_score, self.high_score
            )
        });
        problems.time("old_after", self.old_after);
        problems.result()?;
        Ok(Recycler::new(self))
    }
}
