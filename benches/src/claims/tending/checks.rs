//! Asking the far end, by the pool and by the naive prober.

use std::time::Duration;

use pool_core::{Candidate, CloseReason, ErrorClass, Place};

use super::{
    Care, NOTICE, PING,
    care::{PROBE_EVERY, PROBE_LIMIT, PROBE_STRIKES},
    tally::Class,
    traffic::Request,
    world::{Event, World},
};

/// The kind of a round trip without work, in vital signs.
const PING_KIND: u32 = 99;

/// A check under way.
#[derive(Debug)]
pub(super) struct Check {
    began: Duration,
    /// Who gets the connection if it passes.
    caller: Option<Request>,
}

impl World {
    /// Asks the far end; the connection is in no list of idle ones any more.
    pub(super) fn begin_check(&mut self, slot: usize, caller: Option<Request>) {
        let began = self.agenda.now();
        let limit = self.care.check_limit();
        self.checking += usize::from(caller.is_none());
        let conn = self.alive(slot);
        conn.place = Place::Tended;
        conn.turn += 1;
        let takes = match conn.fault.map(|fault| fault.class) {
            None => PING,
            Some(Class::Reset) => NOTICE,
            Some(Class::BlackHole | Class::Outage) => limit,
        };
        conn.vitals.sent(PING_KIND);
        let check = Check { began, caller };
        self.enter(slot, takes, |turn| Event::Checked { turn, check });
    }

    /// As [`begin_check`](Self::begin_check), for nobody in particular and as soon as there is room.
    pub(super) fn check_in_background(&mut self, slot: usize) {
        if self.checking < self.care.max_checks() {
            return self.begin_check(slot, None);
        }
        let conn = self.conn(slot);
        conn.place = Place::Tended;
        let candidate = conn.candidate;
        self.waiting.push_back(candidate);
    }

    /// A background check has ended: the next one may begin.
    fn check_next(&mut self) {
        self.checking -= 1;
        if let Some(candidate) = self.waiting.pop_front() {
            self.begin_check(candidate.slot as usize, None);
        }
    }

    pub(super) fn checked(&mut self, slot: usize, check: Check) {
        let now = self.agenda.now();
        let took = now - check.began;
        let conn = self.alive(slot);
        let silent = conn.fault.is_some_and(|fault| fault.class != Class::Reset);
        let limit = self.care.check_limit();
        if silent && took < limit {
            // It failed while it was asked.
            self.enter(slot, limit - took, |turn| Event::Checked { turn, check });
            return;
        }
        let conn = self.alive(slot);
        let passed = conn.fault.is_none();
        if passed {
            conn.vitals.answered();
            conn.passed = Some(now);
            conn.quarantined = false;
        } else if !silent {
            conn.vitals.failed(ErrorClass::Connection);
        }
        let candidate = conn.candidate;
        self.tally.checks += 1;
        self.tally.checking += took.as_secs_f64();
        if passed {
            self.tally.passing += took.as_secs_f64();
        }
        if let Some(policy) = self.care.policy() {
            policy.checked(now, candidate, took, passed);
        }
        if check.caller.is_none() {
            self.check_next();
        }
        let reason = if passed {
            self.unfit(slot)
        } else {
            Some(CloseReason::Invalid)
        };
        match (reason, check.caller) {
            (None, Some(caller)) => self.lend(slot, caller),
            (None, None) => self.make_idle(slot),
            (Some(reason), caller) => {
                self.close(slot, reason);
                // Still the first in line.
                caller
                    .into_iter()
                    .for_each(|caller| self.line.push_front(caller));
                self.serve();
            }
        }
    }

    /// A new connection gets its place in the prober's round.
    pub(super) fn enter_first_probe(&mut self, candidate: Candidate) {
        if matches!(self.care, Care::Probe) {
            let phase = PROBE_EVERY.mul_f64(self.phases.unit());
            self.agenda.after(phase, Event::Probe(candidate));
        }
    }

    /// The prober asks a connection, leased or not.
    pub(super) fn probe(&mut self, candidate: Candidate) {
        let now = self.agenda.now();
        let given_up = PROBE_LIMIT * PROBE_STRIKES;
        let Some(conn) = self.slots[candidate.slot as usize].as_ref() else {
            return;
        };
        if conn.candidate != candidate {
            return;
        }
        // Behind a pause of this length a probe's reply does not come either.
        let reply = conn.lease.as_ref().and_then(|lease| lease.reply);
        let paused = reply.is_some_and(|reply| reply >= now + given_up);
        let well = conn.fault.is_none() && !paused;
        if conn.is_reset() {
            self.probe_failed(candidate);
        } else if well {
            self.tally.checks += 1;
            self.tally.checking += PING.as_secs_f64();
            self.tally.passing += PING.as_secs_f64();
            self.agenda.after(PROBE_EVERY, Event::Probe(candidate));
        } else {
            self.tally.checks += u64::from(PROBE_STRIKES);
            self.tally.checking += given_up.as_secs_f64();
            self.agenda.after(given_up, Event::ProbeFailed(candidate));
        }
    }

    /// All attempts have failed.
    pub(super) fn probe_failed(&mut self, candidate: Candidate) {
        let slot = candidate.slot as usize;
        let found = self.slots[slot].as_ref();
        if found.is_some_and(|conn| conn.candidate == candidate) {
            self.close(slot, CloseReason::Invalid);
        }
    }
}
