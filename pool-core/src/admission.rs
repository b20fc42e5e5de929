//! Who may enter: the one question a pool asks before a request may take a connection or wait.
//!
//! A limit per user, a circuit breaker, a drain and a partition's quota have one thing in common:
//! they say no *before* anything is spent, and, to know when to say yes again, they must learn of
//! the end of every request that they let in. The first is easy. The second is where such policies
//! usually leak: a request can end in a dozen ways, most of them in a destructor. So the pool keeps
//! that book. [`Admission::admit`] hands it a [`Token`], a plain number, which travels with the
//! request, then lies beside the connection while that is leased, and is given back by
//! [`Admission::leave`] exactly once, however the request ends:
//!
//! ```text
//!            ┌─ Refuse ──▶ Error::Refused
//!  admit ────┤
//!            └─ Enter(token) ──▶ wait, check ──▶ lease ──▶ return, close, detach ─┐
//!                                    │                                            ├──▶ leave(token)
//!                                    └── timed out, refused, failed, cancelled ───┘
//! ```
//!
//! A token comes back *before* the connection that was held with it: whoever gets the connection
//! next finds the token free.
//!
//! There are two answers. A third, "wait in a lane of the policy's own", is not offered: a request
//! that waits does so in the pool's queue.

use std::fmt;
use std::time::Duration;

use crate::request::RequestInfo;
use crate::{CloseReason, Phase};

/// Decides which requests may enter the pool.
///
/// A policy is a state machine without I/O: it is given the time and the facts, and answers at once,
/// so that it does the same in production, in a simulation and in a unit test without a runtime.
/// A pool asks one policy; one that combines others keeps their tokens.
///
/// # What is promised
///
/// Unless the policy [stands by](Self::stands_by), each request is asked for once, at its first poll, before it takes a connection or a place in the
/// queue; each [`try_acquire`](crate::Pool::try_acquire) as well. Each [`Admit::Enter`] is followed
/// by exactly one [`leave`](Self::leave) with the same token, unless the future or the lease is
/// forgotten (`mem::forget`). A lease that outlives its pool leaves all the same.
///
/// # Cancel safety
///
/// A request may be dropped at any point, which is an end like any other.
///
/// # Panics
///
/// If `admit` panics, so does the request, with nothing held. A panic in `leave` is contained, since
/// it runs in destructors; the request counts as having left.
///
/// # Cost
///
/// No allocation, no lock, no reading of a clock: two calls of virtual functions. Both are called
/// from any thread, `leave` sometimes from a destructor, so they must not block. Neither is called
/// under a lock of the pool, so they may use it. A pool without a policy pays nothing.
///
/// # Examples
///
/// At most so many requests in the pool, waiting ones included:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use pool_core::{Admission, Admit, Error, Outcome, Pool, Reason, RequestInfo, Token};
/// # use pool_core::{ConnectCtx, Manager};
/// # struct Numbers;
/// # impl Manager for Numbers {
/// #     type Connection = u64;
/// #     type Error = std::convert::Infallible;
/// #     async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Self::Error> { Ok(cx.connection_id) }
/// # }
///
/// static NO_ROOM: Reason = Reason { policy: "bulkhead", text: "as many are in as may be" };
///
/// struct Bulkhead {
///     room: AtomicU32,
/// }
///
/// impl Admission for Bulkhead {
///     fn admit(&self, _now: Duration, _request: &RequestInfo) -> Admit {
///         let one_less = |room: u32| room.checked_sub(1);
///         match self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
///             Ok(_) => Admit::Enter(Token::new(0)),
///             Err(_) => Admit::Refuse { reason: &NO_ROOM, retry_after: None },
///         }
///     }
///
///     fn leave(&self, _now: Duration, _token: Token, _outcome: Outcome) {
///         self.room.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bulkhead = Bulkhead { room: AtomicU32::new(1) };
/// let pool = Pool::builder(Numbers).admission(Arc::new(bulkhead)).build().await?;
/// let lease = pool.acquire().await?;
/// let refused = pool.acquire().await;
/// assert!(matches!(refused, Err(Error::Refused { reason, .. }) if *reason == NO_ROOM));
/// drop(lease);
/// assert!(pool.acquire().await.is_ok());
/// # Ok(())
/// # }
/// ```
pub trait Admission: Send + Sync + 'static {
    /// Whether `request` may enter. `now` is the time on the pool's coarse clock, since its origin;
    /// it lags behind by a tenth of the shortest window that the pool measures at most, and by no
    /// more than 250 ms.
    fn admit(&self, now: Duration, request: &RequestInfo) -> Admit;

    /// A request that entered has ended.
    fn leave(&self, now: Duration, token: Token, outcome: Outcome);

    /// Whether it would let everybody in at present and need not hear of it. While it says
    /// `Some(true)`, requests may enter unasked, and leave untold: a policy that acts in bad times
    /// only costs nothing in good ones. It is asked whenever the pool's driver looks at things, and
    /// after each connect, check and review of the pool. Default: `None`, never.
    fn stands_by(&self) -> Option<bool> {
        None
    }
}

/// What a policy says of a request that wants to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admit {
    /// It may. The token comes back when it leaves.
    Enter(Token),
    /// It may not, and ends with [`Error::Refused`](crate::Error::Refused).
    Refuse {
        /// Who says so, and why.
        reason: &'static Reason,
        /// When asking again may help, from now; `None` if that cannot be known.
        retry_after: Option<Duration>,
    },
}

/// Why a policy refuses. It is known beforehand, so that saying no costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason {
    /// The policy, in a word: for logs and labels.
    pub policy: &'static str,
    /// What speaks against it, in a few words.
    pub text: &'static str,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.policy, self.text)
    }
}

/// What a policy wants to know again about a request when it leaves: a number, an index into a table
/// of its own, say. It need not be unique.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u32);

impl Token {
    /// A token with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// How a request that had entered ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The lease ended; its connection is on its way to the next, or to a reset before that.
    Returned,
    /// The lease ended, and its connection is closed.
    Closed(CloseReason),
    /// The lease ended, and its holder keeps the connection.
    Detached,
    /// There was no lease before the deadline.
    TimedOut(Phase),
    /// No connection can be opened.
    ConnectFailed,
    /// The pool itself said no: it is closed or suspended, or as many wait as may.
    Refused,
    /// There was nothing idle for a [`try_acquire`](crate::Pool::try_acquire).
    Unavailable,
    /// The future was dropped, or foreign code panicked in it.
    Cancelled,
}
