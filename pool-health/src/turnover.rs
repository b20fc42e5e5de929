//! How many connections may be replaced at a time.

use std::time::Duration;

use pool_core::Candidate;

use crate::monotone::Monotone;

/// How long a replacement may take before it counts as waiting for its holder instead of being
/// opened; longer than the pool gives a connect by default.
const PATIENCE: Duration = Duration::from_secs(60);

/// Replacements that were ordered and have not happened yet.
///
/// A policy that is wrong, or right about all connections at once, must not have them all opened
/// anew at once. One that is leased for an hour must not keep the others from being replaced
/// either: after a minute it is no longer counted, and may be ordered again.
#[derive(Debug)]
pub(crate) struct Turnover {
    most: usize,
    spacing: Duration,
    time: Monotone,
    under_way: Vec<(Candidate, Duration)>,
    last: Option<Duration>,
}

impl Turnover {
    /// At most `most` at a time, one each `spacing`.
    pub(crate) fn new(most: usize, spacing: Duration) -> Self {
        Self {
            most,
            spacing,
            time: Monotone::default(),
            under_way: Vec::new(),
            last: None,
        }
    }

    /// Takes those off the list that have happened, as their connections are open no more, or have
    /// taken too long. Returns the time, which never goes back.
    pub(crate) fn settle(
        &mut self,
        now: Duration,
        is_open: impl Fn(Candidate) -> bool,
    ) -> Duration {
        let now = self.time.advance(now);
        self.under_way
            .retain(|(connection, at)| now - *at < PATIENCE && is_open(*connection));
        now
    }

    /// Whether one more may be ordered.
    pub(crate) fn has_room(&self) -> bool {
        let rested = |last| self.time.now() - last >= self.spacing;
        self.under_way.len() < self.most && self.last.is_none_or(rested)
    }

    /// Whether the replacement of this one is under way.
    pub(crate) fn includes(&self, connection: Candidate) -> bool {
        self.under_way.iter().any(|(under, _)| *under == connection)
    }

    /// One more was ordered.
    pub(crate) fn begin(&mut self, connection: Candidate) {
        let now = self.time.now();
        self.under_way.push((connection, now));
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const fn at(slot: u32) -> Candidate {
        Candidate::new(slot, 1)
    }

    #[test]
    fn no_more_are_under_way_than_allowed() {
        let mut turnover = Turnover::new(2, Duration::ZERO);
        for slot in 0..2 {
            assert!(turnover.has_room());
            turnover.begin(at(slot));
        }
        assert!(!turnover.has_room());
        turnover.settle(SECOND, |connection| connection != at(0));
        assert!(turnover.has_room() && !turnover.includes(at(0)));
    }

    #[test]
    fn one_that_waits_for_its_holder_gives_way_after_a_minute() {
        let mut turnover = Turnover::new(1, Duration::ZERO);
        turnover.settle(SECOND, |_| true);
        turnover.begin(at(0));
        turnover.settle(SECOND * 60, |_| true);
        assert!(!turnover.has_room());
        turnover.settle(SECOND * 61, |_| true);
        assert!(turnover.has_room());
    }

    #[test]
    fn they_are_spaced_out_whatever_the_clock_does() {
        let mut turnover = Turnover::new(9, SECOND);
        turnover.settle(SECOND * 3600, |_| true);
        turnover.begin(at(0));
        assert!(!turnover.has_room());
        turnover.settle(SECOND, |_| true);
        assert!(!turnover.has_room());
        turnover.settle(SECOND * 2, |_| true);
        assert!(turnover.has_room());
    }
}
