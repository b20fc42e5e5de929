//! Sessions that go from one connection to another.

use crate::support::{Op, Server, Turn, ok, pass, run, sessions, set, settings, settle};
use pool_multiplex::{Error, Modes, PinReason, Pins, SessionOptions};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_session_that_migrates_is_on_another_connection_with_all_its_state() {
    let server = Server::new();
    let sessions = sessions(&server, 2).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    for moved in 1..=5 {
        let last = one
            .connection()
            .expect("it is there")
            .expect("it was on one");
        one.migrate().await.expect("there is another");
        let here = one
            .connection()
            .expect("it is there")
            .expect("it was on one");
        assert_ne!(last, here);
        assert_eq!(sessions.statistics().migrated, moved);
    }
    let log = server.take_log();
    let wheres: Vec<u64> = log.iter().map(|ran| ran.connection).collect();
    assert!(wheres.windows(2).all(|two| two[0] != two[1]), "{wheres:?}");
    let replayed: Vec<usize> = log.iter().map(|ran| ran.replayed).collect();
    assert_eq!(
        replayed,
        [0, 1, 0, 0, 0, 0],
        "the second connection gets it once"
    );
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
    assert_eq!(sessions.statistics().attached, 0);
}

#[tokio::test(start_paused = true)]
async fn a_pinned_session_does_not_migrate_and_says_all_that_pins_it() {
    let server = Server::new();
    let sessions = sessions(&server, 2).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, Op::Lock).await;
    ok(&mut one, Op::CreateTemporary("t".into())).await;
    one.begin(Modes::default()).await.expect("it is in none");
    let refused = one.migrate().await;
    let Err(Error::Pinned { reasons }) = refused else {
        panic!("{refused:?}");
    };
    let all = [
        PinReason::Transaction,
        PinReason::TemporaryObject,
        PinReason::AdvisoryLock,
    ];
    assert_eq!(reasons, all.into_iter().collect::<Pins>());
    assert_eq!(sessions.statistics().migrated, 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_finds_no_other_connection_stays_as_it_is() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    let refused = one.migrate().await;
    assert!(matches!(refused, Err(Error::Pool(_))), "{refused:?}");
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
}

#[tokio::test(start_paused = true)]
async fn a_move_that_fails_leaves_no_connection_behind() {
    let server = Server::new();
    let sessions = sessions(&server, 2).await;
    let options = SessionOptions::new().setting("role", "reader");
    let mut one = sessions.create_with(options).expect("there is room");
    ok(&mut one, Op::Show).await;
    for turn in [Turn::RefusePrelude, Turn::LoseBefore] {
        server.script([turn]);
        assert!(one.migrate().await.is_err());
        assert_eq!(sessions.statistics().attached, 0, "{turn:?}");
    }
    let reply = ok(&mut one, Op::Show).await;
    assert_eq!(reply.settings, settings([("role", "reader")]));
}

#[tokio::test(start_paused = true)]
async fn sessions_of_a_drained_connection_go_on_elsewhere_and_the_pinned_leave_it_last() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    let mut pinned = sessions.create().expect("there is room");
    let first = ok(&mut one, set("a", "1")).await.connection;
    ok(&mut pinned, Op::Lock).await;
    let drain = sessions.drain_connection(first);
    assert_eq!((drain.moved, drain.busy), (1, 0));
    let reasons = Pins::NONE.with(PinReason::AdvisoryLock);
    assert_eq!(drain.held, [(pinned.id(), reasons)]);
    assert_eq!(ok(&mut pinned, Op::Show).await.connection, first);
    ok(&mut pinned, Op::Unlock).await;
    pass(Duration::from_secs(1)).await;
    settle().await;
    assert!(!server.connections().contains(&first));
    let after = ok(&mut one, Op::Show).await;
    assert_ne!(after.connection, first);
    assert_eq!(after.settings, settings([("a", "1")]));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_is_drained_is_closed_at_once() {
    let server = Server::new();
    let sessions = sessions(&server, 2).await;
    let mut one = sessions.create().expect("there is room");
    let first = ok(&mut one, Op::Show).await.connection;
    assert_eq!(sessions.drain_connection(first).moved, 1);
    settle().await;
    assert!(!server.connections().contains(&first));
    assert_ne!(ok(&mut one, Op::Show).await.connection, first);
}

#[tokio::test(start_paused = true)]
async fn a_session_comes_back_to_its_connection_when_that_is_the_one_used_last() {
    let server = Server::new();
    let sessions = sessions(&server, 2).await;
    let mut one = sessions.create().expect("there is room");
    for _ in 0..4 {
        ok(&mut one, Op::Show).await;
    }
    let wrong = run(&mut one, Op::Wrong).await;
    assert!(wrong.is_err());
    let statistics = sessions.statistics();
    assert_eq!((statistics.attaches, statistics.same_connection), (5, 4));
}
