//! Sessions that nobody uses: suspended, resumed, timed out, ended.

use crate::support::{
    Op, Server, Turn, builder, ok, pass, run, sessions, sessions_with, set, settings, settle,
};
use pool_multiplex::{Error, Modes, PinReason, SessionConfig, SessionPool, TransactionStatus};
use pool_testkit::spawn::CountingSpawn;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(300);
/// What the look for idle sessions may be late by.
const LATE: Duration = Duration::from_secs(2);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_suspended_session_is_resumed_by_its_number_as_it_was_and_once() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    let id = one.suspend().map_err(|(_, error)| error);
    let id = id.expect("nothing pins it");
    let statistics = sessions.statistics();
    assert_eq!((statistics.sessions, statistics.suspended), (1, 1));
    assert!(sessions.list()[0].suspended);
    let mut one = sessions.resume(id).expect("it is suspended");
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
    let again = sessions.resume(id);
    assert!(matches!(again, Err(Error::Unknown(unknown)) if unknown == id));
    assert!(matches!(sessions.resume(id + 1), Err(Error::Unknown(_))));
    assert_eq!(sessions.statistics().suspended, 0);
}

#[tokio::test(start_paused = true)]
async fn a_pinned_session_is_not_suspended_and_says_why() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, Op::Lock).await;
    one.begin(Modes::default()).await.expect("it is in none");
    let (mut one, error) = one.suspend().expect_err("it is pinned");
    let Error::Pinned { reasons } = error else {
        panic!("{error:?}");
    };
    let expected = [PinReason::Transaction, PinReason::AdvisoryLock];
    assert_eq!(reasons.iter().collect::<Vec<_>>(), expected);
    ok(&mut one, Op::Rollback).await;
    ok(&mut one, Op::Unlock).await;
    assert!(one.suspend().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_unused_for_longer_than_the_timeout_ends_and_says_so() {
    let server = Server::new();
    let sessions = sessions_with(&server, 1, SessionConfig::new()).await;
    let mut one = sessions.create().expect("there is room");
    for _ in 0..3 {
        pass(TIMEOUT - seconds(1)).await;
        ok(&mut one, Op::Show).await;
    }
    pass(TIMEOUT + LATE).await;
    assert!(one.is_expired());
    assert!(matches!(run(&mut one, Op::Show).await, Err(Error::Expired)));
    assert!(matches!(one.pins(), Err(Error::Expired)));
    assert!(matches!(
        one.begin(Modes::default()).await,
        Err(Error::Expired)
    ));
    drop(one);
    let statistics = sessions.statistics();
    assert_eq!((statistics.sessions, statistics.expired), (0, 1));
    assert_eq!(statistics.destroyed, 0, "it is counted once");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_session_times_out_and_resuming_is_a_use() {
    let server = Server::new();
    let sessions = sessions_with(&server, 1, SessionConfig::new()).await;
    let suspend = || {
        let session = sessions.create().expect("there is room");
        session
            .suspend()
            .map_err(|(_, error)| error)
            .expect("nothing pins it")
    };
    let (lost, kept) = (suspend(), suspend());
    pass(TIMEOUT - seconds(1)).await;
    let mut session = sessions.resume(kept).expect("it is suspended");
    pass(seconds(5)).await;
    assert!(matches!(sessions.resume(lost), Err(Error::Unknown(_))));
    ok(&mut session, Op::Show).await;
    let statistics = sessions.statistics();
    assert_eq!((statistics.suspended, statistics.expired), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_times_out_on_a_connection_gives_it_back_clean() {
    let server = Server::new();
    let sessions = sessions_with(&server, 1, SessionConfig::new()).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, Op::CreateTemporary("t".into())).await;
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, set("a", "1")).await;
    pass(TIMEOUT + LATE).await;
    assert!(one.is_expired());
    assert!(
        sessions
            .pool()
            .acquire()
            .await
            .expect("it came back")
            .backend
            .is_new()
    );
    let statistics = sessions.statistics();
    assert_eq!((statistics.attached, statistics.pinned), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_session_at_work_does_not_time_out_however_long_that_takes() {
    let server = Server::new();
    let sessions = sessions_with(&server, 1, SessionConfig::new()).await;
    let mut one = sessions.create().expect("there is room");
    server.script([Turn::After(TIMEOUT * 3)]);
    ok(&mut one, Op::Show).await;
    pass(TIMEOUT - seconds(1)).await;
    ok(&mut one, Op::Show).await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_idle_for_too_long_is_rolled_back_and_reported_once() {
    let server = Server::new();
    let config = SessionConfig::new().idle_in_transaction_timeout(Some(seconds(10)));
    let sessions = sessions_with(&server, 1, config).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, set("a", "2")).await;
    ok(&mut one, Op::Write(1)).await;
    pass(seconds(10) + LATE).await;
    let plain = sessions.pool().acquire().await.expect("it came back");
    assert!(plain.backend.is_new());
    drop(plain);
    assert_eq!(one.status().ok(), Some(TransactionStatus::Idle));
    let told = run(&mut one, Op::Show).await;
    assert!(matches!(told, Err(Error::IdleInTransaction(limit)) if limit == seconds(10)));
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
    assert_eq!(server.rows(), [] as [u64; 0]);
    assert_eq!(sessions.statistics().idle_in_transaction, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_idle_outside_a_transaction_is_left_alone() {
    let server = Server::new();
    let config = SessionConfig::new().idle_in_transaction_timeout(Some(seconds(10)));
    let sessions = sessions_with(&server, 1, config).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, Op::CreateTemporary("t".into())).await;
    pass(seconds(60)).await;
    assert_eq!(ok(&mut one, Op::Show).await.temporary, ["t"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_sessions_exist_than_may_and_one_that_ends_makes_room() {
    let server = Server::new();
    let sessions = sessions_with(&server, 1, SessionConfig::new().max_sessions(2)).await;
    let one = sessions.create().expect("there is room");
    let other = sessions.create().expect("there is room");
    assert!(matches!(
        sessions.create(),
        Err(Error::TooMany { limit: 2 })
    ));
    drop(one);
    let third = sessions.create().expect("there is room again");
    // Suspended ones count.
    assert!(third.suspend().is_ok());
    assert!(matches!(
        sessions.create(),
        Err(Error::TooMany { limit: 2 })
    ));
    drop(other);
    assert_eq!(sessions.statistics().sessions, 1);
}

#[tokio::test(start_paused = true)]
async fn all_handles_of_a_pool_give_the_same_sessions() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let one = sessions.create().expect("there is room");
    let id = one.suspend().map_err(|(_, error)| error);
    let again = sessions.pool().clone().sessions();
    assert!(again.resume(id.expect("nothing pins it")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_not_kept_alive_by_its_sessions_books_and_the_look_for_idle_ones_ends_with_it() {
    let server = Server::new();
    let spawner = CountingSpawn::tokio();
    let builder = builder(&server, 2).spawner(Arc::new(spawner.clone()));
    let pool = builder.build().await.expect("nothing is opened yet");
    let weak = pool.downgrade();
    let sessions = pool.sessions();
    drop(pool);
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, Op::Lock).await;
    let suspended = sessions.create().expect("there is room");
    assert!(suspended.suspend().is_ok());
    drop(sessions);
    ok(&mut one, Op::Show).await;
    assert!(weak.upgrade().is_some(), "a session keeps it");
    drop(one);
    pass(seconds(10)).await;
    settle().await;
    assert!(weak.upgrade().is_none(), "nothing else does");
    assert_eq!(spawner.counts().alive(), 0, "{:?}", spawner.counts());
    assert_eq!(server.connections(), [] as [u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn one_task_looks_for_idle_sessions_however_many_there_are() {
    let server = Server::new();
    let spawner = CountingSpawn::tokio();
    let builder = builder(&server, 2).spawner(Arc::new(spawner.clone()));
    let pool = builder.build().await.expect("nothing is opened yet");
    let before = spawner.counts().spawned;
    let sessions = pool.sessions();
    let all: Vec<_> = (0..100).map(|_| sessions.create()).collect();
    assert_eq!(spawner.counts().spawned, before + 1);
    drop(all);
}
