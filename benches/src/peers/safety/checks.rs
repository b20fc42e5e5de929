//! What every scenario here notes and asks in the same words.

use std::time::Duration;

use crate::peers::backend::Backend;
use crate::peers::contestant::About;
use crate::peers::scenario::Outcome;
use crate::record::Better;

impl Outcome {
    /// Adds how many there were of something.
    pub(super) fn count(&mut self, metric: &'static str, better: Better, count: usize) {
        self.value(metric, "", better, as_number(count));
    }

    /// Adds how long something took; less is better.
    pub(super) fn took(&mut self, metric: &'static str, duration: Duration) {
        let millis = duration.as_secs_f64() * 1e3;
        self.value(metric, "ms", Better::Lower, millis);
    }

    /// Adds a fault, once.
    pub(super) fn fault(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.faults.contains(&what) {
            self.faults.push(what);
        }
    }

    /// Faults a pool whose acquires came back without a connection though their deadline was far off.
    pub(super) fn check_refused(&mut self, refused: usize) {
        if refused > 0 {
            self.fault("turned callers away long before their deadline");
        }
    }

    /// Faults a pool that ever had, or was about to have, more than `size` connections.
    pub(super) fn check_most(&mut self, backend: &Backend, size: usize) {
        if backend.most_alive().max(backend.most_connecting()) > size {
            self.fault("had more connections than its maximum");
        }
    }

    /// Adds how many of `size` connections could not `had` be, though nobody held any.
    pub(super) fn check_capacity(&mut self, had: usize, size: usize) {
        let lost = size.saturating_sub(had);
        self.count("capacity lost", Better::Lower, lost);
        if lost > 0 {
            self.stuck = true;
            self.fault(
                "lost capacity for good: nobody held a connection, and not all could be had",
            );
        }
    }
}

/// Whether a contestant is a pool whose callers wait as tasks, which all scenarios here are about.
pub(super) fn has_waiters(about: &About) -> bool {
    let lacks = about.lacks;
    !(lacks.waiting || lacks.asynchrony || lacks.limit)
}

/// A count as a number.
pub(super) fn as_number(count: usize) -> f64 {
    // Counts of a sample are far below 2^53.
    count as f64
}
