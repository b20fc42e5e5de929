//! An open database on its thread: prepared, watched, and made new again.
//!
//! What a user does to it is watched rather than compared: an authorizer callback is asked by SQLite
//! while it compiles a statement, so a change cannot pass unseen and a cached statement costs
//! nothing. (A cached statement that makes a change is compiled anew by SQLite itself when it runs
//! again.) What changed is not undone piece by piece, because the list of pieces grows with every
//! release of SQLite; the file is opened anew. Only what sessions have left on purpose is in the
//! books, and is put back by them.
//!
//! The same callback, and one that SQLite calls while a statement runs, end a job that was given
//! up: an interrupt alone only hits the statement that runs at that moment, and misses a closure
//! that is between two. Only a rollback is still let through.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use rusqlite::{Connection, OpenFlags, ffi};

use crate::config::{Config, JournalMode, Location};
use crate::error::Error;
use crate::mailbox::Mailbox;
use crate::sessions::{Books, Pragma};
use crate::signals::Signals;
use crate::worker::Job;

/// What all connections of a manager share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// The name under which a database in memory is known to this process.
    pub(crate) memory_name: Option<PathBuf>,
    /// The number of the next connection.
    pub(crate) next_id: AtomicU64,
    /// Connections that hold the database open.
    pub(crate) open: AtomicUsize,
    /// Held while a journal mode is changed: two connections that try it at once make SQLite
    /// report a lock that no waiting resolves.
    journal: Mutex<()>,
}

impl Shared {
    pub(crate) const fn new(config: Config, memory_name: Option<PathBuf>) -> Self {
        Self {
            config,
            memory_name,
            next_id: AtomicU64::new(1),
            open: AtomicUsize::new(0),
            journal: Mutex::new(()),
        }
    }

    /// Opens the database without counting or watching the connection.
    pub(crate) fn connect(&self) -> Result<Connection, Error> {
        let connection = self.open_file().map_err(|source| self.open_error(source))?;
        self.prepare(&connection)?;
        Ok(connection)
    }

    fn open_file(&self) -> rusqlite::Result<Connection> {
        let config = &self.config;
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags |= match (config.read_only, config.create) {
            (true, _) => OpenFlags::SQLITE_OPEN_READ_ONLY,
            (false, true) => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            (false, false) => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        match (&config.location, &self.memory_name) {
            (Location::File(path), _) => Connection::open_with_flags(path, flags),
            (Location::Memory, name) => {
                let name = name.as_deref().unwrap_or_else(|| "/".as_ref());
                Connection::open_with_flags_and_vfs(name, flags, c"memdb")
            }
        }
    }

    fn prepare(&self, connection: &Connection) -> Result<(), Error> {
        let config = &self.config;
        let run = || {
            connection.busy_timeout(config.busy_timeout)?;
            connection.pragma_update(None, "synchronous", config.synchronous.word())?;
            connection.pragma_update(None, "foreign_keys", config.foreign_keys)?;
            // Reads the file's first page, so that a file of another kind is refused now.
            connection.pragma_query_value(None, "schema_version", |_| Ok(()))
        };
        run().map_err(|source| self.open_error(source))?;
        if !config.read_only && config.location != Location::Memory {
            self.choose_journal(connection)?;
        }
        for pragma in &config.pragmas {
            // Checked to be words, so that nothing needs quoting; some pragmas answer, some do not.
            let sql = format!("PRAGMA {} = {}", pragma.name, pragma.value);
            connection
                .execute_batch(&sql)
                .map_err(|source| self.open_error(source))?;
        }
        connection.set_prepared_statement_cache_capacity(config.statement_cache_size);
        Ok(())
    }

    fn choose_journal(&self, connection: &Connection) -> Result<(), Error> {
        let wanted = self.config.journal_mode;
        let ask = || connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
        let in_use: String = ask().map_err(|source| self.open_error(source))?;
        if in_use == wanted.word() {
            return Ok(());
        }
        let _one_at_a_time = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let actual = set_journal(connection, wanted).map_err(|source| self.open_error(source))?;
        if actual == wanted.word() {
            Ok(())
        } else {
            Err(Error::Journal { wanted, actual })
        }
    }

    fn open_error(&self, source: rusqlite::Error) -> Error {
        let path = match &self.config.location {
            Location::File(path) => path.clone(),
            Location::Memory => self.memory_name.clone().unwrap_or_default(),
        };
        Error::Open { path, source }
    }
}

fn set_journal(connection: &Connection, mode: JournalMode) -> rusqlite::Result<String> {
    connection.pragma_update_and_check(None, "journal_mode", mode.word(), |row| row.get(0))
}

/// An open database, counted and watched.
pub(crate) struct OpenDatabase {
    connection: Connection,
    signals: Arc<Signals>,
    books: Books,
    // Last, so that it is counted until the connection has gone.
    counted: Counted,
}

impl OpenDatabase {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        mailbox: &Arc<Mailbox<Job>>,
        signals: Arc<Signals>,
    ) -> Result<Self, Error> {
        let mut connection = shared.connect()?;
        let counted = Counted::new(Arc::clone(shared));
        let books = Books::new();
        books.variables().make_readable(&connection)?;
        signals.clear();
        watch(&mut connection, Arc::clone(&signals), Arc::clone(mailbox))?;
        signals.listen(&mut connection)?;
        end_what_is_abandoned(&mut connection, Arc::clone(mailbox))?;
        mailbox.interrupt_by(connection.get_interrupt_handle());
        Ok(Self {
            connection,
            signals,
            books,
            counted,
        })
    }

