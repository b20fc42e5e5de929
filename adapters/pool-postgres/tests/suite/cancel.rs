use crate::support::{exists, is_active, open, poll_once, until};
use pool_core::{Condition, ErrorClass, Manager};
use pool_postgres::{Error, PostgresConnection, PostgresManager};
use std::pin::pin;
use std::time::Duration;

/// Starts a long query, waits until it runs, and drops its future.
async fn abandon(observer: &PostgresConnection, conn: &PostgresConnection) {
    let mut sleep = pin!(conn.batch_execute("SELECT pg_sleep(600)"));
    poll_once(&mut sleep);
    let pid = conn.process_id();
    until("the query runs", || is_active(observer, pid)).await;
}

#[tokio::test]
async fn dropped_query_future_is_caught_and_cancelled() {
    let (manager, mut conn) = open().await;
    let observer = manager.open().await.unwrap();
    let pid = conn.process_id();
    abandon(&observer, &conn).await;
    assert_eq!(manager.condition(&mut conn), Condition::Broken);
    manager.close(conn).await;
    until("the back end has ended", || async {
        !exists(&observer, pid).await
    })
    .await;
}

#[tokio::test]
async fn without_cancel_sockets_the_query_runs_on() {
    let manager = PostgresManager::builder(crate::support::url()).unwrap();
    let manager = manager.cancel_sockets(0).build().unwrap();
    let observer = manager.open().await.unwrap();
    let conn = manager.open().await.unwrap();
    let pid = conn.process_id();
    abandon(&observer, &conn).await;
    manager.close(conn).await;
    // Several round trips later it still runs: it was the cancel request that ended the other.
    for _ in 0..20 {
        assert!(is_active(&observer, pid).await);
    }
    observer
        .query("SELECT pg_terminate_backend($1)", &[&pid])
        .await
        .unwrap();
}

#[tokio::test]
async fn reset_refuses_a_connection_with_an_unanswered_request() {
    let (manager, mut conn) = open().await;
    let observer = manager.open().await.unwrap();
    abandon(&observer, &conn).await;
    assert!(matches!(
        manager.reset(&mut conn).await,
        Err(Error::Abandoned)
    ));
    manager.close(conn).await;
}

#[tokio::test]
async fn close_does_not_wait_for_a_cancel_longer_than_its_limit() {
    let dsn = crate::support::url();
    let manager = PostgresManager::builder(dsn).unwrap();
    // No socket is ever free: the limit alone ends the wait.
    let manager = manager.cancel_timeout(Duration::ZERO).build().unwrap();
    let observer = manager.open().await.unwrap();
    let conn = manager.open().await.unwrap();
    let pid = conn.process_id();
    abandon(&observer, &conn).await;
    let closing = tokio::time::timeout(Duration::from_secs(10), manager.close(conn));
    assert!(closing.await.is_ok());
    observer
        .query("SELECT pg_terminate_backend($1)", &[&pid])
        .await
        .unwrap();
}

#[tokio::test]
async fn error_of_a_statement_is_harmless() {
    let (manager, conn) = open().await;
    let error = conn.query("SELECT 1/0", &[]).await.unwrap_err();
    assert_eq!(manager.classify(&Error::from(error)), ErrorClass::Harmless);
    let error = conn.query("SELECT $1::int4", &[&"text"]).await.unwrap_err();
    assert_eq!(manager.classify(&Error::from(error)), ErrorClass::Harmless);
}
