//! What a session cannot do is refused before it is sent, with what to do instead.

use crate::log;
use crate::support::{ask, begin, is_free, pid, run, sessions, sessions_at, show};
use pool_postgres::{Session, SessionError};

async fn refused(session: &mut Session, sql: &str) -> String {
    let error = session.batch(sql).await.unwrap_err();
    assert!(
        matches!(error, SessionError::Refused { .. }),
        "{sql}: {error:?}"
    );
    assert!(!error.is_retryable());
    let by_query = session.query(sql, &[]).await.unwrap_err();
    assert!(
        matches!(by_query, SessionError::Refused { .. }),
        "{sql}: {by_query:?}"
    );
    error.to_string()
}

#[tokio::test]
async fn what_is_refused_names_a_remedy_and_is_never_sent() {
    let sessions = sessions_at(&log::server().url(), 1).await;
    let mut a = sessions.create().unwrap();
    let here = pid(&mut a).await;
    let before = log::lines(here).len();
    for (sql, remedy) in [
        ("LOAD 'auto_explain'", "session_preload_libraries"),
        ("SELECT 1; LOAD 'auto_explain'", "session_preload_libraries"),
        (
            "SELECT dblink_connect('c', '')",
            "a pool for the other database",
        ),
        (
            "SELECT * FROM dblink('c', 'SELECT 1') AS t (a int)",
            "a pool",
        ),
        ("COPY t FROM STDIN", "raw"),
        ("COPY t TO STDOUT", "raw"),
        ("SET SESSION AUTHORIZATION pg_monitor", "SET ROLE"),
        ("SET session_authorization = 'pg_monitor'", "SET ROLE"),
        ("SET client_encoding = 'LATIN1'", "convert"),
        ("SET NAMES 'LATIN1'", "convert"),
        ("SELECT 1; DISCARD ALL", "by itself"),
        ("SELECT 1; DEALLOCATE ALL", "by itself"),
    ] {
        let said = refused(&mut a, sql).await;
        assert!(said.contains(remedy), "{sql}: {said}");
    }
    for name in ["session_authorization", "client_encoding"] {
        let error = a.set(name, "LATIN1").await.unwrap_err();
        assert!(matches!(error, SessionError::Refused { .. }), "{error:?}");
    }
    assert_eq!(log::lines(here).len(), before);
    assert!(is_free(&a));
    assert_eq!(pid(&mut a).await, here);
}

#[tokio::test]
async fn a_refusal_in_a_transaction_costs_neither_it_nor_its_settings() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    begin(&mut a).await;
    a.set("work_mem", "6MB").await.unwrap();
    refused(&mut a, "LOAD 'auto_explain'").await;
    assert_eq!(show(&mut a, "work_mem").await, "6MB");
    a.commit().await.unwrap();
    assert_eq!(show(&mut a, "work_mem").await, "6MB");
}

#[tokio::test]
async fn the_encoding_that_is_there_may_be_set() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "SET client_encoding = 'UTF8'").await;
    run(&mut a, "SET NAMES 'utf-8'").await;
    run(&mut a, "RESET client_encoding").await;
    assert_eq!(show(&mut a, "client_encoding").await, "UTF8");
}

#[tokio::test]
async fn neither_encoding_nor_user_changes_by_set_config() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    for sql in [
        "SELECT set_config('client_encoding', 'LATIN1', false)",
        "SELECT set_config('session_authorization', 'pg_monitor', false)",
    ] {
        refused(&mut a, sql).await;
    }
    let sql = "SELECT set_config($1, $2, false)";
    for name in ["Client_Encoding", "session_authorization"] {
        let error = a.query(sql, &[&name, &"LATIN1"]).await.unwrap_err();
        assert!(matches!(error, SessionError::Refused { .. }), "{error:?}");
    }
    let _ = a
        .batch("SELECT set_config('client_' || 'encoding', 'LATIN1', false)")
        .await;
    let mut b = sessions.create().unwrap();
    assert_eq!(show(&mut b, "client_encoding").await, "UTF8");
    assert_eq!(
        ask(&mut b, "SELECT session_user::text").await.unwrap(),
        "postgres"
    );
    assert_eq!(show(&mut a, "client_encoding").await, "UTF8");
}

#[tokio::test]
async fn copy_between_the_server_and_its_files_is_a_statement_like_others() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'").await;
    assert!(is_free(&a));
    assert_eq!(ask(&mut a, "SELECT 'well'").await.unwrap(), "well");
}
