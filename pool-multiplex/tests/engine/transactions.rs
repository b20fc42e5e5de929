//! Transactions: begun late, rolled back exactly, and never taken on trust.

use crate::support::{Op, Server, Turn, ok, run, sessions, set, settings};
use pool_multiplex::{Error, Modes, SessionOptions, TransactionStatus};

#[tokio::test(start_paused = true)]
async fn an_empty_transaction_costs_neither_a_message_nor_a_connection() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    for commit in [true, false] {
        one.begin(Modes::default()).await.expect("it is in none");
        assert_eq!(one.status().ok(), Some(TransactionStatus::Active));
        assert!(one.end_unbegun(commit).expect("it is in one"));
        assert_eq!(one.status().ok(), Some(TransactionStatus::Idle));
    }
    assert_eq!((server.take_log().len(), server.opened()), (0, 0));
    let none = one.end_unbegun(true);
    assert!(matches!(none, Err(Error::NoTransaction)), "{none:?}");
}

#[tokio::test(start_paused = true)]
async fn the_server_learns_of_a_transaction_with_its_first_operation_and_once() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    let again = one.begin(Modes::default()).await;
    assert!(matches!(again, Err(Error::InTransaction)), "{again:?}");
    ok(&mut one, Op::Write(1)).await;
    ok(&mut one, Op::Write(2)).await;
    assert!(!one.end_unbegun(true).expect("it is in one"), "it is begun");
    assert_eq!(server.rows(), [] as [u64; 0]);
    ok(&mut one, Op::Commit).await;
    let began: Vec<bool> = server.take_log().iter().map(|ran| ran.began).collect();
    assert_eq!(began, [true, false, false]);
    assert_eq!(server.rows(), [1, 2]);
    assert_eq!(sessions.statistics().attached, 0);
}

#[tokio::test(start_paused = true)]
async fn statements_of_a_transaction_are_counted_and_those_outside_are_not() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, Op::Show).await;
    one.begin(Modes::default()).await.expect("it is in none");
    let count = |context: Option<pool_multiplex::TransactionContext>| {
        context.map(|context| context.statements)
    };
    assert_eq!(
        count(one.transaction_context().expect("it is there")),
        Some(0)
    );
    one.attach().await.expect("one is free");
    ok(&mut one, Op::Show).await;
    ok(&mut one, Op::Savepoint("a".into())).await;
    assert_eq!(
        count(one.transaction_context().expect("it is there")),
        Some(2)
    );
    ok(&mut one, Op::Rollback).await;
    assert_eq!(count(one.transaction_context().expect("it is there")), None);
    ok(&mut one, Op::Begin).await;
    assert_eq!(
        count(one.transaction_context().expect("it is there")),
        Some(0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_setting_is_taken_back_by_the_rollback_of_its_transaction() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "6")).await;
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, set("a", "7")).await;
    ok(&mut one, Op::Rollback).await;
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "6")])
    );
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, set("a", "7")).await;
    ok(&mut one, Op::Commit).await;
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "7")])
    );
}

