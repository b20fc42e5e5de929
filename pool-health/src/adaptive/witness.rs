//! What a breaker is told.
//!
//! A breaker judges an endpoint by what its calls come to, and the pool sees no calls. What it sees
//! are replies, where an adapter writes vital signs, and leases where none does: of each connection
//! the one or the other is counted, never both. Connects and checks count as well; a check goes
//! through whatever the breaker says, and so may end its open time early.

use std::sync::Arc;
use std::time::Duration;

use pool_core::{Candidate, CloseReason, ErrorClass, Orders, Pulse, Subject};

use super::part::{Part, Round};
use crate::slots::Slots;
use crate::{BreakerGate, FailureClass, Tally};

/// Tells a breaker what happens to the connections of its pool.
#[derive(Debug)]
pub(super) struct Witness {
    gate: Arc<BreakerGate>,
    slow_above: Option<Duration>,
    known: Slots<Known>,
}

/// What was told of a connection.
#[derive(Debug, Default)]
struct Known {
    uses: u64,
    pulse: Pulse,
    /// Its silence was told.
    silent: bool,
}

impl Known {
    /// Whether its adapter writes vital signs.
    fn speaks(&self) -> bool {
        self.pulse.heard.is_some()
    }
}

/// The classes of errors that a breaker hears of.
const FAULTS: [ErrorClass; 3] = [
    ErrorClass::Connection,
    ErrorClass::Endpoint,
    ErrorClass::Permanent,
];

impl Witness {
    pub(super) fn new(gate: Arc<BreakerGate>, slow_above: Option<Duration>) -> Self {
        Self {
            gate,
            slow_above,
            known: Slots::default(),
        }
    }

    /// What has happened to a connection since it was looked at last.
    fn news(&mut self, subject: &Subject) -> Tally {
        let slow_above = self.slow_above;
        let known = self.known.of(subject.connection);
        let (before, pulse) = (known.pulse, subject.pulse);
        let uses = subject.uses.saturating_sub(known.uses);
        (known.uses, known.pulse) = (subject.uses, pulse);
        if !known.speaks() {
            return Tally::successes(uses);
        }
        let mut news = Tally::default();
        for class in FAULTS {
            let count = pulse
                .errors
                .of(class)
                .saturating_sub(before.errors.of(class));
            if let Some(class) = FailureClass::of(class) {
                news = news.and(class, u64::from(count));
            }
        }
        // A reply that says what failed is one.
        let replies = pulse.answered.saturating_sub(before.answered);
        let good = replies.saturating_sub(news.failures());
        // Only the last reply's time is known; it stands for those before it.
        let slow = slow_above.is_some_and(|limit| pulse.reply_took > limit);
        match slow {
            true => news.and(FailureClass::Slow, good),
            false => news.and_good(good),
        }
    }

    /// Whether a reply that is suspiciously late has not been told yet.
    fn is_newly_silent(&mut self, subject: &Subject) -> bool {
        let silent = subject.quarantined && subject.pulse.waiting_since.is_some();
        let known = self.known.of(subject.connection);
        silent && !std::mem::replace(&mut known.silent, silent)
    }
}

impl Part for Witness {
    fn review(&mut self, round: &Round<'_>, orders: &mut Orders) -> Option<Duration> {
        let mut news = Tally::default();
        for subject in round.subjects {
            news.add(&self.news(subject));
            if self.is_newly_silent(subject) {
                news = news.and(FailureClass::Timeout, 1);
            }
            if !subject.quarantined {
                self.known.of(subject.connection).silent = false;
            }
        }
        if news.calls() > 0 {
            self.gate.evidence(round.now, &news);
        }
        self.gate.review(round.now, orders)
    }

    fn checked(&mut self, now: Duration, _: Candidate, _: Duration, passed: bool) {
        let ended = if passed {
            Ok(())
        } else {
            Err(FailureClass::Timeout)
        };
        self.gate.checked(now, ended);
    }

    fn connected(&mut self, now: Duration, _: Duration, outcome: Result<Candidate, ErrorClass>) {
        let ended = match outcome {
            Ok(_) => Ok(()),
            Err(class) => Err(FailureClass::of(class).unwrap_or(FailureClass::Refused)),
        };
        self.gate.evidence(now, &Tally::one(ended));
    }

    fn closed(&mut self, now: Duration, connection: Candidate, reason: CloseReason) {
        let speaks = self
            .known
            .known(connection)
            .is_some_and(|known| known.speaks());
        if reason == CloseReason::Broken && !speaks {
            self.gate
                .evidence(now, &Tally::one(Err(FailureClass::Refused)));
        }
    }
}
