//! Transactions: their context, their ends, and what is left of them.

use crate::log;
use crate::support::{
    ask, begin, code, is_free, number, observer, occupy, pid, pins, run, sessions, sessions_at,
    sessions_with, set_up, show, show_elsewhere, until,
};
use pool_multiplex::{Access, Isolation, Modes, PinReason, SessionConfig, TransactionStatus};
use pool_postgres::tokio_postgres::SimpleQueryMessage;
use pool_postgres::{Error, Session, SessionError};
use std::time::Duration;

fn savepoints(session: &Session) -> Vec<String> {
    let context = session.transaction_context().unwrap().unwrap();
    context.savepoints.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_transaction_dropped_without_commit_is_rolled_back_before_anything_else_runs() {
    set_up("DROP TABLE IF EXISTS given_up; CREATE TABLE given_up (v int4)").await;
    let sessions = sessions_at(&log::server().url(), 1).await;
    let mut a = sessions.create().unwrap();
    run(
        &mut a,
        "DROP TABLE IF EXISTS given_up; CREATE TABLE given_up (v int4)",
    )
    .await;
    let here = pid(&mut a).await;
    for _ in 0..3 {
        let mut tx = a.transaction().await.unwrap();
        run(&mut tx, "INSERT INTO given_up VALUES (1)").await;
        drop(tx);
        assert!(is_free(&a));
    }
    // One that is pinned otherwise keeps its connection.
    run(&mut a, "CREATE TEMP TABLE keeps_it_here ()").await;
    for _ in 0..2 {
        let mut tx = a.transaction().await.unwrap();
        run(&mut tx, "INSERT INTO given_up VALUES (2)").await;
        drop(tx);
        run(&mut a, "SELECT FROM keeps_it_here").await;
        assert_eq!(pins(&a), [PinReason::TemporaryObject]);
    }
    assert_eq!(number(&mut a, "SELECT count(*) FROM given_up").await, 0);
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "INSERT INTO given_up VALUES (3)").await;
    tx.commit().await.unwrap();
    assert_eq!(pid(&mut a).await, here);
    let warnings = log::lines(here);
    let warned = warnings.iter().any(|line| line.contains("WARNING"));
    assert!(!warned, "{warnings:#?}");
}

#[tokio::test]
async fn a_future_dropped_in_a_transaction_is_reported_once_and_nothing_else_is_lost() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    begin(&mut a).await;
    a.set("work_mem", "6MB").await.unwrap();
    let lost = pid(&mut a).await;
    let sleep = a.query("SELECT pg_sleep(30)", &[]);
    let limit = Duration::from_millis(50);
    tokio::time::timeout(limit, sleep).await.unwrap_err();
    let error = a.query("SELECT 1", &[]).await.unwrap_err();
    assert!(matches!(error, SessionError::Interrupted), "{error:?}");
    assert!(error.is_retryable());
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    assert_ne!(pid(&mut a).await, lost);
    let observer = observer().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    until("the statement was cancelled", async || {
        let row = observer.query_one(sql, &[&lost]).await.unwrap();
        row.get::<_, i64>(0) == 0
    })
    .await;
    // Outside of one there is nothing to report.
    let sleep = a.query("SELECT pg_sleep(30)", &[]);
    tokio::time::timeout(limit, sleep).await.unwrap_err();
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
}

#[tokio::test]
async fn after_an_error_a_transaction_goes_on_from_its_savepoint() {
    set_up("DROP TABLE IF EXISTS goes_on; CREATE TABLE goes_on (v int4 PRIMARY KEY)").await;
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let begun = a.build_transaction().isolation(Isolation::RepeatableRead);
    let mut tx = begun.start().await.unwrap();
    run(&mut tx, "INSERT INTO goes_on VALUES (1)").await;
    tx.savepoint("first").await.unwrap();
    tx.savepoint("Sec\"ond").await.unwrap();
    run(&mut tx, "SET LOCAL work_mem = '9MB'").await;
    let error = tx
        .execute("INSERT INTO goes_on VALUES ($1)", &[&1])
        .await
        .unwrap_err();
    assert_eq!(code(&error), "23505");
    assert_eq!(tx.inner().status().unwrap(), TransactionStatus::Failed);
    assert_eq!(code(&tx.query("SELECT 1", &[]).await.unwrap_err()), "25P02");
    assert_eq!(code(&tx.set("work_mem", "1MB").await.unwrap_err()), "25P02");
    assert_eq!(savepoints(&tx), ["first", "Sec\"ond"]);
    tx.rollback_to("Sec\"ond").await.unwrap();
    let context = tx.transaction_context().unwrap().unwrap();
    assert_eq!(context.status, TransactionStatus::Active);
    assert_eq!(context.modes.isolation, Some(Isolation::RepeatableRead));
    assert_eq!(
        show(&mut tx, "transaction_isolation").await,
        "repeatable read"
    );
    assert_eq!(savepoints(&tx), ["first", "Sec\"ond"]);
    run(&mut tx, "INSERT INTO goes_on VALUES (2)").await;
    let tables = tx.tables().await.unwrap();
    assert_eq!(tables.modified, ["public.goes_on"]);
    tx.release("first").await.unwrap();
    assert!(savepoints(&tx).is_empty());
    let error = tx.rollback_to("first").await.unwrap_err();
    assert!(matches!(error, SessionError::NoSavepoint(_)), "{error:?}");
    tx.commit().await.unwrap();
    assert_eq!(number(&mut a, "SELECT count(*) FROM goes_on").await, 2);
    assert!(a.transaction_context().unwrap().is_none());
}

