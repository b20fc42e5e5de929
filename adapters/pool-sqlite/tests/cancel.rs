//! Calls that are given up.

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use pool_core::{Condition, ErrorClass};
use pool_sqlite::{Error, SqliteConnection, SqliteManager};
use rusqlite::TransactionBehavior;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Takes hours unless it is interrupted.
const LONG: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000000000)
                    SELECT count(*) FROM n";
const SOON: Duration = Duration::from_secs(20);

/// Polls `call` until `started` is told, then drops it.
async fn give_up_once_started<T>(call: impl Future<Output = T>, started: oneshot::Receiver<()>) {
    tokio::select! {
        biased;
        _ = call => panic!("the call must not end by itself"),
        heard = started => heard.expect("the closure says that it runs"),
    }
}

async fn give_up_a_long_query(conn: &mut SqliteConnection) {
    let (begun, started) = oneshot::channel();
    let call = conn.call(move |c| {
        begun.send(()).expect("the test listens");
        c.query_row(LONG, [], |row| row.get::<_, i64>(0))
    });
    give_up_once_started(call, started).await;
}

/// Waits until the job that was given up has ended.
async fn settled(conn: &SqliteConnection) -> Condition {
    let wait = async {
        while conn.condition() == Condition::Broken {
            tokio::task::yield_now().await;
        }
        conn.condition()
    };
    timeout(SOON, wait).await.expect("the job must end")
}

#[tokio::test]
async fn a_dropped_call_interrupts_its_query() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    give_up_a_long_query(&mut conn).await;
    assert_eq!(settled(&conn).await, Condition::Clean);
    conn.ping().await.expect("the next statement is not hit");
}

#[tokio::test]
async fn close_ends_a_job_under_way() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    give_up_a_long_query(&mut conn).await;
    let closed = timeout(SOON, conn.close()).await.expect("close must end");
    closed.expect("SQLite agrees");
    assert_eq!(manager.open_connections(), 0);
}

#[tokio::test]
async fn a_connection_with_a_job_outstanding_takes_no_other() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    let (begun, started) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let call = conn.call(move |_| {
        begun.send(()).expect("the test listens");
        released.recv().expect("the test lets go");
        Ok(())
    });
    give_up_once_started(call, started).await;

    assert_eq!(conn.condition(), Condition::Broken);
    let refused = conn
        .call(|_| Ok(()))
        .await
        .expect_err("a job is outstanding");
    assert!(matches!(refused, Error::Outstanding), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Connection);

    release.send(()).expect("the closure listens");
    assert_eq!(settled(&conn).await, Condition::Clean);
    conn.ping().await.expect("the job has ended");
}

#[tokio::test]
async fn a_transaction_given_up_before_its_commit_is_rolled_back() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    conn.execute_batch("CREATE TABLE t (n)")
        .await
        .expect("a table");
    let (begun, started) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let call = conn.transaction(TransactionBehavior::Immediate, move |transaction| {
        transaction.execute("INSERT INTO t VALUES (1)", [])?;
        begun.send(()).expect("the test listens");
        released.recv().expect("the test lets go");
        Ok(())
    });
    give_up_once_started(call, started).await;
    release.send(()).expect("the closure listens");

    assert_eq!(settled(&conn).await, Condition::Clean);
    let rows: i64 = conn
        .call(|c| c.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
        .await
        .expect("a count");
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn an_interrupted_statement_costs_the_connection_when_seen_by_its_caller() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let mut conn = manager.open().await.expect("a connection");
    let error = conn
        .call(|c| {
            let interrupt = c.get_interrupt_handle();
            c.progress_handler(
                1000,
                Some(move || {
                    interrupt.interrupt();
                    false
                }),
            )?;
            c.query_row(LONG, [], |row| row.get::<_, i64>(0))
        })
        .await
        .expect_err("interrupted");
    assert_eq!(error.class(), ErrorClass::Connection);
}
