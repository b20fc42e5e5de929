//! Units on a real server.

mod lost;

use super::{
    Effect, End, Frame, Modes, Opening, Outcome, Part, Rows, Typed, batch, prepared, run, typed,
};
use crate::connection::PostgresConnection;
use crate::server::{manager, open, poll_once};
use crate::settings::Settings;
use crate::statements::Wanted;
use crate::unit::Isolation;
use crate::watch::{Look, Status};
use pool_core::{Condition, Manager};
use std::pin::pin;
use tokio_postgres::types::Type;

pub(super) fn opening(settings: &[(&str, &str)]) -> Opening {
    let mut text = Settings::new();
    for (name, value) in settings {
        text.set(name, value).unwrap();
    }
    Opening::new(Modes::default(), &text)
}

/// Runs a text as a typed query without parameters.
async fn ask(conn: &PostgresConnection, frame: Frame<'_>, text: &str) -> Outcome<Rows> {
    run(conn, frame, typed(conn, text, &[], Effect::Writes), None).await
}

/// A new table.
async fn fresh(conn: &PostgresConnection, name: &str, definition: &str) {
    let script = format!("DROP TABLE IF EXISTS {name}; CREATE TABLE {name} {definition}");
    conn.run(&script).await.unwrap();
}

async fn setting(conn: &PostgresConnection, name: &str) -> Option<String> {
    let row = conn
        .query_one("SELECT current_setting($1, true)", &[&name])
        .await
        .unwrap();
    row.get(0)
}

async fn count(conn: &PostgresConnection, table: &str) -> i64 {
    let row = conn
        .query_one(&format!("SELECT count(*) FROM {table}"), &[])
        .await
        .unwrap();
    row.get(0)
}

fn code(outcome: &Outcome<Rows>) -> (Part, &str) {
    let (part, error) = outcome.result.as_ref().unwrap_err();
    (*part, error.code().unwrap().code())
}

#[tokio::test]
async fn settings_and_statement_take_one_round_trip_and_are_committed_together() {
    let conn = open().await;
    let before = conn.wire_counts();
    let opening = opening(&[("work_mem", "7000kB"), ("datestyle", "german")]);
    let value = 41i32;
    let parameters: Typed<'_> = &[(&value, Type::INT4)];
    let text = "SELECT $1 + 1, current_setting('work_mem')";
    let operation = typed(&conn, text, parameters, Effect::Reads);
    let outcome = run(&conn, Frame::Whole(&opening), operation, None).await;
    let sent = conn.wire_counts().since(&before);
    assert_eq!((sent.turns, sent.requests), (1, 3));
    assert!(!outcome.report.overflow);
    let rows = outcome.result.unwrap();
    assert_eq!(rows.affected, Some(1));
    assert_eq!(rows.rows[0].get::<_, i32>(0), 42);
    assert_eq!(rows.rows[0].get::<_, &str>(1), "7000kB");
    assert_eq!(
        setting(&conn, "datestyle").await.as_deref(),
        Some("German, DMY")
    );
    assert_eq!(outcome.report.end(), End::Committed);
    assert_eq!(outcome.report.status(), Some(Status::Idle));
    assert_eq!(setting(&conn, "work_mem").await.as_deref(), Some("7000kB"));
}

#[tokio::test]
async fn statement_does_not_run_when_a_setting_is_refused() {
    let conn = open().await;
    fresh(&conn, "unit_refused", "(a int)").await;
    let opening = opening(&[("work_mem", "8MB"), ("TimeZone", "Nowhere/Land")]);
    let outcome = ask(
        &conn,
        Frame::Whole(&opening),
        "INSERT INTO unit_refused VALUES (1)",
    )
    .await;
    assert_eq!(code(&outcome), (Part::Opening, "22023"));
    assert_eq!(outcome.report.end(), End::RolledBack);
    assert!(outcome.report.is_undone() && !outcome.report.ran_unframed());
    let refused = outcome.report.operation.as_ref().unwrap();
    assert_eq!(&refused.failure.as_ref().unwrap().code, b"25P02");
    assert_eq!(count(&conn, "unit_refused").await, 0);
    assert_eq!(setting(&conn, "work_mem").await.as_deref(), Some("4MB"));
}

