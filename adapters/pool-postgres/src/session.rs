//! Sessions on PostgreSQL: settings, role, transactions, statements and subscriptions of one user,
//! kept apart from any connection.
//!
//! Ten thousand of them share a hundred connections. Each finds on whatever connection it comes to
//! what it has set, at no round trip of its own, and leaves nothing there that another could meet.
//!
//! ```text
//!  session.query(…) ── classify ── what may it do to the session? ── refuse │ serve aside │ run
//!                                                                               │
//!         books ◀── what it did, by the server's word ◀── unit: settings + operation, one flight
//! ```
//!
//! # What follows a session, what holds it, what is refused
//!
//! | state | |
//! | --- | --- |
//! | settings, of whatever name; role; defaults of transactions | follow, exactly through savepoints |
//! | prepared statements of [`Session::query`] and [`Session::prepare`] | follow: prepared again where they are needed |
//! | subscriptions ([`Session::listen`]) | served by a connection of their own |
//! | temporary tables, cursors `WITH HOLD`, advisory locks of the session, `PREPARE` as SQL, `setseed` | pin, until they are gone |
//! | values of sequences (`currval`, `lastval`) | not kept: an error, never another's value; [`Session::keep_last_value`] pins |
//! | `LOAD`, dblink, `SET SESSION AUTHORIZATION`, other encodings | refused, with what to do instead |
//! | what functions do in secret | found by an audit, see [`SessionConfig::audit`](pool_multiplex::SessionConfig::audit) |
//!
//! # Round trips
//!
//! One for [`Session::query_typed`], whatever connection it runs on; one for [`Session::query`] of a
//! statement whose types any session has asked for before, two the first time. `SET` as text takes a
//! second one, which reads the value back; [`Session::set`] does not. Beginning a transaction takes
//! none, and a setting that differs none: both go with the first statement. But where the connection
//! has another `statement_timeout` than the session, or one of less than 100 ms, they go ahead and are
//! waited for: the timeout could hit the `BEGIN`, and leave the statement to run with what another has
//! set.

mod aftermath;
mod control;
mod effects;
mod frame;
mod framed;
mod listening;
mod manager;
mod operation;
mod query;
mod refusal;
mod residue;
mod run;
mod scope;
mod segments;
mod setting;
mod stay;
mod subscriptions;
mod transaction;

pub use operation::{Operation, Reply};
pub use query::{AsStatement, Prepared};
pub(crate) use residue::all_settings;
pub(crate) use stay::Stay;
pub use subscriptions::{Heard, stop_listening};
pub use transaction::{Begin, Tables, Transaction};

use crate::error::Error;
use crate::manager::PostgresManager;
use crate::sql::{Kind, Script};
use aftermath::COUNTED;
use framed::is_of_temp_buffers;
use operation::{Ask, Staying};
use pool_multiplex::transfer::{Blob, Exporter, Keys, UnixSeconds};
use pool_multiplex::{PinReason, Pins, Raw, State, Work};
use refusal::Refusal;
use std::fmt;
use subscriptions::Subscriptions;

/// Why a session could not do what it was asked for.
pub type SessionError = pool_multiplex::Error<Error>;

/// A session of one user: settings, role, statements, a transaction, subscriptions.
///
/// It is on a connection only while something runs, in a transaction, and while something
/// [pins](Self::pins) it. It is `Send` and takes `&mut self` for whatever runs, as a connection does.
///
/// # Cancel safety
///
/// Before a connection was found, dropping a future loses nothing. After that the connection is closed
/// and its query cancelled; a transaction is lost with it, which the next call reports. Whatever the
/// session has set stays set.
pub struct Session {
    inner: pool_multiplex::Session<PostgresManager>,
    /// Values of sequences are wanted, and so keep the session where it is.
    keeps_last_value: bool,
    subscriptions: Subscriptions,
}

