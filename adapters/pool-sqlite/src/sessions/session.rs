//! A session as its user sees it.

use std::sync::Arc;

use pool_multiplex::{Pins, Session, TransactionStatus, Work};
use rusqlite::{Connection, Params, Row, TransactionBehavior};

use super::job::{Operation, Reply, Task, modes};
use super::transaction::SessionTransaction;
use crate::error::Error;
use crate::manager::SqliteManager;
use crate::vitals::kind_of;

/// What the calls of a session fail with.
pub type SessionError = pool_multiplex::Error<Error>;

/// A session on SQLite: settings, transactions and temporary tables of its own, on whatever connection
/// is free. From [`Sessions::create`](pool_multiplex::Sessions::create).
///
/// Settings know no transactions, because SQLite's pragmas do not: one that is set in a transaction
/// stays set when it is rolled back. Only with a connection that is lost they are what they were before
/// the transaction.
///
/// # Cancel safety
///
/// Dropping a call's future before the session has a connection loses nothing. After that, what was
/// running is interrupted and rolled back, and a transaction that was open is lost, which the next call
/// reports as [`Interrupted`](pool_multiplex::Error::Interrupted).
#[derive(Debug)]
pub struct SqliteSession {
    pub(super) base: Session<SqliteManager>,
    /// A transaction's guard was dropped, and something else keeps the session on its connection.
    rollback_is_due: bool,
}

impl From<Session<SqliteManager>> for SqliteSession {
    fn from(base: Session<SqliteManager>) -> Self {
        Self {
            base,
            rollback_is_due: false,
        }
    }
}

