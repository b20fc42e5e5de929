//! What one user leaves behind does not reach the next.

use pool_core::{Condition, Manager};
use pool_sqlite::{SqliteConnection, SqliteManager};
use rusqlite::types::Value;
use tempfile::TempDir;

async fn database() -> (TempDir, SqliteManager, SqliteConnection) {
    let folder = TempDir::new().expect("a folder");
    let manager = SqliteManager::new(folder.path().join("a.db")).expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    conn.execute_batch("CREATE TABLE t (n)")
        .await
        .expect("a table");
    assert_eq!(conn.condition(), Condition::Clean);
    (folder, manager, conn)
}

async fn value(conn: &mut SqliteConnection, sql: &'static str) -> Value {
    conn.call(move |c| c.query_row(sql, [], |row| row.get(0)))
        .await
        .expect("a value")
}

#[tokio::test]
async fn an_open_transaction_is_rolled_back() {
    let (_folder, manager, mut conn) = database().await;
    for begin in ["BEGIN IMMEDIATE", "SAVEPOINT a"] {
        conn.execute_batch(format!("{begin}; INSERT INTO t VALUES (1)"))
            .await
            .expect("an insert");
        assert_eq!(manager.condition(&mut conn), Condition::Dirty, "{begin}");
        manager.reset(&mut conn).await.expect("a reset");
        assert_eq!(manager.condition(&mut conn), Condition::Clean, "{begin}");
        assert_eq!(
            value(&mut conn, "SELECT count(*) FROM t").await,
            Value::Integer(0)
        );
    }
}

/// What a user may do to a session, and a question whose answer shows it.
const CHANGES: [(&str, &str); 12] = [
    (
        "CREATE TEMP TABLE x (n)",
        "SELECT count(*) FROM temp.sqlite_schema",
    ),
    (
        "CREATE TABLE temp.x (n)",
        "SELECT count(*) FROM temp.sqlite_schema",
    ),
    (
        "CREATE TEMP VIEW x AS SELECT 1",
        "SELECT count(*) FROM temp.sqlite_schema",
    ),
    (
        "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
        "SELECT count(*) FROM temp.sqlite_schema",
    ),
    (
        "ATTACH ':memory:' AS other",
        "SELECT count(*) FROM pragma_database_list WHERE name = 'other'",
    ),
    ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys"),
    ("PRAGMA foreign_keys(0)", "PRAGMA foreign_keys"),
    ("PRAGMA busy_timeout = 7", "PRAGMA busy_timeout"),
    ("PRAGMA query_only = ON", "PRAGMA query_only"),
    ("PRAGMA synchronous = OFF", "PRAGMA synchronous"),
    ("PRAGMA cache_size = 17", "PRAGMA cache_size"),
    ("PRAGMA case_sensitive_like = ON", "SELECT 'a' LIKE 'A'"),
];

#[tokio::test]
async fn a_changed_session_is_seen_and_made_new() {
    let (_folder, manager, mut conn) = database().await;
    for (change, question) in CHANGES {
        let fresh = value(&mut conn, question).await;
        assert_eq!(manager.condition(&mut conn), Condition::Clean, "{question}");
        conn.execute_batch(change).await.expect(change);
        assert_ne!(
            value(&mut conn, question).await,
            fresh,
            "{change} has no effect"
        );

        assert_eq!(manager.condition(&mut conn), Condition::Dirty, "{change}");
        manager.reset(&mut conn).await.expect("a reset");
        assert_eq!(manager.condition(&mut conn), Condition::Clean, "{change}");
        assert_eq!(value(&mut conn, question).await, fresh, "{change} leaked");
    }
    assert_eq!(manager.open_connections(), 1);
}

#[tokio::test]
async fn a_cached_statement_that_changes_the_session_is_seen_each_time() {
    let (_folder, manager, mut conn) = database().await;
    for round in 0..3 {
        conn.call(|c| {
            let mut create = c.prepare_cached("CREATE TEMP TABLE x (n)")?;
            create.execute([])
        })
        .await
        .expect("a temporary table");
        assert_eq!(
            manager.condition(&mut conn),
            Condition::Dirty,
            "round {round}"
        );
        manager.reset(&mut conn).await.expect("a reset");
    }
}

#[tokio::test]
async fn questions_and_changes_of_the_file_leave_the_session_clean() {
    let (_folder, manager, mut conn) = database().await;
    for sql in [
        "PRAGMA table_info(t)",
        "PRAGMA foreign_keys",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA user_version = 3",
        "CREATE TABLE u (n); INSERT INTO u VALUES (1); DROP TABLE u",
        "BEGIN; COMMIT",
    ] {
        conn.execute_batch(sql).await.expect(sql);
        assert_eq!(manager.condition(&mut conn), Condition::Clean, "{sql}");
    }
}

#[tokio::test]
async fn a_change_that_only_its_maker_knows_of_is_undone_once_marked() {
    let (_folder, manager, mut conn) = database().await;
    conn.call(|c| c.busy_timeout(std::time::Duration::from_millis(7)))
        .await
        .expect("a new timeout");
    conn.mark_changed();
    conn.ping()
        .await
        .expect("a later call does not hide the mark");
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    manager.reset(&mut conn).await.expect("a reset");
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    assert_eq!(
        value(&mut conn, "PRAGMA busy_timeout").await,
        Value::Integer(5000)
    );
}

#[tokio::test]
async fn a_reset_that_cannot_open_the_file_again_ends_the_connection() {
    let (folder, manager, mut conn) = database().await;
    conn.execute_batch("PRAGMA cache_size = 17")
        .await
        .expect("a pragma");
    folder.close().expect("the folder goes");
    manager
        .reset(&mut conn)
        .await
        .expect_err("the folder is gone");
    assert_eq!(manager.condition(&mut conn), Condition::Broken);
    assert_eq!(manager.open_connections(), 0);
}
