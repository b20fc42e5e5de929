//! A role follows its session, and nothing runs in another.

use crate::log;
use crate::support::{ask_elsewhere, begin, code, occupy, pid, run, sessions, sessions_at, user};
use pool_postgres::{PostgresManager, Session, SessionError};

const WHO: &str = "SELECT current_user::text";

async fn make_role(session: &mut Session, role: &str) {
    let _ = session.batch(&format!("DROP ROLE {role}")).await;
    run(session, &format!("CREATE ROLE {role}")).await;
}

#[tokio::test]
async fn a_role_follows_and_is_nobody_elses() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    make_role(&mut a, "follows_me").await;
    run(&mut a, "SET ROLE follows_me").await;
    let occupied = occupy(&mut a).await;
    assert_eq!(user(&mut a).await, "follows_me");
    occupied.moved(&mut a).await;
    let here = pid(&mut a).await;
    drop(a);
    occupied.release().await;
    let mut seen = Vec::new();
    let mut others = Vec::new();
    for _ in 0..2 {
        let mut b = sessions.create().unwrap();
        begin(&mut b).await;
        seen.push(pid(&mut b).await);
        assert_eq!(user(&mut b).await, "postgres");
        others.push(b);
    }
    assert!(seen.contains(&here));
}

#[tokio::test]
async fn a_role_is_gone_with_a_session_that_held_a_lock_as_well() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    make_role(&mut a, "locks_too").await;
    a.set_role("locks_too").await.unwrap();
    run(&mut a, "SELECT pg_advisory_lock(170017)").await;
    let here = pid(&mut a).await;
    drop(a);
    let mut b = sessions.create().unwrap();
    assert_eq!(user(&mut b).await, "postgres");
    assert_eq!(pid(&mut b).await, here);
    assert!(
        crate::support::ask(
            &mut b,
            "SELECT 'lock' FROM pg_locks WHERE objid = 170017 UNION ALL SELECT NULL LIMIT 1"
        )
        .await
        .is_none()
    );
}

#[tokio::test]
async fn a_role_is_taken_back_with_its_transaction() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "SET ROLE pg_monitor").await;
    tx.savepoint("s").await.unwrap();
    run(&mut tx, "SET ROLE NONE").await;
    assert_eq!(user(&mut tx).await, "postgres");
    tx.rollback_to("s").await.unwrap();
    assert_eq!(user(&mut tx).await, "pg_monitor");
    tx.rollback().await.unwrap();
    assert_eq!(ask_elsewhere(&mut a, WHO).await, "postgres");
    run(&mut a, "BEGIN; SET LOCAL ROLE pg_monitor; COMMIT").await;
    assert_eq!(ask_elsewhere(&mut a, WHO).await, "postgres");
    run(&mut a, "SET SESSION ROLE 'pg_monitor'").await;
    assert_eq!(ask_elsewhere(&mut a, WHO).await, "pg_monitor");
    run(&mut a, "RESET ROLE").await;
    assert_eq!(ask_elsewhere(&mut a, WHO).await, "postgres");
    run(&mut a, "SELECT set_config('role', 'pg_monitor', false)").await;
    assert_eq!(ask_elsewhere(&mut a, WHO).await, "pg_monitor");
    run(&mut a, "SELECT set_config('role', 'none', false)").await;
    assert_eq!(ask_elsewhere(&mut a, WHO).await, "postgres");
}

#[tokio::test]
async fn a_role_for_one_transaction_stays_when_something_else_is_reset() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "SET app.id = 'a'; SET ROLE pg_read_all_data").await;
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "SET LOCAL ROLE pg_monitor").await;
    tx.reset("app.id").await.unwrap();
    assert_eq!(user(&mut tx).await, "pg_monitor");
    tx.reset_role().await.unwrap();
    assert_eq!(user(&mut tx).await, "postgres");
    tx.rollback().await.unwrap();
    assert_eq!(user(&mut a).await, "pg_read_all_data");
}

#[tokio::test]
async fn settings_are_replayed_by_the_user_who_logged_in_and_not_in_the_role() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    make_role(&mut a, "may_set_nothing").await;
    // Only a superuser may set it.
    run(&mut a, "SET log_duration = on; SET ROLE may_set_nothing").await;
    let sql = "SELECT current_user || ' ' || current_setting('log_duration')";
    assert_eq!(ask_elsewhere(&mut a, sql).await, "may_set_nothing on");
    // From a connection in a role to one in another, and back.
    let mut b = sessions.create().unwrap();
    run(&mut b, "SET log_duration = on; SET ROLE pg_monitor").await;
    for _ in 0..3 {
        assert_eq!(ask_elsewhere(&mut b, sql).await, "pg_monitor on");
        assert_eq!(ask_elsewhere(&mut a, sql).await, "may_set_nothing on");
    }
}

