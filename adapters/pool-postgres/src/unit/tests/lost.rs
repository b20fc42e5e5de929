//! Units whose connection is lost midway.

use super::{ask, batch, count, fresh, opening};
use crate::PostgresManager;
use crate::connection::PostgresConnection;
use crate::server::{open, url};
use crate::unit::{Effect, End, Frame, Outcome, Rows, run, typed};
use pool_testkit::proxy::{FaultProxy, Mode};
use std::time::Duration;

/// Asks again and again until the answer is yes.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, asking).await.is_ok(), "{what}");
}

async fn through_a_proxy() -> (FaultProxy, PostgresConnection) {
    let (before, rest) = url().rsplit_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let server = tokio::net::lookup_host(address).await.unwrap().next();
    let proxy = FaultProxy::start(server.unwrap()).await.unwrap();
    let url = format!("{before}@{}/{name}", proxy.address());
    let conn = PostgresManager::new(&url).unwrap().open().await.unwrap();
    (proxy, conn)
}

/// Runs a statement in a frame, and cuts the connection once `observed` holds; until then no reply
/// gets through.
async fn cut(frame: Frame<'_>, text: &str, effect: Effect, observed: &str) -> Outcome<Rows> {
    let observer = open().await;
    let (proxy, conn) = through_a_proxy().await;
    let process_id = conn.process_id();
    let active = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
    let unit = run(&conn, frame, typed(&conn, text, &[], effect), None);
    let cutting = async {
        until("the statement runs", async || {
            let row = observer.query_one(active, &[&process_id]).await.unwrap();
            row.get::<_, i64>(0) > 0
        })
        .await;
        proxy.set(Mode::BlackHole);
        until("it has come so far", async || {
            observer.query_one(observed, &[]).await.unwrap().get(0)
        })
        .await;
        proxy.set(Mode::Reset);
    };
    tokio::join!(unit, cutting).0
}

#[tokio::test]
async fn reply_to_the_commit_that_is_cut_leaves_the_outcome_unknown() {
    let conn = open().await;
    fresh(&conn, "lost_commit", "(a int)").await;
    let opening = opening(&[("work_mem", "7MB")]);
    let outcome = cut(
        Frame::Whole(&opening),
        "INSERT INTO lost_commit SELECT 1 FROM pg_sleep(0.3)",
        Effect::Writes,
        "SELECT count(*) > 0 FROM lost_commit",
    )
    .await;
    assert!(outcome.result.is_err() && outcome.report.is_lost());
    assert_eq!(outcome.report.end(), End::Unknown);
    assert!(!outcome.report.is_undone());
    assert_eq!(count(&conn, "lost_commit").await, 1);
}

#[tokio::test]
async fn reply_to_a_write_without_a_transaction_that_is_cut_leaves_the_outcome_unknown() {
    let conn = open().await;
    fresh(&conn, "lost_write", "(a int)").await;
    let outcome = cut(
        Frame::Bare,
        "INSERT INTO lost_write SELECT 1 FROM pg_sleep(0.3)",
        Effect::Writes,
        "SELECT count(*) > 0 FROM lost_write",
    )
    .await;
    assert!(outcome.report.is_lost() && !outcome.report.is_undone());
}

#[tokio::test]
async fn what_only_reads_or_ran_in_an_open_transaction_can_be_run_again() {
    let conn = open().await;
    fresh(&conn, "lost_open", "(a int)").await;
    let read = cut(
        Frame::Bare,
        "SELECT pg_sleep(0.3)",
        Effect::Reads,
        "SELECT true",
    )
    .await;
    assert!(read.report.is_lost() && read.report.is_undone());
    let opening = opening(&[]);
    let written = cut(
        Frame::Opened(&opening),
        "INSERT INTO lost_open SELECT 1 FROM pg_sleep(0.3)",
        Effect::Writes,
        "SELECT true",
    )
    .await;
    assert!(written.report.is_lost() && written.report.is_undone());
    assert_eq!(count(&conn, "lost_open").await, 0);
}

/// The COMMIT was sent, but the server has said goodbye before it came to it.
#[tokio::test]
async fn unit_whose_server_process_ends_before_the_commit_is_undone() {
    let conn = open().await;
    let opening = opening(&[]);
    let text = "SELECT pg_terminate_backend(pg_backend_pid())";
    let outcome = ask(&conn, Frame::Whole(&opening), text).await;
    assert!(outcome.result.is_err() && outcome.report.is_lost());
    assert!(outcome.report.farewell);
    assert_eq!(outcome.report.end(), End::RolledBack);
    assert!(outcome.report.is_undone());
}

#[tokio::test]
async fn unit_of_which_nothing_was_sent_is_undone() {
    let conn = open().await;
    conn.run("SELECT pg_terminate_backend(pg_backend_pid())")
        .await
        .unwrap_err();
    let opening = opening(&[]);
    let outcome = ask(&conn, Frame::Whole(&opening), "SELECT 1").await;
    assert!(outcome.result.is_err() && outcome.report.is_lost());
    assert!(outcome.report.is_undone());
    let operation = batch(&conn, "COMMIT", Effect::Ends);
    let outcome = run(&conn, Frame::Bare, operation, None).await;
    assert!(outcome.report.is_undone());
}