/// The text of the settings cannot even be converted, and is refused before its first statement.
#[tokio::test]
async fn statement_does_not_run_when_the_settings_cannot_be_read() {
    let conn = open().await;
    let create = "CREATE DATABASE unit_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0";
    conn.run("DROP DATABASE IF EXISTS unit_latin")
        .await
        .unwrap();
    conn.run(create).await.unwrap();
    let url = crate::server::url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let manager = crate::PostgresManager::new(&format!("{server}/unit_latin")).unwrap();
    let conn = manager.open().await.unwrap();
    conn.run("CREATE TABLE t (a int)").await.unwrap();
    let opening = opening(&[("app.id", "日")]);
    for frame in [Frame::Whole(&opening), Frame::Opened(&opening)] {
        let outcome = ask(&conn, frame, "INSERT INTO t VALUES (1)").await;
        assert_eq!(code(&outcome), (Part::Opening, "22P05"));
        assert!(outcome.report.is_undone() && !outcome.report.ran_unframed());
        conn.run("ROLLBACK").await.unwrap();
    }
    assert_eq!(count(&conn, "t").await, 0);
}

#[tokio::test]
async fn settings_are_rolled_back_when_the_statement_fails() {
    let conn = open().await;
    let opening = opening(&[("work_mem", "9MB")]);
    let outcome = ask(&conn, Frame::Whole(&opening), "SELECT 1/0").await;
    assert_eq!(code(&outcome), (Part::Operation, "22012"));
    assert_eq!(outcome.report.end(), End::RolledBack);
    assert!(outcome.report.is_undone());
    assert_eq!(setting(&conn, "work_mem").await.as_deref(), Some("4MB"));
}

#[tokio::test]
async fn failure_of_the_commit_is_told_apart() {
    let conn = open().await;
    fresh(
        &conn,
        "unit_deferred",
        "(a int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let opening = opening(&[]);
    let text = "INSERT INTO unit_deferred VALUES (1), (1)";
    let outcome = ask(&conn, Frame::Whole(&opening), text).await;
    assert_eq!(code(&outcome), (Part::Commit, "23505"));
    assert_eq!(outcome.report.end(), End::RolledBack);
    assert!(outcome.report.is_undone());
    assert_eq!(count(&conn, "unit_deferred").await, 0);
}

#[tokio::test]
async fn operation_that_ends_the_transaction_itself_is_not_called_committed() {
    let conn = open().await;
    let opening = opening(&[]);
    let operation = batch(&conn, "ROLLBACK", Effect::Ends);
    let outcome = run(&conn, Frame::Whole(&opening), operation, None).await;
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.report.end(), End::NotOurs);
    assert!(!outcome.report.is_undone());
}

#[tokio::test]
async fn parameter_that_does_not_fit_is_not_sent_and_the_settings_stay() {
    let conn = open().await;
    let opening = opening(&[("work_mem", "10MB")]);
    let parameters: Typed<'_> = &[(&"text", Type::INT4)];
    let operation = typed(&conn, "SELECT $1", parameters, Effect::Writes);
    let outcome = run(&conn, Frame::Whole(&opening), operation, None).await;
    assert_eq!(outcome.result.unwrap_err().0, Part::Operation);
    assert!(!outcome.report.is_answered());
    assert_eq!(outcome.report.end(), End::Committed);
    assert!(outcome.report.is_undone());
    assert_eq!(setting(&conn, "work_mem").await.as_deref(), Some("10MB"));
}

