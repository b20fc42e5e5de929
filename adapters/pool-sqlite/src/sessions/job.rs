//! One operation of a session: one job on the connection's thread.
//!
//! What a server does in one round trip happens here in one call of the thread: the settings that the
//! connection lacks, the transaction that the session has begun, the operation itself, and a look at
//! what has become of the connection. If the first or the second fails, both are taken back and the
//! operation does not run.
//!
//! What an operation did is not read from its SQL. SQLite's callbacks tell what it touched, and that is
//! looked at afterwards: a pragma takes effect when it is compiled, before it runs, or never, and only
//! its value says which. The callbacks are asked while a statement is compiled, and a cached one is not,
//! but SQLite compiles what touches a connection anew each time it runs: the program of a pragma runs
//! once, `ATTACH` and `DETACH` expire themselves, and what makes or drops a temporary object changes the
//! schema that it was compiled for.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use pool_core::ErrorClass;
use pool_multiplex::{
    Access, Done, Effect, Failure, Isolation, Modes, Prelude, Residue, TransactionStatus,
};
use rusqlite::Connection;

use super::books::Books;
use super::pragmas::{Pragma, Treatment};
use crate::database::OpenDatabase;
use crate::error::Error;
use crate::signals::Signals;

type Answer = Box<dyn Any + Send>;
type Closure = Box<dyn FnOnce(&mut Connection) -> rusqlite::Result<Answer> + Send>;

/// Something that a session runs. Made by the methods of [`SqliteSession`](super::SqliteSession).
pub struct Operation {
    /// What stands for its SQL, for policies of health.
    pub(crate) kind: u32,
    pub(super) task: Task,
}

/// What it is.
pub(super) enum Task {
    Nothing,
    Set(Arc<str>, Arc<str>),
    Reset(Arc<str>),
    Value(Arc<str>),
    Savepoint(Arc<str>),
    Release(Arc<str>),
    RollbackTo(Arc<str>),
    Commit,
    Rollback,
    Call(Closure),
    /// As a call, by somebody who may do what nobody sees.
    Raw(Closure),
}

/// What comes of it.
pub struct Reply(Option<Answer>);

impl Operation {
    pub(super) const fn new(task: Task) -> Self {
        Self { kind: 0, task }
    }

    /// What a closure does, which gives a `T`.
    pub(super) fn closure<T: Send + 'static>(
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Closure {
        Box::new(|connection| Ok(Box::new(work(connection)?)))
    }
}

impl Reply {
    fn of<T: Send + 'static>(answer: T) -> Self {
        Self(Some(Box::new(answer)))
    }

    /// The answer, which the operation has made a `T`.
    pub(super) fn into<T: 'static>(self) -> T {
        let answer = self.0.and_then(|answer| answer.downcast().ok());
        *answer.unwrap_or_else(|| unreachable!("who asks has also said what the answer is"))
    }
}

/// Does it all.
pub(crate) fn perform(
    database: &mut OpenDatabase,
    prelude: &Prelude,
    operation: Operation,
) -> Done<Reply, Error> {
    let (connection, signals, books) = database.parts();
    signals.forget();
    let before = signals.touched();
    let ready = make_ready(connection, books, prelude);
    signals.touch_only(before);
    if connection.is_autocommit() {
        books.is_idle();
    }
    if let Err((error, failure, is_as_before)) = ready {
        let status = is_as_before.then(|| status(connection));
        let failure = match error.class() {
            ErrorClass::Connection => Failure::Lost,
            _ => failure,
        };
        return Done::failed(error, failure).status(status);
    }
    Job {
        before,
        was_open: !connection.is_autocommit(),
        effects: Vec::new(),
        connection,
        signals,
        books,
    }
    .run(operation.task)
}

/// Settings, then the transaction. Of a failure also says what it means, and whether the connection is
/// as it was.
fn make_ready(
    connection: &Connection,
    books: &mut Books,
    prelude: &Prelude,
) -> Result<(), (Error, Failure, bool)> {
    let opened = books.open(connection);
    opened.map_err(|error| (error.into(), Failure::Prelude, true))?;
    let applied = books.apply(connection, &prelude.settings);
    let undo = applied.map_err(|(error, undone)| (error, Failure::Prelude, undone))?;
    let Some(modes) = prelude.begin else {
        return Ok(());
    };
    connection.execute_batch(begin(modes)).map_err(|error| {
        // The settings were fine: it is the user's own statement that SQLite refuses.
        (
            error.into(),
            Failure::Operation,
            books.undo(connection, undo),
        )
    })
}

/// How a transaction of these modes begins: see [`modes`].
fn begin(modes: Modes) -> &'static str {
    match (modes.access, modes.isolation) {
        (Some(Access::ReadWrite), Some(Isolation::Serializable)) => "BEGIN EXCLUSIVE",
        (Some(Access::ReadWrite), _) => "BEGIN IMMEDIATE",
        _ => "BEGIN",
    }
}

/// SQLite's ways to begin, in words that all databases share.
pub(super) fn modes(behavior: rusqlite::TransactionBehavior) -> Modes {
    use rusqlite::TransactionBehavior::{Exclusive, Immediate};
    let mut modes = Modes::default();
    if matches!(behavior, Immediate | Exclusive) {
        modes.access = Some(Access::ReadWrite);
    }
    if matches!(behavior, Exclusive) {
        modes.isolation = Some(Isolation::Serializable);
    }
    modes
}

