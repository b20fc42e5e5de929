//! When a breaker goes from which state to which.

use std::time::Duration;

use super::Breaker;
use super::tally::{FailureClass, Tally};
use super::transition::Transition;
use crate::confidence::{Bounds, to_float};

/// After how many opening times a doubling makes no difference.
const MAX_DOUBLINGS: u32 = 30;
/// How often checks may have misled before more make no difference.
const MAX_MISLED: u32 = 8;

/// A [`Circuit`](super::Circuit) with what it has to remember. Times are those of
/// [`Monotone`](crate::monotone::Monotone).
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Closed,
    Degraded {
        /// Too many calls fail.
        failing: bool,
        /// Too many replies are slow.
        slow: bool,
    },
    Open {
        until: Duration,
    },
    Probing {
        left: u32,
        /// When as many are granted again.
        again: Duration,
        /// Checks led here, not time.
        early: bool,
    },
    Ramp {
        since: Duration,
        early: bool,
    },
}

impl Breaker {
    pub(super) fn judge(&mut self, latest: &Tally) {
        match self.phase {
            Phase::Open { .. } => {}
            Phase::Probing { early, .. } => self.judge_probes(early, latest),
            Phase::Ramp { early, .. } => {
                if self.is_dead(latest) {
                    self.open(early);
                }
            }
            Phase::Closed | Phase::Degraded { .. } => {
                if self.is_dead(latest) {
                    self.open(false);
                } else {
                    self.grade();
                }
            }
        }
    }

    fn judge_probes(&mut self, early: bool, latest: &Tally) {
        let failed = self.window.sum().failures() >= u64::from(self.settings.probes);
        let answered = latest.replies() > 0;
        if self.is_dead(latest) || failed && !answered {
            self.open(early);
        } else if answered {
            let since = self.time.now();
            self.phase = Phase::Ramp { since, early };
        }
    }

    /// Whether the latest calls, however many buckets of them, were nearly all failures.
    fn is_dead(&self, latest: &Tally) -> bool {
        // Successes alone make no rate rise.
        if latest.failures() == 0 {
            return false;
        }
        let nearly_all = |sum: Tally| {
            sum.calls() >= self.settings.min_calls
                && self.failure_rate(&sum).lower > self.settings.open
        };
        self.window.suffixes().any(nearly_all)
    }

    /// Goes between `Closed` and `Degraded`, if that is certain.
    fn grade(&mut self) {
        let (was_failing, was_slow) = match self.phase {
            Phase::Degraded { failing, slow } => (failing, slow),
            _ => (false, false),
        };
        let set = &self.settings;
        let sum = self.window.sum();
        let enough = |count| count >= set.min_calls;
        let failing = match was_failing {
            true => self.failure_rate(&sum).upper >= set.recover,
            false => enough(sum.calls()) && self.failure_rate(&sum).lower > set.degrade,
        };
        let slow = match was_slow {
            true => self.slow_share(&sum).upper >= set.slow_recover,
            false => enough(sum.replies()) && self.slow_share(&sum).lower > set.slow_degrade,
        };
        self.enter(match failing || slow {
            true => Phase::Degraded { failing, slow },
            false => Phase::Closed,
        });
    }

    fn open(&mut self, early: bool) {
        if early {
            self.misled = (self.misled + 1).min(MAX_MISLED);
        }
        let set = &self.settings;
        let doublings = self.opened.min(MAX_DOUBLINGS);
        let whole = set.open_initial.saturating_mul(1 << doublings);
        let whole = whole.min(set.open_max);
        let length = whole.mul_f64(0.5 + self.chance.f64() / 2.0);
        self.opened = self.opened.saturating_add(1);
        self.passed = 0;
        self.epoch = self.epoch.wrapping_add(1);
        let until = self.time.now().saturating_add(length);
        self.enter(Phase::Open { until });
    }

    /// Half open.
    pub(super) fn probe(&mut self, early: bool) {
        self.epoch = self.epoch.wrapping_add(1);
        self.window.clear();
        self.grant(early);
    }

    pub(super) fn grant(&mut self, early: bool) {
        let again = self.time.now().saturating_add(self.settings.probe_patience);
        let left = self.settings.probes;
        self.enter(Phase::Probing { left, again, early });
    }

    /// The ramp is over.
    pub(super) fn recover(&mut self) {
        self.opened = 0;
        self.misled = 0;
        self.grade();
    }

    fn enter(&mut self, phase: Phase) {
        let from = self.circuit();
        self.phase = phase;
        let to = self.circuit();
        if from == to {
            return;
        }
        self.counters.entered[to.index()] += 1;
        let cause = self.window.sum().foremost();
        self.log.push(Transition {
            at: self.time.told(),
            from,
            to,
            cause,
        });
    }

    pub(super) fn failure_rate(&self, sum: &Tally) -> Bounds {
        Bounds::wilson(sum.failures(), sum.calls(), self.settings.doubt)
    }

    pub(super) fn slow_share(&self, sum: &Tally) -> Bounds {
        let slow = sum.of(FailureClass::Slow);
        Bounds::wilson(slow, sum.replies(), self.settings.doubt)
    }

    /// The share of calls that is worth making.
    pub(super) fn worthwhile(&self) -> f64 {
        let sum = self.window.sum();
        let calls = to_float(sum.calls());
        let wanted = self.settings.multiplier * to_float(sum.replies());
        1.0 - ((calls - wanted) / (calls + 1.0)).clamp(0.0, 1.0)
    }

    pub(super) fn ramped(&self, since: Duration) -> f64 {
        let done = self.time.now().saturating_sub(since);
        let part = match self.settings.ramp.is_zero() {
            true => 1.0,
            false => done.div_duration_f64(self.settings.ramp).min(1.0),
        };
        let start = self.settings.ramp_start;
        start + (1.0 - start) * part
    }
}
