//! What is on a connection is what its label says.

use crate::support::{ask, occupy, sessions, show};
use pool_core::Profile;
use pool_multiplex::SessionOptions;
use pool_postgres::SessionError;

#[tokio::test]
async fn a_local_set_config_behind_a_set_is_not_taken_for_the_sessions() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SET work_mem = '5MB'; SELECT set_config('work_mem', '6MB', true)")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(a.setting("work_mem").unwrap().as_deref(), Some("5MB"));
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
}

#[tokio::test]
async fn a_local_setting_that_a_savepoint_uncovers_is_not_taken_for_the_sessions() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SET LOCAL work_mem = '6MB'; SAVEPOINT s")
        .await
        .unwrap();
    tx.batch("SET work_mem = '5MB'; ROLLBACK TO s")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let real = show(&mut a, "work_mem").await;
    let known = a.setting("work_mem").unwrap();
    assert_eq!(real, "4MB");
    assert!(
        known.is_none_or(|known| known == "4MB"),
        "the books say otherwise"
    );
}

#[tokio::test]
async fn a_role_called_none_in_capitals_is_a_role() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP ROLE IF EXISTS \"None\"; CREATE ROLE \"None\"")
        .await
        .unwrap();
    a.batch("SET ROLE \"None\"").await.unwrap();
    drop(a);
    let mut b = sessions.create().unwrap();
    assert_ne!(
        ask(&mut b, "SELECT current_user::text").await.unwrap(),
        "None"
    );
}

#[tokio::test]
async fn what_is_local_to_a_transaction_is_not_kept_by_set() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("CREATE TABLE IF NOT EXISTS labels_l (x int)")
        .await
        .unwrap();
    let mut tx = a.transaction().await.unwrap();
    let set = tx.set("transaction_read_only", "on").await;
    tx.commit().await.unwrap();
    let mut b = sessions.create().unwrap();
    b.set("work_mem", "6MB").await.unwrap();
    let wrote = a.batch("INSERT INTO labels_l VALUES (1)").await;
    assert!(wrote.is_ok(), "set: {set:?}, then {wrote:?}");
}

#[tokio::test]
async fn a_seed_does_not_make_a_session_useless() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    if a.set("seed", "0.5").await.is_err() {
        return;
    }
    let occupied = occupy(&mut a).await;
    let asked = a.query_one("SELECT 1", &[]).await;
    occupied.release().await;
    assert!(asked.is_ok(), "{asked:?}");
}

#[tokio::test]
async fn a_name_beyond_ascii_does_not_spoil_the_connection_for_others() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let _ = a.batch("SET app.gr\u{f6}\u{df}e = '1'").await;
    drop(a);
    let mut b = sessions.create().unwrap();
    let asked = b.query_one("SELECT 1", &[]).await;
    assert!(asked.is_ok(), "{asked:?}");
}

#[tokio::test]
async fn a_session_authorization_by_set_config_does_not_spoil_the_connection_for_others() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP ROLE IF EXISTS labels_auth; CREATE ROLE labels_auth")
        .await
        .unwrap();
    let _ = a
        .batch("SELECT set_config('session_authorization', 'labels_auth', false)")
        .await;
    drop(a);
    let mut b = sessions.create().unwrap();
    let asked = b.query_one("SELECT session_user::text", &[]).await;
    let user: String = asked.unwrap().get(0);
    assert_ne!(user, "labels_auth");
}

#[tokio::test]
async fn a_client_encoding_by_set_config_is_refused() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let done = a
        .batch("SELECT set_config('client_encoding', 'LATIN1', false)")
        .await;
    assert!(
        matches!(done, Err(SessionError::Refused { .. })),
        "{done:?}"
    );
}

#[tokio::test]
async fn temp_buffers_of_one_session_can_be_had_where_another_had_temporary_tables() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    for sql in [
        "CREATE TEMP TABLE buffered (x int)",
        "INSERT INTO buffered VALUES (1)",
        "DROP TABLE buffered",
    ] {
        a.batch(sql).await.unwrap();
    }
    drop(a);
    let options = SessionOptions::new().setting("temp_buffers", "16MB");
    let mut b = sessions.create_with(options).unwrap();
    let asked = b.query_one("SELECT 1", &[]).await;
    assert!(asked.is_ok(), "{asked:?}");
}

#[tokio::test]
async fn a_literal_read_otherwise_does_not_hide_a_setting() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("SET standard_conforming_strings = off")
        .await
        .unwrap();
    a.batch(r"SELECT '\'', set_config('app.hidden', '1', false) --'")
        .await
        .unwrap();
    drop(a);
    let mut b = sessions.create().unwrap();
    assert_ne!(show(&mut b, "app.hidden").await, "1");
}

#[tokio::test]
async fn a_request_with_a_profile_of_ones_own_does_not_run_in_a_sessions_role() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP ROLE IF EXISTS labels_prof; CREATE ROLE labels_prof")
        .await
        .unwrap();
    a.set_role("labels_prof").await.unwrap();
    let pool = sessions.pool();
    let conn = pool
        .request()
        .profile(Profile::new(7))
        .acquire()
        .await
        .unwrap();
    let row = conn
        .query_one("SELECT current_user::text", &[])
        .await
        .unwrap();
    assert_ne!(row.get::<_, String>(0), "labels_prof");
}
