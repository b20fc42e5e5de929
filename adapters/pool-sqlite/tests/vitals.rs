//! What policies of health see of a connection.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use pool_core::{Clock, Condition, ConnectCtx, ErrorClass, Manager, TokioClock, Vitals};
use pool_sqlite::{Error, SqliteConnection, SqliteManager};

/// A connection whose vital signs are read.
async fn watched(manager: &SqliteManager) -> (SqliteConnection, Vitals) {
    let clock = Arc::new(TokioClock::new());
    let mut cx = ConnectCtx::standalone(clock.now(), Duration::from_secs(20));
    cx.vitals = Vitals::new(Arc::clone(&clock) as _, clock.now());
    let conn = manager.connect(&cx).await.expect("a connection");
    (conn, cx.vitals)
}

#[tokio::test]
async fn call_is_outstanding_while_it_runs() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let (mut conn, vitals) = watched(&manager).await;
    let (go_on, waits) = mpsc::channel::<()>();
    let (begun, started) = tokio::sync::oneshot::channel();
    {
        let mut call = std::pin::pin!(conn.call(move |_| {
            begun.send(()).expect("the test listens");
            let _ = waits.recv();
            Ok(())
        }));
        assert!(futures_poll(&mut call).is_pending());
        started.await.expect("the closure says that it runs");
        assert_eq!(vitals.pulse().outstanding, 1);
        go_on.send(()).expect("it waits");
        call.await.expect("it ends");
    }
    let pulse = vitals.pulse();
    assert_eq!((pulse.outstanding, pulse.answered), (0, 1));
    assert_eq!(pulse.kind, 0, "what a closure does is not known");
}

fn futures_poll<F: Future>(future: &mut std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut cx)
}

#[tokio::test]
async fn same_sql_is_of_one_kind_and_its_errors_are_told() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let (mut conn, vitals) = watched(&manager).await;
    let mut kinds = Vec::new();
    for sql in ["SELECT 1", "SELECT 2", "SELECT 1", "nonsense"] {
        let outcome = conn.execute_batch(sql).await;
        assert_eq!(outcome.is_ok(), sql != "nonsense");
        kinds.push(vitals.pulse().reply_kind);
    }
    assert_eq!(kinds[0], kinds[2]);
    assert!(kinds[0] != kinds[1] && !kinds.contains(&0));
    assert_eq!(vitals.pulse().errors.of(ErrorClass::Harmless), 1);
    let panicked = conn.call(|_| -> rusqlite::Result<()> { panic!("as wanted") });
    assert!(matches!(panicked.await, Err(Error::Panicked { .. })));
    let pulse = vitals.pulse();
    assert_eq!(pulse.errors.of(ErrorClass::Connection), 1);
    assert_eq!((pulse.outstanding, pulse.answered), (0, 5));
}

/// Gives up a call that has begun and ends when the sender is used or dropped.
async fn give_up_a_call_that_hangs(conn: &mut SqliteConnection) -> mpsc::Sender<()> {
    let (begun, started) = tokio::sync::oneshot::channel();
    let (go_on, waits) = mpsc::channel::<()>();
    let call = conn.call(move |_| {
        begun.send(()).expect("the test listens");
        let _ = waits.recv();
        Ok(())
    });
    tokio::select! {
        biased;
        _ = call => panic!("the call must not end by itself"),
        heard = started => heard.expect("the closure says that it runs"),
    }
    go_on
}

async fn assert_refused(conn: &mut SqliteConnection) {
    let refused = conn.call(|_| Ok(())).await;
    assert!(matches!(refused, Err(Error::Outstanding)));
}

#[tokio::test]
async fn refused_call_does_not_hide_that_the_one_before_hangs() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let (mut conn, vitals) = watched(&manager).await;
    let _held = give_up_a_call_that_hangs(&mut conn).await;
    let before = vitals.pulse();
    assert_eq!((before.outstanding, before.answered), (1, 0));
    assert_refused(&mut conn).await;
    assert_eq!(vitals.pulse(), before);
}

#[tokio::test]
async fn calls_refused_while_another_ends_leave_nothing_outstanding() {
    let manager = SqliteManager::in_memory().expect("a manager");
    let (mut conn, vitals) = watched(&manager).await;
    let mut ran = 0;
    for round in 1..=50 {
        let held = give_up_a_call_that_hangs(&mut conn).await;
        assert_refused(&mut conn).await;
        drop(held);
        while conn.condition() == Condition::Broken {
            // Refused, or run once the other has ended.
            ran += u64::from(conn.call(|_| Ok(())).await.is_ok());
        }
        conn.ping().await.expect("the place is free");
        ran += 2;
        let pulse = vitals.pulse();
        assert_eq!(
            (pulse.outstanding, pulse.answered),
            (0, ran),
            "round {round}"
        );
    }
}
