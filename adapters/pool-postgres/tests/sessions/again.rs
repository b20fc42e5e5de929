//! Rules that a second reading of all this has brought.

use crate::support::{ask, locks, occupy, pause, sessions, sessions_with, show};
use pool_multiplex::{Modes, SessionConfig, SessionOptions};
use pool_postgres::SessionError;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn a_role_that_is_gone_is_a_prelude_error_and_not_an_unknown_outcome() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP ROLE IF EXISTS again_gone2; CREATE ROLE again_gone2")
        .await
        .unwrap();
    a.set_role("again_gone2").await.unwrap();
    let occupied = occupy(&mut a).await;
    let mut b = sessions.create().unwrap();
    b.batch("DROP ROLE again_gone2").await.unwrap();
    let queried = a.query("SELECT 41 + 1", &[]).await;
    let attached = a.attach().await;
    occupied.release().await;
    assert!(
        matches!(queried, Err(SessionError::Prelude(_))),
        "{queried:?}"
    );
    assert!(
        matches!(attached, Err(SessionError::Prelude(_))),
        "{attached:?}"
    );
}

#[tokio::test]
async fn migrate_whose_settings_cannot_be_written_gives_the_connection_back() {
    let sessions = sessions(2).await;
    let options = SessionOptions::new().setting("no name", "x");
    let mut a = sessions.create_with(options).unwrap();
    let moved = a.migrate().await;
    assert!(matches!(moved, Err(SessionError::Prelude(_))), "{moved:?}");
    pause(100).await;
    assert!(a.pins().unwrap().is_empty());
    assert_eq!(sessions.pool().status().leased, 0);
}

#[tokio::test]
async fn a_rollback_whose_answer_is_lost_is_no_unknown_outcome() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.begin(Modes::default()).await.unwrap();
    a.batch("SELECT 1").await.unwrap();
    let done = a
        .batch("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1); ROLLBACK")
        .await;
    assert!(
        matches!(done, Err(SessionError::TransactionLost(_))),
        "{done:?}"
    );
}

#[tokio::test]
async fn no_role_is_none_also_for_a_session_that_began_with_one() {
    let sessions = sessions(1).await;
    let mut setup = sessions.create().unwrap();
    setup
        .batch("DROP ROLE IF EXISTS again_base; CREATE ROLE again_base")
        .await
        .unwrap();
    let options = SessionOptions::new().setting("role", "again_base");
    let mut a = sessions.create_with(options).unwrap();
    a.query("SELECT 1", &[]).await.unwrap();
    a.batch("SET ROLE NONE").await.unwrap();
    assert_ne!(
        ask(&mut a, "SELECT current_user::text").await.unwrap(),
        "again_base"
    );
}

#[tokio::test]
async fn export_tells_of_a_transaction_that_was_lost() {
    use pool_multiplex::transfer::{Exporter, Keys};
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.begin(Modes::default()).await.unwrap();
    a.batch("SELECT 1").await.unwrap();
    let slow = a.batch("SELECT pg_sleep(5)");
    assert!(timeout(Duration::from_millis(50), slow).await.is_err());
    let keys = Keys::new(1, [7; 32]).unwrap();
    let exported = a.export(&Exporter::new(), &keys, std::time::SystemTime::now().into());
    assert!(exported.is_err(), "nobody was told");
}

#[tokio::test]
async fn discard_all_is_refused_in_a_transaction_as_by_the_server() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SELECT 1").await.unwrap();
    assert!(tx.batch("DISCARD ALL").await.is_err());
}

#[tokio::test]
async fn a_long_script_that_was_committed_is_not_called_retryable() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP TABLE IF EXISTS again_m; CREATE TABLE again_m (x int)")
        .await
        .unwrap();
    let mut script = "INSERT INTO again_m VALUES (1);".repeat(1030);
    script.push_str("COMMIT; BEGIN");
    let done = a.batch(&script).await;
    let rows = a.query("SELECT 1 FROM again_m", &[]).await.unwrap().len();
    let retryable = done.as_ref().is_err_and(SessionError::is_retryable);
    assert!(
        !(retryable && rows > 0),
        "{rows} rows, and {:?}",
        done.unwrap_err()
    );
}

#[tokio::test]
async fn the_statements_of_a_transaction_are_counted() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SELECT 1").await.unwrap();
    let context = tx.transaction_context().unwrap().unwrap();
    assert_eq!(context.statements, 1);
}

