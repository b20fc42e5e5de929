//! One connection of the model.

use std::time::Duration;

use pool_core::{Candidate, CloseReason, Place, Recycling, Subject, Vitals};

use super::{Class, traffic::Request};

/// So many leases within [`WITHIN`] make a connection hot.
const HOT: usize = 10;
const WITHIN: Duration = Duration::from_secs(1);

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) candidate: Candidate,
    /// Changes with every lease and check: an event of an earlier turn is void.
    pub(super) turn: u64,
    pub(super) place: Place,
    pub(super) opened: Duration,
    /// When it was given out or came back last.
    pub(super) used: Duration,
    pub(super) uses: u64,
    pub(super) passed: Option<Duration>,
    pub(super) quarantined: bool,
    /// It will be closed when it comes back, for this reason.
    pub(super) doom: Option<CloseReason>,
    pub(super) recycling: Recycling,
    pub(super) vitals: Vitals,
    pub(super) fault: Option<Fault>,
    /// What its caller does, while it is leased.
    pub(super) lease: Option<Lease>,
    /// When the last leases began, the oldest of them at `uses % HOT`.
    recent: [Duration; HOT],
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) class: Class,
    pub(super) at: Duration,
    /// It was used much before.
    pub(super) was_hot: bool,
    /// And it is so after.
    pub(super) hot: bool,
    /// Since when nobody can be given it.
    pub(super) out: Option<Duration>,
    /// To how many callers it was given since.
    pub(super) handed: u32,
}

/// What a caller does with it.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) request: Request,
    /// The step it is at.
    pub(super) at: usize,
    /// When the reply comes, while one is owed.
    pub(super) reply: Option<Duration>,
}

impl Connection {
    pub(super) fn new(candidate: Candidate, now: Duration, vitals: Vitals) -> Self {
        Self {
            candidate,
            turn: 0,
            place: Place::Idle,
            opened: now,
            used: now,
            uses: 0,
            passed: None,
            quarantined: false,
            doom: None,
            recycling: Recycling::Fast,
            vitals,
            fault: None,
            lease: None,
            recent: [Duration::ZERO; HOT],
        }
    }

    /// A policy's view of it.
    pub(super) fn subject(&self) -> Subject {
        Subject {
            connection: self.candidate,
            place: self.place,
            opened: self.opened,
            used: self.used,
            uses: self.uses,
            reported: 0,
            passed: self.passed,
            quarantined: self.quarantined,
            pulse: self.vitals.pulse(),
        }
    }

    /// It goes to a caller.
    pub(super) fn lend(&mut self, now: Duration, request: Request) {
        self.place = Place::Leased;
        self.turn += 1;
        self.used = now;
        self.recent[(self.uses % HOT as u64) as usize] = now;
        self.uses += 1;
        if let Some(fault) = &mut self.fault {
            fault.handed += 1;
            fault.hot |= fault.was_hot && now.saturating_sub(fault.at) <= WITHIN / HOT as u32;
        }
        self.lease = Some(Lease {
            request,
            at: 0,
            reply: None,
        });
    }

    /// Whether it was leased often in the last second.
    pub(super) fn is_hot(&self, now: Duration) -> bool {
        let oldest = self.recent[(self.uses % HOT as u64) as usize];
        self.uses >= HOT as u64 && now.saturating_sub(oldest) <= WITHIN
    }

    /// Nobody can be given it from now on.
    pub(super) fn leave_rotation(&mut self, now: Duration) {
        if let Some(fault) = &mut self.fault {
            fault.out.get_or_insert(now);
        }
    }

    /// It can be given out again.
    pub(super) fn rejoin_rotation(&mut self) {
        if let Some(fault) = &mut self.fault {
            fault.out = None;
        }
    }

    /// Whether it was reset.
    pub(super) fn is_reset(&self) -> bool {
        self.fault.is_some_and(|fault| fault.class == Class::Reset)
    }
}