#[tokio::test]
async fn transaction_is_opened_with_its_first_statement_and_its_modes() {
    let conn = open().await;
    let before = conn.wire_counts();
    let modes = Modes {
        isolation: Some(Isolation::Serializable),
        read_only: Some(true),
        deferrable: None,
    };
    let mut settings = Settings::new();
    settings.set("app.id", "ü").unwrap();
    let opening = Opening::new(modes, &settings);
    let text = "SELECT current_setting('transaction_isolation') || current_setting('app.id')";
    let outcome = ask(&conn, Frame::Opened(&opening), text).await;
    assert_eq!(conn.wire_counts().since(&before).turns, 1);
    let rows = outcome.result.unwrap().rows;
    assert_eq!(rows[0].get::<_, &str>(0), "serializableü");
    assert_eq!(outcome.report.look, Look::Settled(Status::Transaction));
    assert_eq!(outcome.report.end(), End::NotOurs);

    let outcome = ask(&conn, Frame::Bare, "CREATE TABLE unit_read_only ()").await;
    assert_eq!(code(&outcome), (Part::Operation, "25006"));
    assert!(outcome.report.is_undone());
    let operation = batch(&conn, "COMMIT", Effect::Ends);
    let outcome = run(&conn, Frame::Bare, operation, None).await;
    let answer = outcome.report.operation.unwrap();
    assert_eq!(answer.tags, [crate::watch::Tag::Rollback]);
    assert_eq!(setting(&conn, "app.id").await.as_deref(), Some(""));
}

#[tokio::test]
async fn statement_that_no_transaction_may_hold_waits_for_its_settings() {
    let conn = open().await;
    let frame = Frame::After("SELECT set_config('work_mem', '11MB', false)");
    let before = conn.wire_counts();
    let operation = batch(&conn, "VACUUM pg_class", Effect::Ends);
    let outcome = run(&conn, frame, operation, None).await;
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.report.opening.len(), 1);
    assert_eq!(conn.wire_counts().since(&before).turns, 2);
    assert_eq!(setting(&conn, "work_mem").await.as_deref(), Some("11MB"));

    let frame = Frame::After("SELECT set_config('work_mem', 'much', false)");
    let before = conn.wire_counts();
    let outcome = ask(&conn, frame, "SELECT 1").await;
    assert_eq!(code(&outcome), (Part::Opening, "22023"));
    assert_eq!(conn.wire_counts().since(&before).requests, 1);
    assert!(outcome.report.is_undone());
}

#[tokio::test]
async fn statement_for_later_goes_along_and_is_found_by_the_next_run() {
    let conn = open().await;
    let opening = opening(&[("work_mem", "12MB")]);
    let before = conn.wire_counts();
    let text = "SELECT 7";
    let later = Some(Wanted::plain(text, &[]));
    let operation = typed(&conn, text, &[], Effect::Reads);
    let outcome = run(&conn, Frame::Whole(&opening), operation, later).await;
    assert_eq!(conn.wire_counts().since(&before).turns, 1);
    assert!(outcome.result.is_ok());
    assert_eq!(conn.wire_counts().since(&before).requests, 4);
    let statement = outcome.prepared.unwrap().unwrap();
    let before = conn.wire_counts();
    conn.prepare_cached(text).await.unwrap();
    let operation = prepared(&conn, &statement, &[], Effect::Reads);
    let outcome = run(&conn, Frame::Bare, operation, None).await;
    assert_eq!(outcome.result.unwrap().rows[0].get::<_, i32>(0), 7);
    let sent = conn.wire_counts().since(&before);
    assert_eq!((sent.requests, sent.parses), (1, 0));
}

#[tokio::test]
async fn statement_for_later_is_not_kept_where_the_opening_was_refused_or_rolled_back() {
    let conn = open().await;
    for (name, value, text) in [
        ("work_mem", "much", "SELECT 8"),
        ("work_mem", "12MB", "SELECT 1 / (9 - 9)"),
    ] {
        let opening = opening(&[(name, value)]);
        let later = Some(Wanted::plain(text, &[]));
        let operation = typed(&conn, text, &[], Effect::Reads);
        let outcome = run(&conn, Frame::Whole(&opening), operation, later).await;
        assert!(outcome.result.is_err() && !outcome.report.ran_unframed());
        assert_eq!(conn.cached_statements(), 0, "{text}");
    }
}

