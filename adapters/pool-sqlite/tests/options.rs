//! Options reach the connections, and a wrong database is refused.

use std::sync::Arc;
use std::time::Duration;

use pool_core::{Condition, ErrorClass, Manager};
use pool_sqlite::{Error, JournalMode, SqliteConnection, SqliteManager, Synchronous};
use rusqlite::types::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

async fn pragma(conn: &mut SqliteConnection, name: &'static str) -> Value {
    conn.call(move |c| c.pragma_query_value(None, name, |row| row.get(0)))
        .await
        .expect("a value")
}

#[tokio::test]
async fn the_defaults_are_those_documented() {
    let folder = TempDir::new().expect("a folder");
    let manager = SqliteManager::new(folder.path().join("a.db")).expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    assert_eq!(
        pragma(&mut conn, "journal_mode").await,
        Value::Text("wal".into())
    );
    assert_eq!(pragma(&mut conn, "synchronous").await, Value::Integer(1));
    assert_eq!(pragma(&mut conn, "foreign_keys").await, Value::Integer(1));
    assert_eq!(
        pragma(&mut conn, "busy_timeout").await,
        Value::Integer(5000)
    );
}

#[tokio::test]
async fn options_reach_each_connection() {
    let folder = TempDir::new().expect("a folder");
    let manager = SqliteManager::builder(folder.path().join("a.db"))
        .journal_mode(JournalMode::Truncate)
        .synchronous(Synchronous::Full)
        .foreign_keys(false)
        .busy_timeout(Duration::from_millis(250))
        .pragma("cache_size", "-4000")
        .build()
        .expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    assert_eq!(
        pragma(&mut conn, "journal_mode").await,
        Value::Text("truncate".into())
    );
    assert_eq!(pragma(&mut conn, "synchronous").await, Value::Integer(2));
    assert_eq!(pragma(&mut conn, "foreign_keys").await, Value::Integer(0));
    assert_eq!(pragma(&mut conn, "busy_timeout").await, Value::Integer(250));
    assert_eq!(pragma(&mut conn, "cache_size").await, Value::Integer(-4000));
}

#[tokio::test]
async fn many_connections_may_open_a_new_file_at_once() {
    // Once is not enough: the journal mode must be switched by two of them at the same moment.
    for _ in 0..25 {
        let folder = TempDir::new().expect("a folder");
        let manager = SqliteManager::new(folder.path().join("a.db")).expect("a manager");
        let manager = Arc::new(manager);
        let mut opening = JoinSet::new();
        for _ in 0..16 {
            let manager = Arc::clone(&manager);
            opening.spawn(async move { manager.open().await });
        }
        let opened = opening.join_all().await;
        for conn in &opened {
            assert!(conn.is_ok(), "{conn:?}");
        }
        assert_eq!(manager.open_connections(), 16);
    }
}

#[tokio::test]
async fn a_busy_lock_is_the_fault_of_the_request() {
    let folder = TempDir::new().expect("a folder");
    let manager = SqliteManager::builder(folder.path().join("a.db"))
        .busy_timeout(Duration::ZERO)
        .build()
        .expect("a manager");
    let mut writer = manager.open().await.expect("a connection");
    let mut other = manager.open().await.expect("a connection");
    writer
        .execute_batch("BEGIN IMMEDIATE")
        .await
        .expect("the lock");
    let error = other.execute_batch("BEGIN IMMEDIATE").await;
    let error = error.expect_err("the lock is taken");
    assert_eq!(manager.classify(&error), ErrorClass::Harmless, "{error}");
    assert_eq!(other.condition(), Condition::Clean);
}

#[tokio::test]
async fn a_read_only_connection_reads_and_does_not_write() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a.db");
    let manager = SqliteManager::new(&path).expect("a manager");
    let mut writer = manager.open().await.expect("a connection");
    writer
        .execute_batch("CREATE TABLE t (n)")
        .await
        .expect("a table");

    let reading = SqliteManager::builder(&path).read_only(true).build();
    let mut reader = reading
        .expect("a manager")
        .open()
        .await
        .expect("a connection");
    reader
        .execute_batch("SELECT * FROM t")
        .await
        .expect("a read");
    let error = reader.execute_batch("INSERT INTO t VALUES (1)").await;
    assert_eq!(error.expect_err("read only").class(), ErrorClass::Harmless);
}

#[tokio::test]
async fn a_missing_file_is_not_created_unasked_and_fails_for_good() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a.db");
    let manager = SqliteManager::builder(&path)
        .create(false)
        .build()
        .expect("a manager");
    let error = manager.open().await.expect_err("the file is missing");
    assert_eq!(manager.classify(&error), ErrorClass::Permanent, "{error}");
    assert!(error.to_string().contains("a.db"), "{error}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_at_once() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a.db");
    std::fs::write(
        &path,
        "not a database, but long enough to be read as one".repeat(100),
    )
    .expect("a file");
    let manager = SqliteManager::new(&path).expect("a manager");
    let error = manager.open().await.expect_err("no database");
    assert!(matches!(error, Error::Open { .. }), "{error}");
    assert_eq!(manager.classify(&error), ErrorClass::Permanent);
    assert_eq!(manager.open_connections(), 0);
}

#[tokio::test]
async fn connections_in_memory_share_one_database_per_manager() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let mut first = manager.open().await.expect("a connection");
    first
        .execute_batch("CREATE TABLE t (n)")
        .await
        .expect("a table");
    first.close().await.expect("SQLite agrees");
    let mut second = manager.open().await.expect("a connection");
    second
        .execute_batch("SELECT * FROM t")
        .await
        .expect("the table is kept");

    let other = SqliteManager::in_memory().expect("a manager");
    let mut conn = other.open().await.expect("a connection");
    conn.execute_batch("SELECT * FROM t")
        .await
        .expect_err("another database");
}