#[tokio::test]
async fn statements_that_run_once_do_not_fill_a_session() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    for at in 0..30 {
        let sql = format!("SELECT {at} --{}", "x".repeat(900_000));
        a.query(&sql, &[]).await.unwrap();
    }
    let kept = a.inner().look(|state| {
        let texts = state.statements().iter();
        texts
            .map(|(statement, _)| statement.text().len())
            .sum::<usize>()
    });
    let kept = kept.unwrap();
    assert!(
        kept < 1 << 20,
        "an idle session holds {kept} bytes of texts"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_a_session_from_two_threads_is_no_interruption() {
    let sessions = sessions(1).await;
    let a = sessions.create().unwrap();
    let failed = std::thread::scope(|scope| {
        let look = || (0..200_000).filter(|_| a.pins().is_err()).count();
        let other = scope.spawn(look);
        look() + other.join().unwrap()
    });
    assert_eq!(failed, 0, "told that a transaction is lost");
}

#[tokio::test]
async fn a_session_that_was_just_resumed_does_not_expire() {
    let config = SessionConfig::new().session_timeout(Some(Duration::from_millis(400)));
    let sessions = sessions_with(1, config).await;
    let a = sessions.create().unwrap();
    let id = a.suspend().unwrap();
    pause(300).await;
    let mut a = sessions.resume(id).unwrap();
    pause(250).await;
    let used = a.query("SELECT 1", &[]).await;
    assert!(used.is_ok(), "{used:?}");
}

#[tokio::test]
async fn an_audit_sees_a_temporary_function() {
    let sessions = sessions_with(1, SessionConfig::new().audit(true)).await;
    let mut a = sessions.create().unwrap();
    a.batch("DO $$ BEGIN CREATE FUNCTION pg_temp.left_over() RETURNS int LANGUAGE sql AS 'SELECT 1'; END $$")
        .await
        .unwrap();
    drop(a);
    let mut b = sessions.create().unwrap();
    let found = b.query("SELECT pg_temp.left_over()", &[]).await;
    assert!(found.is_err(), "a's function is b's");
}

#[tokio::test]
async fn a_lock_taken_behind_a_prelude_in_a_commit_that_fails_is_nobody_elses() {
    let sessions = sessions(1).await;
    let mut other = sessions.create().unwrap();
    let mut a = sessions.create().unwrap();
    a.batch(
        "DROP TABLE IF EXISTS again_deferred; CREATE TABLE again_deferred (x int \
         UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO again_deferred VALUES (1)",
    )
    .await
    .unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    other.set("work_mem", "6MB").await.unwrap();
    a.batch("SELECT pg_advisory_lock(4713); INSERT INTO again_deferred VALUES (1)")
        .await
        .unwrap_err();
    let pins = a.pins().unwrap();
    drop(a);
    assert_eq!(locks(&mut other).await, 0, "a was pinned by {pins}");
}

#[tokio::test]
async fn a_modest_prelude_under_anothers_timeout_never_has_the_statement_run_without_it() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch("DROP TABLE IF EXISTS again_t2; CREATE TABLE again_t2 (tenant text)")
        .await
        .unwrap();
    b.set("app.large", &"x".repeat(1_000_000)).await.unwrap();
    for _ in 0..30 {
        if a.set("app.tenant", "a").await.is_ok() {
            let _ = a.set("statement_timeout", "1ms").await;
        }
        let _ = b
            .query_typed(
                "INSERT INTO again_t2 VALUES (coalesce(current_setting('app.tenant', true), ''))",
                &[],
            )
            .await;
        let _ = a.reset("statement_timeout").await;
    }
    let mut c = sessions.create().unwrap();
    let count = c
        .query_one("SELECT count(*) FROM again_t2 WHERE tenant = 'a'", &[])
        .await
        .unwrap()
        .get::<_, i64>(0);
    assert_eq!(count, 0, "so often b ran with what a has set");
}

#[tokio::test]
async fn a_large_prelude_is_in_force_where_nobody_has_a_timeout() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    b.set("app.large", &"x".repeat(100_000_000)).await.unwrap();
    a.set("app.tenant", "a").await.unwrap();
    assert_ne!(show(&mut b, "app.tenant").await, "a");
}

#[tokio::test]
async fn a_guard_that_was_dropped_costs_others_no_settings() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SELECT 1").await.unwrap();
    drop(tx);
    let before = sessions.statistics().replayed_settings;
    a.query("SELECT 1", &[]).await.unwrap();
    assert_eq!(
        sessions.statistics().replayed_settings,
        before,
        "it was reset and not rolled back"
    );
}

#[tokio::test]
async fn the_same_text_is_not_read_with_the_types_of_another_schema() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.batch(
        "DROP SCHEMA IF EXISTS again_z1 CASCADE; CREATE SCHEMA again_z1; \
         CREATE TABLE again_z1.t (at timestamp); \
         DROP SCHEMA IF EXISTS again_z2 CASCADE; CREATE SCHEMA again_z2; \
         CREATE TABLE again_z2.t (at timestamptz)",
    )
    .await
    .unwrap();
    const SQL: &str = "INSERT INTO t VALUES ($1)";
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    a.set("search_path", "again_z1").await.unwrap();
    a.query(SQL, &[&epoch]).await.unwrap();
    let mut b = sessions.create().unwrap();
    b.set("search_path", "again_z2").await.unwrap();
    b.set("timezone", "Asia/Tokyo").await.unwrap();
    b.query(SQL, &[&epoch]).await.unwrap();
    let at: f64 = b
        .query_one("SELECT extract(epoch FROM at)::float8 FROM t", &[])
        .await
        .unwrap()
        .get(0);
    assert!(at.abs() < 1.0, "written {at} s away from what was given");
}
