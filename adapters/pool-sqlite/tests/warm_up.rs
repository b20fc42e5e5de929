//! What is done with a new connection, and what becomes of it.

use std::error::Error as _;
use std::time::Duration;

use pool_core::{Condition, ErrorClass, Manager, Pool, WarmUp};
use pool_sqlite::{SqliteConnection, SqliteManager};
use tempfile::TempDir;

async fn database() -> (TempDir, SqliteManager, SqliteConnection) {
    let folder = TempDir::new().expect("a folder");
    let manager = SqliteManager::new(folder.path().join("a.db")).expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    conn.execute_batch("CREATE TABLE t (n)")
        .await
        .expect("a table");
    (folder, manager, conn)
}

fn plan() -> WarmUp {
    WarmUp::new()
        .execute("PRAGMA cache_size = 17 -- pages")
        .execute("CREATE TEMP TABLE warm AS SELECT 'warm' AS word")
        .execute("ATTACH ':memory:' AS warm_database")
        .prepare("SELECT word FROM warm")
}

async fn text(conn: &mut SqliteConnection, sql: &'static str) -> String {
    conn.call(move |c| c.query_row(&format!("SELECT ({sql}) || ''"), [], |row| row.get(0)))
        .await
        .expect(sql)
}

async fn assert_warm(conn: &mut SqliteConnection, after: &str) {
    for (question, answer) in [
        ("SELECT cache_size FROM pragma_cache_size", "17"),
        ("SELECT word FROM warm", "warm"),
        (
            "SELECT count(*) FROM pragma_database_list WHERE name = 'warm_database'",
            "1",
        ),
    ] {
        assert_eq!(
            text(conn, question).await,
            answer,
            "{question} after {after}"
        );
    }
}

/// Whether the statement is in the cache: then it was compiled before the schema is changed here,
/// and has to be compiled again. Leaves the session changed.
async fn has_it_compiled(conn: &mut SqliteConnection) -> bool {
    conn.call(|c| {
        c.execute_batch(
            "CREATE TABLE main.later (n); DROP TABLE main.later;
             CREATE TEMP TABLE later (n); DROP TABLE temp.later",
        )?;
        let mut statement = c.prepare_cached("SELECT word FROM warm")?;
        statement.query_row([], |_| Ok(()))?;
        Ok(statement.get_status(rusqlite::StatementStatus::RePrepare) > 0)
    })
    .await
    .expect("an answer")
}

#[tokio::test]
async fn warm_connection_is_clean_and_has_its_statements_compiled() {
    let (_folder, manager, mut conn) = database().await;
    manager.warm_up(&mut conn, &plan()).await.expect("warm");
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    assert_warm(&mut conn, "the warm-up").await;
    assert!(has_it_compiled(&mut conn).await);
}

#[tokio::test]
async fn what_the_warm_up_has_set_survives_every_reset() {
    let (_folder, manager, mut conn) = database().await;
    manager.warm_up(&mut conn, &plan()).await.expect("warm");
    for doing in [
        "PRAGMA cache_size = 18",
        "DROP TABLE temp.warm",
        "DETACH warm_database",
        "CREATE TEMP TABLE other (n)",
        "BEGIN; INSERT INTO t VALUES (1)",
    ] {
        conn.execute_batch(doing).await.expect(doing);
        assert_eq!(manager.condition(&mut conn), Condition::Dirty, "{doing}");
        manager.reset(&mut conn).await.expect("a reset");
        assert_eq!(manager.condition(&mut conn), Condition::Clean, "{doing}");
        assert_warm(&mut conn, doing).await;
    }
    manager.reset_fully(&mut conn).await.expect("a full reset");
    assert_warm(&mut conn, "a full reset").await;
    assert!(has_it_compiled(&mut conn).await);
}

#[tokio::test]
async fn full_reset_empties_the_statement_cache() {
    for full in [false, true] {
        let (_folder, manager, mut conn) = database().await;
        conn.execute_batch("CREATE TABLE warm AS SELECT 'cold' AS word")
            .await
            .expect("a table");
        conn.call(|c| c.prepare_cached("SELECT word FROM warm").map(drop))
            .await
            .expect("a statement");
        match full {
            false => manager.reset(&mut conn).await.expect("a reset"),
            true => manager.reset_fully(&mut conn).await.expect("a full reset"),
        }
        assert_eq!(has_it_compiled(&mut conn).await, !full);
    }
}

#[tokio::test]
async fn prepared_statement_that_changes_the_session_is_seen_when_it_runs() {
    let (_folder, manager, mut conn) = database().await;
    const CHANGE: &str = "CREATE TEMP TABLE x (n)";
    let plan = WarmUp::new().prepare(CHANGE);
    manager.warm_up(&mut conn, &plan).await.expect("warm");
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    conn.call(|c| c.prepare_cached(CHANGE)?.execute([]))
        .await
        .expect("a table");
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
}

#[tokio::test]
async fn failed_warm_up_names_the_statement_and_shows_nothing_of_it() {
    for (plan, named) in [
        (
            plan().execute("SELECT 'hunter2' FROM hunter2"),
            "statement 4 to execute",
        ),
        (plan().execute("hunter2"), "statement 4 to execute"),
        (
            plan().prepare("SELECT 'hunter2' FROM hunter2"),
            "statement 2 to prepare",
        ),
        (
            plan().prepare("SELECT 'hunter2'; SELECT 1"),
            "statement 2 to prepare",
        ),
    ] {
        let (_folder, manager, mut conn) = database().await;
        let error = manager
            .warm_up(&mut conn, &plan)
            .await
            .expect_err("it fails");
        assert!(error.to_string().contains(named), "{error}");
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        let all = format!("{error} {error:?} {source}");
        assert!(!all.contains("hunter2"), "{all}");
        assert_eq!(manager.classify(&error), ErrorClass::Permanent);
        // Where it is kept all the same, what succeeded stays, resets included.
        assert_warm(&mut conn, "a failure").await;
        manager.reset_fully(&mut conn).await.expect("a full reset");
        assert_warm(&mut conn, "a full reset").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_gives_out_warm_connections_again_and_again() {
    let folder = TempDir::new().expect("a folder");
    let manager = SqliteManager::new(folder.path().join("a.db")).expect("a manager");
    let pool = Pool::builder(manager)
        .max_size(1u32)
        .warm_up(plan())
        .build()
        .await
        .expect("a pool");
    for _ in 0..3 {
        let mut conn = pool.acquire().await.expect("a connection");
        assert_warm(&mut conn, "a lease").await;
        conn.execute_batch("PRAGMA cache_size = 18")
            .await
            .expect("a pragma");
    }
    pool.close(Duration::from_secs(5)).await;
}
