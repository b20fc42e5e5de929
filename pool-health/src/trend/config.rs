//! What counts as a trend.

use std::time::Duration;

use super::line::Demands;
use crate::ConfigError;
use pool_core::Problems;

/// What counts as a trend of a score. Made by [`TrendConfig::builder`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrendConfig {
    threshold: f64,
    least_drop: f64,
    significance: f64,
    horizon: Duration,
    window: Duration,
    spacing: Duration,
    looks: u32,
}

impl Default for TrendConfig {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            least_drop: 0.15,
            significance: 5.0,
            horizon: Duration::from_secs(600),
            window: Duration::from_secs(1200),
            spacing: Duration::from_secs(4),
            looks: 3,
        }
    }
}

impl TrendConfig {
    /// Starts from the defaults.
    #[must_use]
    pub fn builder() -> TrendBuilder {
        TrendBuilder(Self::default())
    }

    /// The longest gap between samples that a series survives, and the age of its oldest.
    pub(super) const fn window(&self) -> Duration {
        self.window
    }

    /// Samples closer together than this become one.
    pub(super) const fn spacing(&self) -> Duration {
        self.spacing
    }

    /// How many looks in a row must agree.
    pub(super) const fn looks(&self) -> u32 {
        self.looks
    }

    pub(super) fn threshold(&self) -> f64 {
        self.threshold
    }

    pub(super) fn demands(&self) -> Demands {
        Demands {
            threshold: self.threshold(),
            drop: self.least_drop,
            significance: self.significance,
            horizon: self.horizon.as_secs_f64(),
            oldest: self.window.as_secs_f64(),
        }
    }
}

/// Builds a [`TrendConfig`].
#[derive(Clone, Copy, Debug)]
pub struct TrendBuilder(TrendConfig);

impl TrendBuilder {
    /// At which score a connection counts as failed; between 0 and 1, ends excluded. Default 0.5:
    /// as many requests fail as succeed, or each takes several times as long as it should.
    #[must_use]
    pub const fn threshold(mut self, score: f64) -> Self {
        self.0.threshold = score;
        self
    }

    /// By how much a score must have fallen, between 0.01 and 1, before a fall matters. Default 0.15:
    /// five standard deviations of a score with usual noise. A connection whose score was never that
    /// much above the threshold is never predicted to fail; what is known of it is in its score.
    #[must_use]
    pub const fn least_drop(mut self, drop: f64) -> Self {
        self.0.least_drop = drop;
        self
    }

    /// How many standard errors a slope must be away from none, between 2 and 50. Default 5: each
    /// series is looked at 240 times in 20 minutes, each time at five lengths, and of thousands of
    /// healthy ones hardly any may ever seem to fall.
    #[must_use]
    pub const fn significance(mut self, standard_errors: f64) -> Self {
        self.0.significance = standard_errors;
        self
    }

    /// Within which time the threshold must be reached. Default 10 minutes: what is further away
    /// than that may well turn.
    #[must_use]
    pub const fn horizon(mut self, horizon: Duration) -> Self {
        self.0.horizon = horizon;
        self
    }

    /// How old a sample may be, and how long a series may go without one. Default 20 minutes: 16
    /// samples, the least that show a trend, a minute apart.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.0.window = window;
        self
    }

    /// Samples that come within this time of the first become one, their mean. Default 4 s: 64 of
    /// them span the minutes that a trend takes, however busy a connection is.
    #[must_use]
    pub const fn spacing(mut self, spacing: Duration) -> Self {
        self.0.spacing = spacing;
        self
    }

    /// How many looks in a row must agree that a score falls, or does so no more; 1 to 16. Default 3.
    #[must_use]
    pub const fn looks(mut self, looks: u32) -> Self {
        self.0.looks = looks;
        self
    }

    /// The settings, or everything that is wrong with them.
    ///
    /// # Errors
    ///
    /// Says which settings cannot be.
    pub fn build(self) -> Result<TrendConfig, ConfigError> {
        let cfg = self.0;
        let mut problems = Problems::of("trend");
        problems.check(!(cfg.threshold > 0.0 && cfg.threshold < 1.0), || {
            format!("threshold {} is not between 0 and 1", cfg.threshold)
        });
        problems.within("least_drop", cfg.least_drop, 0.01..=1.0);
        problems.check(cfg.least_drop > 1.0 - cfg.threshold, || {
            format!(
                "least_drop {} is more than the {} from a perfect score to the threshold; lower it",
                cfg.least_drop,
                1.0 - cfg.threshold
            )
        });
        problems.within("significance", cfg.significance, 2.0..=50.0);
        problems.time("horizon", cfg.horizon);
        problems.time("window", cfg.window);
        problems.time("spacing", cfg.spacing);
        problems.check(cfg.window / 16 < cfg.spacing, || {
            format!(
                "window {:?} has no room for 16 samples {:?} apart; lengthen it",
                cfg.window, cfg.spacing
            )
        });
        problems.within("looks", cfg.looks, 1..=16);
        problems.result()?;
        Ok(cfg)
    }
}
