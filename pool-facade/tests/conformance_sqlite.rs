//! The rules that every adapter keeps, kept by pool and SQLite together.
//!
//! The backend of SQLite is the process itself. What it counts are the files it has open, and the
//! system says which: in write-ahead mode each connection opens the log once. (The database's own
//! file would not do: SQLite keeps those open for a while, because POSIX drops all locks of a file
//! with the first handle closed.) Where the list is found depends on the system, hence Linux only.
#![cfg(all(feature = "sqlite", target_os = "linux"))]

use std::fs;
use std::path::PathBuf;

use pool_facade::sqlite::rusqlite::{Connection, Result as SqliteResult, StatementStatus};
use pool_facade::sqlite::{Error, SqliteConnection, SqliteManager};
use pool_testkit::conformance::{Caching, Refusing, Subject};
use pool_testkit::conformance_suite;
use tempfile::TempDir;

struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    fn file(&self) -> PathBuf {
        self.folder.path().join("conformance.db")
    }
}

/// What a user may leave in a session, and a question that says whether it is there.
const RESIDUES: [(&str, &str); 5] = [
    (
        "CREATE TEMP TABLE left_behind (n)",
        "SELECT count(*) FROM temp.sqlite_schema WHERE name = 'left_behind'",
    ),
    (
        "CREATE TEMP VIEW seen AS SELECT 1",
        "SELECT count(*) FROM temp.sqlite_schema WHERE name = 'seen'",
    ),
    (
        "ATTACH ':memory:' AS other",
        "SELECT count(*) FROM pragma_database_list WHERE name = 'other'",
    ),
    (
        "PRAGMA foreign_keys = OFF",
        "SELECT 1 - foreign_keys FROM pragma_foreign_keys",
    ),
    (
        "PRAGMA cache_size = 17",
        "SELECT cache_size = 17 FROM pragma_cache_size",
    ),
];

fn count(connection: &Connection, question: &str) -> SqliteResult<usize> {
    connection.query_row(question, [], |row| Ok(row.get::<_, u32>(0)? as usize))
}

impl Subject for Sqlite {
    type Manager = SqliteManager;

    async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let subject = Self { folder };
        let mut conn = subject.manager().open().await.expect("a connection");
        let table = conn.execute_batch("CREATE TABLE t (n)").await;
        table.expect("a table");
        conn.close().await.expect("a close");
        subject
    }

    fn manager(&self) -> SqliteManager {
        SqliteManager::new(self.file()).expect("a manager")
    }

    async fn open_now(&self) -> usize {
        let log = self.folder.path().join("conformance.db-wal");
        let handles = fs::read_dir("/proc/self/fd").expect("the open files");
        let names = handles.filter_map(|handle| fs::read_link(handle.ok()?.path()).ok());
        names.filter(|name| *name == log).count()
    }

    fn identity(conn: &SqliteConnection) -> u64 {
        conn.id()
    }

    async fn ping(conn: &mut SqliteConnection) -> Result<(), Error> {
        let ask = |connection: &mut Connection| count(connection, "SELECT count(*) FROM t");
        conn.call(ask).await.map(drop)
    }

    async fn slow(conn: &mut SqliteConnection) -> Result<(), Error> {
        let ask = |connection: &mut Connection| {
            let up_to = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 300000000) \
                         SELECT count(*) FROM c";
            count(connection, up_to)
        };
        conn.call(ask).await.map(drop)
    }

    async fn begin(conn: &mut SqliteConnection) {
        let begun = conn.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
        begun.await.expect("a write");
    }

    async fn written(conn: &mut SqliteConnection) -> usize {
        let ask = |connection: &mut Connection| count(connection, "SELECT count(*) FROM t");
        conn.call(ask).await.expect("a count")
    }

    async fn leave_residue(conn: &mut SqliteConnection) -> usize {
        for (statement, _) in RESIDUES {
            conn.execute_batch(statement).await.expect(statement);
        }
        RESIDUES.len()
    }

    async fn residue(conn: &mut SqliteConnection) -> Vec<String> {
        let ask = |connection: &mut Connection| {
            let mut left = Vec::new();
            for (statement, question) in RESIDUES {
                if count(connection, question)? > 0 {
                    left.push(statement.to_owned());
                }
            }
            Ok(left)
        };
        conn.call(ask).await.expect("answers")
    }
}

impl Refusing for Sqlite {
    fn refused(&self) -> SqliteManager {
        let path = self.folder.path().join("letter.txt");
        fs::write(&path, "Dear Sir, this is no database. ".repeat(100)).expect("a file");
        SqliteManager::new(path).expect("a manager")
    }
}

impl Caching for Sqlite {
    async fn cached(conn: &mut SqliteConnection) -> bool {
        let ask = |connection: &mut Connection| {
            let mut statement = connection.prepare_cached("SELECT 'in the cache'")?;
            statement.query_row([], |_| Ok(()))?;
            // A statement counts its own runs, and forgets them with the cache.
            Ok(statement.get_status(StatementStatus::Run) > 1)
        };
        conn.call(ask).await.expect("an answer")
    }
}

conformance_suite! { Sqlite;
    unmarked_dropped_call_never_meets_the_next_user,
    permanent_connect_error_reaches_waiters_at_once,
    statement_cache_outlives_the_lease,
}
