//! Connections that are lost: what a session is told, and where it goes on.

use crate::support::{
    ask, begin, is_free, kill, number, observer, occupy, pause, pid, run, sessions,
    sessions_through_a_proxy, set_up, show, show_elsewhere, until, user,
};
use pool_multiplex::{PinReason, TransactionStatus};
use pool_postgres::{PostgresConnection, Session, SessionError};
use pool_testkit::proxy::{FaultProxy, Mode};
use std::time::Duration;

#[tokio::test]
async fn idle_sessions_do_not_notice_that_a_back_end_is_killed() {
    let sessions = sessions(2).await;
    let observer = observer().await;
    let mut all: Vec<_> = (0..6).map(|_| sessions.create().unwrap()).collect();
    for (at, session) in all.iter_mut().enumerate() {
        session.set("app.id", &at.to_string()).await.unwrap();
        session.prepare("SELECT $1::int4 * 3").await.unwrap();
    }
    for _ in 0..3 {
        let victim = pid(&mut all[0]).await;
        kill(&observer, victim).await;
        for (at, session) in all.iter_mut().enumerate() {
            assert_eq!(show(session, "app.id").await, at.to_string());
            let row = session.query_one("SELECT $1::int4 * 3", &[&2]).await;
            assert_eq!(row.unwrap().get::<_, i32>(0), 6);
            assert_ne!(pid(session).await, victim);
        }
    }
}

#[tokio::test]
async fn a_transaction_whose_back_end_is_killed_is_lost_and_can_be_tried_again() {
    set_up("DROP TABLE IF EXISTS lost_rows; CREATE TABLE lost_rows (v int4)").await;
    let sessions = sessions(2).await;
    let observer = observer().await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    begin(&mut a).await;
    run(&mut a, "SET work_mem = '6MB'; SET ROLE pg_monitor").await;
    run(&mut a, "RESET ROLE; INSERT INTO lost_rows VALUES (1)").await;
    let victim = pid(&mut a).await;
    kill(&observer, victim).await;
    let error = a.query("SELECT 1", &[]).await.unwrap_err();
    assert!(
        matches!(error, SessionError::TransactionLost(_)),
        "{error:?}"
    );
    assert!(error.is_retryable());
    assert_eq!(a.inner().status().unwrap(), TransactionStatus::Idle);
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    assert_eq!(user(&mut a).await, "postgres");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
    assert_eq!(number(&mut a, "SELECT count(*) FROM lost_rows").await, 0);
    assert_eq!(sessions.statistics().transactions_lost, 1);
    let mut b = sessions.create().unwrap();
    assert_eq!(show(&mut b, "work_mem").await, "4MB");
}

#[tokio::test]
async fn a_transaction_is_lost_too_if_its_guard_commits_or_a_statement_is_running() {
    let sessions = sessions(2).await;
    let observer = observer().await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.set("work_mem", "6MB").await.unwrap();
    let victim = pid(&mut tx).await;
    kill(&observer, victim).await;
    // The server is gone before COMMIT is sent, but from here that cannot be told for certain.
    let error = tx.commit().await.unwrap_err();
    assert!(
        matches!(
            error,
            SessionError::OutcomeUnknown(_) | SessionError::TransactionLost(_)
        ),
        "{error:?}"
    );
    assert_eq!(show(&mut a, "work_mem").await, "4MB");
    begin(&mut a).await;
    let victim = pid(&mut a).await;
    let sleep = a.query("SELECT pg_sleep(30)", &[]);
    let killing = async {
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%'";
        until("it sleeps", async || {
            let row = observer.query_one(sql, &[&victim]).await.unwrap();
            row.get::<_, i64>(0) > 0
        })
        .await;
        kill(&observer, victim).await;
    };
    let (slept, ()) = tokio::join!(sleep, killing);
    let error = slept.unwrap_err();
    assert!(
        matches!(error, SessionError::TransactionLost(_)),
        "{error:?}"
    );
    assert_eq!(ask(&mut a, "SELECT 'well'").await.unwrap(), "well");
}

#[tokio::test]
async fn what_pinned_a_session_is_gone_with_its_connection() {
    let sessions = sessions(2).await;
    let observer = observer().await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    run(&mut a, "CREATE TEMP TABLE gone_with_it ()").await;
    let victim = pid(&mut a).await;
    kill(&observer, victim).await;
    let error = a.query("SELECT FROM gone_with_it", &[]).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(is_free(&a));
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    let pinned = sessions.statistics().pinned;
    assert!(
        !pinned
            .iter()
            .any(|(why, _)| *why == PinReason::TemporaryObject)
    );
}

/// Runs `change` with replies that come late, and cuts the connection once `done` is so on the server.
async fn cut_the_reply<T>(
    proxy: &FaultProxy,
    change: impl Future<Output = Result<T, SessionError>>,
    done: impl AsyncFn() -> bool,
) -> SessionError {
    proxy.set(Mode::Delay(Duration::from_millis(400)));
    let cutting = async {
        until("it is done", done).await;
        proxy.set(Mode::Reset);
    };
    let (changed, ()) = tokio::join!(change, cutting);
    proxy.set(Mode::Pass);
    match changed {
        Err(error) => error,
        Ok(_) => panic!("the reply came"),
    }
}

