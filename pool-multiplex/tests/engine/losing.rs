//! Connections that go: when, and what the user is told.

use crate::support::{Op, Server, Turn, ok, run, sessions, set, settings};
use pool_multiplex::{Error, Modes, TransactionStatus};

#[tokio::test(start_paused = true)]
async fn an_idle_session_notices_nothing_of_a_connection_that_goes() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    let before = ok(&mut one, set("a", "1")).await;
    assert!(server.kill(before.connection));
    let after = ok(&mut one, Op::Show).await;
    assert_ne!(before.connection, after.connection);
    assert_eq!(after.settings, settings([("a", "1")]));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_did_not_run_is_lost_and_can_be_tried_again() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    server.script([Turn::LoseBefore]);
    let lost = run(&mut one, Op::Write(1)).await;
    assert!(matches!(lost, Err(Error::Lost(_))), "{lost:?}");
    assert!(lost.is_err_and(|error| error.is_retryable()));
    assert_eq!(server.rows(), [] as [u64; 0]);
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
    assert_eq!(sessions.statistics().tainted, 0, "it was not ours");
}

#[tokio::test(start_paused = true)]
async fn of_a_write_whose_reply_is_lost_the_outcome_is_unknown() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    server.script([Turn::LoseReply]);
    let unknown = run(&mut one, Op::Write(1)).await;
    assert!(
        matches!(unknown, Err(Error::OutcomeUnknown(_))),
        "{unknown:?}"
    );
    assert!(!unknown.is_err_and(|error| error.is_retryable()));
    assert_eq!(server.rows(), [1]);
    assert_eq!(sessions.statistics().outcomes_unknown, 1);
}

#[tokio::test(start_paused = true)]
async fn of_a_commit_whose_reply_is_lost_the_outcome_is_unknown() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, Op::Write(1)).await;
    server.script([Turn::LoseReply]);
    let unknown = run(&mut one, Op::Commit).await;
    assert!(
        matches!(unknown, Err(Error::OutcomeUnknown(_))),
        "{unknown:?}"
    );
    assert_eq!(one.status().ok(), Some(TransactionStatus::Idle));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_lost_leaves_the_session_as_it_was_before_it() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    for turn in [Turn::LoseBefore, Turn::LoseReply] {
        one.begin(Modes::default()).await.expect("it is in none");
        ok(&mut one, set("a", "2")).await;
        ok(&mut one, Op::Write(1)).await;
        server.script([turn]);
        let lost = run(&mut one, Op::Write(2)).await;
        assert!(
            matches!(lost, Err(Error::TransactionLost(Some(_)))),
            "{lost:?}"
        );
        assert!(lost.is_err_and(|error| error.is_retryable()));
        assert_eq!(one.status().ok(), Some(TransactionStatus::Idle));
        assert_eq!(
            ok(&mut one, Op::Show).await.settings,
            settings([("a", "1")])
        );
    }
    assert_eq!(server.rows(), [] as [u64; 0]);
    let statistics = sessions.statistics();
    assert_eq!((statistics.transactions_lost, statistics.attached), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_killed_under_an_idle_transaction_is_reported_at_the_next_operation() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    let here = ok(&mut one, Op::Write(1)).await;
    assert!(server.kill(here.connection));
    let lost = run(&mut one, Op::Commit).await;
    assert!(matches!(lost, Err(Error::TransactionLost(_))), "{lost:?}");
    ok(&mut one, Op::Write(2)).await;
    assert_eq!(server.rows(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_waits_for_its_first_operation_survives_every_connection() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    let before = ok(&mut one, Op::Show).await;
    one.begin(Modes::default()).await.expect("it is in none");
    assert!(server.kill(before.connection));
    let held = sessions
        .pool()
        .acquire()
        .await
        .expect("a new one is opened");
    assert!(matches!(run(&mut one, Op::Show).await, Err(Error::Pool(_))));
    drop(held);
    ok(&mut one, Op::Write(1)).await;
    ok(&mut one, Op::Commit).await;
    assert_eq!(server.rows(), [1]);
    assert_eq!(sessions.statistics().transactions_lost, 0);
}

#[tokio::test(start_paused = true)]
async fn what_took_one_connection_has_the_idle_ones_asked_before_their_next_use() {
    let server = Server::new();
    let sessions = sessions(&server, 2).await;
    let mut one = sessions.create().expect("there is room");
    let mut other = sessions.create().expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, Op::Show).await;
    ok(&mut other, Op::Show).await;
    assert_eq!(server.validations(), 0);
    server.script([Turn::LoseBefore]);
    assert!(run(&mut one, Op::Show).await.is_err());
    ok(&mut other, Op::Show).await;
    assert_eq!(server.validations(), 1);
}
