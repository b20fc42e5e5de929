//! A connection as its user sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_channel::oneshot;
use pool_core::{Condition, Vitals, WarmUp};
use pool_multiplex::{Done, Failure, Label, Prelude, Residue};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::database::Shared;
use crate::error::Error;
use crate::mailbox::Mailbox;
use crate::sessions::{self, Operation, Reply};
use crate::vitals::{kind_of, watched};
use crate::worker::{self, Job, Worker};

/// An SQLite connection on a thread of its own.
///
/// Dropping it never blocks: the thread rolls an open transaction back, closes the file and ends
/// by itself.
pub struct SqliteConnection {
    id: u64,
    mailbox: Arc<Mailbox<Job>>,
    /// Set until the next reset when the session was changed outside SQLite's sight.
    marked: bool,
    /// What sessions have left on it.
    label: Label,
    vitals: Vitals,
}

impl SqliteConnection {
    pub(crate) async fn open(shared: Arc<Shared>, vitals: Vitals) -> Result<Self, Error> {
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        // Made before the wait, so that dropping this future stops the thread.
        let conn = Self {
            id,
            mailbox: Arc::new(Mailbox::new()),
            marked: false,
            label: Label::new(),
            vitals,
        };
        let (opened, outcome) = oneshot::channel();
        let name = format!("sqlite-{id}");
        worker::start(shared, Arc::clone(&conn.mailbox), name, opened)?;
        outcome.await.unwrap_or(Err(Error::Ended))?;
        Ok(conn)
    }

    /// The connection's number, unique within its manager and part of its thread's name
    /// (`sqlite-7`). A reset keeps it.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Runs `work` on the connection's thread and waits for its outcome.
    ///
    /// The closure may use everything of rusqlite, but should leave the connection's hooks alone
    /// and must not swap the connection for another.
    ///
    /// # Errors
    ///
    /// What `work` returned, as [`Error::Sqlite`]; [`Error::Panicked`] when it panicked;
    /// [`Error::Outstanding`] when an earlier call was dropped and its job has not ended;
    /// [`Error::Ended`] after a panic.
    ///
    /// # Cancel safety
    ///
    /// Not yet begun, the work never runs and the connection stays as it was. Under way, the
    /// running statement is interrupted, no other but a rollback is compiled, so that nothing
    /// that had not begun to commit is committed, and the connection counts as broken until the
    /// work has ended. A statement compiled before (a cached one) that is short may still run.
    pub async fn call<T, F>(&mut self, work: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.call_kind(0, work).await
    }

    async fn call_kind<T, F>(&mut self, kind: u32, work: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.run(kind, move |worker| {
            Ok(work(worker.database()?.connection())?)
        })
        .await
    }

