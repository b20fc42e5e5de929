//! The parts behind their lock, and who is asked when.

use std::time::Duration;

use pool_core::{Candidate, CloseReason, ErrorClass, Orders, Place, Subject};

use super::builder::{AdaptiveHealthBuilder, Modes};
use super::part::{Part, Round};
use super::suspicion::{Desk, Suspicion, errors_of};
use crate::endpoint::Endpoint;
use crate::expectation::Estimate;
use crate::outbox::Outbox;
use crate::schedule::Schedule;
use crate::score::Score;
use crate::silence::Silence;
use crate::slots::Slots;
use crate::{HealthStatistics, Mode};

/// How often to look at a pool in which nothing is owed, and how long after it was used last it is
/// such a pool.
const QUIET: Duration = Duration::from_secs(1);

/// All that the lock guards.
#[derive(Debug)]
pub(super) struct Inner {
    modes: Modes,
    /// How often to look while something is owed.
    usual: Duration,
    scores: Slots<Score>,
    suspicion: Suspicion,
    schedule: Schedule,
    endpoint: Endpoint,
    parts: Vec<Box<dyn Part>>,
    open: u64,
    quarantined: u64,
    /// How long checks take.
    check: Estimate,
    checks: u64,
    checks_failed: u64,
}

impl Inner {
    pub(super) fn new(builder: AdaptiveHealthBuilder) -> Self {
        let chance = builder
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let silence = Silence::new(builder.silence);
        Self {
            modes: builder.modes,
            usual: builder.review,
            scores: Slots::default(),
            suspicion: Suspicion::new(builder.modes.suspicion, silence, builder.ejection),
            schedule: Schedule::new(builder.schedule, chance),
            endpoint: Endpoint::new(builder.endpoint),
            parts: builder.parts,
            open: 0,
            quarantined: 0,
            check: Estimate::default(),
            checks: 0,
            checks_failed: 0,
        }
    }

    /// Whether any part is asked.
    pub(super) fn is_asked(&self) -> bool {
        let modes = [
            self.modes.suspicion,
            self.modes.schedule,
            self.modes.endpoint,
        ];
        modes.into_iter().any(Mode::is_asked) || !self.parts.is_empty()
    }

    pub(super) fn review(
        &mut self,
        now: Duration,
        subjects: &[Subject],
        orders: &mut Orders,
    ) -> Option<Duration> {
        if !self.is_asked() {
            return None;
        }
        self.open = subjects.len() as u64;
        let quarantined = subjects.iter().filter(|subject| subject.quarantined);
        self.quarantined = quarantined.count() as u64;
        self.suspicion.silence.begin(now, self.usual);
        let sign = self.look(now, subjects, orders);
        if self.modes.endpoint.is_asked() {
            let mut out = Outbox::new(orders, "endpoint", self.modes.endpoint);
            self.endpoint.review(now, subjects, &mut out);
        }
        let check = self.plan(now, subjects, orders);
        let further = self.ask_parts(now, subjects, orders);
        let wanted = [sign, check, further].into_iter().flatten().min();
        let next = self.next(now, subjects, wanted);
        self.suspicion.silence.end(next);
        next
    }

    fn look(
        &mut self,
        now: Duration,
        subjects: &[Subject],
        orders: &mut Orders,
    ) -> Option<Duration> {
        let Modes {
            suspicion,
            endpoint,
            ..
        } = self.modes;
        let mut desk = Desk {
            scores: &mut self.scores,
            endpoint: &mut self.endpoint,
            accusing: suspicion.acts() || !endpoint.acts(),
            out: Outbox::new(orders, "suspicion", suspicion),
        };
        self.suspicion.review(now, subjects, &mut desk)
    }

    fn plan(
        &mut self,
        now: Duration,
        subjects: &[Subject],
        orders: &mut Orders,
    ) -> Option<Duration> {
        if !self.modes.schedule.is_asked() {
            return None;
        }
        let mut out = Outbox::new(orders, "schedule", self.modes.schedule);
        self.schedule
            .review(now, subjects, &self.scores, &mut out)
            // One that is due waits for room: until then there is nothing to see.
            .map(|due| due.max(self.usual))
    }

    fn ask_parts(
        &mut self,
        now: Duration,
        subjects: &[Subject],
        orders: &mut Orders,
    ) -> Option<Duration> {
        let round = Round {
            now,
            subjects,
            scores: &self.scores,
            silence: &self.suspicion.silence,
        };
        let asked = self.parts.iter_mut();
        asked.filter_map(|part| part.review(&round, orders)).min()
    }

