//! What can be set about a breaker, checked as a whole.

use std::time::Duration;

use super::tally::{CLASSES, FailureClass};
use super::{Breaker, MAX_OPEN_TIME};
use crate::ConfigError;
use pool_core::Problems;

/// Longest window and longest ramp: what is older says nothing of now.
const MAX_SPAN: Duration = Duration::from_secs(3600);

/// The settings, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) window: Duration,
    pub(crate) min_calls: u64,
    pub(crate) doubt: f64,
    pub(crate) recover: f64,
    pub(crate) degrade: f64,
    pub(crate) open: f64,
    pub(crate) multiplier: f64,
    pub(crate) slow_above: Option<Duration>,
    pub(crate) slow_recover: f64,
    pub(crate) slow_degrade: f64,
    pub(crate) slow_share: f64,
    pub(crate) open_initial: Duration,
    pub(crate) open_max: Duration,
    pub(crate) probes: u32,
    pub(crate) probe_patience: Duration,
    pub(crate) ramp: Duration,
    pub(crate) ramp_start: f64,
    pub(crate) counts: [bool; CLASSES],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            min_calls: 10,
            doubt: 1.96,
            recover: 0.3,
            degrade: 0.5,
            open: 0.9,
            multiplier: 4.0,
            slow_above: None,
            slow_recover: 0.3,
            slow_degrade: 0.5,
            slow_share: 0.5,
            open_initial: Duration::from_secs(1),
            open_max: Duration::from_secs(4),
            probes: 5,
            probe_patience: Duration::from_secs(2),
            ramp: Duration::from_secs(10),
            ramp_start: 0.1,
            counts: [true; CLASSES],
        }
    }
}

/// A breaker in the making. From [`Breaker::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is made before `build` is called"]
pub struct BreakerBuilder {
    settings: Settings,
    seed: u64,
}

impl BreakerBuilder {
    /// How far back calls count. Default 10 s: long enough for a thousand calls at 100 per second,
    /// short enough that a server that is well again is known to be within that time. A twentieth
    /// of it is what ages are known to.
    pub const fn window(mut self, window: Duration) -> Self {
        self.settings.window = window;
        self
    }

    /// How few calls within the window say nothing at all. Default 10: nine failures among ten
    /// calls are needed then to degrade, which a server that fails three times in ten shows in one
    /// of 7,000 such windows; half as many calls would do so in one of 400.
    pub const fn min_calls(mut self, calls: u64) -> Self {
        self.settings.min_calls = calls;
        self
    }

    /// How many standard errors the bounds of a rate lie off. Default 1.96, which is 95 %. With 0
    /// the quotient itself decides.
    pub const fn doubt(mut self, standard_errors: f64) -> Self {
        self.settings.doubt = standard_errors;
        self
    }

    /// The failure rates below which a degraded breaker closes (upper bound), above which it
    /// degrades, and above which it opens (lower bounds). Default 0.3, 0.5, 0.9.
    ///
    /// Opening costs whatever would have succeeded, so it is for a server that is as good as dead:
    /// of one that fails seven calls in ten, three in ten are worth having. The gap between the
    /// first two is what keeps a rate that wavers from making the breaker go to and fro: one that
    /// wavers around 0.4 by 0.1 makes it change its state once in two minutes, with a gap from 0.4 to
    /// 0.5 twice as often. A server that fails three calls in ten and was worse before is
    /// called degraded still, but gets all calls.
    pub const fn thresholds(mut self, recover: f64, degrade: f64, open: f64) -> Self {
        self.settings.recover = recover;
        self.settings.degrade = degrade;
        self.settings.open = open;
        self
    }

    /// How many calls are sent for each that succeeds while degraded. Default 4: as long as one
    /// call in four succeeds all are let in, and below that a share of four times the rate of
    /// success. The book on site reliability has 2, for servers that fail because they are asked
    /// too much; of one that fails seven calls in ten for other reasons that would give away four
    /// in ten of the successes to be had.
    pub const fn multiplier(mut self, calls_per_success: f64) -> Self {
        self.settings.multiplier = calls_per_success;
        self
    }

    /// Counts replies that took longer as slow, where calls are recorded one by one. Default: none
    /// is. What is slow depends on what is asked.
    pub const fn slow_above(mut self, limit: Duration) -> Self {
        self.settings.slow_above = Some(limit);
        self
    }

    /// The shares of slow replies below which (upper bound) and above which (lower bound) slowness
    /// ends and begins to degrade the breaker. Default 0.3, 0.5. However slow, it never opens for
    /// that: a late reply is one.
    pub const fn slow_thresholds(mut self, recover: f64, degrade: f64) -> Self {
        self.settings.slow_recover = recover;
        self.settings.slow_degrade = degrade;
        self
    }

