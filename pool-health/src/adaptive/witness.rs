//! What a breaker is told.
//!
//! A breaker judges an endpoint by what its calls come to, and the pool sees no calls. What it sees
//! are replies, where an adapter writes vital signs, and leases where none does: of each connection
//! the one or the other is counted, never both. Connects and checks count as well; they go through
//! whatever the breaker says, and so may end its open time early.
//!
//! | a call that | connections with vital signs | those without |
//! | --- | --- | --- |
//! | succeeds | a reply | a lease that ends and leaves the connection open |
//! | fails | an error that is not the request's fault | the same, or a lease after which the connection is broken |
//! | is late | a silence that is suspicious | |
//!
//! No call counts twice. The reply that ends a silence, or that an adapter notes for a check, was
//! told of before it showed in the vital signs, and so was the error of a check that failed.

use std::sync::Arc;
use std::time::Duration;

use pool_core::{Candidate, CloseReason, ErrorClass, Orders, Place, Pulse, Subject};

use super::part::{Part, Round};
use super::suspicion::errors_of;
use crate::breaker::last_lease;
use crate::slots::Slots;
use crate::{Breaker, BreakerGate, FailureClass, HealthStatistics, Mode, Tally};

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
    /// Leases that have ended.
    leases: u64,
    pulse: Pulse,
    /// It is silent, and that was told.
    silent: bool,
    /// Calls whose end was told and does not show in the vital signs yet.
    ahead: u64,
}

/// The classes of errors that a breaker hears of.
const FAULTS: [ErrorClass; 3] = [
    ErrorClass::Connection,
    ErrorClass::Endpoint,
    ErrorClass::Permanent,
];

impl Known {
    /// Whether its adapter writes vital signs.
    const fn speaks(&self) -> bool {
        self.pulse.heard.is_some() || self.pulse.outstanding > 0
    }

    /// Leases that have ended since the last look.
    fn leases(&mut self, subject: &Subject) -> u64 {
        let under_way = u64::from(subject.place == Place::Leased);
        let ended = subject.uses.saturating_sub(under_way);
        let before = self.leases;
        self.leases = before.max(ended);
        self.leases - before
    }

    /// The errors in its vital signs since the last look, which they were `before`: those that were
    /// not told of, and how many there were in all.
    fn errors(&mut self, before: &Pulse) -> (Tally, u64) {
        let mut news = Tally::default();
        let mut all = 0;
        for class in FAULTS {
            let count = self.pulse.errors.of(class);
            let count = u64::from(count.saturating_sub(before.errors.of(class)));
            all += count;
            if let Some(class) = FailureClass::of(class) {
                news = news.and(class, self.untold(count));
            }
        }
        (news, all)
    }

    /// How many replies came since the last look that were not told of, `failed` ones excepted.
    fn replies(&mut self, before: &Pulse, failed: u64) -> u64 {
        let replies = self.pulse.answered.saturating_sub(before.answered);
        // A reply that says what failed is one.
        let good = self.untold(replies.saturating_sub(failed));
        if self.pulse.outstanding == 0 {
            // What does not show by now never will: not all adapters note their checks.
            self.ahead = 0;
        }
        good
    }

    /// How many of so many ends of calls have not been told of.
    fn untold(&mut self, ends: u64) -> u64 {
        let told = self.ahead.min(ends);
        self.ahead -= told;
        ends - told
    }
}

impl Witness {
    pub(super) fn new(breaker: Breaker, mode: Mode) -> Self {
        Self {
            slow_above: breaker.slow_above(),
            gate: Arc::new(BreakerGate::new(breaker, mode).count_ends(false)),
            known: Slots::default(),
        }
    }

    pub(super) fn gate(&self) -> Arc<BreakerGate> {
        Arc::clone(&self.gate)
    }

    /// What has happened to a connection since it was looked at last.
    fn news(&mut self, subject: &Subject) -> Tally {
        let known = self.known.of(subject.connection);
        let before = std::mem::replace(&mut known.pulse, subject.pulse);
        let leases = known.leases(subject);
        let (news, failed) = known.errors(&before);
        if !known.speaks() {
            // The leases they befell end later.
            known.ahead += news.failures();
            return news.and_good(known.untold(leases));
        }
        let good = known.replies(&before, failed);
        // Only the last reply's time is known; it stands for those before it.
        let took = subject.pulse.reply_took;
        match self.slow_above.is_some_and(|limit| took > limit) {
            true => news.and(FailureClass::Slow, good),
            false => news.and_good(good),
        }
    }

    /// What the end of a connection says, and what happened before it.
    fn last_news(&mut self, last: &Subject, reason: CloseReason) -> Tally {
        let mut news = self.news(last);
        // Whoever did not wait for a reply says nothing, and errors were told of.
        let failed = match reason {
            CloseReason::Broken => last.pulse.outstanding == 0 && errors_of(last) == 0,
            CloseReason::ResetFailed => news.failures() == 0,
            _ => false,
        };
        let speaks = self.known.of(last.connection).speaks();
        if !speaks && !matches!(last_lease(reason), Some(Ok(()))) {
            // The lease that ended with it is no success.
            news = news.less_good(1);
        }
        news.and(FailureClass::Refused, u64::from(failed))
    }

    fn tell(&self, now: Duration, news: &Tally) {
        if news.calls() > 0 {
            self.gate.evidence(now, news);
        }
    }
}

impl Part for Witness {
    fn review(&mut self, round: &Round<'_>, orders: &mut Orders) -> Option<Duration> {
        let mut news = Tally::default();
        for subject in round.subjects {
            news.add(&self.news(subject));
            let known = self.known.of(subject.connection);
            let silent = round.is_silent(subject.connection);
            if silent && !known.silent {
                known.ahead += 1;
                news = news.and(FailureClass::Timeout, 1);
            }
            known.silent = silent;
        }
        self.tell(round.now, &news);
        self.gate.review(round.now, orders)
    }

    fn checked(&mut self, now: Duration, connection: Candidate, _: Duration, passed: bool) {
        if let Some(known) = self.known.known(connection)
            && known.speaks()
        {
            known.ahead += 1;
        }
        let ended = match passed {
            true => Ok(()),
            false => Err(FailureClass::Timeout),
        };
        self.gate.checked(now, ended);
    }

    fn connected(&mut self, now: Duration, _: Duration, outcome: Result<Candidate, ErrorClass>) {
        let class = |class| FailureClass::of(class).unwrap_or(FailureClass::Refused);
        self.gate.checked(now, outcome.map(drop).map_err(class));
    }

    fn closed(&mut self, now: Duration, last: &Subject, reason: CloseReason) {
        let news = self.last_news(last, reason);
        self.tell(now, &news);
    }

    fn count(&self, statistics: &mut HealthStatistics) {
        statistics.breaker = Some(self.gate.snapshot());
    }
}
