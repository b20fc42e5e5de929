//! What is on a connection when an operation runs, and what is left there.

use crate::support::{
    Op, Ran, Server, Turn, ok, run, sessions, sessions_with, set, settings, settle,
};
use pool_multiplex::{Error, PinReason, SessionConfig, SessionOptions};

#[tokio::test(start_paused = true)]
async fn an_operation_runs_with_all_that_the_session_has_set_wherever_it_runs() {
    let server = Server::new();
    let sessions = sessions(&server, 2).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("app.id", "1")).await;
    ok(&mut one, set("role", "reader")).await;
    ok(&mut one, Op::Show).await;
    one.migrate().await.expect("there is another");
    let second = ok(&mut one, Op::Show).await;
    assert_eq!(
        second.settings,
        settings([("app.id", "1"), ("role", "reader")])
    );
}

#[tokio::test(start_paused = true)]
async fn a_difference_is_replayed_once_and_what_is_there_already_never() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    let mut other = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    ok(&mut one, set("b", "2")).await;
    ok(&mut other, set("c", "3")).await;
    server.take_log();
    for _ in 0..3 {
        ok(&mut one, Op::Show).await;
    }
    for _ in 0..2 {
        ok(&mut other, Op::Show).await;
    }
    let replayed: Vec<usize> = server.take_log().iter().map(|ran| ran.replayed).collect();
    // One resets c and sets a and b; the other does the opposite.
    assert_eq!(replayed, [3, 0, 0, 3, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_session_with_the_same_settings_picks_up_what_another_has_left() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let options = || {
        SessionOptions::new()
            .setting("app.id", "1")
            .setting("role", "reader")
    };
    let mut one = sessions.create_with(options()).expect("there is room");
    let mut other = sessions.create_with(options()).expect("there is room");
    ok(&mut one, Op::Show).await;
    server.take_log();
    let reply = ok(&mut other, Op::Show).await;
    assert_eq!(
        reply.settings,
        settings([("app.id", "1"), ("role", "reader")])
    );
    assert_eq!(server.take_log()[0].replayed, 0);
    assert_eq!(server.resets(), 0, "nobody had to clean up");
    assert_eq!(sessions.statistics().same_settings, 1);
}

#[tokio::test(start_paused = true)]
async fn no_operation_runs_when_the_settings_before_it_are_refused() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    let mut other = sessions.create().expect("there is room");
    ok(&mut one, set("role", "reader")).await;
    ok(&mut other, set("role", "writer")).await;
    server.take_log();
    server.script([Turn::RefusePrelude]);
    let refused = run(&mut one, Op::Write(7)).await;
    assert!(matches!(refused, Err(Error::Prelude(_))), "{refused:?}");
    assert_eq!(server.take_log(), []);
    assert_eq!(server.rows(), [] as [u64; 0]);
    // Neither the session nor the connection is the worse for it.
    let reply = ok(&mut one, Op::Show).await;
    assert_eq!(reply.settings, settings([("role", "reader")]));
    assert_eq!(server.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_operation_takes_the_replay_of_its_unit_with_it() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    let mut other = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    ok(&mut other, Op::Show).await;
    let refused = run(&mut one, Op::Wrong).await;
    assert!(matches!(refused, Err(Error::Operation(_))), "{refused:?}");
    // The fake compares the label with what it has each time.
    server.take_log();
    ok(&mut one, Op::Show).await;
    assert_eq!(server.take_log()[0].replayed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_setting_that_is_reset_is_as_the_session_began_with_it() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let options = SessionOptions::new().setting("a", "mine");
    let mut one = sessions.create_with(options).expect("there is room");
    ok(&mut one, set("a", "other")).await;
    ok(&mut one, Op::Reset("a".into())).await;
    let reply = ok(&mut one, Op::Show).await;
    assert_eq!(reply.settings, settings([("a", "mine")]));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_no_session_never_meets_what_a_session_has_left() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("role", "reader")).await;
    let plain = sessions.pool().acquire().await.expect("one is free");
    assert!(plain.backend.is_new());
    drop(plain);
    let told = sessions.pool().request().user("somebody").acquire().await;
    assert!(told.expect("one is free").backend.is_new());
    assert_eq!((server.opened(), server.resets()), (1, 1));
    let reply = ok(&mut one, Op::Show).await;
    assert_eq!(reply.settings, settings([("role", "reader")]));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_a_session_left_without_settings_is_clean_for_everybody() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    ok(&mut one, Op::Reset("a".into())).await;
    drop(sessions.pool().acquire().await.expect("one is free"));
    assert_eq!(server.resets(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_audit_finds_hidden_state_and_the_next_session_is_clean() {
    let server = Server::new();
    let config = SessionConfig::new().audit(true);
    let sessions = sessions_with(&server, 1, config).await;
    let mut one = sessions.create().expect("there is room");
    let mut other = sessions.create().expect("there is room");
    let clean = ok(&mut one, Op::Show).await;
    let hidden = ok(&mut one, Op::Hide("a setting of a function".into())).await;
    assert_eq!(clean.connection, hidden.connection, "a clean one is kept");
    let next = ok(&mut other, Op::Show).await;
    assert_ne!(next.connection, hidden.connection);
    assert_eq!(sessions.statistics().tainted, 1);
    assert_eq!(server.probes(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_audit_does_not_ask_in_a_transaction() {
    let server = Server::new();
    let config = SessionConfig::new().audit(true);
    let sessions = sessions_with(&server, 1, config).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, Op::Begin).await;
    ok(&mut one, Op::Show).await;
    assert_eq!(server.probes(), 0);
    ok(&mut one, Op::Commit).await;
    assert_eq!(server.probes(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_audit_covers_a_session_that_moves() {
    let server = Server::new();
    let config = SessionConfig::new().audit(true);
    let sessions = sessions_with(&server, 2, config).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, Op::Show).await;
    one.migrate().await.expect("there is another");
    assert_eq!(server.probes(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_tainted_connection_is_closed_when_the_session_leaves_it_and_not_before() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    ok(&mut one, Op::Lock).await;
    let stained = ok(&mut one, Op::Stain).await;
    let still = ok(&mut one, Op::Show).await;
    assert_eq!(stained.connection, still.connection);
    ok(&mut one, Op::Unlock).await;
    let next = ok(&mut one, Op::Show).await;
    assert_ne!(next.connection, stained.connection);
    assert_eq!(next.settings, settings([("a", "1")]));
    assert_eq!(sessions.statistics().tainted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_dropped_while_pinned_leaves_a_connection_that_is_reset_first() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, Op::CreateTemporary("t".into())).await;
    ok(&mut one, Op::Begin).await;
    drop(one);
    let plain = sessions.pool().acquire().await.expect("it comes back");
    assert!(plain.backend.is_new());
    assert_eq!((server.opened(), server.resets()), (1, 1));
    drop(plain);
    let mut other = sessions.create().expect("there is room");
    assert!(ok(&mut other, Op::Show).await.temporary.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_finds_no_connection_leaves_the_session_as_it_was() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    let held = sessions.pool().acquire().await.expect("one is free");
    let refused = run(&mut one, Op::Show).await;
    assert!(matches!(refused, Err(Error::Pool(_))), "{refused:?}");
    assert!(refused.is_err_and(|error| error.is_retryable()));
    drop(held);
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_is_on_a_connection_only_while_something_runs_or_pins_it() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    let attached = || sessions.statistics().attached;
    ok(&mut one, Op::Show).await;
    assert_eq!(attached(), 0);
    one.attach().await.expect("one is free");
    assert_eq!(attached(), 1);
    assert!(
        one.pins()
            .is_ok_and(|pins| pins.contains(PinReason::Manual))
    );
    assert!(sessions.pool().try_acquire().is_none());
    one.detach().await.expect("nothing else pins it");
    assert_eq!(attached(), 0);
    settle().await;
    assert!(sessions.pool().try_acquire().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_attach_puts_the_settings_there_at_once() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let options = SessionOptions::new().setting("a", "1");
    let mut one = sessions.create_with(options).expect("there is room");
    one.attach().await.expect("one is free");
    let log = server.take_log();
    let expected = Ran {
        connection: 1,
        replayed: 1,
        began: false,
        op: Op::Nothing,
    };
    assert_eq!(log, [expected]);
}
