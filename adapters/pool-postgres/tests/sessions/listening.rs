//! Notifications reach a session that holds no connection.

use crate::support::{PostgresPool, sessions, url};
use pool_multiplex::{SessionPool as _, TransactionStatus};
use pool_postgres::{Heard, PostgresManager, Session, stop_listening};
use std::time::Duration;
use tokio::time::timeout;

/// The payload of the next notification.
async fn payload(session: &mut Session) -> String {
    let limit = Duration::from_secs(20);
    match timeout(limit, session.notification())
        .await
        .unwrap()
        .unwrap()
    {
        Some(Heard::Notification(notification)) => notification.payload().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_notification_right_after_listen_is_heard_without_a_connection() {
    let sessions = sessions(3).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    for round in 0..50 {
        a.batch("LISTEN news").await.unwrap();
        b.batch(&format!("NOTIFY news, '{round}'")).await.unwrap();
        assert!(a.pins().unwrap().is_empty());
        assert_eq!(payload(&mut a).await, round.to_string());
        a.batch("UNLISTEN news").await.unwrap();
    }
    assert!(
        a.notification().await.unwrap().is_none(),
        "it listens to nothing"
    );
}

#[tokio::test]
async fn listen_takes_effect_when_its_transaction_commits() {
    let sessions = sessions(3).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("LISTEN committed").await.unwrap();
    tx.query_one("SELECT 1", &[]).await.unwrap();
    b.batch("NOTIFY committed, 'too early'").await.unwrap();
    tx.commit().await.unwrap();
    b.batch("NOTIFY committed, 'in time'").await.unwrap();
    assert_eq!(payload(&mut a).await, "in time");
}

#[tokio::test]
async fn listen_in_a_transaction_that_is_rolled_back_hears_nothing() {
    let sessions = sessions(3).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("LISTEN never").await.unwrap();
    tx.rollback().await.unwrap();
    assert!(a.notification().await.unwrap().is_none());
    let mut tx = a.transaction().await.unwrap();
    tx.savepoint("s").await.unwrap();
    tx.batch("LISTEN never").await.unwrap();
    tx.rollback_to("s").await.unwrap();
    tx.commit().await.unwrap();
    assert!(a.notification().await.unwrap().is_none());
}

#[tokio::test]
async fn a_notify_of_an_aborted_transaction_never_arrives() {
    let sessions = sessions(3).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.listen("maybe").await.unwrap();
    let mut tx = b.transaction().await.unwrap();
    tx.batch("NOTIFY maybe, 'aborted'").await.unwrap();
    tx.rollback().await.unwrap();
    b.batch("NOTIFY maybe, 'committed'").await.unwrap();
    assert_eq!(payload(&mut a).await, "committed");
}

#[tokio::test]
async fn listen_in_a_failed_transaction_is_an_error() {
    let sessions = sessions(3).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SELECT 1/0").await.unwrap_err();
    assert_eq!(
        tx.transaction_context().unwrap().unwrap().status,
        TransactionStatus::Failed
    );
    tx.batch("LISTEN failed").await.unwrap_err();
    tx.rollback().await.unwrap();
    assert!(a.notification().await.unwrap().is_none());
}

/// The side connection counts: with one connection in all, nobody can listen and work.
#[tokio::test]
async fn the_connection_that_listens_counts_and_is_given_back() {
    let manager = PostgresManager::new(url()).unwrap();
    let pool = PostgresPool::builder(manager)
        .max_size(1)
        .acquire_timeout(Duration::from_millis(300))
        .build()
        .await
        .unwrap();
    let sessions = pool.sessions();
    let mut a = sessions.create().unwrap();
    a.listen("one").await.unwrap();
    a.query_one("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(pool.status().size, 1);
    a.unlisten("one").await.unwrap();
    let working = async { while a.query_one("SELECT 1", &[]).await.is_err() {} };
    timeout(Duration::from_secs(20), working).await.unwrap();
}

#[tokio::test]
async fn a_session_that_was_suspended_hears_again() {
    let sessions = sessions(3).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.listen("again").await.unwrap();
    let id = a.suspend().unwrap();
    let mut a = sessions.resume(id).unwrap();
    assert!(
        timeout(Duration::from_millis(50), a.notification())
            .await
            .is_err()
    );
    b.batch("NOTIFY again, 'x'").await.unwrap();
    assert_eq!(payload(&mut a).await, "x");
}

#[tokio::test]
async fn a_pool_that_listens_no_more_can_be_closed() {
    let sessions = sessions(3).await;
    let mut a = sessions.create().unwrap();
    a.listen("closing").await.unwrap();
    let pool = sessions.pool().clone();
    let report = pool.close(Duration::from_millis(50)).await;
    assert_eq!(report.still_held.len(), 1, "the connection that listens");
    stop_listening(&pool).await;
    a.notification().await.unwrap_err();
    assert!(pool.close(Duration::from_secs(20)).await.is_complete());
}