#[tokio::test(start_paused = true)]
async fn a_setting_is_taken_back_by_the_rollback_to_a_savepoint_before_it() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, set("a", "1")).await;
    ok(&mut one, Op::Savepoint("s".into())).await;
    ok(&mut one, set("a", "2")).await;
    ok(&mut one, set("b", "2")).await;
    let wrong = run(&mut one, Op::Wrong).await;
    assert!(matches!(wrong, Err(Error::Operation(_))), "{wrong:?}");
    assert_eq!(one.status().ok(), Some(TransactionStatus::Failed));
    ok(&mut one, Op::RollbackTo("s".into())).await;
    ok(&mut one, Op::Commit).await;
    // Whatever others do meanwhile.
    let mut other = sessions.create().expect("there is room");
    ok(&mut other, set("a", "9")).await;
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_replayed_in_a_transaction_goes_with_its_rollback_and_is_replayed_again() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let options = SessionOptions::new().setting("a", "1");
    let mut one = sessions.create_with(options).expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, Op::Show).await;
    ok(&mut one, Op::Rollback).await;
    server.take_log();
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
    assert_eq!(server.take_log()[0].replayed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_transaction_can_be_rolled_back_whatever_was_replayed_in_it() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let options = SessionOptions::new().setting("a", "1");
    let mut one = sessions.create_with(options).expect("there is room");
    for end in [Op::Rollback, Op::Commit] {
        one.begin(Modes::default()).await.expect("it is in none");
        assert!(run(&mut one, Op::Wrong).await.is_err());
        assert!(run(&mut one, Op::Show).await.is_err(), "nothing else runs");
        ok(&mut one, end).await;
        assert_eq!(one.status().ok(), Some(TransactionStatus::Idle));
        assert_eq!(
            ok(&mut one, Op::Show).await.settings,
            settings([("a", "1")])
        );
    }
    assert_eq!(server.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn settings_refused_at_the_begin_of_a_transaction_leave_it_failed_and_to_be_rolled_back() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let options = SessionOptions::new().setting("role", "reader");
    let mut one = sessions.create_with(options).expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    server.script([Turn::RefusePrelude]);
    let refused = run(&mut one, Op::Write(1)).await;
    assert!(matches!(refused, Err(Error::Prelude(_))), "{refused:?}");
    assert_eq!(one.status().ok(), Some(TransactionStatus::Failed));
    ok(&mut one, Op::Rollback).await;
    ok(&mut one, Op::Write(2)).await;
    assert_eq!(server.rows(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_session_in_a_transaction_stays_on_its_connection_until_it_ends() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    ok(&mut one, Op::Show).await;
    let mut other = sessions.create().expect("there is room");
    assert!(matches!(
        run(&mut other, Op::Show).await,
        Err(Error::Pool(_))
    ));
    ok(&mut one, Op::Rollback).await;
    ok(&mut other, Op::Show).await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_the_session_knows_nothing_of_costs_the_connection() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    ok(&mut one, set("a", "1")).await;
    let before = ok(&mut one, Op::Show).await;
    let drift = run(&mut one, Op::BeginUnseen).await;
    assert!(matches!(drift, Err(Error::Drift)), "{drift:?}");
    assert!(!drift.is_err_and(|error| error.is_retryable()));
    let after = ok(&mut one, Op::Show).await;
    assert_ne!(before.connection, after.connection);
    assert_eq!(after.settings, settings([("a", "1")]));
    let statistics = sessions.statistics();
    assert_eq!((statistics.tainted, statistics.transactions_lost), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_of_which_the_server_says_nothing_more_is_lost_and_reported() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    server.script([Turn::Run, Turn::NoStatus]);
    ok(&mut one, set("a", "1")).await;
    // It is begun by this very operation.
    let drift = run(&mut one, Op::Begin).await;
    assert!(matches!(drift, Err(Error::Drift)), "{drift:?}");
    one.begin(Modes::default())
        .await
        .expect("it is in none any more");
    ok(&mut one, set("a", "2")).await;
    server.script([Turn::NoStatus]);
    let drift = run(&mut one, Op::Show).await;
    assert!(matches!(drift, Err(Error::Drift)), "{drift:?}");
    assert_eq!(one.status().ok(), Some(TransactionStatus::Idle));
    assert_eq!(
        ok(&mut one, Op::Show).await.settings,
        settings([("a", "1")])
    );
    assert_eq!(server.opened(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_confirmed_is_no_loss_though_the_server_says_nothing_more() {
    let server = Server::new();
    let sessions = sessions(&server, 1).await;
    let mut one = sessions.create().expect("there is room");
    one.begin(Modes::default()).await.expect("it is in none");
    let before = ok(&mut one, Op::Write(1)).await;
    server.script([Turn::NoStatus]);
    ok(&mut one, Op::Commit).await;
    assert_eq!(server.rows(), [1]);
    let after = ok(&mut one, Op::Show).await;
    assert_ne!(before.connection, after.connection);
    assert_eq!(sessions.statistics().transactions_lost, 0);
}
