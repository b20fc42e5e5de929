//! Futures that are dropped, after any number of polls.

use crate::support::{Fake, Op, Server, Turn, ok, pass, run, sessions_with, set, settings, settle};
use pool_multiplex::{Error, Modes, PinReason, Pins, Session, SessionConfig, Sessions, Work};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

const SIZE: u32 = 2;

/// Polls `future` so often, with a bit of time in between, and drops it. Tells whether it was over.
async fn poll_times(times: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    for _ in 0..times {
        let mut cx = Context::from_waker(Waker::noop());
        if future.as_mut().poll(&mut cx).is_ready() {
            return true;
        }
        pass(Duration::from_micros(300)).await;
        settle().await;
    }
    false
}

/// Sessions of a pool on which at most one may be pinned.
async fn one_pinned(server: &Server) -> Sessions<Fake> {
    let config = SessionConfig::new().audit(true).max_pinned(1);
    sessions_with(server, SIZE, config).await
}

/// Every connection is free, no session is lost, and every place for a pinned one is too.
async fn assert_whole(sessions: &Sessions<Fake>, session: &mut Session<Fake>) {
    pass(Duration::from_secs(1)).await;
    let statistics = sessions.statistics();
    assert_eq!(statistics.attached, 0);
    assert_eq!(statistics.pinned, []);
    assert_eq!(statistics.sessions, 1);
    let mut held = Vec::new();
    for _ in 0..SIZE {
        let lease = sessions.pool().acquire().await.expect("none was lost");
        assert!(lease.backend.is_new(), "it is clean");
        held.push(lease);
    }
    drop(held);
    assert_eq!(ok(session, Op::Show).await.settings, settings([("a", "1")]));
    session.attach().await.expect("the one place is free");
    session.detach().await.expect("nothing else pins it");
    assert_eq!(session.pins().ok(), Some(Pins::NONE));
}

async fn fresh() -> (Server, Sessions<Fake>, Session<Fake>) {
    let server = Server::new();
    let sessions = one_pinned(&server).await;
    let mut session = sessions.create().expect("there is room");
    ok(&mut session, set("a", "1")).await;
    (server, sessions, session)
}

/// Calls `attempt` with more and more polls until it was over, at least for `least` of them.
macro_rules! at_every_point {
    ($least:expr, |$times:ident| $attempt:block) => {
        let mut $times = 0;
        while !$attempt {
            $times += 1;
            assert!($times < 100, "it does not end");
        }
        assert!($times >= $least, "it waited {} times only", $times);
    };
}

#[tokio::test(start_paused = true)]
async fn an_operation_dropped_at_any_point_loses_neither_connection_nor_session() {
    at_every_point!(3, |times| {
        let (_server, sessions, mut session) = fresh().await;
        let work = Work::default().pins(Pins::NONE.with(PinReason::AdvisoryLock));
        let over = poll_times(times, session.run(Op::Show, work)).await;
        assert_whole(&sessions, &mut session).await;
        over
    });
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_opens_a_connection_can_be_dropped_at_any_point() {
    at_every_point!(4, |times| {
        let (server, sessions, mut session) = fresh().await;
        server.kill(1);
        let over = poll_times(times, session.run(Op::Show, Work::default())).await;
        assert_whole(&sessions, &mut session).await;
        over
    });
}

#[tokio::test(start_paused = true)]
async fn an_attach_dropped_at_any_point_pins_nothing() {
    at_every_point!(2, |times| {
        let (_server, sessions, mut session) = fresh().await;
        let over = poll_times(times, session.attach()).await;
        if over {
            session.detach().await.expect("nothing else pins it");
        }
        assert_whole(&sessions, &mut session).await;
        over
    });
}

#[tokio::test(start_paused = true)]
async fn a_detach_dropped_at_any_point_pins_nothing() {
    at_every_point!(2, |times| {
        let (_server, sessions, mut session) = fresh().await;
        session.attach().await.expect("one is free");
        let over = poll_times(times, session.detach()).await;
        if !over && session.connection().is_ok() {
            session.detach().await.expect("nothing else pins it");
        }
        assert_whole(&sessions, &mut session).await;
        over
    });
}

#[tokio::test(start_paused = true)]
async fn a_move_dropped_at_any_point_loses_neither_connection_nor_session() {
    at_every_point!(4, |times| {
        let (_server, sessions, mut session) = fresh().await;
        let over = poll_times(times, session.migrate()).await;
        assert_whole(&sessions, &mut session).await;
        over
    });
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_given_up_half_way_is_reported_once() {
    at_every_point!(3, |times| {
        let (server, sessions, mut session) = fresh().await;
        session
            .begin(Modes::default())
            .await
            .expect("it is in none");
        ok(&mut session, set("a", "2")).await;
        ok(&mut session, Op::Write(1)).await;
        let over = poll_times(times, run(&mut session, Op::Commit)).await;
        if times == 0 {
            ok(&mut session, Op::Rollback).await;
        } else if !over && session.status().is_ok() && server.rows().is_empty() {
            let told = run(&mut session, Op::Show).await;
            assert!(matches!(told, Err(Error::Interrupted)), "{told:?}");
            assert_eq!(sessions.statistics().transactions_lost, 1);
            // Once.
            ok(&mut session, Op::Show).await;
        } else {
            ok(&mut session, set("a", "1")).await;
        }
        assert_whole(&sessions, &mut session).await;
        over
    });
}

#[tokio::test(start_paused = true)]
async fn the_begin_of_a_transaction_that_is_given_up_half_way_is_reported_once() {
    let (server, sessions, mut session) = fresh().await;
    session
        .begin(Modes::default())
        .await
        .expect("it is in none");
    server.script([Turn::Hang]);
    let time = Duration::from_secs(1);
    let hung = tokio::time::timeout(time, run(&mut session, Op::Write(1))).await;
    assert!(hung.is_err());
    let told = session.begin(Modes::default()).await;
    assert!(matches!(told, Err(Error::Interrupted)), "{told:?}");
    session
        .begin(Modes::default())
        .await
        .expect("it is in none");
    assert!(session.end_unbegun(false).expect("it is in one"));
    assert_whole(&sessions, &mut session).await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_given_up_outside_a_transaction_is_not_reported() {
    let (server, sessions, mut session) = fresh().await;
    server.script([Turn::Hang]);
    let time = Duration::from_secs(1);
    let hung = tokio::time::timeout(time, run(&mut session, Op::Show)).await;
    assert!(hung.is_err());
    ok(&mut session, Op::Show).await;
    assert_whole(&sessions, &mut session).await;
}
