//! What sessions need from an adapter.
//!
//! The bookkeeping of sessions knows what must be true of a connection before an operation runs on
//! it, and what follows from what the operation did. Making it true, running the operation and
//! saying what it did is a matter of the dialect and the wire, and is all that an adapter adds.

use crate::effect::Effect;
use crate::label::Label;
use crate::session::Session;
use crate::settings::{Difference, Settings};
use crate::transaction::{Modes, TransactionStatus};
use pool_core::Manager;
use std::future::Future;

/// A manager whose connections sessions can share.
///
/// # What an adapter promises
///
/// - **A prelude and its operation are one unit.** If any part of the prelude fails the operation
///   does not run: a session must never read or write in the role or the search path of another.
/// - **What it says is what the server said.** Effects are those that were carried out, by the
///   server's own word; the status is the one that it sent last, with nothing outstanding. Where
///   that cannot be known, [`Done::status`] is `None`, which costs the connection.
///
/// # Cancel safety
///
/// A future of [`run`](Self::run) that is dropped costs the connection: the lease goes back in a
/// state that [`condition`](Manager::condition) must call dirty or broken.
pub trait SessionManager: Manager + Sized {
    /// What a session is to its user: a wrapper that speaks the dialect.
    type Session: From<Session<Self>> + Send;
    /// Something to run.
    type Operation<'a>: Send + 'a;
    /// What comes of it.
    type Reply: Send;

    /// An operation that does nothing: it is run for its prelude, by a session that
    /// [attaches](Session::attach) or [migrates](Session::migrate).
    fn nothing<'a>() -> Self::Operation<'a>;

    /// An operation that rolls the transaction back, for one that was
    /// [given up](Session::abandon_transaction) on a connection that the session cannot leave.
    fn rollback<'a>() -> Self::Operation<'a>;

    /// Whose sessions these are: the user and the database, without secrets. A session that was
    /// exported by one can be imported by the same only.
    fn identity(&self) -> String;

    /// The label of a connection. While it is [open](Label::is_open) the connection's
    /// [condition](Manager::condition) is dirty at best; a reset [clears](Label::clear) it.
    fn label(conn: &mut Self::Connection) -> &mut Label;

    /// Everything that was done to the connection so far is accounted for by its label. Called when a
    /// session leaves it with nothing behind; the connection counts as clean from here on.
    fn accounted(&self, conn: &mut Self::Connection);

    /// Runs `operation` behind `prelude`.
    fn run(
        &self,
        conn: &mut Self::Connection,
        prelude: Prelude,
        operation: Self::Operation<'_>,
    ) -> impl Future<Output = Done<Self::Reply, Self::Error>> + Send;

    /// Looks for state that is on the connection and in nobody's books: what a function has set, say.
    /// `expected` are the settings that ought to be there. Asked when sessions are
    /// [audited](crate::SessionConfig::audit), and never in a transaction.
    ///
    /// # Errors
    ///
    /// What kept it from looking. The connection is closed then, as if something had been found.
    fn probe(
        &self,
        conn: &mut Self::Connection,
        expected: &Settings,
    ) -> impl Future<Output = Result<Residue, Self::Error>> + Send;
}

/// What must be true before an operation runs.
#[derive(Debug, Default)]
pub struct Prelude {
    /// What the connection has.
    pub has: Settings,
    /// What the session wants.
    pub wants: Settings,
    /// Settings to change so that the connection has it.
    pub settings: Difference,
    /// The transaction to begin, if the session has begun one that the server knows nothing of yet.
    pub begin: Option<Modes>,
}

impl Prelude {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.begin.is_none()
    }
}

/// What came of an operation.
#[derive(Debug)]
#[non_exhaustive]
pub struct Done<R, E> {
    /// The reply, or how it failed.
    pub result: Result<R, Failed<E>>,
    /// Whether what the prelude changed is still so. Not after a unit that was rolled back as a whole.
    pub holds: bool,
    /// Whether no rollback takes that back, because it was committed ahead of the operation.
    pub settled: bool,
    /// What the operation did, in order, without the prelude.
    pub effects: Vec<Effect>,
    /// Where the server says that the connection stands; `None` if it did not say.
    pub status: Option<TransactionStatus>,
    /// Statements that the connection has in its cache since, by their
    /// [numbers](crate::Statement::id).
    pub cached: Vec<u32>,
    /// Statements that it has no more, by their numbers.
    pub uncached: Vec<u32>,
}

impl<R, E> Done<R, E> {
    /// An operation that succeeded and changed nothing about the session.
    pub const fn ok(reply: R, status: TransactionStatus) -> Self {
        Self {
            result: Ok(reply),
            holds: true,
            settled: false,
            effects: Vec::new(),
            status: Some(status),
            cached: Vec::new(),
            uncached: Vec::new(),
        }
    }

    /// One that failed, of which nothing else is known: with this alone the connection is closed.
    pub const fn failed(error: E, failure: Failure) -> Self {
        Self {
            result: Err(Failed { error, failure }),
            holds: false,
            settled: false,
            effects: Vec::new(),
            status: None,
            cached: Vec::new(),
            uncached: Vec::new(),
        }
    }

    /// With what it did.
    #[must_use]
    pub fn effects(mut self, effects: Vec<Effect>) -> Self {
        self.effects = effects;
        self
    }

    /// With what became of the prelude.
    #[must_use]
    pub const fn holds(mut self, holds: bool) -> Self {
        self.holds = holds;
        self
    }

    /// With whether the prelude was committed ahead of the operation.
    #[must_use]
    pub const fn settled(mut self, settled: bool) -> Self {
        self.settled = settled;
        self
    }

    /// With where the server says that the connection stands.
    #[must_use]
    pub const fn status(mut self, status: Option<TransactionStatus>) -> Self {
        self.status = status;
        self
    }
}

/// A failed operation.
#[derive(Debug)]
pub struct Failed<E> {
    /// What it failed with.
    pub error: E,
    /// What that means.
    pub failure: Failure,
}

/// What a failure means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The operation was refused; connection and session are well.
    Operation,
    /// The prelude was refused, so the operation did not run.
    Prelude,
    /// The connection was lost, and the operation has changed nothing: it did not run, or only reads,
    /// or was part of a transaction that is gone.
    Lost,
    /// The connection was lost, and whether the operation took effect is not known.
    Unknown,
}

/// State in nobody's books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Residue {
    /// What was found, by name: settings, kinds of objects. Without values.
    pub found: Vec<String>,
}

impl Residue {
    /// These were found.
    #[must_use]
    pub const fn new(found: Vec<String>) -> Self {
        Self { found }
    }
}
