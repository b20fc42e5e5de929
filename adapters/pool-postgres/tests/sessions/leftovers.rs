//! What a session must not leave behind.

use crate::support::{ask, locks, pid, sessions, show};
use pool_multiplex::PinReason;

#[tokio::test]
async fn a_lock_that_was_taken_in_a_statement_that_failed_behind_a_prelude_is_nobody_elses() {
    let sessions = sessions(1).await;
    let mut other = sessions.create().unwrap();
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    other.set("work_mem", "6MB").await.unwrap();
    a.batch("SELECT pg_advisory_lock(4711); SELECT 1/0")
        .await
        .unwrap_err();
    let pins = a.pins().unwrap();
    assert!(
        pins.contains(PinReason::AdvisoryLock),
        "a is not pinned: {pins}"
    );
}

#[tokio::test]
async fn a_statement_prepared_before_one_that_failed_behind_a_prelude_is_nobody_elses() {
    let sessions = sessions(1).await;
    let mut other = sessions.create().unwrap();
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    other.set("work_mem", "6MB").await.unwrap();
    a.batch("PREPARE mine AS SELECT 1; SELECT 1/0")
        .await
        .unwrap_err();
    drop(a);
    other.batch("PREPARE mine AS SELECT 2").await.unwrap();
}

#[tokio::test]
async fn a_lock_taken_in_a_block_is_nobody_elses() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DO $$ BEGIN PERFORM pg_advisory_lock(4712); END $$")
        .await
        .unwrap();
    let pins = a.pins().unwrap();
    let here = pid(&mut a).await;
    drop(a);
    let mut b = sessions.create().unwrap();
    if pid(&mut b).await == here {
        assert_eq!(locks(&mut b).await, 0, "pins of a were {pins}");
    }
}

#[tokio::test]
async fn a_made_up_setting_of_a_block_is_nobody_elses() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DO $$ BEGIN PERFORM set_config('app.secret_tenant', '42', false); END $$")
        .await
        .unwrap();
    drop(a);
    let mut b = sessions.create().unwrap();
    assert_ne!(show(&mut b, "app.secret_tenant").await, "42");
}

#[tokio::test]
async fn a_block_that_commits_and_then_fails_leaves_nothing_to_others() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DO $$ BEGIN PERFORM set_config('work_mem', '9MB', false); COMMIT; RAISE 'x'; END $$")
        .await
        .unwrap_err();
    drop(a);
    let mut b = sessions.create().unwrap();
    assert_eq!(show(&mut b, "work_mem").await, "4MB");
}

#[tokio::test]
async fn a_temporary_table_of_a_block_is_nobody_elses() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DO $$ BEGIN CREATE TEMP TABLE pg_am_shadow (x int); END $$")
        .await
        .unwrap();
    drop(a);
    let mut b = sessions.create().unwrap();
    let found = ask(&mut b, "SELECT to_regclass('pg_am_shadow')::text").await;
    assert_eq!(found, None);
}

#[tokio::test]
async fn a_table_made_temporary_by_the_search_path_is_nobody_elses() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("SET search_path = pg_temp, public").await.unwrap();
    a.batch("CREATE TABLE leftovers_users (name text)")
        .await
        .unwrap();
    drop(a);
    let mut b = sessions.create().unwrap();
    let found = ask(&mut b, "SELECT to_regclass('leftovers_users')::text").await;
    assert_eq!(found, None, "b reads a's temporary table by its plain name");
}

#[tokio::test]
async fn a_temporary_function_keeps_the_session_where_it_is() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        .await
        .unwrap();
    assert!(!a.pins().unwrap().is_empty());
}

#[tokio::test]
async fn a_temporary_table_that_was_renamed_is_still_there() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    for sql in [
        "CREATE TEMP TABLE one (x int)",
        "ALTER TABLE one RENAME TO two",
        "CREATE TEMP TABLE one (x int)",
        "DROP TABLE one",
    ] {
        a.batch(sql).await.unwrap();
    }
    assert!(a.pins().unwrap().contains(PinReason::TemporaryObject));
}

#[tokio::test]
async fn dropping_a_table_with_what_hangs_on_it_lets_the_session_go() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    for sql in [
        "CREATE TEMP TABLE base (x int)",
        "CREATE TEMP VIEW on_base AS SELECT * FROM base",
        "DROP TABLE base CASCADE",
    ] {
        a.batch(sql).await.unwrap();
    }
    assert!(a.pins().unwrap().is_empty());
}
