//! Snapshots: what a pool and a connection look like at one moment.

use std::panic::Location;
use std::time::{Duration, Instant};

use crate::CloseReason;

/// What the pool knows about a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Unique within the pool, counted from 1 in the order of opening.
    pub id: u64,
    /// The epoch it belongs to.
    pub epoch: u64,
    /// When it was opened.
    pub created: Instant,
    /// How long ago that was, on the coarse clock.
    pub age: Duration,
    /// Leases so far, a present one included.
    pub uses: u64,
    /// Errors reported for it so far.
    pub errors: u32,
    /// How long it had been idle before the present lease, or has been idle now.
    pub idle: Duration,
}

/// Who holds a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Holder {
    /// The connection's number.
    pub connection: u64,
    /// Where it was asked for.
    pub site: &'static Location<'static>,
    /// For how long, on the coarse clock.
    pub held_for: Duration,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            connection,
            site,
            held_for,
        } = self;
        write!(
            f,
            "connection {connection}, acquired at {site}, held for {held_for:?}"
        )
    }
}

/// Whether a pool serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolPhase {
    /// It does.
    #[default]
    Open,
    /// It will again, once resumed.
    Suspended,
    /// It never will.
    Closed,
}

/// A pool in numbers, the sizes taken at one moment. The default is one that nothing has happened in.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    /// Whether the pool serves.
    pub phase: PoolPhase,
    /// The most connections.
    pub max_size: usize,
    /// Slots in use: the sum of the six below.
    pub size: usize,
    /// Ready for the next request.
    pub idle: usize,
    /// With callers, or on their way to one.
    pub leased: usize,
    /// Being opened.
    pub connecting: usize,
    /// Being asked by a check.
    pub checking: usize,
    /// Being made clean.
    pub resetting: usize,
    /// Being closed.
    pub closing: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// Bumped by each reopen, and by an eviction of all.
    pub epoch: u64,
    /// Connections opened so far.
    pub opened: u64,
    /// Connections closed so far, for whatever reason, detached ones included.
    pub closed: u64,
    /// Connections given away by `detach` so far.
    pub detached: u64,
    /// Connects that failed so far.
    pub connect_failures: u64,
    /// Connects that were about to begin when nobody needed them any more.
    pub connects_elided: u64,
    /// Requests that ended by their deadline.
    pub timeouts: u64,
    /// Hand-offs that were not collected in time and went to somebody else.
    pub revoked: u64,
    /// Connections passed from a lease or a connect straight to a waiter.
    pub handed_off: u64,
    /// Of these, to a waiter that wished for the connection's label, where
    /// [waiters are matched](crate::Builder::match_waiters).
    pub matched: u64,
    /// How often a waiter was passed by one of those so far.
    pub skipped: u64,
    /// The most times that the same waiter was passed, 8 at most.
    pub longest_skip: u8,
    /// How often the queue's lock was taken so far, by this snapshot too. Leases of idle
    /// connections do not take it.
    pub lock_entries: u64,
    pub(crate) closed_by: [u64; CloseReason::ALL.len()],
}

impl Status {
    /// Connections closed so far for one reason.
    #[must_use]
    pub const fn closed_by(&self, reason: CloseReason) -> u64 {
        self.closed_by[reason.index()]
    }
}

/// How a close went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CloseReport {
    /// Leases that were out when the time was up. Their connections close when they come back.
    pub still_held: Vec<Holder>,
    /// Connections that were still being closed then, or on their way to a request that nobody
    /// polled.
    pub still_closing: usize,
}

impl CloseReport {
    /// Whether every connection was closed in time.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.still_held.is_empty() && self.still_closing == 0
    }
}

/// Which connections to evict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evict {
    /// The idle ones, now.
    Idle,
    /// All: the idle ones now, leased ones when they come back.
    All,
    /// The one with this number: now if it is idle, else when it comes back.
    Connection(u64),
}

/// What happens to requests that come while the pool is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnSuspend {
    /// They wait for the resume, within their deadline.
    Wait,
    /// They are refused at once.
    Refuse,
}