#[tokio::test]
async fn tables_that_were_read_are_told_apart_from_those_that_were_changed() {
    set_up(
        "DROP TABLE IF EXISTS was_read, was_changed; \
         CREATE TABLE was_read AS SELECT 1 AS v; CREATE TABLE was_changed (v int4)",
    )
    .await;
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    assert_eq!(tx.tables().await.unwrap(), pool_postgres::Tables::default());
    run(&mut tx, "INSERT INTO was_changed SELECT v FROM was_read").await;
    let tables = tx.tables().await.unwrap();
    assert_eq!(tables.modified, ["public.was_changed"]);
    assert_eq!(tables.read, ["public.was_read"]);
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn the_commit_of_a_failed_transaction_is_an_error_and_rolls_back() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.set("work_mem", "9MB").await.unwrap();
    tx.query("SELECT 1/0", &[]).await.unwrap_err();
    let error = tx.commit().await.unwrap_err();
    assert!(
        matches!(error, SessionError::Operation(Error::RolledBack)),
        "{error:?}"
    );
    assert_eq!(show(&mut a, "work_mem").await, "4MB");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "4MB");
    run(&mut a, "BEGIN; SET work_mem = '9MB'").await;
    a.batch("SELECT 1/0").await.unwrap_err();
    run(&mut a, "COMMIT").await;
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "4MB");
    // One that fails at its COMMIT.
    set_up(
        "DROP TABLE IF EXISTS late; CREATE TABLE late (v int4 UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    begin(&mut a).await;
    run(
        &mut a,
        "SET work_mem = '9MB'; INSERT INTO late VALUES (1), (1)",
    )
    .await;
    assert_eq!(code(&a.commit().await.unwrap_err()), "23505");
    assert_eq!(a.inner().status().unwrap(), TransactionStatus::Idle);
    assert_eq!(show(&mut a, "work_mem").await, "4MB");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "4MB");
}

#[tokio::test]
async fn a_chained_transaction_has_the_modes_and_nothing_else_of_the_one_before() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    run(
        &mut a,
        "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY; SAVEPOINT s",
    )
    .await;
    run(&mut a, "SET work_mem = '5MB'").await;
    run(&mut a, "COMMIT AND CHAIN").await;
    let context = a.transaction_context().unwrap().unwrap();
    assert_eq!(context.modes.isolation, Some(Isolation::Serializable));
    assert_eq!(context.modes.access, Some(Access::ReadOnly));
    assert!(context.savepoints.is_empty());
    assert_eq!(show(&mut a, "transaction_isolation").await, "serializable");
    run(&mut a, "SET work_mem = '6MB'").await;
    run(&mut a, "ROLLBACK AND CHAIN").await;
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    assert_eq!(pins(&a), [PinReason::Transaction]);
    run(&mut a, "SET work_mem = '7MB'; SELECT 1").await;
    a.batch("SELECT 1/0").await.unwrap_err();
    run(&mut a, "COMMIT AND CHAIN").await;
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    a.rollback().await.unwrap();
    assert!(is_free(&a));
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
    run(
        &mut a,
        "BEGIN; SET work_mem = '8MB'; COMMIT AND CHAIN; ROLLBACK",
    )
    .await;
    assert!(is_free(&a));
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "8MB");
}

