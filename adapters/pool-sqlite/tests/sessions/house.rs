//! A pool on a file, and sessions that are made to move.

use std::time::Duration;

use pool_core::Pool;
use pool_multiplex::{SessionConfig, SessionPool, Sessions};
use pool_sqlite::{SessionError, SqliteManager, SqliteSession};
use tempfile::TempDir;

/// A pool, its sessions, and the folder that goes with it.
pub(crate) struct House {
    pub(crate) pool: Pool<SqliteManager>,
    pub(crate) sessions: Sessions<SqliteManager>,
    pub(crate) folder: TempDir,
}

impl House {
    /// So many connections to a new file that has a table `t (n)`.
    pub(crate) async fn new(connections: u32) -> Self {
        Self::with(connections, SessionConfig::new()).await
    }

    pub(crate) async fn with(connections: u32, config: SessionConfig) -> Self {
        let folder = TempDir::new().expect("a folder");
        let manager = SqliteManager::new(folder.path().join("a.db")).expect("a manager");
        let pool = Pool::builder(manager)
            .max_size(connections)
            .acquire_timeout(Duration::from_secs(20))
            .extension(config)
            .build()
            .await
            .expect("a pool");
        let mut lease = pool.acquire().await.expect("a lease");
        lease
            .execute_batch("CREATE TABLE t (n)")
            .await
            .expect("a table");
        drop(lease);
        let sessions = pool.sessions();
        Self {
            pool,
            sessions,
            folder,
        }
    }

    pub(crate) fn session(&self) -> SqliteSession {
        self.sessions.create().expect("a session")
    }

    /// Has others sit on all idle connections but the last one that `session` did not have, so that it
    /// must move.
    pub(crate) async fn swap(&self, session: &mut SqliteSession) {
        let before = connection(session).expect("it was on one");
        let mut others = Vec::new();
        loop {
            let mut other = self.session();
            other.attach().await.expect("a connection");
            let is_it = connection(&other) == Some(before);
            others.push(other);
            if is_it {
                break;
            }
        }
        // The last keeps the connection; the others give theirs back.
        let keeper = others.pop().expect("one has it");
        drop(others);
        session
            .execute_batch("SELECT 1")
            .await
            .expect("a query elsewhere");
        assert_ne!(connection(session), Some(before), "it has moved");
        drop(keeper);
    }
}

/// The connection that a session is on, or was on last.
pub(crate) fn connection(session: &SqliteSession) -> Option<u64> {
    let candidate = session.base().connection().expect("a session");
    candidate.map(|candidate| candidate.connection)
}

/// The only value of the first row.
pub(crate) async fn number(session: &mut SqliteSession, sql: &str) -> Result<i64, SessionError> {
    session.query_row(sql, (), |row| row.get(0)).await
}

/// What `session_value` gives.
pub(crate) async fn variable(session: &mut SqliteSession, name: &'static str) -> Option<String> {
    session
        .query_row("SELECT session_value(?1)", [name], |row| row.get(0))
        .await
        .expect("a value")
}
