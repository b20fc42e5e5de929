//! The manager: opens and tends SQLite connections for a pool.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pool_core::{Condition, ConnectCtx, ErrorClass, Manager, Vitals, WarmUp};
use rusqlite::Connection;

use crate::config::{Builder, Config, Location};
use crate::connection::SqliteConnection;
use crate::database::Shared;
use crate::error::Error;
use crate::vitals::kind_of;

/// Opens and tends connections to one SQLite database.
pub struct SqliteManager {
    shared: Arc<Shared>,
    /// Keeps a database in memory alive while no connection is open. A lock because a connection
    /// may be sent to another thread but not shared.
    _anchor: Option<Mutex<Connection>>,
}

impl SqliteManager {
    /// A manager of the database in the file `path`, with the default options.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the path names no file.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::builder(path).build()
    }

    /// Collects options for a database in the file `path`.
    pub fn builder(path: impl Into<PathBuf>) -> Builder {
        Builder::new(Location::File(path.into()))
    }

    /// A database in memory, shared by the connections of this manager and gone with it. Meant
    /// for tests: it has no write-ahead log, so writers and readers wait for each other.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when SQLite cannot make it.
    pub fn in_memory() -> Result<Self, Error> {
        Builder::new(Location::Memory).build()
    }

    /// Opens a connection outside any pool.
    ///
    /// # Errors
    ///
    /// [`Error::Open`], [`Error::Journal`] or [`Error::Thread`].
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the new thread ends by itself once SQLite lets go of it.
    pub async fn open(&self) -> Result<SqliteConnection, Error> {
        SqliteConnection::open(Arc::clone(&self.shared), Vitals::deaf()).await
    }

    /// How many connections of this manager hold the database open right now, those being closed
    /// included.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Which database it is, in at most 256 bytes: the same for all processes that share a file, and
    /// another for each database in memory.
    pub(crate) fn name_of_database(&self) -> String {
        let path = match (&self.shared.config.location, &self.shared.memory_name) {
            (Location::File(path), _) => path,
            (Location::Memory, name) => {
                let name = name.as_deref().unwrap_or_else(|| Path::new(""));
                return format!("sqlite memory {} {}", std::process::id(), name.display());
            }
        };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let path = path.to_string_lossy();
        let cut = path.ceil_char_boundary(path.len().saturating_sub(200));
        format!("sqlite file {:08x} {}", kind_of(&path), &path[cut..])
    }

    pub(crate) fn from_config(config: Config) -> Result<Self, Error> {
        let in_memory = config.location == Location::Memory;
        let shared = Shared::new(config, in_memory.then(memory_name));
        let anchor = if in_memory {
            Some(Mutex::new(shared.connect()?))
        } else {
            None
        };
        Ok(Self {
            shared: Arc::new(shared),
            _anchor: anchor,
        })
    }
}

/// A name that no other manager in this process uses. The slash makes SQLite share it.
fn memory_name() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(format!("/pool-sqlite-{number}"))
}

impl Manager for SqliteManager {
    type Connection = SqliteConnection;
    type Error = Error;

    async fn connect(&self, cx: &ConnectCtx) -> Result<SqliteConnection, Error> {
        SqliteConnection::open(Arc::clone(&self.shared), cx.vitals.clone()).await
    }

    /// One job on the connection's thread. Of a query to execute one row is asked for. Each reset
    /// that opens the file anew does it again.
    async fn warm_up(&self, conn: &mut SqliteConnection, plan: &WarmUp) -> Result<(), Error> {
        conn.warm_up(plan.clone()).await
    }

    async fn validate(&self, conn: &mut SqliteConnection) -> Result<(), Error> {
        conn.ping().await
    }

    async fn reset(&self, conn: &mut SqliteConnection) -> Result<(), Error> {
        conn.reset().await
    }

    /// Opens the file anew, which leaves nothing of the session and its statement cache, and does
    /// the warm-up again.
    async fn reset_fully(&self, conn: &mut SqliteConnection) -> Result<(), Error> {
        conn.renew(true).await
    }

    /// A refusal of SQLite is not reported: the thread has ended all the same. Use
    /// [`SqliteConnection::close`] on a detached connection to see it.
    async fn close(&self, conn: SqliteConnection) {
        drop(conn.close().await);
    }

    fn condition(&self, conn: &mut SqliteConnection) -> Condition {
        conn.condition()
    }

    fn classify(&self, error: &Error) -> ErrorClass {
        error.class()
    }
}

impl fmt::Debug for SqliteManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteManager")
            .field("config", &self.shared.config)
            .field("open_connections", &self.open_connections())
            .finish_non_exhaustive()
    }
}