impl Session {
    /// Its number, unique among the sessions of the pool.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.inner.id()
    }

    /// Keeps the session on its connection, and puts its state there now.
    ///
    /// # Errors
    ///
    /// Those of [`query`](Self::query).
    pub async fn attach(&mut self) -> Result<(), SessionError> {
        self.inner.attach().await
    }

    /// Lets go of the connection, unless something else pins the session.
    ///
    /// # Errors
    ///
    /// Those of [`query`](Self::query).
    pub async fn detach(&mut self) -> Result<(), SessionError> {
        self.inner.detach().await
    }

    /// Moves the session to another connection than the one that it had last, with its state.
    ///
    /// # Errors
    ///
    /// [`SessionError::Pinned`] with all reasons, and those of [`query`](Self::query).
    pub async fn migrate(&mut self) -> Result<(), SessionError> {
        self.inner.migrate().await
    }

    /// Leaves the session to itself until it is resumed by its number.
    ///
    /// # Errors
    ///
    /// The session as it was, and [`SessionError::Pinned`].
    pub fn suspend(self) -> Result<u64, (Self, SessionError)> {
        let Self {
            inner,
            keeps_last_value,
            subscriptions,
        } = self;
        inner.suspend().map_err(|(inner, error)| {
            let session = Self {
                inner,
                keeps_last_value,
                subscriptions,
            };
            (session, error)
        })
    }

    /// Ends the session here and gives back what another process needs to go on with it: see
    /// [`pool_multiplex::Session::export`].
    ///
    /// # Errors
    ///
    /// The session as it was, and what keeps it from leaving.
    pub fn export(
        self,
        exporter: &Exporter,
        keys: &Keys,
        now: UnixSeconds,
    ) -> Result<Blob, (Self, SessionError)> {
        let Self {
            inner,
            keeps_last_value,
            subscriptions,
        } = self;
        inner.export(exporter, keys, now).map_err(|(inner, error)| {
            let session = Self {
                inner,
                keeps_last_value,
                subscriptions,
            };
            (session, error)
        })
    }

    /// Why the session cannot leave its connection now.
    ///
    /// # Errors
    ///
    /// [`SessionError::Expired`].
    pub fn pins(&self) -> Result<Pins, SessionError> {
        self.inner.pins()
    }

    /// What does not need SQL: tags, statistics, state.
    #[must_use]
    pub const fn inner(&self) -> &pool_multiplex::Session<PostgresManager> {
        &self.inner
    }

    /// The same, to change it.
    pub const fn inner_mut(&mut self) -> &mut pool_multiplex::Session<PostgresManager> {
        &mut self.inner
    }

    async fn run(
        &mut self,
        ask: Ask<'_>,
        work: Work,
        script: &Script,
    ) -> Result<Reply, SessionError> {
        let commits = script
            .statements
            .iter()
            .any(|one| matches!(one.kind, Kind::Commit { .. }));
        if commits {
            self.listen_to_all().await?;
        }
        let may_commit = |kind: &Kind| {
            matches!(
                kind,
                Kind::Commit { .. } | Kind::PrepareTransaction | Kind::Other
            )
        };
        let work = match script.statements.iter().any(|one| may_commit(&one.kind)) {
            true => work.commits(),
            false => work,
        };
        let is_alone = self.inner.look(|state| state.transaction().is_none())?;
        let mut ran = self.inner.run(Operation(ask), work).await;
        if is_alone
            && matches!(&ran, Err(SessionError::Prelude(error)) if is_of_temp_buffers(error))
        {
            // Nothing was run, the connection is closed, and another may take the settings.
            ran = self.inner.run(Operation(ask), work).await;
        }
        self.keep_what_is_heard()?;
        ran
    }

    /// Borrows the connection itself, with the session's state on it, for what a session has no words
    /// for: COPY, say. It is closed afterwards, and what was done to its session is lost.
    ///
    /// # Errors
    ///
    /// Those of [`query`](Self::query).
    pub async fn raw(&mut self) -> Result<Raw<'_, PostgresManager>, SessionError> {
        self.inner.raw().await
    }

    fn staying(&self) -> Result<Staying, SessionError> {
        let pins = self.pins()?;
        let has_counted = |state: &State| {
            let scope = state.frames().current();
            scope.temporary.contains(COUNTED) || scope.held.contains(COUNTED)
        };
        Ok(Staying {
            keeps_last_value: self.keeps_last_value,
            has_locks: pins.contains(PinReason::AdvisoryLock),
            has_temporaries: pins.contains(PinReason::TemporaryObject),
            has_counted: !pins.is_empty() && self.inner.look(has_counted)?,
            began_with_role: self
                .inner
                .look(|state| state.baseline().get("role").is_some())?,
        })
    }
}

impl From<pool_multiplex::Session<PostgresManager>> for Session {
    fn from(inner: pool_multiplex::Session<PostgresManager>) -> Self {
        Self {
            inner,
            keeps_last_value: false,
            subscriptions: Subscriptions::default(),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

fn refused(Refusal { what, remedy }: Refusal) -> SessionError {
    SessionError::Refused {
        what: what.into(),
        remedy,
    }
}