#[tokio::test]
async fn transactions_as_text_and_by_the_api_are_the_same() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "START TRANSACTION READ ONLY").await;
    let context = a.transaction_context().unwrap().unwrap();
    assert_eq!(context.modes.access, Some(Access::ReadOnly));
    let error = a.transaction().await.unwrap_err();
    assert!(matches!(error, SessionError::InTransaction), "{error:?}");
    a.savepoint("s").await.unwrap();
    run(&mut a, "ROLLBACK TO s; END").await;
    for end in ["COMMIT", "END WORK", "ROLLBACK", "ABORT"] {
        begin(&mut a).await;
        assert_eq!(pins(&a), [PinReason::Transaction]);
        run(&mut a, end).await;
        assert!(is_free(&a), "{end}");
    }
    for end in ["commit", "rollback"] {
        begin(&mut a).await;
        ask(&mut a, "SELECT 'begun'").await;
        run(&mut a, end).await;
        assert!(is_free(&a), "{end}");
        let error = a.savepoint("s").await.unwrap_err();
        assert!(matches!(error, SessionError::NoTransaction), "{error:?}");
        let error = a.commit().await.unwrap_err();
        assert!(matches!(error, SessionError::NoTransaction), "{error:?}");
    }
    run(&mut a, "ROLLBACK").await;
    run(&mut a, "COMMIT").await;
    assert!(is_free(&a));
    a.batch("SAVEPOINT outside").await.unwrap_err();
    assert!(is_free(&a));
    run(&mut a, "BEGIN; BEGIN; BEGIN").await;
    a.rollback().await.unwrap();
    assert!(is_free(&a));
}

#[tokio::test]
async fn a_transaction_that_nothing_was_run_in_costs_nothing() {
    let sessions = sessions_at(&log::server().url(), 1).await;
    let mut a = sessions.create().unwrap();
    let here = pid(&mut a).await;
    let before = log::lines(here).len();
    a.transaction().await.unwrap().commit().await.unwrap();
    a.transaction().await.unwrap().rollback().await.unwrap();
    drop(a.transaction().await.unwrap());
    let mut tx = a.transaction().await.unwrap();
    tx.reset("work_mem").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(log::lines(here).len(), before);
    assert!(is_free(&a));
}

#[tokio::test]
async fn modes_hold_from_the_first_statement_on() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("app.id", "żółć").await.unwrap();
    let modes = Modes {
        isolation: Some(Isolation::Serializable),
        access: Some(Access::ReadOnly),
        deferrable: Some(true),
    };
    a.begin(modes).await.unwrap();
    assert_eq!(show(&mut a, "transaction_isolation").await, "serializable");
    assert_eq!(show(&mut a, "transaction_deferrable").await, "on");
    assert_eq!(show(&mut a, "app.id").await, "żółć");
    let error = a.batch("CREATE TABLE never_made ()").await.unwrap_err();
    assert_eq!(code(&error), "25006");
    a.rollback().await.unwrap();
    assert_eq!(show(&mut a, "transaction_read_only").await, "off");
    a.set("default_transaction_read_only", "on").await.unwrap();
    let error = a.batch("CREATE TABLE never_made ()").await.unwrap_err();
    assert_eq!(code(&error), "25006");
    let occupied = occupy(&mut a).await;
    let error = a.batch("CREATE TABLE never_made ()").await.unwrap_err();
    assert_eq!(code(&error), "25006");
    occupied.moved(&mut a).await;
}

#[tokio::test]
async fn a_read_only_session_leaves_no_read_only_connection_behind() {
    set_up("DROP TABLE IF EXISTS written_after; CREATE TABLE written_after (v int4)").await;
    let sessions = sessions(1).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    a.set("default_transaction_read_only", "on").await.unwrap();
    a.set("default_transaction_isolation", "serializable")
        .await
        .unwrap();
    for _ in 0..2 {
        let mut tx = a.transaction().await.unwrap();
        assert_eq!(show(&mut tx, "transaction_isolation").await, "serializable");
        assert_eq!(show(&mut tx, "transaction_read_only").await, "on");
        tx.rollback().await.unwrap();
        run(&mut b, "INSERT INTO written_after VALUES (1)").await;
        let error = a.batch("INSERT INTO written_after VALUES (2)").await;
        assert_eq!(code(&error.unwrap_err()), "25006");
        let mut tx = b.transaction().await.unwrap();
        assert_eq!(
            show(&mut tx, "transaction_isolation").await,
            "read committed"
        );
        run(&mut tx, "INSERT INTO written_after VALUES (3)").await;
        tx.rollback().await.unwrap();
        assert_eq!(
            show(&mut b, "transaction_isolation").await,
            "read committed"
        );
    }
}