#[tokio::test]
async fn what_a_session_of_a_dropped_role_asks_for_is_not_run() {
    let sessions = sessions_at(&log::server().url(), 1).await;
    let mut a = sessions.create().unwrap();
    make_role(&mut a, "soon_dropped").await;
    run(&mut a, "SET ROLE soon_dropped").await;
    let mut b = sessions.create().unwrap();
    assert_eq!(user(&mut b).await, "postgres");
    run(&mut b, "DROP ROLE soon_dropped").await;
    for _ in 0..2 {
        let error = a
            .query("SELECT 'of a dropped role'", &[])
            .await
            .unwrap_err();
        assert!(matches!(error, SessionError::Prelude(_)), "{error:?}");
        assert_eq!(code(&error), "22023");
        let error = a
            .batch("CREATE TABLE of_a_dropped_role ()")
            .await
            .unwrap_err();
        assert!(matches!(error, SessionError::Prelude(_)), "{error:?}");
        let error = a.batch("VACUUM pg_class").await.unwrap_err();
        assert!(matches!(error, SessionError::Prelude(_)), "{error:?}");
    }
    assert_not_run("of a dropped role");
    assert_not_run("of_a_dropped_role");
    assert_not_run("VACUUM pg_class");
    let made = "SELECT 1 FROM pg_class WHERE relname = 'of_a_dropped_role'";
    assert!(b.query_opt(made, &[]).await.unwrap().is_none());
    a.reset_role().await.unwrap();
    assert_eq!(user(&mut a).await, "postgres");
    assert_eq!(pid(&mut a).await, pid(&mut b).await);
}

/// The log has the statement nowhere but where it says that it was refused unseen.
fn assert_not_run(text: &str) {
    let lines = log::lines_with(text);
    let is_run = |line: &&String| line.contains(" execute ") || line.contains(" statement: ");
    let run: Vec<_> = lines.iter().filter(is_run).collect();
    for line in run {
        // A simple query is logged when it comes, and refused behind that.
        let log = log::lines_with(line.split_inclusive('|').next().unwrap());
        let at = log.iter().position(|other| other == line).unwrap();
        assert!(
            line.contains("LOG:  statement: ") && log[at + 1].contains("ERROR:"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn what_a_session_of_a_revoked_membership_asks_for_is_not_run() {
    let manager = PostgresManager::new(&log::server().url()).unwrap();
    let admin = manager.open().await.unwrap();
    admin
        .batch_execute(
            "DROP ROLE IF EXISTS lodger; DROP ROLE IF EXISTS guild; \
             CREATE ROLE lodger LOGIN; CREATE ROLE guild; GRANT guild TO lodger",
        )
        .await
        .unwrap();
    let url = log::server().url().replacen("postgres@", "lodger@", 1);
    let sessions = sessions_at(&url, 1).await;
    let mut a = sessions.create().unwrap();
    a.set_role("guild").await.unwrap();
    let error = a.set_role("pg_monitor").await.unwrap_err();
    assert_eq!(code(&error), "42501");
    assert_eq!(user(&mut a).await, "guild");
    run(&mut a, "RESET ROLE").await;
    a.set_role("guild").await.unwrap();
    let mut b = sessions.create().unwrap();
    assert_eq!(user(&mut b).await, "lodger");
    admin
        .batch_execute("REVOKE guild FROM lodger")
        .await
        .unwrap();
    let error = a
        .query("SELECT 'of a revoked membership'", &[])
        .await
        .unwrap_err();
    assert!(matches!(error, SessionError::Prelude(_)), "{error:?}");
    assert_eq!(code(&error), "42501");
    let mut tx = a.transaction().await.unwrap();
    let error = tx
        .query("SELECT 'of a revoked membership'", &[])
        .await
        .unwrap_err();
    assert!(matches!(error, SessionError::Prelude(_)), "{error:?}");
    tx.rollback().await.unwrap();
    assert_not_run("of a revoked membership");
    a.reset_role().await.unwrap();
    assert_eq!(user(&mut a).await, "lodger");
    assert_eq!(pid(&mut a).await, pid(&mut b).await);
}
