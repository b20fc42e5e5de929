use crate::support::{ask, hand_over, open, url};
use pool_core::{Condition, Manager};
use pool_postgres::{Error, PostgresManager, Reset};

/// What one user leaves behind, and a question that the next one answers with `clean`.
const STATE: [(&str, &str, &str); 9] = [
    ("SET work_mem = '7MB'", "SHOW work_mem", "4MB"),
    (
        "SELECT set_config('work_mem', '7MB', false)",
        "SHOW work_mem",
        "4MB",
    ),
    (
        "SET ROLE pg_read_all_data",
        "SELECT (current_user = session_user)::text",
        "true",
    ),
    ("SET DateStyle = 'German'", "SHOW DateStyle", "ISO, MDY"),
    (
        "CREATE TEMP TABLE left_behind (a int)",
        "SELECT count(*)::text FROM pg_class WHERE relname = 'left_behind'",
        "0",
    ),
    (
        "LISTEN left_behind",
        "SELECT count(*)::text FROM pg_listening_channels()",
        "0",
    ),
    (
        "SELECT pg_advisory_lock(4711)",
        "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        "0",
    ),
    (
        "DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1",
        "SELECT count(*)::text FROM pg_cursors WHERE name = 'left_behind'",
        "0",
    ),
    (
        "PREPARE left_behind AS SELECT 1",
        "SELECT count(*)::text FROM pg_prepared_statements WHERE from_sql",
        "0",
    ),
];

#[tokio::test]
async fn settings_of_one_user_do_not_reach_the_next() {
    let (manager, mut conn) = open().await;
    for (statement, question, clean) in STATE {
        conn.batch_execute(statement).await.unwrap();
        assert_ne!(
            ask(&conn, question).await.as_deref(),
            Some(clean),
            "{statement}"
        );
        assert_eq!(
            manager.condition(&mut conn),
            Condition::Dirty,
            "{statement}"
        );
        hand_over(&manager, &mut conn).await;
        assert_eq!(
            ask(&conn, question).await.as_deref(),
            Some(clean),
            "{statement}"
        );
        assert_eq!(
            manager.condition(&mut conn),
            Condition::Clean,
            "{statement}"
        );
    }
}

#[tokio::test]
async fn statement_prepared_by_one_user_taints_the_lease_that_runs_it() {
    let (manager, mut conn) = open().await;
    for _ in 0..2 {
        conn.query("SELECT set_config('work_mem', '7MB', false)", &[])
            .await
            .unwrap();
        hand_over(&manager, &mut conn).await;
        assert_eq!(ask(&conn, "SHOW work_mem").await.as_deref(), Some("4MB"));
    }
    assert_eq!(conn.statement_stats().hits, 2);
}

#[tokio::test]
async fn reset_is_one_round_trip_and_keeps_prepared_statements() {
    let (manager, mut conn) = open().await;
    conn.query("SELECT 41 + 1", &[]).await.unwrap();
    conn.batch_execute("SET work_mem = '7MB'").await.unwrap();
    let before = conn.requests();
    hand_over(&manager, &mut conn).await;
    assert_eq!(conn.requests(), before + 1);
    conn.query("SELECT 41 + 1", &[]).await.unwrap();
    assert_eq!(conn.statement_stats().hits, 1);
}

#[tokio::test]
async fn settings_of_the_startup_survive_a_reset() {
    let manager = PostgresManager::builder(url()).unwrap();
    let manager = manager.application_name("the-app").build().unwrap();
    let mut conn = manager.open().await.unwrap();
    conn.batch_execute("SET application_name = 'other'")
        .await
        .unwrap();
    hand_over(&manager, &mut conn).await;
    assert_eq!(
        ask(&conn, "SHOW application_name").await.as_deref(),
        Some("the-app")
    );
}

#[tokio::test]
async fn what_no_reset_takes_back_closes_the_connection() {
    for statement in ["SELECT setseed(0.5)", "DISCARD ALL", "DEALLOCATE ALL"] {
        let (manager, mut conn) = open().await;
        conn.batch_execute(statement).await.unwrap();
        assert_eq!(
            manager.condition(&mut conn),
            Condition::Broken,
            "{statement}"
        );
        assert!(matches!(
            manager.reset(&mut conn).await,
            Err(Error::NotResettable)
        ));
    }
}

async fn with_policy(policy: Reset) -> (PostgresManager, pool_postgres::PostgresConnection) {
    let manager = PostgresManager::builder(url())
        .unwrap()
        .reset(policy)
        .build()
        .unwrap();
    let conn = manager.open().await.unwrap();
    (manager, conn)
}

#[tokio::test]
async fn policy_always_resets_what_no_text_shows() {
    let (manager, mut conn) = with_policy(Reset::Always).await;
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    conn.batch_execute(
        "CREATE OR REPLACE FUNCTION hidden_change() RETURNS text LANGUAGE plpgsql AS \
         $$ BEGIN RETURN set_config('work_mem', '7MB', false); END $$",
    )
    .await
    .unwrap();
    hand_over(&manager, &mut conn).await;
    ask(&conn, "SELECT hidden_change()").await;
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    hand_over(&manager, &mut conn).await;
    assert_eq!(ask(&conn, "SHOW work_mem").await.as_deref(), Some("4MB"));
}

#[tokio::test]
async fn policy_always_leaves_an_unused_lease_alone() {
    let (manager, mut conn) = with_policy(Reset::Always).await;
    manager.validate(&mut conn).await.unwrap();
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
}

#[tokio::test]
async fn policy_never_rolls_back_and_leaves_settings() {
    let (manager, mut conn) = with_policy(Reset::Never).await;
    conn.batch_execute("SET work_mem = '7MB'").await.unwrap();
    conn.batch_execute("BEGIN").await.unwrap();
    hand_over(&manager, &mut conn).await;
    assert_eq!(ask(&conn, "SHOW work_mem").await.as_deref(), Some("7MB"));
}