    /// When to look again: soon while something is owed or was a moment ago, now and then while a
    /// request may go out any time, and otherwise when a part `wanted` to.
    fn next(
        &self,
        now: Duration,
        subjects: &[Subject],
        wanted: Option<Duration>,
    ) -> Option<Duration> {
        const LEAST: Duration = Duration::from_millis(10);
        let busy = subjects.iter().any(|subject| is_busy(now, subject));
        let leased = subjects.iter().any(|subject| subject.place != Place::Idle);
        let rest = match busy {
            true => Some(self.usual),
            false => (leased || wanted.is_some()).then_some(QUIET),
        };
        let (rest, wanted) = (rest?, wanted.unwrap_or(Duration::MAX));
        // What is wanted so soon after a look that there can be none in between is waited for.
        let next = match wanted < rest + LEAST {
            true => wanted,
            false => rest,
        };
        Some(next.max(LEAST))
    }

    pub(super) fn checked(
        &mut self,
        now: Duration,
        connection: Candidate,
        took: Duration,
        passed: bool,
    ) {
        self.checks += 1;
        self.checks_failed += u64::from(!passed);
        self.schedule.checked(connection);
        match passed {
            true => self.passed(now, connection, took),
            false => {
                let score = self.scores.known(connection);
                score.into_iter().for_each(|score| score.failed(now));
                let onset = now.saturating_sub(took);
                self.endpoint.failed(now, connection.connection, onset);
            }
        }
        for part in &mut self.parts {
            part.checked(now, connection, took, passed);
        }
    }

    fn passed(&mut self, now: Duration, connection: Candidate, took: Duration) {
        // What checks take is compared, not judged: no floor is needed.
        const FLOOR: f64 = 0.001;
        let expected = self.check.expectation(now, FLOOR);
        self.check.learn(now, took, FLOOR);
        if let Some(score) = self.scores.known(connection) {
            score.worked(now);
            let ratio = expected.map(|expected| expected.ratio(took));
            ratio.into_iter().for_each(|ratio| score.took(ratio));
        }
        self.suspicion.passed(connection);
        self.endpoint.refuted(connection.connection);
    }

    pub(super) fn connected(
        &mut self,
        now: Duration,
        took: Duration,
        outcome: Result<Candidate, ErrorClass>,
    ) {
        for part in &mut self.parts {
            part.connected(now, took, outcome);
        }
    }

    pub(super) fn closed(&mut self, now: Duration, last: &Subject, reason: CloseReason) {
        let number = last.connection.connection;
        let failed = match reason {
            CloseReason::Invalid | CloseReason::ResetFailed => true,
            CloseReason::Broken => self.suspicion.suspects(last) || !was_given_up(last),
            _ => false,
        };
        match failed {
            true => self.endpoint.failed(now, number, now),
            false => self.endpoint.refuted(number),
        }
        for part in &mut self.parts {
            part.closed(now, last, reason);
        }
    }

    pub(super) fn statistics(&self) -> HealthStatistics {
        let suspicion = &self.suspicion.counts;
        let schedule = &self.schedule.counts;
        let mut statistics = HealthStatistics {
            active_connections: self.open,
            quarantined_connections: self.quarantined,
            checks_performed: self.checks,
            checks_failed: self.checks_failed,
            checks_ordered: schedule.ordered,
            batches: schedule.batches,
            checks_sampled_out: schedule.sampled_out,
            suspected: suspicion.suspected,
            errors: suspicion.errors,
            released: suspicion.released,
            false_suspicions: suspicion.false_suspicions,
            condemned: suspicion.condemned,
            wrongly_condemned: suspicion.wrongly_condemned,
            withheld: suspicion.withheld,
            sweeps: self.endpoint.sweeps,
            flushes: self.endpoint.flushes,
            late_reviews: self.suspicion.silence.late(),
            ..HealthStatistics::default()
        };
        for part in &self.parts {
            part.count(&mut statistics);
        }
        statistics
    }
}

/// Whether its user did not wait for a reply that was not late, which says nothing about it.
fn was_given_up(last: &Subject) -> bool {
    last.pulse.outstanding > 0 && errors_of(last) == 0
}

/// Whether it owes something or was in use a moment ago.
fn is_busy(now: Duration, subject: &Subject) -> bool {
    let signs = [Some(subject.used), subject.pulse.heard];
    let last = signs.into_iter().flatten().max().unwrap_or_default();
    subject.pulse.waiting_since.is_some() || now.saturating_sub(last) < QUIET
}
