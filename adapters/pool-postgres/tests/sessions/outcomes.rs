//! What a session is told, and whether it is true.

use crate::support::{impatient, pause, sessions};
use pool_multiplex::Modes;
use pool_postgres::Heard;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn a_commit_that_was_given_up_is_not_called_retryable_when_it_was_carried_out() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch("DROP TABLE IF EXISTS outcomes_c; CREATE TABLE outcomes_c (x int)")
        .await
        .unwrap();
    a.begin(Modes::default()).await.unwrap();
    a.batch("INSERT INTO outcomes_c VALUES (1)").await.unwrap();
    {
        let mut commit = pin!(a.commit());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(commit.as_mut().poll(&mut cx).is_pending());
        pause(500).await;
    }
    let rows = b.query("SELECT x FROM outcomes_c", &[]).await.unwrap();
    let said = a.query("SELECT 1", &[]).await;
    if rows.len() == 1
        && let Err(error) = said
    {
        assert!(!error.is_retryable(), "committed, and yet: {error}");
    }
}

#[tokio::test]
async fn a_commit_that_the_server_has_confirmed_is_not_drift() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch(
        "DROP TABLE IF EXISTS outcomes_d; CREATE TABLE outcomes_d (x int); \
             DROP ROLE IF EXISTS outcomes_plain; CREATE ROLE outcomes_plain",
    )
    .await
    .unwrap();
    a.begin(Modes::default()).await.unwrap();
    a.batch("INSERT INTO outcomes_d VALUES (1)").await.unwrap();
    let done = a
        .batch("SET dynamic_library_path = '$libdir'; SET ROLE outcomes_plain; COMMIT")
        .await;
    let rows = b.query("SELECT x FROM outcomes_d", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(done.is_ok(), "committed, and yet: {done:?}");
}

#[tokio::test]
async fn a_commit_that_cannot_listen_does_not_leave_the_transaction_open_behind_its_guard() {
    let sessions = impatient(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.query("SELECT 1", &[]).await.unwrap();
    tx.listen("outcomes_channel").await.unwrap();
    tx.commit().await.unwrap_err();
    let open = a.transaction_context().unwrap();
    assert!(open.is_none(), "the guard is gone: {open:?}");
}

#[tokio::test]
async fn commit_of_a_transaction_that_was_given_up_is_an_error() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.attach().await.unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SELECT 1").await.unwrap();
    drop(tx);
    let done = a.commit().await;
    assert!(done.is_err(), "it was rolled back: {done:?}");
}

#[tokio::test]
async fn listen_behind_a_transaction_that_was_given_up_is_heard() {
    let sessions = sessions(3).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.attach().await.unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SELECT 1").await.unwrap();
    drop(tx);
    a.listen("outcomes_owed").await.unwrap();
    a.batch("SELECT 1").await.unwrap();
    b.batch("NOTIFY outcomes_owed, 'x'").await.unwrap();
    let heard = timeout(Duration::from_secs(5), a.notification()).await;
    assert!(
        matches!(heard, Ok(Ok(Some(Heard::Notification(_))))),
        "{heard:?}"
    );
}