impl SqliteSession {
    /// Runs `work` on a connection that has all that the session has set, on the connection's own
    /// thread.
    ///
    /// The closure may use everything of SQL. What it changes that a session can have is the session's
    /// from then on; what pins it, pins it; what can be neither followed nor undone costs the connection.
    /// Transactions may begin in one call and end in another; savepoints are best left as they were
    /// found. Changes that are made by rusqlite's methods and not by SQL are seen by nobody: see
    /// [`raw`](Self::raw).
    ///
    /// # Errors
    ///
    /// What `work` returned, as [`Operation`](pool_multiplex::Error::Operation); the others say what
    /// they mean for the session: see [`pool_multiplex::Error`].
    pub fn call<T, F>(&mut self, work: F) -> impl Future<Output = Result<T, SessionError>> + Send
    where
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.ask(Operation::new(Task::Call(Operation::closure(work))))
    }

    /// As [`call`](Self::call), for a closure that changes what SQL cannot see: functions, collations,
    /// hooks, handlers, limits. The connection is closed when the session leaves it, which is at once,
    /// unless something pins the session.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn raw<T, F>(&mut self, work: F) -> impl Future<Output = Result<T, SessionError>> + Send
    where
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.ask(Operation::new(Task::Raw(Operation::closure(work))))
    }

    /// Runs one statement and returns how many rows it has changed.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn execute<P>(
        &mut self,
        sql: impl Into<String>,
        params: P,
    ) -> impl Future<Output = Result<usize, SessionError>> + Send
    where
        P: Params + Send + 'static,
    {
        let run = move |connection: &mut Connection, sql: &str| {
            connection.prepare_cached(sql)?.execute(params)
        };
        self.ask_sql(sql.into(), run)
    }

    /// Runs an `INSERT` and returns the number of its row: asked in the same call, because the next may
    /// run on another connection.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn insert<P>(
        &mut self,
        sql: impl Into<String>,
        params: P,
    ) -> impl Future<Output = Result<i64, SessionError>> + Send
    where
        P: Params + Send + 'static,
    {
        let run = move |connection: &mut Connection, sql: &str| {
            connection.prepare_cached(sql)?.insert(params)
        };
        self.ask_sql(sql.into(), run)
    }

    /// Runs statements separated by semicolons.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn execute_batch(
        &mut self,
        sql: impl Into<String>,
    ) -> impl Future<Output = Result<(), SessionError>> + Send {
        let run = |connection: &mut Connection, sql: &str| connection.execute_batch(sql);
        self.ask_sql(sql.into(), run)
    }

    /// All rows of a query, each turned into something by `read`.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn query<T, P, F>(
        &mut self,
        sql: impl Into<String>,
        params: P,
        read: F,
    ) -> impl Future<Output = Result<Vec<T>, SessionError>> + Send
    where
        T: Send + 'static,
        P: Params + Send + 'static,
        F: FnMut(&Row<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let run = move |connection: &mut Connection, sql: &str| {
            connection
                .prepare_cached(sql)?
                .query_map(params, read)?
                .collect()
        };
        self.ask_sql(sql.into(), run)
    }

    /// The first row of a query, turned into something by `read`.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); rusqlite's `QueryReturnedNoRows` if there is none.
    pub fn query_row<T, P, F>(
        &mut self,
        sql: impl Into<String>,
        params: P,
        read: F,
    ) -> impl Future<Output = Result<T, SessionError>> + Send
    where
        T: Send + 'static,
        P: Params + Send + 'static,
        F: FnOnce(&Row<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let run = move |connection: &mut Connection, sql: &str| {
            connection.prepare_cached(sql)?.query_row(params, read)
        };
        self.ask_sql(sql.into(), run)
    }

    fn ask_sql<T: Send + 'static>(
        &mut self,
        sql: String,
        run: impl FnOnce(&mut Connection, &str) -> rusqlite::Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, SessionError>> + Send {
        let kind = kind_of(&sql);
        let work = Operation::closure(move |connection| run(connection, &sql));
        let mut operation = Operation::new(Task::Call(work));
        operation.kind = kind;
        self.ask(operation)
    }

    /// Runs what gives a `T`. The methods above make their operation before they make a future, which
    /// so has nothing of the caller's types in it: the compiler finds some of those not to be `Send`.
    async fn ask<T: 'static>(&mut self, operation: Operation) -> Result<T, SessionError> {
        Ok(self.run(operation).await?.into())
    }

    /// Begins a transaction that reads until it writes. SQLite learns of it with the first call in it:
    /// until then it costs nothing.
    ///
    /// # Errors
    ///
    /// [`InTransaction`](pool_multiplex::Error::InTransaction), and what happened to an earlier one.
    pub async fn transaction(&mut self) -> Result<SessionTransaction<'_>, SessionError> {
        self.transaction_with(TransactionBehavior::Deferred).await
    }

    /// Begins a transaction that says at once what it is for: one that will write does not fail later
    /// because another has written meanwhile.
    ///
    /// # Errors
    ///
    /// As [`transaction`](Self::transaction). That the lock is taken comes with the first call in it.
    pub async fn transaction_with(
        &mut self,
        behavior: TransactionBehavior,
    ) -> Result<SessionTransaction<'_>, SessionError> {
        self.roll_back_if_due().await?;
        self.base.begin(modes(behavior)).await?;
        Ok(SessionTransaction::new(self))
    }

    /// Keeps the session on its connection: see [`Session::attach`].
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub async fn attach(&mut self) -> Result<(), SessionError> {
        self.base.attach().await
    }

    /// Lets go of the connection: see [`Session::detach`].
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub async fn detach(&mut self) -> Result<(), SessionError> {
        self.base.detach().await
    }

    /// Moves the session to another connection: see [`Session::migrate`].
    ///
    /// # Errors
    ///
    /// [`Pinned`](pool_multiplex::Error::Pinned); else as [`call`](Self::call).
    pub async fn migrate(&mut self) -> Result<(), SessionError> {
        self.roll_back_if_due().await?;
        self.base.migrate().await
    }

    /// What pins the session to its connection.
    ///
    /// # Errors
    ///
    /// [`Expired`](pool_multiplex::Error::Expired).
    pub fn pins(&self) -> Result<Pins, SessionError> {
        self.base.pins()
    }

    /// What every session can do, on whatever database: looks, tags, numbers.
    #[must_use]
    pub const fn base(&self) -> &Session<SqliteManager> {
        &self.base
    }

    /// The same, to change it.
    pub const fn base_mut(&mut self) -> &mut Session<SqliteManager> {
        &mut self.base
    }

    /// The same, to suspend or export it.
    #[must_use]
    pub fn into_base(self) -> Session<SqliteManager> {
        self.base
    }

    pub(super) async fn run(&mut self, operation: Operation) -> Result<Reply, SessionError> {
        self.roll_back_if_due().await?;
        let work = match operation.task {
            Task::Commit => Work::default().commits(),
            _ => Work::default(),
        };
        self.base.run(operation, work).await
    }

    /// Has the base do what the drop of a transaction's guard has left to do.
    pub(super) async fn roll_back_if_due(&mut self) -> Result<(), SessionError> {
        if !std::mem::take(&mut self.rollback_is_due) {
            return Ok(());
        }
        let operation = Operation::new(Task::Nothing);
        self.base.run(operation, Work::default()).await.map(drop)
    }

    /// Rolls the transaction back as far as that can be done without waiting. Settings stay.
    pub(super) fn roll_back_later(&mut self) -> Result<(), SessionError> {
        let wanted = self.base.look(|state| state.wanted().clone())?;
        self.base.abandon_transaction();
        // The books' own word: the session counts as in none from here on.
        let status = self.base.look(|state| state.frames().status())?;
        self.rollback_is_due = status != TransactionStatus::Idle;
        if self.rollback_is_due {
            // The rollback itself will say what has become of them.
            return Ok(());
        }
        self.base.change(|state| {
            let names = state.wanted().iter().map(|(name, _)| Arc::clone(name));
            let names: Vec<_> = names.collect();
            let gone = names.iter().filter(|name| wanted.get(name).is_none());
            gone.for_each(|name| state.unwant(name));
            for (name, value) in wanted.iter() {
                // There were no more of them before.
                let _ = state.want(name, Arc::clone(value));
            }
        })
    }
}
