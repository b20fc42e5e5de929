//! What happened, for whoever wants to know.

use std::panic::Location;
use std::time::Duration;

#[cfg(not(pool_loom))]
use crate::Finding;

/// Listens to the pool.
///
/// Called from the thread on which the event happened, sometimes from a destructor: it must not
/// block and should not allocate. A panic in it is swallowed. A pool without an observer pays one
/// predictable branch.
pub trait Observer: Send + Sync + 'static {
    /// Something happened to the pool.
    fn event(&self, event: &Event<'_>);
}

/// Something that happened, in the past tense.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A lease began.
    Acquired {
        /// The connection's number.
        connection: u64,
        /// Zero when an idle connection was there.
        waited: Duration,
        /// Where the lease was asked for.
        site: &'static Location<'static>,
    },
    /// A lease ended; the connection went on to idle, to a waiter or to a reset.
    Released {
        /// The connection's number.
        connection: u64,
    },
    /// A request ended without a lease.
    Refused {
        /// The error's text.
        reason: &'a str,
        /// How long the request had waited.
        waited: Duration,
    },
    /// A connect began.
    ConnectStarted {
        /// The connection's number.
        connection: u64,
    },
    /// A connection was opened.
    Connected {
        /// The connection's number.
        connection: u64,
        /// How long connect and its hook took.
        took: Duration,
    },
    /// A connect ended without a connection.
    ConnectFailed {
        /// The connection's number.
        connection: u64,
        /// How the driver put it.
        reason: &'a str,
    },
    /// A new connection could not be warmed up, and is kept as it is.
    WarmUpFailed {
        /// The connection's number.
        connection: u64,
        /// How the driver put it.
        reason: &'a str,
    },
    /// A connection was closed.
    Closed {
        /// The connection's number.
        connection: u64,
        /// Why.
        reason: CloseReason,
    },
    /// Nobody gets a connection before it has passed a check.
    Quarantined {
        /// The connection's number.
        connection: u64,
    },
    /// A connection may be given out again: it has passed the check, or was heard of before.
    Cleared {
        /// The connection's number.
        connection: u64,
    },
    /// Everything that was opened until now is being closed: the endpoint went away.
    Flushed {
        /// The number of the new epoch.
        epoch: u64,
    },
    /// A policy noticed something.
    #[cfg(not(pool_loom))]
    Found(Finding),
    /// A hand-off was not collected in time and went to the next waiter.
    HandOffRevoked {
        /// The connection's number.
        connection: u64,
    },
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// Idle for longer than `idle_timeout`.
    Idle,
    /// Older than its `max_lifetime`.
    Lifetime,
    /// The manager found it broken.
    Broken,
    /// A check failed or passed its limit.
    Invalid,
    /// A reset failed or passed its limit.
    ResetFailed,
    /// Returned while a round trip was under way.
    InFlight,
    /// Returned by a panicking task.
    Panicked,
    /// Refused by a hook.
    Hook,
    /// Given up by its holder, or refused by a `retain`.
    Discarded,
    /// Named by an `evict`.
    Evicted,
    /// Opened before the last `reopen`, or before its endpoint went away.
    Stale,
    /// Evicted by a health policy.
    Unhealthy,
    /// Due to be replaced, by its age, its use or what is expected of it.
    Replaced,
    /// The pool has shrunk.
    Shrunk,
    /// The pool has closed.
    PoolClosed,
}

impl CloseReason {
    /// All reasons, in the order of their [`index`](Self::index).
    pub const ALL: [Self; 15] = [
        Self::Idle,
        Self::Lifetime,
        Self::Broken,
        Self::Invalid,
        Self::ResetFailed,
        Self::InFlight,
        Self::Panicked,
        Self::Hook,
        Self::Discarded,
        Self::Evicted,
        Self::Stale,
        Self::Unhealthy,
        Self::Replaced,
        Self::Shrunk,
        Self::PoolClosed,
    ];

    /// The reason's place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// A word for tables and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Broken => "broken",
            Self::Invalid => "invalid",
            Self::ResetFailed => "reset_failed",
            Self::InFlight => "in_flight",
            Self::Panicked => "panicked",
            Self::Hook => "hook",
            Self::Discarded => "discarded",
            Self::Evicted => "evicted",
            Self::Stale => "stale",
            Self::Unhealthy => "unhealthy",
            Self::Replaced => "replaced",
            Self::Shrunk => "shrunk",
            Self::PoolClosed => "pool_closed",
        }
    }
}
