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
//! none, and a setting that differs none: both go with the first statement.

mod aftermath;
mod effects;
mod frame;
mod manager;
mod operation;
mod refusal;
mod residue;
mod run;
mod scope;
mod segments;
mod stay;
mod subscriptions;
mod transaction;

pub use operation::{Operation, Reply};
pub(crate) use residue::all_settings;
pub(crate) use stay::Stay;
pub use subscriptions::{Heard, stop_listening};
pub use transaction::{Begin, Tables, Transaction};

use crate::error::Error;
use crate::manager::PostgresManager;
use crate::sql::{Kind, Script, SetValue, classify};
use operation::{Ask, Got, Known, Parameters, Staying};
use pool_multiplex::transfer::{Blob, Exporter, Keys, UnixSeconds};
use pool_multiplex::{
    Effect, Modes, PinReason, Pins, Raw, State, Statement, TransactionContext, Work,
};
use refusal::{Refusal, check, check_parameters, check_setting, may_pin};
use segments::segments;
use std::fmt;
use std::sync::Arc;
use subscriptions::{Subscriptions, listener};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage};

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

/// A statement of a session, which may run on any connection.
#[derive(Clone, Debug)]
pub struct Prepared {
    statement: Arc<Statement>,
    types: Arc<[Type]>,
}

