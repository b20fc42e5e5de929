//! From a request to the end of its lease.

use std::time::Duration;

use pool_core::{CloseReason, ErrorClass, Place, Recycling};

use super::{
    PATIENCE,
    connection::Connection,
    tally::Class,
    traffic::Request,
    world::{Event, World},
};

impl World {
    pub(super) fn comes(&mut self) {
        let now = self.agenda.now();
        let next = self.traffic.next();
        self.agenda.after(next, Event::Comes);
        self.tally.callers.enter(now);
        let request = self.traffic.request(now);
        self.line.push_back(request);
        self.serve();
    }

    /// Gives idle connections to those who wait.
    pub(super) fn serve(&mut self) {
        while !self.line.is_empty() {
            let Some(&slot) = self.idle.last() else { break };
            if let Some(reason) = self.unfit(slot) {
                self.close(slot, reason);
                continue;
            }
            self.idle.pop();
            let Some(request) = self.line.pop_front() else {
                break;
            };
            if self.must_ask(slot) {
                self.begin_check(slot, Some(request));
            } else {
                self.lend(slot, request);
            }
        }
    }

    /// Why an open connection can serve nobody, if that is known.
    pub(super) fn unfit(&mut self, slot: usize) -> Option<CloseReason> {
        let notices = self.care.notices();
        let flushed = self.flushed;
        let conn = self.conn(slot);
        if notices && conn.is_reset() {
            Some(CloseReason::Broken)
        } else if flushed.is_some_and(|flushed| conn.opened <= flushed) {
            Some(CloseReason::Stale)
        } else {
            conn.doom
        }
    }

    /// Whether it was left alone for too long to be given out unasked.
    fn must_ask(&mut self, slot: usize) -> bool {
        let now = self.agenda.now();
        let bypass = self.care.bypass();
        let conn = self.conn(slot);
        let trusted = conn.used.max(conn.passed.unwrap_or_default());
        bypass.is_some_and(|bypass| now.saturating_sub(trusted) >= bypass)
    }

    pub(super) fn lend(&mut self, slot: usize, request: Request) {
        let now = self.agenda.now();
        self.conn(slot).lend(now, request);
        self.send(slot);
    }

    /// The caller sends its next query.
    pub(super) fn send(&mut self, slot: usize) {
        let now = self.agenda.now();
        let conn = self.alive(slot);
        let fault = conn.fault.map(|fault| fault.class);
        let Some(lease) = &mut conn.lease else { return };
        let step = lease.request.steps[lease.at];
        let delay = match fault {
            None => step.takes,
            Some(Class::Reset) => Duration::ZERO,
            Some(Class::BlackHole | Class::Outage) => PATIENCE,
        };
        lease.reply = Some(now + delay);
        if fault != Some(Class::Reset) {
            conn.vitals.sent(step.kind);
        }
        match fault {
            None => self.enter(slot, delay, Event::Replied),
            Some(Class::Reset) => self.enter(slot, delay, Event::Notices),
            Some(Class::BlackHole | Class::Outage) => self.enter(slot, delay, Event::GivesUp),
        }
        self.tally.pauses += u64::from(step.pause && fault.is_none());
    }

    /// A reply comes, unless the connection failed while it was owed.
    pub(super) fn replied(&mut self, slot: usize) {
        let conn = self.alive(slot);
        if conn.fault.is_some() {
            return;
        }
        conn.vitals.answered();
        let Some(lease) = &mut conn.lease else { return };
        lease.reply = None;
        let thinks = lease.request.steps[lease.at].thinks;
        lease.at += 1;
        if lease.at < lease.request.steps.len() {
            self.enter(slot, thinks, Event::Sends);
        } else {
            self.returned(slot, false);
        }
    }

    /// The caller gets an error, and gives the connection back.
    pub(super) fn notices(&mut self, slot: usize) {
        self.alive(slot).vitals.failed(ErrorClass::Connection);
        self.returned(slot, false);
    }

    /// The connection comes back, perhaps with a reply outstanding.
    pub(super) fn returned(&mut self, slot: usize, outstanding: bool) {
        let now = self.agenda.now();
        let unfit = self.unfit(slot);
        let conn = self.conn(slot);
        let reason = match (outstanding, conn.recycling) {
            (true, _) => Some(CloseReason::InFlight),
            (false, Recycling::Replace) => unfit.or(Some(CloseReason::Lifetime)),
            (false, _) => unfit,
        };
        if let Some(reason) = reason {
            self.close(slot, reason);
            self.serve();
            return;
        }
        let (asked, used) = (
            conn.quarantined || conn.recycling == Recycling::Checked,
            conn.used,
        );
        conn.used = now;
        let lease = conn.lease.take();
        self.tally.leased += (now - used).as_secs_f64();
        if let Some(lease) = lease {
            self.tally.callers.leave(now, lease.request.came);
        }
        if asked {
            self.begin_check(slot, None);
        } else {
            self.make_idle(slot);
        }
    }

    /// Ends the lease of a connection that is being closed, if it has one.
    pub(super) fn leave(&mut self, conn: &Connection) {
        let now = self.agenda.now();
        if let Some(lease) = &conn.lease {
            self.tally.leased += (now - conn.used).as_secs_f64();
            self.tally.callers.leave(now, lease.request.came);
        }
    }

    /// It is ready for the next caller.
    pub(super) fn make_idle(&mut self, slot: usize) {
        let conn = self.conn(slot);
        conn.place = Place::Idle;
        conn.turn += 1;
        self.idle.push(slot);
        self.serve();
    }
}
