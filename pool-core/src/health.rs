//! What becomes of a connection that may not be well.
//!
//! A policy for that needs to see all connections at once (one silent connection is a fault, all of
//! them are an outage, or our own thread that was stopped), must never slow down those that use
//! them, and must be tried out without a network. So it is asked apart from any request: now and
//! then the pool lists its connections as [`Subject`]s, the policy answers with [`Order`]s, and the
//! pool carries them out as far as they still apply. What a connection is doing is told by its
//! [`Vitals`](crate::Vitals).
//!
//! ```text
//!              ┌────────── review: subjects ──────────┐
//!  connections ┤                                      ├▶ HealthPolicy
//!              └─ check, quarantine, evict, … ◀ orders ┘
//! ```
//!
//! *Quarantine* is the step between good and closed that makes it possible to be fast and right:
//! nobody gets the connection until it has passed a check, which takes no more than a look, and can
//! be taken back, so it may be ordered on slight evidence. An idle connection in quarantine is
//! checked at once, a leased one when it comes back.

use std::time::Duration;

use crate::{Candidate, CloseReason, ErrorClass, Pulse};

/// Looks after the health of a pool's connections.
///
/// A state machine without I/O. [`review`](Self::review) is asked by the pool's driver, one at a time;
/// the others are called beside it, where what they tell of happens: [`closed`](Self::closed) also by
/// whoever gives a connection back that must be closed, and [`checked`](Self::checked) by a caller for
/// whom it was checked. No lock of the pool is held meanwhile, but a policy that uses the pool from
/// within one of them may be called again by that. A panic in it is contained and counts as no
/// answer.
pub trait HealthPolicy: Send + Sync + 'static {
    /// Looks at all open connections, in the order of their slots. `now` counts from the origin of
    /// the pool's coarse clock, and is exact. Returns when to be asked again, from now: no sooner than
    /// after 10 ms, and in a second if it does not say.
    fn review(&self, now: Duration, subjects: &[Subject], orders: &mut Orders) -> Option<Duration>;

    /// How long a check may take, whoever asks for it, if the pool's `validation_timeout` is not less.
    /// Default: no less than that.
    fn check_limit(&self) -> Option<Duration> {
        None
    }

    /// How many idle connections may be checked at a time, those included that are checked for other
    /// reasons; at least one. Others wait, out of reach of everybody. Default 8.
    fn max_checks(&self) -> usize {
        8
    }

    /// A check has ended, whoever asked for it.
    fn checked(&self, now: Duration, connection: Candidate, took: Duration, passed: bool) {
        let _ = (now, connection, took, passed);
    }

    /// A connect has ended.
    fn connected(&self, now: Duration, took: Duration, outcome: Result<Candidate, ErrorClass>) {
        let _ = (now, took, outcome);
    }

    /// A connection leaves the pool: it is being closed, or was taken by its holder, which counts as
    /// discarded. This is the last that is seen of it.
    fn closed(&self, now: Duration, last: &Subject, reason: CloseReason) {
        let _ = (now, last, reason);
    }
}

/// An open connection, as a policy sees it. Times count from the origin of the pool's coarse clock.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Which one.
    pub connection: Candidate,
    /// Where it is.
    pub place: Place,
    /// When it was opened.
    pub opened: Duration,
    /// When it was last given out or came back; when it was opened, if never.
    pub used: Duration,
    /// Leases so far.
    pub uses: u64,
    /// Errors reported for it by its users, harmless ones included, and failed resets.
    pub reported: u32,
    /// When a check of it passed last.
    pub passed: Option<Duration>,
    /// Nobody gets it before it has passed a check.
    pub quarantined: bool,
    /// Its vital signs.
    pub pulse: Pulse,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// Ready for the next request.
    Idle,
    /// With a caller, or on its way to one.
    Leased,
    /// Being checked or reset.
    Tended,
}

/// What a policy wants done with a connection. One that does not apply any more, because the
/// connection is gone or elsewhere meanwhile, is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Ask the far end, as its interval has passed. Idle connections only.
    Check(Candidate),
    /// Let nobody have it before it has passed a check: at once if it is idle, when it comes back if
    /// it is leased.
    Quarantine(Candidate),
    /// Take that back, for one that is leased still: it has been heard of.
    Release(Candidate),
    /// Close it, at once or when it comes back.
    Evict(Candidate),
    /// Open a successor, if the maximum leaves room for one, and then close it; without room it is
    /// closed once it is idle.
    Replace(Candidate),
    /// From its next return on, recycle it like this.
    Recycle(Candidate, Recycling),
    /// Have everything that was opened until now closed as it is come upon: the endpoint went away.
    Flush,
}

/// What happens to a connection between two leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recycling {
    /// A clean one goes on as it is, a dirty one after a light reset: the default.
    #[default]
    Fast,
    /// Each goes through a full reset, which takes a task and a round trip.
    Checked,
    /// Each is closed, and another opened if it is wanted.
    Replace,
}

/// Something that a policy noticed, for observers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// About which connection; `None` for the pool as a whole.
    pub connection: Option<Candidate>,
    /// Which part of a policy says so, in a word: for logs and labels.
    pub part: &'static str,
    /// What, in a few words.
    pub text: &'static str,
    /// Whether anything follows from it; not so for a part that only looks on.
    pub acted: bool,
}

/// Orders being collected, and what was found on the way.
#[derive(Debug, Default)]
pub struct Orders {
    orders: Vec<Order>,
    findings: Vec<Finding>,
}

impl Orders {
    /// Gives one more.
    pub fn push(&mut self, order: Order) {
        self.orders.push(order);
    }

    /// Has observers told of something.
    pub fn tell(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The orders given so far.
    #[must_use]
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// What was found so far.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Forgets all, keeping the room.
    pub fn clear(&mut self) {
        self.orders.clear();
        self.findings.clear();
    }
}