    pub(crate) const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// What sessions need: the connection, what SQLite tells of it, and what is known of it.
    pub(crate) fn parts(&mut self) -> (&mut Connection, &Signals, &mut Books) {
        (&mut self.connection, &self.signals, &mut self.books)
    }

    pub(crate) fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.signals.touched() != 0
    }

    /// Takes the connection as it is for a fresh one.
    pub(crate) fn take_as_fresh(&mut self) {
        self.signals.touch_only(0);
        self.books.forget_opened();
    }

    /// Rolls back, and puts back what sessions have left on purpose. Whether that was all there is.
    pub(crate) fn put_back(&mut self) -> rusqlite::Result<bool> {
        if self.in_transaction() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        let known = self.books.put_back(&self.connection);
        self.signals.touch_only(0);
        Ok(known)
    }

    /// Leaves a statement in the cache, unless it changes the session when it runs.
    pub(crate) fn prepare_for_later(&mut self, text: &str) -> rusqlite::Result<()> {
        let statement = self.connection.prepare_cached(text)?;
        if self.signals.touched() != 0 {
            statement.discard();
            self.take_as_fresh();
        }
        Ok(())
    }

    /// Closes the database and says whether SQLite agreed.
    pub(crate) fn close(self) -> Result<(), Error> {
        let Self {
            connection,
            counted,
            ..
        } = self;
        let closed = connection.close();
        let outcome = closed.map_err(|(connection, source)| {
            drop(connection);
            Error::Close { source }
        });
        drop(counted);
        outcome
    }
}

/// Counts an open connection for as long as it lives.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Notes what a statement that is compiled would change, and compiles nothing for a job that was
/// given up.
fn watch(
    connection: &mut Connection,
    signals: Arc<Signals>,
    mailbox: Arc<Mailbox<Job>>,
) -> Result<(), Error> {
    let authorizer = move |asked: AuthContext<'_>| {
        if mailbox.is_abandoned() && !rolls_back(&asked) {
            return Authorization::Deny;
        }
        signals.touch(changes(&asked));
        Authorization::Allow
    };
    connection.authorizer(Some(authorizer))?;
    Ok(())
}

/// How many steps of SQLite's machine a statement may make unasked: some ten microseconds.
const STEPS: i32 = 1000;

fn end_what_is_abandoned(
    connection: &mut Connection,
    mailbox: Arc<Mailbox<Job>>,
) -> Result<(), Error> {
    connection.progress_handler(STEPS, Some(move || mailbox.is_abandoned()))?;
    Ok(())
}

fn rolls_back(asked: &AuthContext<'_>) -> bool {
    matches!(
        asked.action,
        AuthAction::Transaction {
            operation: TransactionOperation::Rollback
        } | AuthAction::Savepoint {
            operation: TransactionOperation::Rollback | TransactionOperation::Release,
            ..
        }
    )
}

/// What a statement changes of the connection, in the bits of [`Signals`].
fn changes(asked: &AuthContext<'_>) -> u64 {
    match asked.action {
        AuthAction::Attach { .. }
        // As it is told where the file is a parameter.
        | AuthAction::Unknown {
            code: ffi::SQLITE_ATTACH,
            ..
        }
        | AuthAction::Detach { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => Signals::OBJECTS,
        AuthAction::Unknown { .. } => Signals::OTHER,
        AuthAction::Function { function_name } => {
            match function_name.eq_ignore_ascii_case("load_extension") {
                true => Signals::OTHER,
                false => 0,
            }
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value: Some(_),
        } => match asked.database_name {
            None | Some("main") => Pragma::touched_by(pragma_name),
            // Of a database that the books know nothing of.
            Some(_) => match Pragma::touched_by(pragma_name) {
                0 => 0,
                _ => Signals::OTHER,
            },
        },
        AuthAction::Read { .. } => 0,
        // `CREATE TABLE temp.x` is told as a plain creation, in this database.
        _ if asked.database_name == Some("temp") => Signals::OBJECTS,
        _ => 0,
    }
}
