//! Futures that are dropped, and what stays counted.

use crate::support::{sessions, sessions_with, until};
use pool_multiplex::{Modes, SessionConfig, SessionOptions};
use pool_postgres::SessionError;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn raw_that_was_given_up_before_it_had_a_connection_pins_nothing() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    b.attach().await.unwrap();
    assert!(timeout(Duration::from_millis(50), a.raw()).await.is_err());
    b.detach().await.unwrap();
    a.query("SELECT 1", &[]).await.unwrap();
    let pins = a.pins().unwrap();
    assert!(pins.is_empty(), "{pins}");
}

#[tokio::test]
async fn attach_that_was_given_up_before_it_had_a_connection_pins_nothing() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    b.attach().await.unwrap();
    assert!(
        timeout(Duration::from_millis(50), a.attach())
            .await
            .is_err()
    );
    let pins = a.pins().unwrap();
    assert!(pins.is_empty(), "{pins}");
}

#[tokio::test]
async fn an_operation_that_was_given_up_waiting_gives_its_pinned_place_back() {
    let sessions = sessions(1).await;
    let mut holder = sessions.create().unwrap();
    holder.begin(Modes::default()).await.unwrap();
    holder.query("SELECT 1", &[]).await.unwrap();
    sessions.set_max_pinned(1);
    let mut a = sessions.create().unwrap();
    let create = a.batch("CREATE TEMP TABLE given_up (x int)");
    assert!(timeout(Duration::from_millis(50), create).await.is_err());
    holder.rollback().await.unwrap();
    let mut b = sessions.create().unwrap();
    let pinned = b.batch("CREATE TEMP TABLE mine (x int)").await;
    assert!(pinned.is_ok(), "nobody is pinned: {pinned:?}");
}

#[tokio::test]
async fn attach_counts_against_the_pinned() {
    let sessions = sessions(1).await;
    sessions.set_max_pinned(0);
    let mut a = sessions.create().unwrap();
    let attached = a.attach().await;
    assert!(
        matches!(attached, Err(SessionError::TooManyPinned { .. })),
        "{attached:?}"
    );
}

#[tokio::test]
async fn migrate_that_fails_gives_the_connection_back() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    b.batch("DROP ROLE IF EXISTS giving_up_gone; CREATE ROLE giving_up_gone")
        .await
        .unwrap();
    a.set_role("giving_up_gone").await.unwrap();
    b.batch("DROP ROLE giving_up_gone").await.unwrap();
    a.migrate().await.unwrap_err();
    until("the connection is given back", async || {
        sessions.pool().status().leased == 0
    })
    .await;
}

#[tokio::test]
async fn a_session_that_waits_for_a_notification_does_not_expire_meanwhile() {
    let config = SessionConfig::new().session_timeout(Some(Duration::from_millis(200)));
    let sessions = sessions_with(3, config).await;
    let mut a = sessions.create().unwrap();
    a.listen("giving_up_expiry").await.unwrap();
    let _ = timeout(Duration::from_millis(1500), a.notification()).await;
    let used = a.query("SELECT 1", &[]).await;
    assert!(used.is_ok(), "{used:?}");
}

#[test]
fn options_do_not_show_values() {
    let options = SessionOptions::new().setting("app.token", "hunter2");
    assert!(!format!("{options:?}").contains("hunter2"));
}
