//! Round trips, and what the protocol cannot carry. A proxy counts the turns.

use crate::support::{
    ask, begin, code, is_free, number, occupy, pid, run, sessions, sessions_through_a_proxy, show,
    show_elsewhere, user,
};
use pool_postgres::tokio_postgres::types::{ToSql, Type};
use pool_postgres::{Error, Session, SessionError};
use pool_testkit::proxy::FaultProxy;

const TYPED: &str = "SELECT $1 + 1";
const PLAIN: &str = "SELECT $1::int4 + 2";

/// How often something was sent after the server had spoken, on all connections.
fn turns(proxy: &FaultProxy) -> u64 {
    let passages = proxy.passages();
    passages.iter().map(|passage| passage.round_trips).sum()
}

/// Sessions of two connections that are open, of which `b` is about to use the one that `a` has left.
async fn two_on_one(a: &mut Session, b: &mut Session) {
    run(a, "SET work_mem = '5MB'; SET app.id = 'a'").await;
    a.set_role("pg_monitor").await.unwrap();
    run(
        b,
        "SET work_mem = '6MB'; SET search_path = pg_catalog, public",
    )
    .await;
    assert_eq!(pid(a).await, pid(b).await);
    // All types and texts are known from here on.
    for _ in 0..2 {
        for session in [&mut *a, &mut *b] {
            let typed = [(&1_i32 as &(dyn ToSql + Sync), Type::INT4)];
            session.query_typed(TYPED, &typed).await.unwrap();
            session.query(PLAIN, &[&1]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_comes_to_a_connection_of_anothers_in_one_round_trip() {
    let (proxy, sessions) = sessions_through_a_proxy(1).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    two_on_one(&mut a, &mut b).await;
    for _ in 0..3 {
        for session in [&mut a, &mut b] {
            let before = turns(&proxy);
            let typed = [(&1_i32 as &(dyn ToSql + Sync), Type::INT4)];
            session.query_typed(TYPED, &typed).await.unwrap();
            assert_eq!(turns(&proxy) - before, 1, "typed");
        }
        for session in [&mut a, &mut b] {
            let before = turns(&proxy);
            session.query(PLAIN, &[&1]).await.unwrap();
            assert_eq!(turns(&proxy) - before, 1, "plain");
        }
        for session in [&mut a, &mut b] {
            let before = turns(&proxy);
            let mut tx = session.transaction().await.unwrap();
            tx.query(PLAIN, &[&1]).await.unwrap();
            assert_eq!(
                turns(&proxy) - before,
                1,
                "BEGIN with the settings and a query"
            );
            tx.query(PLAIN, &[&1]).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(turns(&proxy) - before, 3, "and COMMIT");
        }
    }
    let before = turns(&proxy);
    a.set("app.id", "b").await.unwrap();
    assert_eq!(turns(&proxy) - before, 1, "set");
    let before = turns(&proxy);
    run(&mut b, "SELECT 1; SELECT 2").await;
    assert_eq!(turns(&proxy) - before, 1, "batch");
    assert_eq!(show(&mut b, "work_mem").await, "6MB");
    assert_eq!(user(&mut a).await, "pg_monitor");
}

#[tokio::test]
async fn a_statement_that_the_connection_does_not_have_costs_no_round_trip_more() {
    let (proxy, sessions) = sessions_through_a_proxy(2).await;
    let mut a = sessions.create().unwrap();
    a.set("app.id", "a").await.unwrap();
    let prepared = a.prepare(PLAIN).await.unwrap();
    a.query(PLAIN, &[&1]).await.unwrap();
    let occupied = occupy(&mut a).await;
    // The other connection is opened, and another session uses it.
    let mut b = sessions.create().unwrap();
    b.set("app.id", "b").await.unwrap();
    let before = turns(&proxy);
    let row = a.query_one(&prepared, &[&1]).await.unwrap();
    assert_eq!(turns(&proxy) - before, 1);
    assert_eq!(row.get::<_, i32>(0), 3);
    occupied.moved(&mut a).await;
    for _ in 0..3 {
        let before = turns(&proxy);
        a.query_one(&prepared, &[&1]).await.unwrap();
        assert_eq!(turns(&proxy) - before, 1);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_an_error_and_the_session_goes_on() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    a.query("SELECT 'a\0b'", &[]).await.unwrap_err();
    a.batch("SELECT 'a\0b'").await.unwrap_err();
    a.execute("SET app.a = 'a\0b'", &[]).await.unwrap_err();
    let error = a.query("SELECT $1::text", &[&"a\0b"]).await.unwrap_err();
    assert_eq!(code(&error), "22021");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
    let long = format!("SELECT '{}'", "x".repeat(1 << 20));
    let error = a.query(&long, &[]).await.unwrap_err();
    assert!(matches!(error, SessionError::Refused { .. }), "{error:?}");
    let error = a.batch(&long).await.unwrap_err();
    assert!(error.to_string().contains("parameters"), "{error}");
    let value = "x".repeat(3 << 20);
    let row = a.query_one("SELECT length($1)", &[&value]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 3 << 20);
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
    assert!(is_free(&a));
}

#[tokio::test]
async fn wrong_parameters_are_errors_and_the_session_goes_on_even_in_a_transaction() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    for in_transaction in [false, true] {
        if in_transaction {
            begin(&mut a).await;
            a.set("work_mem", "6MB").await.unwrap();
        }
        for _ in 0..2 {
            let error = a.query(PLAIN, &[]).await.unwrap_err();
            assert!(matches!(error, SessionError::Operation(_)), "{error:?}");
            let error = a.query(PLAIN, &[&1, &2]).await.unwrap_err();
            assert!(matches!(error, SessionError::Operation(_)), "{error:?}");
            let error = a.query(PLAIN, &[&"one"]).await.unwrap_err();
            assert!(matches!(error, SessionError::Operation(_)), "{error:?}");
            assert_eq!(ask(&mut a, "SELECT 'well'").await.unwrap(), "well");
            let row = a.query_one(PLAIN, &[&1]).await.unwrap();
            assert_eq!(row.get::<_, i32>(0), 3);
        }
        let expected = if in_transaction { "6MB" } else { "5MB" };
        assert_eq!(show(&mut a, "work_mem").await, expected);
    }
    a.rollback().await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
}

#[tokio::test]
async fn texts_that_are_no_single_statement_are_errors_or_batches() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let error = a.query("SELECT 1; SELECT 2", &[]).await.unwrap_err();
    assert_eq!(code(&error), "42601");
    let error = a.query("SELEC 1", &[]).await.unwrap_err();
    assert_eq!(code(&error), "42601");
    a.query("SELECT 1;", &[]).await.unwrap();
    assert!(a.query("", &[]).await.unwrap().is_empty());
    run(&mut a, "").await;
    run(&mut a, ";;; -- nothing").await;
    let error = a.query_one("SELECT 1 WHERE false", &[]).await.unwrap_err();
    assert!(matches!(error, SessionError::Operation(Error::Rows(0))));
    let error = a.query_one("VALUES (1), (2)", &[]).await.unwrap_err();
    assert!(matches!(error, SessionError::Operation(Error::Rows(2))));
    assert!(
        a.query_opt("SELECT 1 WHERE false", &[])
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(a.execute("VALUES (1), (2)", &[]).await.unwrap(), 2);
    assert!(is_free(&a));
}

#[tokio::test]
async fn settings_by_the_extended_protocol_follow_as_well() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.query("SET work_mem = '5MB'", &[]).await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
    a.query("BEGIN", &[]).await.unwrap();
    a.query("SET work_mem = '6MB'", &[]).await.unwrap();
    a.query("SAVEPOINT s", &[]).await.unwrap();
    a.query("SET work_mem = '7MB'", &[]).await.unwrap();
    a.query("ROLLBACK TO s", &[]).await.unwrap();
    assert_eq!(show(&mut a, "work_mem").await, "6MB");
    a.query("COMMIT", &[]).await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "6MB");
    let prepared = a.prepare("RESET work_mem").await.unwrap();
    a.query(&prepared, &[]).await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "4MB");
    a.query("DISCARD ALL", &[]).await.unwrap();
    assert!(is_free(&a));
    a.query("SET ROLE pg_monitor", &[]).await.unwrap();
    let occupied = occupy(&mut a).await;
    assert_eq!(user(&mut a).await, "pg_monitor");
    occupied.moved(&mut a).await;
}

#[tokio::test]
async fn a_connection_is_with_its_session_until_every_reply_is_read() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    b.set("app.id", "b").await.unwrap();
    for round in 0..50_i64 {
        // Several requests with a reply each: settings, statement, COMMIT, preparation.
        let text = format!("SELECT count(*) + {round} FROM generate_series(1, 2000)");
        a.set("app.id", &round.to_string()).await.unwrap();
        let (one, other) = tokio::join!(number(&mut a, &text), show(&mut b, "app.id"));
        assert_eq!((one, &other[..]), (2000 + round, "b"));
    }
}

#[tokio::test]
async fn a_text_of_more_statements_than_are_told_apart_is_run_and_leaves_nothing() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    let few = "SELECT 1;".repeat(1_000);
    assert!(a.batch(&few).await.unwrap().len() >= 2_000);
    assert_eq!(sessions.statistics().tainted, 0);
    let many = "SET app.many = 'x';".repeat(5_000);
    let _ = a.batch(&many).await;
    let mut b = sessions.create().unwrap();
    assert_eq!(show(&mut b, "app.many").await, "");
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    assert!(is_free(&a));
}