#[tokio::test]
async fn empty_text_behind_a_refused_opening_has_not_run() {
    let conn = open().await;
    let opening = opening(&[("work_mem", "much")]);
    let operation = batch(&conn, "", Effect::Reads);
    let outcome = run(&conn, Frame::Whole(&opening), operation, None).await;
    assert!(!outcome.report.ran_unframed() && !outcome.report.is_lost());
}

#[tokio::test]
async fn failure_to_prepare_for_later_is_not_the_operations() {
    let conn = open().await;
    let opening = opening(&[]);
    // Where the table is found changes while the statement runs.
    let text = "SELECT set_config('search_path', 'pg_catalog, nowhere', false) FROM unit_only_here";
    fresh(&conn, "unit_only_here", "AS SELECT 1 AS a").await;
    let later = Some(Wanted::plain(text, &[]));
    let operation = typed(&conn, text, &[], Effect::Writes);
    let outcome = run(&conn, Frame::Whole(&opening), operation, later).await;
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.report.end(), End::Committed);
    let error = outcome.prepared.unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P01");
    assert_eq!(outcome.report.status(), Some(Status::Idle));
}

#[tokio::test]
async fn unit_dropped_before_it_is_polled_leaves_nothing() {
    let mut conn = open().await;
    let before = conn.wire_counts();
    {
        let opening = opening(&[("work_mem", "13MB")]);
        let operation = batch(&conn, "CREATE TABLE unit_never ()", Effect::Writes);
        drop(run(&conn, Frame::Opened(&opening), operation, None));
        drop(batch(&conn, "BEGIN", Effect::Ends));
    }
    tokio::task::yield_now().await;
    assert_eq!(conn.wire_counts(), before);
    assert_eq!(manager().condition(&mut conn), Condition::Clean);
}

#[tokio::test]
async fn unit_dropped_midway_never_passes_for_clean() {
    for yields in 0..3 {
        let mut conn = open().await;
        {
            let opening = opening(&[("work_mem", "13MB")]);
            let operation = batch(&conn, "SELECT pg_sleep(600)", Effect::Writes);
            let mut dropped = pin!(run(&conn, Frame::Opened(&opening), operation, None));
            poll_once(&mut dropped);
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
        }
        let manager = manager();
        assert_ne!(manager.condition(&mut conn), Condition::Clean);
        assert!(manager.reset(&mut conn).await.is_err());
        manager.close(conn).await;
    }
}

#[tokio::test]
async fn unit_can_be_awaited_in_a_task_that_moves_between_threads() {
    fn moves<F: Future + Send>(future: F) -> F {
        future
    }
    let conn = open().await;
    let opening = opening(&[]);
    let operation = typed(&conn, "SELECT 1", &[], Effect::Reads);
    let later = Some(Wanted::plain("SELECT 1", &[]));
    let outcome = moves(run(&conn, Frame::Whole(&opening), operation, later)).await;
    assert!(outcome.result.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_leave_the_connection_clean_on_many_threads() {
    let mut conn = open().await;
    let opening = opening(&[]);
    for _ in 0..300 {
        let outcome = ask(&conn, Frame::Whole(&opening), "SELECT 1").await;
        assert_eq!(outcome.report.end(), End::Committed);
        assert_eq!(manager().condition(&mut conn), Condition::Clean);
        let outcome = ask(&conn, Frame::Whole(&opening), "SELECT 1/0").await;
        assert_eq!(outcome.report.end(), End::RolledBack);
        assert_eq!(manager().condition(&mut conn), Condition::Clean);
    }
}
