//! Why a request ended without a connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Reason;

/// Why an acquire failed. `E` is the manager's error.
///
/// Every error says which phase refused, after how long, and carries the last known cause of the
/// trouble, if there is one.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: std::error::Error + 'static> {
    /// The deadline passed.
    #[error(
        "no connection within {waited:?} ({phase}){}; raise acquire_timeout or max_size, or look \
         for leases that are held too long",
        cause_text(.cause.as_ref())
    )]
    Timeout {
        /// What the request was waiting for when time ran out.
        phase: Phase,
        /// How long it had waited.
        waited: Duration,
        /// The last failed connect or check, if any failed since the last success.
        #[source]
        cause: Option<Cause<E>>,
    },
    /// Connections cannot be opened, trying again will not help, and none is left to wait for.
    #[error("cannot connect: {cause}")]
    Connect {
        /// How the connect failed.
        #[source]
        cause: Cause<E>,
        /// How long the request had waited.
        waited: Duration,
    },
    /// The pool is closed.
    #[error("the pool is closed")]
    Closed,
    /// The pool is suspended and refuses new requests.
    #[error("the pool is suspended; resume it, or suspend it with OnSuspend::Wait")]
    Suspended,
    /// The pool's [`Admission`](crate::Admission) did not let the request in.
    #[error("refused by {reason}; {}", retry_text(*.retry_after))]
    Refused {
        /// Which policy, and why.
        reason: &'static Reason,
        /// When asking again may help, from the refusal on; `None` if the policy cannot know.
        retry_after: Option<Duration>,
    },
    /// As many requests wait as may.
    #[error("{waiting} requests wait already; raise max_wait_queue_size or max_size, or ask less")]
    QueueFull {
        /// How many wait.
        waiting: usize,
    },
}

impl<E: std::error::Error + 'static> Error<E> {
    /// The manager's own error, if one is behind this.
    #[must_use]
    pub fn manager_error(&self) -> Option<&E> {
        match self {
            Self::Timeout { cause, .. } => cause.as_ref()?.manager_error(),
            Self::Connect { cause, .. } => cause.manager_error(),
            _ => None,
        }
    }
}

// By hand: a derived one would demand `E: Debug` of users who only have `Display`, and would print
// the manager's error twice.
impl<E: std::error::Error + 'static> fmt::Debug for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn cause_text<E: std::error::Error + 'static>(cause: Option<&Cause<E>>) -> String {
    cause.map_or_else(String::new, |cause| format!("; last cause: {cause}"))
}

fn retry_text(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(
        || "ask less often or wait for other requests to end".to_owned(),
        |after| format!("ask again after {after:?}"),
    )
}

/// What a request was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// A lease to end.
    Waiting,
    /// A connection to be opened.
    Connecting,
    /// A check or a hook to finish.
    Checking,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting for a lease to end",
            Self::Connecting => "waiting for a connect",
            Self::Checking => "checking a connection",
        })
    }
}

/// How a connect, a check or a hook failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Cause<E: std::error::Error + 'static> {
    /// The manager said so.
    #[error("{0}")]
    Manager(#[source] Arc<E>),
    /// It took longer than allowed.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It panicked.
    #[error("panicked: {0}")]
    Panicked(Arc<str>),
    /// A hook refused the connection.
    #[error("refused by a hook: {0}")]
    Hook(Arc<str>),
    /// No runtime took the pool's task, or it dropped the task before it had run.
    #[error("no runtime ran the connect to its end; call from within one that goes on")]
    TaskLost,
}

impl<E: std::error::Error + 'static> Cause<E> {
    /// The manager's own error, if it was one.
    #[must_use]
    pub fn manager_error(&self) -> Option<&E> {
        match self {
            Self::Manager(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: std::error::Error + 'static> Clone for Cause<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Manager(error) => Self::Manager(Arc::clone(error)),
            Self::TimedOut(limit) => Self::TimedOut(*limit),
            Self::Panicked(message) => Self::Panicked(Arc::clone(message)),
            Self::Hook(message) => Self::Hook(Arc::clone(message)),
            Self::TaskLost => Self::TaskLost,
        }
    }
}

impl<E: std::error::Error + 'static> fmt::Debug for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a pool could not be built.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError<E: std::error::Error + 'static> {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] crate::ConfigError),
    /// `initial_size` connections could not be opened in time.
    #[error("could not open the first {wanted} connections: {source}")]
    Connect {
        /// How many were asked for.
        wanted: u32,
        /// How it failed.
        source: Error<E>,
    },
    /// There is no runtime, or one that keeps no time.
    #[error(
        "no runtime with time; build the pool from within one (for tokio: with `enable_time`), or \
         give the builder a spawner and a clock"
    )]
    NoRuntime,
}

impl<E: std::error::Error + 'static> fmt::Debug for BuildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a connection was not adopted. It comes back inside.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AddError<C> {
    /// The pool has its maximum already.
    #[error("the pool is full")]
    Full(C),
    /// The pool is closed.
    #[error("the pool is closed")]
    Closed(C),
}

impl<C> AddError<C> {
    /// The connection.
    pub fn into_connection(self) -> C {
        match self {
            Self::Full(conn) | Self::Closed(conn) => conn,
        }
    }
}

impl<C> fmt::Debug for AddError<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

/// Why a pool was not resized. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResizeError {
    /// Zero connections are no pool.
    #[error("max_size 0 would serve nobody; suspend or close the pool instead")]
    Zero,
    /// More than there is room for.
    #[error(
        "max_size {wanted} is above max_size_ceiling {ceiling}; build the pool with a higher one"
    )]
    AboveCeiling {
        /// What was asked for.
        wanted: u32,
        /// What there is room for.
        ceiling: u32,
    },
    /// Less than `min_size`.
    #[error("max_size {wanted} is below min_size {min_size}")]
    BelowMin {
        /// What was asked for.
        wanted: u32,
        /// The configured minimum.
        min_size: u32,
    },
    /// The pool is closed.
    #[error("the pool is closed")]
    Closed,
}
