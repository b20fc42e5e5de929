//! How old a connection may get.

use std::time::Duration;

use fastrand::Rng;
use pool_core::Candidate;

use super::Ageing;
use crate::{ConfigError, Mode};
use pool_core::Problems;

/// By what a connection grows old.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AgeingPolicy {
    /// By time alone.
    TimeBased {
        /// How long a connection is kept. An hour is usual: short against the lives of servers and
        /// credentials, long against a connect.
        max_lifetime: Duration,
    },
    /// By use: what leaks, leaks per use.
    UsageBased {
        /// How often a connection is lent. A thousand times is usual. It may be lent more often by
        /// what it is in two reviews, a tenth of a second in a busy pool, and as much again for each
        /// turn that it waits for.
        max_borrows: u64,
    },
    /// By time, which runs faster for a connection with errors: in proportion to how far its rate of
    /// errors is above the threshold for certain, up to ten times.
    Adaptive {
        /// How long a connection without errors is kept. An hour is usual.
        base_lifetime: Duration,
        /// Errors per use up to which a connection counts as one without; above 0, up to 1. 0.05 is
        /// usual.
        error_threshold: f64,
    },
}

impl Default for AgeingPolicy {
    /// Time, an hour.
    fn default() -> Self {
        Self::TimeBased {
            max_lifetime: Duration::from_secs(3600),
        }
    }
}

/// Builds an [`Ageing`].
#[derive(Clone, Copy, Debug)]
pub struct AgeingBuilder {
    pub(super) mode: Mode,
    pub(super) policy: AgeingPolicy,
    pub(super) jitter: f64,
    pub(super) seed: u64,
    pub(super) warn_at: f64,
    pub(super) at_a_time: usize,
}

impl AgeingBuilder {
    pub(super) fn new() -> Self {
        Self {
            mode: Mode::Off,
            policy: AgeingPolicy::default(),
            jitter: 0.1,
            seed: 0,
            warn_at: 0.8,
            at_a_time: 2,
        }
    }

    /// Whether it acts. Default off.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// By what a connection grows old. Default an hour.
    #[must_use]
    pub const fn policy(mut self, policy: AgeingPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// By up to which part of its life a connection is replaced earlier, 0 to 0.5. Default 0.1: a
    /// cohort of a hundred with an hour to live ends within six minutes instead of at once.
    #[must_use]
    pub const fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// What the differences between connections are derived from. Pools of several processes are
    /// best given different ones. Default 0.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// At which part of its life a connection is told to be nearly old, above 0, up to 1. Default
    /// 0.8.
    #[must_use]
    pub const fn warn_at(mut self, part: f64) -> Self {
        self.warn_at = part;
        self
    }

    /// How many replacements may be under way, 1 to 64. Default 2: nothing is urgent about age. A
    /// successor is opened first only if the pool's maximum leaves room for it, so a pool should have
    /// room for as many.
    #[must_use]
    pub const fn at_a_time(mut self, most: usize) -> Self {
        self.at_a_time = most;
        self
    }

    /// The part, or everything that is wrong with its settings.
    ///
    /// # Errors
    ///
    /// Says which settings cannot be.
    pub fn build(self) -> Result<Ageing, ConfigError> {
        let mut problems = Problems::of("ageing");
        match self.policy {
            AgeingPolicy::TimeBased { max_lifetime } => {
                problems.time("max_lifetime", max_lifetime);
            }
            AgeingPolicy::UsageBased { max_borrows } => {
                problems.check(max_borrows == 0, || {
                    "max_borrows is 0; a connection must be lent at least once".to_owned()
                });
            }
            AgeingPolicy::Adaptive {
                base_lifetime,
                error_threshold,
            } => {
                problems.time("base_lifetime", base_lifetime);
                problems.share("error_threshold", error_threshold);
            }
        }
        problems.within("jitter", self.jitter, 0.0..=0.5);
        problems.share("warn_at", self.warn_at);
        problems.within("at_a_time", self.at_a_time, 1..=64);
        problems.result()?;
        Ok(Ageing::new(self))
    }

    /// By which part of its life this connection is replaced earlier: always the same for the same.
    pub(super) fn jitter_of(&self, connection: Candidate) -> f64 {
        let mut rng = Rng::with_seed(self.seed ^ connection.connection.rotate_left(32));
        self.jitter * rng.f64()
    }
}