async fn rows(observer: &PostgresConnection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    observer.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_has_an_unknown_outcome() {
    set_up("DROP TABLE IF EXISTS cut_commit; CREATE TABLE cut_commit (v int4)").await;
    let (proxy, sessions) = sessions_through_a_proxy(1).await;
    let observer = observer().await;
    let mut a = sessions.create().unwrap();
    a.set("app.id", "a").await.unwrap();
    begin(&mut a).await;
    run(&mut a, "INSERT INTO cut_commit VALUES (1)").await;
    a.set("work_mem", "9MB").await.unwrap();
    let done = async || rows(&observer, "cut_commit").await == 1;
    let error = cut_the_reply(&proxy, a.commit(), done).await;
    assert!(
        matches!(error, SessionError::OutcomeUnknown(_)),
        "{error:?}"
    );
    assert!(!error.is_retryable());
    assert_eq!(show(&mut a, "app.id").await, "a");
    assert_eq!(show(&mut a, "work_mem").await, "4MB");
    assert_eq!(sessions.statistics().outcomes_unknown, 1);
}

#[tokio::test]
async fn a_write_whose_reply_is_lost_has_an_unknown_outcome_with_settings_and_without() {
    set_up("DROP TABLE IF EXISTS cut_write; CREATE TABLE cut_write (v int4)").await;
    let (proxy, sessions) = sessions_through_a_proxy(1).await;
    let observer = observer().await;
    let mut a = sessions.create().unwrap();
    for expected in [1, 2] {
        if expected == 2 {
            a.set("app.id", "a").await.unwrap();
        }
        // On a connection of another's or a new one, the settings go with it.
        let mut b = sessions.create().unwrap();
        b.set("app.id", "b").await.unwrap();
        let done = async || rows(&observer, "cut_write").await == expected;
        let write = a.execute("INSERT INTO cut_write VALUES ($1)", &[&1_i32]);
        let error = cut_the_reply(&proxy, write, done).await;
        assert!(
            matches!(error, SessionError::OutcomeUnknown(_)),
            "{error:?}"
        );
    }
    assert_eq!(show(&mut a, "app.id").await, "a");
}

#[tokio::test]
async fn a_read_whose_reply_is_lost_can_be_tried_again() {
    let (proxy, sessions) = sessions_through_a_proxy(1).await;
    let mut a = sessions.create().unwrap();
    a.set("app.id", "a").await.unwrap();
    assert_eq!(ask(&mut a, "SELECT 'read'").await.unwrap(), "read");
    proxy.set(Mode::BlackHole);
    let read = a.query("SELECT 'read'", &[]);
    let cutting = async {
        pause(50).await;
        proxy.set(Mode::Reset);
    };
    let (read, ()) = tokio::join!(read, cutting);
    let error = read.unwrap_err();
    assert!(matches!(error, SessionError::Lost(_)), "{error:?}");
    assert!(error.is_retryable());
    proxy.set(Mode::Pass);
    assert_eq!(show(&mut a, "app.id").await, "a");
}

#[tokio::test]
async fn a_write_in_a_transaction_whose_reply_is_lost_was_not_made() {
    set_up("DROP TABLE IF EXISTS cut_inside; CREATE TABLE cut_inside (v int4)").await;
    let (proxy, sessions) = sessions_through_a_proxy(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "INSERT INTO cut_inside VALUES (1)").await;
    proxy.set(Mode::BlackHole);
    let write = tx.execute("INSERT INTO cut_inside VALUES ($1)", &[&2_i32]);
    let cutting = async {
        pause(50).await;
        proxy.set(Mode::Reset);
    };
    let (written, ()) = tokio::join!(write, cutting);
    let error = written.unwrap_err();
    assert!(
        matches!(error, SessionError::TransactionLost(_)),
        "{error:?}"
    );
    proxy.set(Mode::Pass);
    drop(tx);
    assert_eq!(number(&mut a, "SELECT count(*) FROM cut_inside").await, 0);
}

#[tokio::test]
async fn a_session_has_moved_on_from_a_drained_connection_with_its_state() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.set("app.id", "a").await.unwrap();
    begin(&mut b).await;
    b.set("app.id", "b").await.unwrap();
    let held = pid(&mut b).await;
    let idle = pid(&mut a).await;
    let of = |session: &Session| session.inner().connection().unwrap().unwrap().connection;
    let drained = sessions.drain_connection(of(&b));
    assert_eq!(drained.held.len(), 1);
    sessions.drain_connection(of(&a));
    assert_eq!(show(&mut a, "app.id").await, "a");
    assert_ne!(pid(&mut a).await, idle);
    assert_eq!(pid(&mut b).await, held);
    b.commit().await.unwrap();
    assert_eq!(show(&mut b, "app.id").await, "b");
    assert_ne!(pid(&mut b).await, held);
    let occupied = occupy(&mut b).await;
    assert_eq!(show(&mut b, "app.id").await, "b");
    occupied.release().await;
}