#[tokio::test]
async fn a_transaction_idle_for_too_long_is_rolled_back_and_its_session_lives_on() {
    let limit = Duration::from_millis(100);
    let config = SessionConfig::new().idle_in_transaction_timeout(Some(limit));
    let sessions = sessions_with(1, config).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    begin(&mut a).await;
    a.set("work_mem", "6MB").await.unwrap();
    let here = pid(&mut a).await;
    let mut b = sessions.create().unwrap();
    assert_eq!(show(&mut b, "work_mem").await, "4MB");
    assert_eq!(pid(&mut b).await, here);
    let error = a.query("SELECT 1", &[]).await.unwrap_err();
    assert!(
        matches!(error, SessionError::IdleInTransaction(after) if after == limit),
        "{error:?}"
    );
    assert!(error.is_retryable());
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    assert!(is_free(&a));
    assert_eq!(sessions.statistics().idle_in_transaction, 1);
}

#[tokio::test]
async fn a_prepared_transaction_leaves_its_session_clean_and_with_its_settings() {
    let sessions = sessions_at(&log::server().url(), 2).await;
    let mut a = sessions.create().unwrap();
    begin(&mut a).await;
    a.set("work_mem", "9MB").await.unwrap();
    run(&mut a, "PREPARE TRANSACTION 'two_phases'").await;
    assert!(is_free(&a));
    assert_eq!(show(&mut a, "work_mem").await, "9MB");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "9MB");
    run(&mut a, "ROLLBACK PREPARED 'two_phases'").await;
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "9MB");
    // One that has failed is rolled back instead.
    begin(&mut a).await;
    a.set("work_mem", "5MB").await.unwrap();
    a.query("SELECT 1/0", &[]).await.unwrap_err();
    run(&mut a, "PREPARE TRANSACTION 'two_phases'").await;
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "9MB");
    assert!(is_free(&a));
}

#[tokio::test]
async fn a_statement_whose_commit_fails_has_done_nothing_and_its_session_is_well() {
    set_up(
        "DROP TABLE IF EXISTS late_alone; \
         CREATE TABLE late_alone (v int4 UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let sessions = sessions(1).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    a.set("work_mem", "5MB").await.unwrap();
    b.set("work_mem", "6MB").await.unwrap();
    for _ in 0..3 {
        // The settings come with it, and so does a COMMIT.
        let error = a.execute("INSERT INTO late_alone VALUES ($1), ($1)", &[&1_i32]);
        assert_eq!(code(&error.await.unwrap_err()), "23505");
        assert_eq!(show(&mut a, "work_mem").await, "5MB");
        let error = b.batch("INSERT INTO late_alone VALUES (2), (2)").await;
        assert_eq!(code(&error.unwrap_err()), "23505");
        assert_eq!(show(&mut b, "work_mem").await, "6MB");
    }
    assert_eq!(number(&mut a, "SELECT count(*) FROM late_alone").await, 0);
}

#[tokio::test]
async fn procedures_that_commit_run_by_themselves_with_the_sessions_settings() {
    set_up(
        "DROP TABLE IF EXISTS by_procedure; CREATE TABLE by_procedure (v text); \
         CREATE OR REPLACE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO by_procedure VALUES (current_setting('app.id')); COMMIT; \
         INSERT INTO by_procedure VALUES (current_setting('app.id')); ROLLBACK; END $$",
    )
    .await;
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("app.id", "seven").await.unwrap();
    let occupied = occupy(&mut a).await;
    run(&mut a, "CALL commits()").await;
    occupied.moved(&mut a).await;
    let sql = "SELECT string_agg(v, ' ') FROM by_procedure";
    assert_eq!(ask(&mut a, sql).await.unwrap(), "seven");
    run(&mut a, "VACUUM by_procedure").await;
    assert_eq!(show(&mut a, "app.id").await, "seven");
}

/// What a session brings along is set in the transaction that it begins, and a rollback takes it back.
#[tokio::test]
async fn what_stands_behind_a_rollback_runs_as_the_session_and_nobody_else() {
    let sessions = sessions(1).await;
    let mut other = sessions.create().unwrap();
    other.set("app.id", "the other").await.unwrap();
    let mut a = sessions.create().unwrap();
    a.set("app.id", "a").await.unwrap();
    show(&mut other, "app.id").await;
    for end in ["ROLLBACK", "ROLLBACK AND CHAIN", "COMMIT"] {
        a.begin(Modes::default()).await.unwrap();
        a.query_one("SELECT 1", &[]).await.unwrap();
        let text = format!("{end}; SELECT current_setting('app.id') AS id");
        let messages = a.batch(&text).await.unwrap();
        let ids = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get("id"),
            _ => None,
        });
        assert_eq!(ids.collect::<Vec<_>>(), ["a"], "{end}");
        if end.ends_with("CHAIN") {
            a.rollback().await.unwrap();
        }
        show(&mut other, "app.id").await;
    }
}