/// Parameters of a statement, in order.
type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    /// Its number, unique among the sessions of the pool.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.inner.id()
    }

    /// Sets a setting, of the server's or a made-up name (`app.id`), for all that the session does
    /// from now on, or to the end of the transaction if that is rolled back. Returns the value as the
    /// server spells it.
    ///
    /// # Errors
    ///
    /// The server's, for a value it does not take, and those of [`query`](Self::query).
    pub async fn set(&mut self, name: &str, value: &str) -> Result<String, SessionError> {
        let literal = SetValue::Literal(value.to_owned());
        check_setting(name, Some(&literal)).map_err(refused)?;
        if let Err(error) = crate::settings::Settings::new().set_or_role(name, value) {
            return Err(SessionError::Operation(Error::Setting(error.to_string())));
        }
        let ask = Ask::Set { name, value };
        match self.inner.run(Operation(ask), Work::default()).await?.0 {
            Got::Value(spelled) => Ok(spelled),
            _ => Ok(value.to_owned()),
        }
    }

    /// Gives a setting the value again that the session began with.
    ///
    /// # Errors
    ///
    /// Those of [`query`](Self::query).
    pub async fn reset(&mut self, name: &str) -> Result<(), SessionError> {
        check_setting(name, None).map_err(refused)?;
        self.inner.settle().await?;
        self.inner.change(|state| state.unwant(name))
    }

    /// The value of a setting that the session has changed, as the server spells it; `None` if it has
    /// not. Asks nobody.
    ///
    /// # Errors
    ///
    /// [`SessionError::Expired`].
    pub fn setting(&self, name: &str) -> Result<Option<String>, SessionError> {
        self.inner
            .look(|state| state.wanted().get(name).map(ToString::to_string))
    }

    /// Takes a role.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn set_role(&mut self, role: &str) -> Result<(), SessionError> {
        self.set("role", role).await.map(drop)
    }

    /// Becomes the user again who logged in.
    ///
    /// # Errors
    ///
    /// As [`reset`](Self::reset).
    pub async fn reset_role(&mut self) -> Result<(), SessionError> {
        self.reset("role").await
    }

    /// All rows of a statement. The first time that anybody runs it, the server is asked for its
    /// types, which takes a round trip more.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]: the server's error, or what became of the connection and what that means.
    pub async fn query<S: AsStatement + ?Sized>(
        &mut self,
        sql: &S,
        parameters: Values<'_>,
    ) -> Result<Vec<Row>, SessionError> {
        let statement = self.statement(sql, &[])?;
        let ran = self.run_statement(&statement, Parameters::Plain(parameters));
        Ok(ran.await?.0)
    }

    /// The one row of a statement.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and [`Error::Rows`] when there is not exactly one.
    pub async fn query_one<S: AsStatement + ?Sized>(
        &mut self,
        sql: &S,
        parameters: Values<'_>,
    ) -> Result<Row, SessionError> {
        one(self.query(sql, parameters).await?)
    }

    /// The row of a statement, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and [`Error::Rows`] when there is more than one.
    pub async fn query_opt<S: AsStatement + ?Sized>(
        &mut self,
        sql: &S,
        parameters: Values<'_>,
    ) -> Result<Option<Row>, SessionError> {
        let mut rows = self.query(sql, parameters).await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            count => Err(SessionError::Operation(Error::Rows(count))),
        }
    }

    /// All rows of a statement whose parameters are of these types: always in one round trip.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn query_typed(
        &mut self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, SessionError> {
        let types: Vec<u32> = parameters.iter().map(|(_, of)| of.oid()).collect();
        let statement = self.shared(sql, &types)?;
        let ran = self.run_statement(&statement, Parameters::Typed(parameters));
        Ok(ran.await?.0)
    }

    /// Runs a statement whose parameters are of these types, always in one round trip; how many rows it
    /// changed or returned.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute_typed(
        &mut self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, SessionError> {
        let types: Vec<u32> = parameters.iter().map(|(_, of)| of.oid()).collect();
        let statement = self.shared(sql, &types)?;
        let ran = self.run_statement(&statement, Parameters::Typed(parameters));
        Ok(ran.await?.1.unwrap_or(0))
    }

    /// Runs a statement; how many rows it changed or returned. Without parameters, one that does
    /// something to the session may be any that [`batch`](Self::batch) takes.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn execute<S: AsStatement + ?Sized>(
        &mut self,
        sql: &S,
        parameters: Values<'_>,
    ) -> Result<u64, SessionError> {
        let statement = self.statement(sql, &[])?;
        if parameters.is_empty() && !known(&statement).script.is_plain() {
            let messages = self.batch(statement.text()).await?;
            return Ok(messages.iter().rev().find_map(changed).unwrap_or(0));
        }
        let ran = self.run_statement(&statement, Parameters::Plain(parameters));
        Ok(ran.await?.1.unwrap_or(0))
    }

    /// Runs any number of statements, as one text without parameters. Outside of a transaction they
    /// are one by themselves, unless they hold `BEGIN` or `COMMIT`.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and [`SessionError::Refused`] for what a session cannot do.
    pub async fn batch(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, SessionError> {
        let statement = self.shared(sql, &[])?;
        let known = known(&statement);
        check(&known.script).map_err(refused)?;
        if self.serve_aside(&known.script).await? {
            return Ok(Vec::new());
        }
        check_parameters(&known.script, Parameters::Plain(&[])).map_err(refused)?;
        let parts = segments(&known.script, sql.len());
        if parts.len() == 1 {
            return self.segment(sql, &known.script).await;
        }
        let mut messages = Vec::new();
        for part in parts {
            let text = &sql[part];
            messages.append(&mut self.segment(text, &classify(text)).await?);
        }
        Ok(messages)
    }

    async fn segment(
        &mut self,
        text: &str,
        script: &Script,
    ) -> Result<Vec<SimpleQueryMessage>, SessionError> {
        let ask = Ask::Batch {
            text,
            script,
            stay: self.staying()?,
        };
        let work = Work::default().pins(may_pin(script));
        match self.run(ask, work, script).await?.0 {
            Got::Messages(messages) => Ok(messages),
            _ => Ok(Vec::new()),
        }
    }

    /// Makes a statement known, with the types of its parameters, so that it runs in one round trip
    /// from now on. It may run on any connection, which gets it when it is first run there.
    ///
    /// # Errors
    ///
    /// The server's, for text that it cannot parse, and those of [`query`](Self::query).
    pub async fn prepare(&mut self, sql: &str) -> Result<Prepared, SessionError> {
        self.prepare_typed(sql, &[]).await
    }

    /// Like [`prepare`](Self::prepare), with the types of the first parameters. The same text with
    /// other types is another statement.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    pub async fn prepare_typed(
        &mut self,
        sql: &str,
        types: &[Type],
    ) -> Result<Prepared, SessionError> {
        let types: Vec<u32> = types.iter().map(Type::oid).collect();
        let statement = self.shared(sql, &types)?;
        let known = known(&statement);
        let ask = Ask::Prepare {
            statement: &statement,
            known: &known,
        };
        let work = Work::default().statement(statement.id());
        let types = match self.inner.run(Operation(ask), work).await?.0 {
            Got::Types(types) => types,
            _ => Arc::default(),
        };
        Ok(Prepared { statement, types })
    }

    /// Begins a transaction. The server learns of it with its first statement.
    ///
    /// # Errors
    ///
    /// [`SessionError::InTransaction`], and what happened to an earlier one.
    pub async fn transaction(&mut self) -> Result<Transaction<'_>, SessionError> {
        self.build_transaction().start().await
    }

    /// A transaction with modes of its own.
    pub const fn build_transaction(&mut self) -> Begin<'_> {
        Begin::new(self)
    }

    /// Begins a transaction that is ended by [`commit`](Self::commit) or [`rollback`](Self::rollback),
    /// by whoever has the session then. [`transaction`](Self::transaction) ends with its guard.
    ///
    /// # Errors
    ///
    /// [`SessionError::InTransaction`], and what happened to an earlier one.
    pub async fn begin(&mut self, modes: Modes) -> Result<(), SessionError> {
        self.inner.begin(modes).await
    }

    /// Commits the transaction that the session is in.
    ///
    /// # Errors
    ///
    /// [`SessionError::OutcomeUnknown`] if the connection was lost before the answer came;
    /// [`Error::RolledBack`] if a statement had failed.
    pub async fn commit(&mut self) -> Result<(), SessionError> {
        if self.inner.end_unbegun(true)? {
            return Ok(());
        }
        let had_failed = self.has_failed()?;
        self.batch("COMMIT").await?;
        match had_failed {
            true => Err(SessionError::Operation(Error::RolledBack)),
            false => Ok(()),
        }
    }

    fn has_failed(&self) -> Result<bool, SessionError> {
        Ok(self.inner.status()? == pool_multiplex::TransactionStatus::Failed)
    }

    /// Rolls the transaction back that the session is in.
    ///
    /// # Errors
    ///
    /// What became of the connection; the transaction is over in any case.
    pub async fn rollback(&mut self) -> Result<(), SessionError> {
        if self.inner.end_unbegun(false)? {
            return Ok(());
        }
        self.batch("ROLLBACK").await.map(drop)
    }

    /// Sets a savepoint. Names may be used again; the latest of a name is the one that counts.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoTransaction`], and those of [`query`](Self::query).
    pub async fn savepoint(&mut self, name: &str) -> Result<(), SessionError> {
        self.need_transaction()?;
        self.at_savepoint("SAVEPOINT", name).await
    }

    /// Rolls back what was done since the savepoint, which stays.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoSavepoint`], and those of [`query`](Self::query).
    pub async fn rollback_to(&mut self, name: &str) -> Result<(), SessionError> {
        self.need_savepoint(name)?;
        self.at_savepoint("ROLLBACK TO SAVEPOINT", name).await
    }

    /// Lets a savepoint go, with all that were set after it.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoSavepoint`], and those of [`query`](Self::query).
    pub async fn release(&mut self, name: &str) -> Result<(), SessionError> {
        self.need_savepoint(name)?;
        self.at_savepoint("RELEASE SAVEPOINT", name).await
    }

    async fn at_savepoint(&mut self, verb: &str, name: &str) -> Result<(), SessionError> {
        let quoted = name.replace('"', "\"\"");
        self.batch(&format!("{verb} \"{quoted}\"")).await.map(drop)
    }

    fn need_transaction(&self) -> Result<(), SessionError> {
        match self.inner.look(State::transaction)? {
            Some(_) => Ok(()),
            None => Err(SessionError::NoTransaction),
        }
    }

    fn need_savepoint(&self, name: &str) -> Result<(), SessionError> {
        self.need_transaction()?;
        let is_set = |state: &State| state.frames().savepoints().any(|other| **other == *name);
        match self.inner.look(is_set)? {
            true => Ok(()),
            false => Err(SessionError::NoSavepoint(name.to_owned())),
        }
    }

    /// Keeps the values that sequences gave to the session (`currval`, `lastval`), which keeps the
    /// session on its connection from the next `nextval` in a statement's text on. Default: not; what
    /// an `INSERT` was given is better had by `RETURNING`.
    pub async fn keep_last_value(&mut self, keep: bool) -> Result<(), SessionError> {
        self.keeps_last_value = keep;
        if keep {
            return Ok(());
        }
        self.unpin_for(PinReason::LastValue).await
    }

    async fn unpin_for(&mut self, reason: PinReason) -> Result<(), SessionError> {
        self.inner.note(&Effect::Unpin(reason))?;
        self.inner.let_go().await
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

    /// The transaction that the session is in.
    ///
    /// # Errors
    ///
    /// [`SessionError::Expired`].
    pub fn transaction_context(&self) -> Result<Option<TransactionContext>, SessionError> {
        self.inner.transaction_context()
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

    /// Has the pool's connection asked a question of this crate's own.
    pub(crate) async fn ask(&mut self, text: &'static str) -> Result<Vec<Row>, SessionError> {
        let ran = self.inner.run(Operation(Ask::Rows(text)), Work::default());
        match ran.await?.0 {
            Got::Rows(rows, _) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    async fn run_statement(
        &mut self,
        statement: &Arc<Statement>,
        parameters: Parameters<'_>,
    ) -> Result<(Vec<Row>, Option<u64>), SessionError> {
        let known = known(statement);
        check(&known.script).map_err(refused)?;
        if self.serve_aside(&known.script).await? {
            return Ok((Vec::new(), None));
        }
        check_parameters(&known.script, parameters).map_err(refused)?;
        let touch = |state: &mut State| {
            let executions = state.statements().executions(statement.id());
            state.statements_mut().touch(statement);
            executions
        };
        let executions = self.inner.change(touch)?;
        let ask = Ask::Query {
            statement,
            known: &known,
            parameters,
            executions,
            stay: self.staying()?,
        };
        let work = Work::default()
            .statement(statement.id())
            .pins(may_pin(&known.script));
        let ran = self.run(ask, work, &known.script).await;
        match ran?.0 {
            Got::Rows(rows, affected) => Ok((rows, affected)),
            _ => Ok((Vec::new(), None)),
        }
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
        let ran = self.inner.run(Operation(ask), work).await;
        self.keep_what_is_heard()?;
        ran
    }

    /// Does what is not done on the session's own connection; false if there is nothing of the kind.
    async fn serve_aside(&mut self, script: &Script) -> Result<bool, SessionError> {
        match script.statements.as_slice() {
            [one] => match &one.kind {
                Kind::Listen { channel } => self.listen(channel).await?,
                Kind::Unlisten {
                    channel: Some(channel),
                } => self.unlisten(channel).await?,
                Kind::Unlisten { channel: None } => self.unlisten_all().await?,
                _ => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Hears a channel from now on; in a transaction, from its commit on. Whatever is notified by a
    /// transaction that commits after that is heard. Served by a connection that all sessions of the
    /// pool share, which counts against the pool's maximum.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if it is not heard; the session does not want it then.
    pub async fn listen(&mut self, channel: &str) -> Result<(), SessionError> {
        if self.has_failed()? {
            return Err(SessionError::Operation(Error::FailedTransaction));
        }
        self.inner.note(&Effect::Subscribe(channel.into()))?;
        if self.inner.transaction_context()?.is_some() {
            return Ok(());
        }
        let listening = self.listen_to_all().await;
        if listening.is_err() {
            self.inner
                .note(&Effect::Unsubscribe(Some(channel.into())))?;
        }
        listening
    }

    /// Does not hear a channel any more; in a transaction, from its commit on.
    ///
    /// # Errors
    ///
    /// [`SessionError::Expired`].
    pub async fn unlisten(&mut self, channel: &str) -> Result<(), SessionError> {
        self.inner
            .note(&Effect::Unsubscribe(Some(channel.into())))?;
        self.keep_what_is_heard()
    }

    /// Hears no channel any more; in a transaction, from its commit on.
    ///
    /// # Errors
    ///
    /// [`SessionError::Expired`].
    pub async fn unlisten_all(&mut self) -> Result<(), SessionError> {
        self.inner.note(&Effect::Unsubscribe(None))?;
        self.keep_what_is_heard()
    }

    /// Waits for the next notification of a channel that the session listens to; needs no connection
    /// of its own. `None` if it listens to none.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] when a channel is lost for good.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn notification(&mut self) -> Result<Option<Heard>, SessionError> {
        let channels = self.channels(|state| state.channels().iter().cloned().collect())?;
        if self.subscriptions.len() < channels.len() {
            // It has come from elsewhere, or was suspended.
            self.subscribe(&channels).await?;
        }
        match self.subscriptions.next().await {
            None => Ok(None),
            Some(Ok(heard)) => Ok(Some(heard)),
            Some(Err(error)) => Err(not_heard(&error)),
        }
    }

    /// Listens to all channels that the session will want when it has committed.
    async fn listen_to_all(&mut self) -> Result<(), SessionError> {
        let wanted = |state: &State| state.frames().current().channels.iter().cloned().collect();
        let wanted: Vec<Arc<str>> = self.channels(wanted)?;
        self.subscribe(&wanted).await
    }

    async fn subscribe(&mut self, channels: &[Arc<str>]) -> Result<(), SessionError> {
        if channels.is_empty() {
            return Ok(());
        }
        let listener = listener(self.inner.sessions().pool());
        let added = self.subscriptions.add(&listener, channels).await;
        added.map_err(|error| not_heard(&error))
    }

    /// Gives up what is not, or not any more, wanted.
    fn keep_what_is_heard(&mut self) -> Result<(), SessionError> {
        if self.subscriptions.len() > 0 {
            let heard = self.channels(|state| state.channels().iter().cloned().collect())?;
            self.subscriptions.keep(&heard);
        }
        Ok(())
    }

    fn channels(
        &self,
        channels: impl FnOnce(&State) -> Vec<Arc<str>>,
    ) -> Result<Vec<Arc<str>>, SessionError> {
        self.inner.look(channels)
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
        Ok(Staying {
            keeps_last_value: self.keeps_last_value,
            has_locks: self.pins()?.contains(PinReason::AdvisoryLock),
        })
    }

    fn statement<S: AsStatement + ?Sized>(
        &self,
        sql: &S,
        types: &[u32],
    ) -> Result<Arc<Statement>, SessionError> {
        match sql.prepared() {
            Some(prepared) => Ok(Arc::clone(&prepared.statement)),
            None => self.shared(sql.text(), types),
        }
    }

    fn shared(&self, sql: &str, types: &[u32]) -> Result<Arc<Statement>, SessionError> {
        const LONGEST: usize = 1 << 20;
        if sql.len() > LONGEST {
            return Err(refused(Refusal {
                what: "a statement of more than 1 MiB",
                remedy: "send data as parameters or by COPY",
            }));
        }
        Ok(self.inner.sessions().catalogue().intern(sql, types, ""))
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

/// Something that names a statement of a session: its text, or one that was
/// [prepared](Session::prepare).
pub trait AsStatement: Sync {
    /// Its text.
    fn text(&self) -> &str;

    /// The statement, if it was prepared.
    fn prepared(&self) -> Option<&Prepared> {
        None
    }
}

impl AsStatement for str {
    fn text(&self) -> &str {
        self
    }
}

impl AsStatement for String {
    fn text(&self) -> &str {
        self
    }
}

impl AsStatement for Prepared {
    fn text(&self) -> &str {
        self.statement.text()
    }

    fn prepared(&self) -> Option<&Prepared> {
        Some(self)
    }
}

impl Prepared {
    /// Its text.
    #[must_use]
    pub fn sql(&self) -> &str {
        self.statement.text()
    }

    /// The types of its parameters, as the server named them when it was prepared.
    #[must_use]
    pub fn parameter_types(&self) -> &[Type] {
        &self.types
    }
}

/// What is known of a statement; read from its text the first time.
fn known(statement: &Statement) -> Arc<Known> {
    statement
        .learned::<Known>()
        .unwrap_or_else(|| statement.learn(Known::new(statement.text())))
}

fn not_heard(error: &crate::listener::ListenError) -> SessionError {
    SessionError::Operation(Error::Listen(error.to_string()))
}

fn refused(Refusal { what, remedy }: Refusal) -> SessionError {
    SessionError::Refused {
        what: what.into(),
        remedy,
    }
}

fn one(mut rows: Vec<Row>) -> Result<Row, SessionError> {
    let count = rows.len();
    match (count, rows.pop()) {
        (1, Some(row)) => Ok(row),
        _ => Err(SessionError::Operation(Error::Rows(count))),
    }
}

const fn changed(message: &SimpleQueryMessage) -> Option<u64> {
    match message {
        SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
        _ => None,
    }
}