    /// The share of calls let in while slowness degrades the breaker. Default 0.5: if load is the
    /// cause, half of it shows.
    pub const fn slow_admission(mut self, share: f64) -> Self {
        self.settings.slow_share = share;
        self
    }

    /// How long the breaker stays open at first, and at most; doubling in between each time that a
    /// server was not well yet, and each drawn from the upper half. Default 1 s and 4 s, the second
    /// at most 300 s.
    ///
    /// Four seconds and a ramp of ten are together less than one and a half ramps: however long an
    /// outage was, the breaker adds no more. Meanwhile a dead server gets five calls every few
    /// seconds. Where many processes share a server, more is kinder; checks that pass cut it short.
    pub const fn open_time(mut self, initial: Duration, max: Duration) -> Self {
        self.settings.open_initial = initial;
        self.settings.open_max = max;
        self
    }

    /// How many calls are let in to find out whether the server is well again, before the first has
    /// succeeded; when all have failed the breaker opens again. Default 5: a server that fails
    /// seven calls in ten is taken for dead in one of six cases, for a few seconds.
    pub const fn probes(mut self, calls: u32) -> Self {
        self.settings.probes = calls;
        self
    }

    /// After how long without news as many calls are let in again: those before may have been
    /// cancelled. Default 2 s.
    pub const fn probe_patience(mut self, patience: Duration) -> Self {
        self.settings.probe_patience = patience;
        self
    }

    /// How long it takes from the first success to all calls, and from which share on. Default 10 s
    /// from 0.1, evenly.
    pub const fn ramp(mut self, length: Duration, start: f64) -> Self {
        self.settings.ramp = length;
        self.settings.ramp_start = start;
        self
    }

    /// Whether failures of this class count. Default: all do; replies are slow only above a limit
    /// that is set. One that does not count is no success either, but for a slow reply.
    pub const fn counts(mut self, class: FailureClass, counts: bool) -> Self {
        self.settings.counts[class.index()] = counts;
        self
    }

    /// Where chance begins. Default 0.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A closed breaker.
    ///
    /// # Errors
    ///
    /// All settings that make no sense.
    pub fn build(self) -> Result<Breaker, ConfigError> {
        let mut problems = Problems::of("breaker");
        self.settings.check_rates(&mut problems);
        self.settings.check_slowness(&mut problems);
        self.settings.check_times(&mut problems);
        self.settings.check_counts(&mut problems);
        problems.result()?;
        Ok(Breaker::new(self.settings, self.seed))
    }
}

impl Settings {
    fn check_rates(&self, problems: &mut Problems) {
        let (recover, degrade, open) = (self.recover, self.degrade, self.open);
        let rising = 0.0 < recover && recover < degrade && degrade < open && open < 1.0;
        problems.check(!rising, || {
            format!(
                "thresholds {recover}, {degrade}, {open} must rise between 0 and 1: recover below \
                 degrade below open"
            )
        });
        problems.within("doubt", self.doubt, 0.0..=10.0);
    }

    fn check_slowness(&self, problems: &mut Problems) {
        let (recover, degrade, share) = (self.slow_recover, self.slow_degrade, self.slow_share);
        let rising = 0.0 < recover && recover < degrade && degrade < 1.0;
        problems.check(!rising, || {
            format!(
                "slow_thresholds {recover}, {degrade} must rise between 0 and 1: recover below \
                 degrade"
            )
        });
        problems.check(!(share > 0.0 && share <= 1.0), || {
            format!(
                "slow_admission {share} must be above 0, or no reply would ever show that it is \
                 over, and at most 1"
            )
        });
        problems.check(self.slow_above == Some(Duration::ZERO), || {
            "slow_above 0 would make every reply slow; leave it out".to_owned()
        });
    }

    fn check_times(&self, problems: &mut Problems) {
        const LEAST: Duration = Duration::from_millis(1);
        problems.span("window", self.window, LEAST * 20..=MAX_SPAN);
        problems.span("ramp", self.ramp, Duration::ZERO..=MAX_SPAN);
        let (initial, max) = (self.open_initial, self.open_max);
        problems.check(
            initial < LEAST || initial > max || max > MAX_OPEN_TIME,
            || {
                format!(
                    "open_time {initial:?}, {max:?} must be at least 1 ms, at most 300 s, and rise"
                )
            },
        );
        problems.span("probe_patience", self.probe_patience, LEAST..=MAX_OPEN_TIME);
    }

    fn check_counts(&self, problems: &mut Problems) {
        problems.within("probes", self.probes, 1..=1000);
        let multiplier = self.multiplier;
        problems.check(!(multiplier.is_finite() && multiplier > 1.0), || {
            format!(
                "multiplier {multiplier} must be above 1, or calls would be refused for one failure"
            )
        });
        problems.share("ramp start", self.ramp_start);
    }
}
