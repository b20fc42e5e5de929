//! Parts that are plugged in.

use std::fmt;
use std::time::Duration;

use pool_core::{Candidate, CloseReason, ErrorClass, Orders, Subject};

use crate::HealthStatistics;
use crate::score::Score;
use crate::silence::{Silence, Stage};
use crate::slots::Slots;

/// A further part of an [`AdaptiveHealth`](crate::AdaptiveHealth): ageing, trend, a breaker.
///
/// It shares the review, the [scores](Score) and the lock of the others, so that a connection that
/// is suspected here is not replaced there. Whether it acts, its [`Mode`](crate::Mode), is its own
/// affair. Nothing here runs while a connection is taken or given back.
pub trait Part: Send + fmt::Debug + 'static {
    /// Whether it wants to be asked. One that does not is left out when the policy is built. Default:
    /// it does.
    fn is_asked(&self) -> bool {
        true
    }

    /// Looks at all open connections. Returns when to be asked again at the latest, from now.
    fn review(&mut self, round: &Round<'_>, orders: &mut Orders) -> Option<Duration>;

    /// A check has ended.
    fn checked(&mut self, now: Duration, connection: Candidate, took: Duration, passed: bool) {
        let _ = (now, connection, took, passed);
    }

    /// A connect has ended.
    fn connected(&mut self, now: Duration, took: Duration, outcome: Result<Candidate, ErrorClass>) {
        let _ = (now, took, outcome);
    }

    /// A connection is being closed.
    fn closed(&mut self, now: Duration, last: &Subject, reason: CloseReason) {
        let _ = (now, last, reason);
    }

    /// Adds what it counted.
    fn count(&self, statistics: &mut HealthStatistics) {
        let _ = statistics;
    }
}

/// What a part sees in a review.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// The time, from the origin of the pool's coarse clock.
    pub now: Duration,
    /// All open connections, in the order of their slots.
    pub subjects: &'a [Subject],
    pub(super) scores: &'a Slots<Score>,
    pub(super) silence: &'a Silence,
}

impl Round<'_> {
    /// How well a connection does.
    #[must_use]
    pub fn score(&self, connection: Candidate) -> Score {
        self.scores.look(connection).copied().unwrap_or_default()
    }

    /// Whether it owes a reply for suspiciously long. Never, if suspicion is off.
    #[must_use]
    pub fn is_silent(&self, connection: Candidate) -> bool {
        self.silence.stage(connection) != Stage::Fine
    }
}
