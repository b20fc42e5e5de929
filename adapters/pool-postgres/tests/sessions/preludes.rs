//! What is in force when a statement runs.

use crate::support::{ask, occupy, sessions, show, warm};
use pool_core::WarmUp;

#[tokio::test]
async fn anothers_read_only_default_does_not_make_this_ones_write_fail() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch("CREATE TABLE IF NOT EXISTS preludes_w (x int)")
        .await
        .unwrap();
    a.set("default_transaction_read_only", "on").await.unwrap();
    b.batch("INSERT INTO preludes_w VALUES (1)").await.unwrap();
}

#[tokio::test]
async fn a_read_only_session_does_not_write_on_a_connection_it_has_just_come_to() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch("CREATE TABLE IF NOT EXISTS preludes_r (x int)")
        .await
        .unwrap();
    a.set("default_transaction_read_only", "on").await.unwrap();
    b.set("work_mem", "5MB").await.unwrap();
    a.batch("INSERT INTO preludes_r VALUES (1)")
        .await
        .unwrap_err();
}

#[tokio::test]
async fn the_default_isolation_holds_for_the_first_transaction_after_a_move() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.batch("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        .await
        .unwrap();
    let occupied = occupy(&mut a).await;
    let mut tx = a.transaction().await.unwrap();
    let isolation = show(&mut tx, "transaction_isolation").await;
    tx.rollback().await.unwrap();
    occupied.release().await;
    assert_eq!(isolation, "serializable");
}

#[tokio::test]
async fn anothers_statement_timeout_does_not_have_a_statement_run_in_its_role() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch("DROP TABLE IF EXISTS preludes_t; CREATE TABLE preludes_t (tenant text)")
        .await
        .unwrap();
    b.set("app.large", &"x".repeat(100_000_000)).await.unwrap();
    a.set("app.tenant", "a").await.unwrap();
    a.set("statement_timeout", "20ms").await.unwrap();
    let ran = b
        .query_typed(
            "INSERT INTO preludes_t VALUES (coalesce(current_setting('app.tenant', true), ''))",
            &[],
        )
        .await;
    a.set("statement_timeout", "0").await.unwrap();
    let tenants = ask(&mut a, "SELECT string_agg(tenant, ',') FROM preludes_t").await;
    assert_ne!(tenants.as_deref(), Some("a"), "b ran as a: {ran:?}");
}

#[tokio::test]
async fn what_a_warm_up_has_set_is_there_after_another_session_set_it_otherwise() {
    let sessions = warm(1, WarmUp::new().execute("SET work_mem = '8MB'")).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    assert_eq!(show(&mut b, "work_mem").await, "8MB");
    a.set("work_mem", "16MB").await.unwrap();
    assert_eq!(show(&mut b, "work_mem").await, "8MB");
}

#[tokio::test]
async fn the_role_of_a_warm_up_is_there_after_another_session_took_one() {
    let plain = sessions(1).await;
    let mut setup = plain.create().unwrap();
    setup
        .batch(
            "DROP ROLE IF EXISTS preludes_low; CREATE ROLE preludes_low; \
                DROP ROLE IF EXISTS preludes_two; CREATE ROLE preludes_two",
        )
        .await
        .unwrap();
    let sessions = warm(1, WarmUp::new().execute("SET ROLE preludes_low")).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.set_role("preludes_two").await.unwrap();
    let role = ask(&mut b, "SELECT current_user::text").await.unwrap();
    assert_eq!(role, "preludes_low");
}