fn status(connection: &Connection) -> TransactionStatus {
    match connection.is_autocommit() {
        true => TransactionStatus::Idle,
        false => TransactionStatus::Active,
    }
}

/// An operation on a connection that is ready for it.
struct Job<'a> {
    connection: &'a mut Connection,
    signals: &'a Signals,
    books: &'a mut Books,
    /// What earlier jobs have left that must be looked at again.
    before: u64,
    was_open: bool,
    effects: Vec<Effect>,
}

impl Job<'_> {
    fn run(mut self, task: Task) -> Done<Reply, Error> {
        self.signals.touch_only(0);
        let result = self.attempt(task);
        let lost = |error: &Error| error.class() == ErrorClass::Connection;
        match result {
            Err(error) if lost(&error) => Done::failed(error, failure(self.signals)),
            result => self.account(result),
        }
    }

    fn attempt(&mut self, task: Task) -> Result<Reply, Error> {
        let connection = &mut *self.connection;
        match task {
            Task::Nothing => {}
            Task::Set(name, value) => {
                let value = self.books.set(connection, &name, &value)?;
                let answer = Arc::clone(&value);
                self.effects.push(Effect::Set { name, value });
                return Ok(Reply::of(answer));
            }
            Task::Reset(name) => {
                self.books.reset(connection, &name)?;
                self.effects.push(Effect::Reset(name));
            }
            Task::Value(name) => return Ok(Reply::of(self.books.value(&name)?)),
            Task::Savepoint(name) => {
                connection.execute_batch(&format!("SAVEPOINT {}", quoted(&name)))?;
                self.effects.push(Effect::Savepoint(name));
            }
            Task::Release(name) => {
                connection.execute_batch(&format!("RELEASE {}", quoted(&name)))?;
                self.effects.push(Effect::Release(name));
            }
            Task::RollbackTo(name) => {
                connection.execute_batch(&format!("ROLLBACK TO {}", quoted(&name)))?;
                self.effects.push(Effect::RollbackTo(name));
                self.books.say_again(&mut self.effects);
            }
            Task::Commit => connection.execute_batch("COMMIT")?,
            Task::Rollback => connection.execute_batch("ROLLBACK")?,
            Task::Call(work) => return Ok(Reply(Some(work(connection)?))),
            Task::Raw(work) => {
                self.effects
                    .push(Effect::Taint("the connection was given out raw"));
                return Ok(Reply(Some(work(connection)?)));
            }
        }
        Ok(Reply(None))
    }

    /// Says what the operation did, by what is there now.
    fn account(mut self, result: Result<Reply, Error>) -> Done<Reply, Error> {
        let fresh = self.signals.touched();
        let is_open = !self.connection.is_autocommit();
        self.tell_transaction(is_open);
        let touched = fresh | self.before;
        let looked = self.look(touched, is_open);
        let objects = self.books.has_objects() || is_open && touched & Signals::OBJECTS != 0;
        let mut left = touched & Signals::OTHER;
        if objects {
            left |= Signals::OBJECTS;
        }
        if looked.is_err() {
            left |= Signals::OTHER;
        }
        self.signals.touch_only(left);
        if !is_open {
            self.books.is_idle();
        }
        let status = looked.is_ok().then(|| status(self.connection));
        let done = match result {
            Ok(reply) => Done::ok(reply, TransactionStatus::Idle),
            Err(error) => Done::failed(error, Failure::Operation).holds(true),
        };
        done.effects(self.effects).status(status)
    }

    /// Whether a transaction that has only read was committed or rolled back, nobody can tell; it makes
    /// no difference.
    fn tell_transaction(&mut self, is_open: bool) {
        let committed = self.signals.committed();
        match (self.was_open, is_open) {
            (false, true) => self.effects.push(Effect::Begin(Modes::default())),
            (true, _) if committed => self.effects.push(Effect::Commit { chain: is_open }),
            (true, false) => {
                self.effects.push(Effect::Rollback { chain: false });
                self.books.say_again(&mut self.effects);
            }
            _ => {}
        }
    }

    fn look(&mut self, touched: u64, is_open: bool) -> rusqlite::Result<()> {
        self.books
            .look(self.connection, touched, &mut self.effects)?;
        let transient = |(place, row): (usize, &Pragma)| {
            matches!(row.treatment, Treatment::TransactionOnly) && touched & (1 << place) != 0
        };
        if !is_open && Pragma::named("defer_foreign_keys").is_some_and(transient) {
            // Set outside a transaction it would be in force in the next one, whosever that is.
            self.connection
                .execute_batch("PRAGMA defer_foreign_keys = OFF")?;
        }
        Ok(())
    }
}

/// What a lost connection means: nothing was changed, unless something had begun to commit.
pub(crate) fn failure(signals: &Signals) -> Failure {
    match signals.committed() {
        true => Failure::Unknown,
        false => Failure::Lost,
    }
}

/// Looks for what is on the connection and in nobody's books.
pub(crate) fn probe(database: &mut OpenDatabase) -> Result<Residue, Error> {
    let (connection, _, books) = database.parts();
    Ok(books.residue(connection)?)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").finish_non_exhaustive()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").finish_non_exhaustive()
    }
}
