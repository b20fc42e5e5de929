//! Code of the user that runs at three points of a connection's life.

use std::fmt;

use crate::BoxFuture;
use crate::status::ConnectionInfo;

/// Why a hook refused a connection. The connection is closed; an acquire goes on with the next.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl Refused {
    /// A refusal with a reason for people to read.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

type SyncHook<C> = dyn Fn(&mut C, &ConnectionInfo) -> Result<(), Refused> + Send + Sync;
type AsyncHook<C> =
    dyn for<'a> Fn(&'a mut C, ConnectionInfo) -> BoxFuture<'a, Result<(), Refused>> + Send + Sync;

enum Kind<C> {
    Sync(Box<SyncHook<C>>),
    Async(Box<AsyncHook<C>>),
}

/// A hook: looks at a connection, may change it, and may refuse it.
///
/// Cancel safety: a hook that has begun runs to its end or its time limit, even when the caller
/// that was to get the connection has gone; past the limit the connection is closed.
pub struct Hook<C>(Kind<C>);

impl<C> Hook<C> {
    /// A hook without I/O. A closure that calls methods of the connection has to name its type:
    /// `|conn: &mut MyConnection, _| …`.
    pub fn new(
        hook: impl Fn(&mut C, &ConnectionInfo) -> Result<(), Refused> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Sync(Box::new(hook)))
    }

    /// A hook that may wait.
    pub fn asynchronous<F>(hook: F) -> Self
    where
        F: for<'a> Fn(&'a mut C, ConnectionInfo) -> BoxFuture<'a, Result<(), Refused>>
            + Send
            + Sync
            + 'static,
    {
        Self(Kind::Async(Box::new(hook)))
    }

    pub(crate) async fn run(&self, conn: &mut C, info: ConnectionInfo) -> Result<(), Refused> {
        match &self.0 {
            Kind::Sync(hook) => hook(conn, &info),
            Kind::Async(hook) => hook(conn, info).await,
        }
    }
}

impl<C> fmt::Debug for Hook<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Sync(_) => "Hook(sync)",
            Kind::Async(_) => "Hook(async)",
        })
    }
}

/// The hooks of a pool, in the order in which they were added.
#[derive(Debug)]
pub(crate) struct Hooks<C> {
    pub(crate) after_connect: Vec<Hook<C>>,
    pub(crate) before_acquire: Vec<Hook<C>>,
    pub(crate) after_release: Vec<Hook<C>>,
}

impl<C> Default for Hooks<C> {
    fn default() -> Self {
        Self {
            after_connect: Vec::new(),
            before_acquire: Vec::new(),
            after_release: Vec::new(),
        }
    }
}
