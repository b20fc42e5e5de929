//! Sessions that cannot leave their connection, and how many of them there may be.

use crate::support::{Fake, Op, Server, Turn, ok, pass, run, sessions_with};
use pool_multiplex::{Error, Modes, PinReason, Pins, Session, SessionConfig, Sessions, Work};
use std::time::Duration;

fn may_lock() -> Work {
    Work::default().pins(Pins::NONE.with(PinReason::AdvisoryLock))
}

/// Sessions of which so many may be pinned.
async fn pinned_at_most(server: &Server, limit: usize) -> Sessions<Fake> {
    let config = SessionConfig::new().max_pinned(limit).session_timeout(None);
    sessions_with(server, 4, config).await
}

async fn lock(session: &mut Session<Fake>) -> Result<(), Pins> {
    match session.run(Op::Lock, may_lock()).await {
        Ok(_) => Ok(()),
        Err(Error::TooManyPinned { limit: 1, reasons }) => Err(reasons),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn one_too_many_is_refused_at_once_with_what_pins_the_others_and_let_in_when_there_is_room() {
    let server = Server::new();
    let sessions = pinned_at_most(&server, 1).await;
    let [mut one, mut other] = [0; 2].map(|_| sessions.create().expect("there is room"));
    lock(&mut one).await.expect("it is the first");
    server.take_log();
    let reasons = lock(&mut other).await.expect_err("it is the second");
    assert_eq!(reasons, Pins::NONE.with(PinReason::AdvisoryLock));
    assert_eq!(server.take_log(), [], "it did not run");
    let refused = other.attach().await;
    assert!(
        matches!(refused, Err(Error::TooManyPinned { .. })),
        "{refused:?}"
    );
    assert_eq!(other.pins().ok(), Some(Pins::NONE));
    sessions.set_max_pinned(2);
    lock(&mut other).await.expect("there is room now");
    let pinned = sessions.statistics().pinned;
    assert_eq!(pinned, [(PinReason::AdvisoryLock, 2)]);
}

#[tokio::test(start_paused = true)]
async fn transactions_take_no_place() {
    let server = Server::new();
    let sessions = pinned_at_most(&server, 1).await;
    let [mut one, mut other] = [0; 2].map(|_| sessions.create().expect("there is room"));
    for session in [&mut one, &mut other] {
        session
            .begin(Modes::default())
            .await
            .expect("it is in none");
        let work = Work::default().pins(Pins::NONE.with(PinReason::Transaction));
        assert!(session.run(Op::Show, work).await.is_ok());
    }
    lock(&mut one).await.expect("it is the first");
    let reasons = lock(&mut other).await.expect_err("it is the second");
    assert!(
        !reasons.contains(PinReason::Transaction),
        "that is none of them"
    );
}

/// The one place there is must be free after `end`.
async fn gives_the_place_back(
    end: impl AsyncFnOnce(Session<Fake>, &Server) -> Option<Session<Fake>>,
) {
    let server = Server::new();
    let sessions = pinned_at_most(&server, 1).await;
    let [mut one, mut other] = [0; 2].map(|_| sessions.create().expect("there is room"));
    lock(&mut one).await.expect("it is the first");
    lock(&mut other).await.expect_err("it is the second");
    let kept = end(one, &server).await;
    lock(&mut other).await.expect("the place was given back");
    let pinned = sessions.statistics().pinned;
    assert_eq!(pinned, [(PinReason::AdvisoryLock, 1)]);
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn the_place_is_given_back_when_the_session_is_not_pinned_any_more() {
    gives_the_place_back(async |mut session, _| {
        ok(&mut session, Op::Unlock).await;
        Some(session)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_place_is_given_back_when_the_session_is_dropped() {
    gives_the_place_back(async |session, _| {
        drop(session);
        None
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_place_is_given_back_when_the_connection_is_lost() {
    gives_the_place_back(async |mut session, server| {
        server.script([Turn::LoseBefore]);
        assert!(run(&mut session, Op::Show).await.is_err());
        Some(session)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_place_is_given_back_when_an_operation_is_given_up() {
    gives_the_place_back(async |mut session, server| {
        server.script([Turn::Hang]);
        let time = Duration::from_secs(1);
        let hung = tokio::time::timeout(time, run(&mut session, Op::Show)).await;
        assert!(hung.is_err());
        Some(session)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_place_is_given_back_when_the_session_has_drifted() {
    gives_the_place_back(async |mut session, _| {
        assert!(run(&mut session, Op::BeginUnseen).await.is_err());
        Some(session)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_place_is_given_back_when_the_session_times_out() {
    let server = Server::new();
    let config = SessionConfig::new().max_pinned(1);
    let sessions = sessions_with(&server, 2, config).await;
    let mut one = sessions.create().expect("there is room");
    lock(&mut one).await.expect("it is the first");
    pass(Duration::from_secs(303)).await;
    assert!(one.is_expired());
    let mut other = sessions.create().expect("there is room");
    lock(&mut other).await.expect("the place was given back");
}

#[tokio::test(start_paused = true)]
async fn a_place_that_was_taken_and_not_needed_is_given_back() {
    let server = Server::new();
    let sessions = pinned_at_most(&server, 1).await;
    let [mut one, mut other] = [0; 2].map(|_| sessions.create().expect("there is room"));
    // It might have pinned, but did not; it failed; it found no connection.
    assert!(one.run(Op::Show, may_lock()).await.is_ok());
    assert!(one.run(Op::Wrong, may_lock()).await.is_err());
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(sessions.pool().acquire().await.expect("one is free"));
    }
    assert!(one.run(Op::Lock, may_lock()).await.is_err());
    drop(held);
    lock(&mut other).await.expect("the place is free");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_pinned_itself_without_a_word_takes_a_place_all_the_same() {
    let server = Server::new();
    let sessions = pinned_at_most(&server, 1).await;
    let [mut one, mut other] = [0; 2].map(|_| sessions.create().expect("there is room"));
    ok(&mut one, Op::CreateTemporary("t".into())).await;
    let reasons = lock(&mut other).await.expect_err("it is the second");
    assert_eq!(reasons, Pins::NONE.with(PinReason::TemporaryObject));
    ok(&mut one, Op::DropTemporary("t".into())).await;
    lock(&mut other).await.expect("the place was given back");
}

#[tokio::test(start_paused = true)]
async fn a_temporary_object_of_a_transaction_that_is_rolled_back_pins_no_more() {
    let server = Server::new();
    let sessions = pinned_at_most(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, Op::CreateTemporary("t".into())).await;
    ok(&mut one, Op::Rollback).await;
    assert_eq!(one.pins().ok(), Some(Pins::NONE));
    assert_eq!(sessions.statistics().attached, 0);
}