    /// Runs `work` in a transaction: committed when it returns `Ok`, rolled back when it returns
    /// an error, panics, or is given up before its end.
    ///
    /// [`TransactionBehavior::Immediate`] takes the write lock at the start and so cannot fail
    /// half-way because another connection wrote first.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call); dropped before the commit has begun, nothing is committed; dropped
    /// during the commit, the transaction may be committed or not.
    pub async fn transaction<T, F>(
        &mut self,
        behavior: TransactionBehavior,
        work: F,
    ) -> Result<T, Error>
    where
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.call(move |connection| {
            let transaction = connection.transaction_with_behavior(behavior)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
        .await
    }

    /// Runs statements separated by semicolons.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call); the statements done by then stay done.
    pub async fn execute_batch(&mut self, sql: impl Into<String>) -> Result<(), Error> {
        let sql = sql.into();
        let kind = kind_of(&sql);
        self.call_kind(kind, move |connection| connection.execute_batch(&sql))
            .await
    }

    /// Notes that the session was changed by other means than SQL (a function, a hook, a handler
    /// set through rusqlite), so that a pool opens the file anew before the next user.
    pub const fn mark_changed(&mut self) {
        self.marked = true;
    }

    /// What can be told about the connection without asking its thread: one atomic load.
    ///
    /// [`Dirty`](Condition::Dirty) with an open transaction or a changed session,
    /// [`Broken`](Condition::Broken) while a job that was given up still runs and once the thread
    /// has ended.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match self.mailbox.condition() {
            Condition::Clean if self.marked || self.label.is_open() => Condition::Dirty,
            condition => condition,
        }
    }

    /// Makes the connection as good as new: rolls back an open transaction, and opens the file
    /// anew when the session was changed in any other way.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), and [`Error::Open`] when the file cannot be opened again, which
    /// ends the connection.
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn reset(&mut self) -> Result<(), Error> {
        self.renew(self.marked).await
    }

    /// Opens the file anew if it must be or `always` says so.
    pub(crate) async fn renew(&mut self, always: bool) -> Result<(), Error> {
        self.run(0, move |worker| worker.reset(always)).await?;
        self.marked = false;
        self.label.clear();
        Ok(())
    }

    pub(crate) async fn warm_up(&mut self, plan: WarmUp) -> Result<(), Error> {
        self.run(0, move |worker| worker.warm_up(&plan)).await
    }

    /// Asks SQLite whether the connection works.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn ping(&mut self) -> Result<(), Error> {
        const QUESTION: &str = "SELECT 1";
        self.call_kind(kind_of(QUESTION), |connection| {
            connection
                .prepare_cached(QUESTION)?
                .query_row([], |_| Ok(()))
        })
        .await
    }

    /// Closes the file and waits until that is done; a job still under way is interrupted and
    /// waited for. An open transaction is rolled back.
    ///
    /// # Errors
    ///
    /// [`Error::Close`] when SQLite refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the close goes on by itself.
    pub async fn close(self) -> Result<(), Error> {
        let (closed, outcome) = oneshot::channel();
        self.mailbox.stop(Some(closed));
        // No answer: the thread has ended before, and the file with it.
        outcome.await.unwrap_or(Ok(()))
    }

    pub(crate) const fn label(&mut self) -> &mut Label {
        &mut self.label
    }

    /// Runs an operation of a session, all of it in one job.
    pub(crate) async fn perform(
        &mut self,
        prelude: Prelude,
        operation: Operation,
    ) -> Done<Reply, Error> {
        let vitals = self.vitals.clone();
        let done = self.hand_over(move |worker| worker.perform(&vitals, &prelude, operation));
        let done = done.await;
        done.unwrap_or_else(|error| Done::failed(error, Failure::Lost))
    }

    pub(crate) async fn probe(&mut self) -> Result<Residue, Error> {
        self.run(0, |worker| sessions::probe(worker.database()?))
            .await
    }

    async fn run<T, F>(&mut self, kind: u32, work: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Worker) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let vitals = self.vitals.clone();
        let failure = |outcome: &Result<T, Error>| outcome.as_ref().err().map(Error::class);
        self.hand_over(move |worker| {
            worker.attempt(|worker| watched(&vitals, kind, || work(worker), failure))
        })
        .await?
    }

    /// Has the thread do something and waits for what comes of it. An error says that nothing did.
    async fn hand_over<T, F>(&mut self, work: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Worker) -> T + Send + 'static,
        T: Send + 'static,
    {
        let (reply, outcome) = oneshot::channel();
        let job: Job = Box::new(move |worker| drop(reply.send(work(worker))));
        self.mailbox.post(job).map_err(|(_job, error)| error)?;
        let mut pending = Pending {
            mailbox: &self.mailbox,
            answered: false,
        };
        let outcome = outcome.await;
        pending.answered = true;
        outcome.map_err(|_| Error::Ended)
    }
}

impl Drop for SqliteConnection {
    fn drop(&mut self) {
        self.mailbox.stop(None);
    }
}

impl fmt::Debug for SqliteConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteConnection")
            .field("id", &self.id)
            .field("condition", &self.condition())
            .finish_non_exhaustive()
    }
}

/// A job whose caller waits. Dropped without an answer, the job is given up.
struct Pending<'a> {
    mailbox: &'a Mailbox<Job>,
    answered: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.answered {
            drop(self.mailbox.give_up());
        }
    }
}
