//! What the pool must know about a kind of connection.

use std::future::{Future, ready};
use std::time::{Duration, Instant};

#[cfg(not(pool_loom))]
use crate::{Vitals, WarmUp};

/// Opens and tends connections of one kind.
///
/// Two methods are asked on the hot path and are synchronous ([`condition`](Self::condition)) or
/// skipped by a flag; all others run in background tasks owned by the pool or behind a deadline.
/// Every `async` method may be written as a plain `async fn`.
///
/// # Cancel safety
///
/// The pool never drops a future of [`validate`](Self::validate) or [`reset`](Self::reset) and
/// then reuses the connection: a caller that gives up leaves the check running, and a check that
/// passes its time limit costs the connection. A future of [`connect`](Self::connect) is dropped
/// when `connect_timeout` has passed or the pool closes; what it has opened by then must be
/// released by its destructors.
///
/// # Panics
///
/// A panic in any method is caught where the pool runs it in a task of its own and otherwise
/// travels to the caller; in both cases the connection is closed and its slot freed.
pub trait Manager: Send + Sync + 'static {
    /// The driver's connection.
    type Connection: Send + 'static;
    /// What the driver's calls fail with.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Opens a connection. Bounded by the pool's `connect_timeout`.
    fn connect(
        &self,
        cx: &ConnectCtx,
    ) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Does with a new connection what `plan` says, in as few round trips as there can be. Bounded by
    /// the plan's limit; past it the future is dropped and the connection as well. Default: does
    /// nothing.
    #[cfg(not(pool_loom))]
    fn warm_up(
        &self,
        conn: &mut Self::Connection,
        plan: &WarmUp,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (conn, plan);
        ready(Ok(()))
    }

    /// Asks the far end whether the connection works. Bounded by `validation_timeout`. Called
    /// when the connection was idle for longer than the bypass window or others of its kind were
    /// found broken meanwhile, and by keepalive and `validate_on_return`. Default: it does.
    fn validate(
        &self,
        conn: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = conn;
        ready(Ok(()))
    }

    /// Makes a [`Dirty`](Condition::Dirty) connection clean again. Bounded by `reset_timeout`; a
    /// failure closes the connection. Default: nothing to do.
    fn reset(
        &self,
        conn: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = conn;
        ready(Ok(()))
    }

    /// As [`reset`](Self::reset), leaving nothing of earlier users, caches included: for
    /// connections that are recycled [`Checked`](crate::Recycling::Checked). Default: `reset`.
    fn reset_fully(
        &self,
        conn: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.reset(conn)
    }

    /// Ends a connection in an orderly way. Bounded by `close_timeout`. Default: drops it. Polled for
    /// the first time by the task that also serves deadlines, so it must not block.
    fn close(&self, conn: Self::Connection) -> impl Future<Output = ()> + Send {
        drop(conn);
        ready(())
    }

    /// Free test of a connection, asked before each use and on each return: no I/O, no blocking,
    /// no lock held for long. Default: clean.
    fn condition(&self, conn: &mut Self::Connection) -> Condition {
        let _ = conn;
        Condition::Clean
    }

    /// What an error says about the connection and the endpoint. Default: the connection is
    /// unusable, nothing is known about the endpoint.
    fn classify(&self, error: &Self::Error) -> ErrorClass {
        let _ = error;
        ErrorClass::Connection
    }
}

/// The state of a connection as far as it can be told without I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Fit for the next user as it is.
    Clean,
    /// Works, but carries state of its last user (an open transaction, a setting): it is reset
    /// before anybody else sees it.
    Dirty,
    /// Unusable or in doubt (closed by the far end, replies outstanding): it is closed.
    Broken,
}

/// What an error means for the connection it came from and for its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// A fault of the request (a constraint, a syntax error): the connection stays good.
    Harmless,
    /// The connection is unusable; the endpoint may be fine.
    Connection,
    /// The endpoint is down or starting; trying again later may help.
    Endpoint,
    /// Trying again cannot help (wrong password, unknown database): a connect that fails like this
    /// reaches the waiting requests at once.
    Permanent,
}

/// Why and within which limits a connection is being opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectCtx {
    /// 1 for the first attempt since the last success, counted over the whole pool.
    pub attempt: u32,
    /// When the pool gives the attempt up.
    pub deadline: Instant,
    /// How long the attempt may take in all (`connect_timeout`).
    pub timeout: Duration,
    /// The pool's epoch the connection will belong to; a reopen in between discards it.
    pub epoch: u64,
    /// The connection's number, unique within its pool, counted from 1.
    pub connection_id: u64,
    /// Where to note what the connection sends and receives, for those who look after its health.
    /// To be kept by the connection; noting nothing is fine.
    #[cfg(not(pool_loom))]
    pub vitals: Vitals,
}

impl ConnectCtx {
    /// A first attempt with `timeout` from `now`, for calling a manager without a pool.
    #[must_use]
    pub fn standalone(now: Instant, timeout: Duration) -> Self {
        Self {
            attempt: 1,
            deadline: now + timeout,
            timeout,
            epoch: 0,
            connection_id: 1,
            #[cfg(not(pool_loom))]
            vitals: Vitals::deaf(),
        }
    }
}
