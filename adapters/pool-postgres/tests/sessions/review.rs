//! What a hostile reader expects to break.

use crate::support::{PostgresPool, ask, occupy, pid, sessions, sessions_with, show, url};
use pool_core::{Profile, WarmUp};
use pool_multiplex::{Modes, PinReason, SessionConfig, SessionOptions, SessionPool as _, Sessions};
use pool_postgres::{Heard, PostgresManager, Session, SessionError};
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::time::timeout;

async fn impatient(connections: u32) -> Sessions<PostgresManager> {
    let manager = PostgresManager::new(url()).unwrap();
    let builder = PostgresPool::builder(manager)
        .max_size(connections)
        .acquire_timeout(Duration::from_millis(300));
    builder.build().await.unwrap().sessions()
}

async fn warm(connections: u32, plan: WarmUp) -> Sessions<PostgresManager> {
    let manager = PostgresManager::new(url()).unwrap();
    let builder = PostgresPool::builder(manager)
        .max_size(connections)
        .warm_up(plan);
    builder.build().await.unwrap().sessions()
}

/// Advisory locks of the back end.
async fn locks(session: &mut Session) -> i64 {
    const LOCKS: &str = "SELECT count(*) FROM pg_locks \
        WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    session.query_one(LOCKS, &[]).await.unwrap().get(0)
}

// ---- prelude against BEGIN -------------------------------------------------------------------

#[tokio::test]
async fn anothers_read_only_default_does_not_make_this_ones_write_fail() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch("CREATE TABLE IF NOT EXISTS review_w (x int)")
        .await
        .unwrap();
    a.set("default_transaction_read_only", "on").await.unwrap();
    b.batch("INSERT INTO review_w VALUES (1)").await.unwrap();
}

#[tokio::test]
async fn a_read_only_session_does_not_write_on_a_connection_it_has_just_come_to() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch("CREATE TABLE IF NOT EXISTS review_r (x int)")
        .await
        .unwrap();
    a.set("default_transaction_read_only", "on").await.unwrap();
    b.set("work_mem", "5MB").await.unwrap();
    a.batch("INSERT INTO review_r VALUES (1)")
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
    a.batch("DROP TABLE IF EXISTS review_t; CREATE TABLE review_t (tenant text)")
        .await
        .unwrap();
    b.set("app.large", &"x".repeat(100_000_000)).await.unwrap();
    a.set("app.tenant", "a").await.unwrap();
    a.set("statement_timeout", "20ms").await.unwrap();
    let ran = b
        .query_typed(
            "INSERT INTO review_t VALUES (coalesce(current_setting('app.tenant', true), ''))",
            &[],
        )
        .await;
    a.set("statement_timeout", "0").await.unwrap();
    let tenants = ask(&mut a, "SELECT string_agg(tenant, ',') FROM review_t").await;
    assert_ne!(tenants.as_deref(), Some("a"), "b ran as a: {ran:?}");
}

// ---- what outlives a rollback ----------------------------------------------------------------

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

// ---- DO --------------------------------------------------------------------------------------

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

// ---- temporary objects -----------------------------------------------------------------------

#[tokio::test]
async fn a_table_made_temporary_by_the_search_path_is_nobody_elses() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("SET search_path = pg_temp, public").await.unwrap();
    a.batch("CREATE TABLE review_users (name text)")
        .await
        .unwrap();
    drop(a);
    let mut b = sessions.create().unwrap();
    let found = ask(&mut b, "SELECT to_regclass('review_users')::text").await;
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

// ---- warm-up ---------------------------------------------------------------------------------

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
            "DROP ROLE IF EXISTS review_low; CREATE ROLE review_low; \
                DROP ROLE IF EXISTS review_two; CREATE ROLE review_two",
        )
        .await
        .unwrap();
    let sessions = warm(1, WarmUp::new().execute("SET ROLE review_low")).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.set_role("review_two").await.unwrap();
    let role = ask(&mut b, "SELECT current_user::text").await.unwrap();
    assert_eq!(role, "review_low");
}

// ---- labels ----------------------------------------------------------------------------------

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
    a.batch("CREATE TABLE IF NOT EXISTS review_l (x int)")
        .await
        .unwrap();
    let mut tx = a.transaction().await.unwrap();
    let set = tx.set("transaction_read_only", "on").await;
    tx.commit().await.unwrap();
    let mut b = sessions.create().unwrap();
    b.set("work_mem", "6MB").await.unwrap();
    let wrote = a.batch("INSERT INTO review_l VALUES (1)").await;
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
    a.batch("DROP ROLE IF EXISTS review_auth; CREATE ROLE review_auth")
        .await
        .unwrap();
    let _ = a
        .batch("SELECT set_config('session_authorization', 'review_auth', false)")
        .await;
    drop(a);
    let mut b = sessions.create().unwrap();
    let asked = b.query_one("SELECT session_user::text", &[]).await;
    let user: String = asked.unwrap().get(0);
    assert_ne!(user, "review_auth");
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
    a.batch("DROP ROLE IF EXISTS review_prof; CREATE ROLE review_prof")
        .await
        .unwrap();
    a.set_role("review_prof").await.unwrap();
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
    assert_ne!(row.get::<_, String>(0), "review_prof");
}

// ---- statements ------------------------------------------------------------------------------

async fn two_schemas(session: &mut Session, a: &str, b: &str) {
    let sql = format!(
        "DROP SCHEMA IF EXISTS {a} CASCADE; CREATE SCHEMA {a}; CREATE TABLE {a}.t (id int, v int); \
         INSERT INTO {a}.t VALUES (1, 1); \
         DROP SCHEMA IF EXISTS {b} CASCADE; CREATE SCHEMA {b}; CREATE TABLE {b}.t (id text, v text); \
         INSERT INTO {b}.t VALUES ('x', 'y')"
    );
    session.batch(&sql).await.unwrap();
}

#[tokio::test]
async fn the_same_text_has_other_parameters_in_another_schema() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    two_schemas(&mut a, "review_p1", "review_p2").await;
    let mut b = sessions.create().unwrap();
    a.set("search_path", "review_p1").await.unwrap();
    b.set("search_path", "review_p2").await.unwrap();
    const SQL: &str = "SELECT v FROM t WHERE id = $1";
    a.query_one(SQL, &[&1_i32]).await.unwrap();
    let found = b.query_one(SQL, &[&"x"]).await;
    assert!(found.is_ok(), "{found:?}");
}

#[tokio::test]
async fn a_column_of_another_type_is_noticed_some_time() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP TABLE IF EXISTS review_alter; CREATE TABLE review_alter (id int)")
        .await
        .unwrap();
    const SQL: &str = "SELECT id FROM review_alter WHERE id = $1";
    a.query(SQL, &[&1_i32]).await.unwrap();
    a.batch("ALTER TABLE review_alter ALTER COLUMN id TYPE text")
        .await
        .unwrap();
    let mut last = None;
    for _ in 0..5 {
        let asked = a.query(SQL, &[&"1"]).await;
        if asked.is_ok() {
            return;
        }
        last = Some(asked);
    }
    panic!("{last:?}");
}

#[tokio::test]
async fn a_local_search_path_does_not_spoil_a_statement_for_other_transactions() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    two_schemas(&mut a, "review_s1", "review_s2").await;
    for schema in ["review_s1", "review_s2"] {
        let mut tx = a.transaction().await.unwrap();
        tx.batch(&format!("SET LOCAL search_path = {schema}"))
            .await
            .unwrap();
        let found = tx.query("SELECT v FROM t", &[]).await;
        assert!(found.is_ok(), "{schema}: {found:?}");
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_temporary_table_does_not_spoil_a_statement_for_other_transactions() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP TABLE IF EXISTS review_shadow; CREATE TABLE review_shadow (v int)")
        .await
        .unwrap();
    a.batch("CREATE TEMP TABLE review_shadow (v text, w text)")
        .await
        .unwrap();
    a.query("SELECT * FROM review_shadow", &[]).await.unwrap();
    a.batch("DROP TABLE pg_temp.review_shadow").await.unwrap();
    let mut b = sessions.create().unwrap();
    let mut tx = b.transaction().await.unwrap();
    let found = tx.query("SELECT * FROM review_shadow", &[]).await;
    assert!(found.is_ok(), "{found:?}");
}

#[tokio::test]
async fn a_statement_is_not_prepared_under_anothers_search_path_after_its_own_failure() {
    let sessions = sessions(2).await;
    let mut b = sessions.create().unwrap();
    two_schemas(&mut b, "review_f1", "review_f2").await;
    b.batch("CREATE UNIQUE INDEX ON review_f2.t (id)")
        .await
        .unwrap();
    b.set("search_path", "review_f2").await.unwrap();
    const SQL: &str = "INSERT INTO t (id) VALUES ($1)";
    b.query(SQL, &[&"once"]).await.unwrap();
    let occupied = occupy(&mut b).await;
    let mut a = sessions.create().unwrap();
    a.set("search_path", "review_f1").await.unwrap();
    b.query(SQL, &[&"once"]).await.unwrap_err();
    let again = b.query(SQL, &[&"twice"]).await;
    occupied.release().await;
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test]
async fn deallocate_all_by_query_does_not_take_the_drivers_statements() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.query("SELECT 1", &[]).await.unwrap();
    tx.query("DEALLOCATE ALL", &[]).await.unwrap();
    let again = tx.query("SELECT 1", &[]).await;
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test]
async fn declared_types_of_a_database_are_kept() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP TYPE IF EXISTS review_mood; CREATE TYPE review_mood AS ENUM ('sad', 'ok')")
        .await
        .unwrap();
    let known = a.prepare("SELECT $1::review_mood").await.unwrap();
    let mood = known.parameter_types()[0].clone();
    let prepared = a
        .prepare_typed("SELECT pg_typeof($1)::text", std::slice::from_ref(&mood))
        .await;
    assert_eq!(prepared.unwrap().parameter_types(), [mood]);
}

#[tokio::test]
async fn discard_all_does_not_cost_the_connection() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let here = pid(&mut a).await;
    a.batch("DISCARD ALL").await.unwrap();
    assert_eq!(pid(&mut a).await, here);
}

// ---- sequences -------------------------------------------------------------------------------

#[tokio::test]
async fn a_transaction_reads_the_value_of_its_own_sequence() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("CREATE SEQUENCE IF NOT EXISTS review_seq")
        .await
        .unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.query("SELECT nextval('review_seq')", &[]).await.unwrap();
    let read = tx.query("SELECT currval('review_seq')", &[]).await;
    assert!(read.is_ok(), "{read:?}");
}

#[tokio::test]
async fn a_functions_lastval_is_not_another_sessions() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch(
        "CREATE SEQUENCE IF NOT EXISTS review_seq2; CREATE OR REPLACE FUNCTION review_last() \
             RETURNS bigint LANGUAGE sql AS 'SELECT lastval()'",
    )
    .await
    .unwrap();
    a.query("SELECT nextval('review_seq2')", &[]).await.unwrap();
    drop(a);
    let mut b = sessions.create().unwrap();
    b.query("SELECT review_last()", &[]).await.unwrap_err();
}

// ---- outcomes --------------------------------------------------------------------------------

#[tokio::test]
async fn a_commit_that_was_given_up_is_not_called_retryable_when_it_was_carried_out() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch("DROP TABLE IF EXISTS review_c; CREATE TABLE review_c (x int)")
        .await
        .unwrap();
    a.begin(Modes::default()).await.unwrap();
    a.batch("INSERT INTO review_c VALUES (1)").await.unwrap();
    {
        let mut commit = pin!(a.commit());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(commit.as_mut().poll(&mut cx).is_pending());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let rows = b.query("SELECT x FROM review_c", &[]).await.unwrap();
    let said = a.query("SELECT 1", &[]).await;
    if rows.len() == 1
        && let Err(error) = said
    {
        assert!(!error.is_retryable(), "committed, and yet: {error}");
    }
}

#[tokio::test]
async fn a_commit_that_the_server_has_confirmed_is_not_drift() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.batch(
        "DROP TABLE IF EXISTS review_d; CREATE TABLE review_d (x int); \
             DROP ROLE IF EXISTS review_plain; CREATE ROLE review_plain",
    )
    .await
    .unwrap();
    a.begin(Modes::default()).await.unwrap();
    a.batch("INSERT INTO review_d VALUES (1)").await.unwrap();
    let done = a
        .batch("SET dynamic_library_path = '$libdir'; SET ROLE review_plain; COMMIT")
        .await;
    let rows = b.query("SELECT x FROM review_d", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(done.is_ok(), "committed, and yet: {done:?}");
}

#[tokio::test]
async fn a_commit_that_cannot_listen_does_not_leave_the_transaction_open_behind_its_guard() {
    let sessions = impatient(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.query("SELECT 1", &[]).await.unwrap();
    tx.listen("review_channel").await.unwrap();
    tx.commit().await.unwrap_err();
    let open = a.transaction_context().unwrap();
    assert!(open.is_none(), "the guard is gone: {open:?}");
}

#[tokio::test]
async fn commit_of_a_transaction_that_was_given_up_is_an_error() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.attach().await.unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SELECT 1").await.unwrap();
    drop(tx);
    let done = a.commit().await;
    assert!(done.is_err(), "it was rolled back: {done:?}");
}

#[tokio::test]
async fn listen_behind_a_transaction_that_was_given_up_is_heard() {
    let sessions = sessions(3).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    a.attach().await.unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.batch("SELECT 1").await.unwrap();
    drop(tx);
    a.listen("review_owed").await.unwrap();
    a.batch("SELECT 1").await.unwrap();
    b.batch("NOTIFY review_owed, 'x'").await.unwrap();
    let heard = timeout(Duration::from_secs(5), a.notification()).await;
    assert!(
        matches!(heard, Ok(Ok(Some(Heard::Notification(_))))),
        "{heard:?}"
    );
}

// ---- cancellation, counts --------------------------------------------------------------------

#[tokio::test]
async fn raw_that_was_given_up_before_it_had_a_connection_pins_nothing() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    b.attach().await.unwrap();
    assert!(timeout(Duration::from_millis(50), a.raw()).await.is_err());
    b.detach().await.unwrap();
    a.query("SELECT 1", &[]).await.unwrap();
    let pins = a.pins().unwrap();
    assert!(pins.is_empty(), "{pins}");
}

#[tokio::test]
async fn attach_that_was_given_up_before_it_had_a_connection_pins_nothing() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    b.attach().await.unwrap();
    assert!(
        timeout(Duration::from_millis(50), a.attach())
            .await
            .is_err()
    );
    let pins = a.pins().unwrap();
    assert!(pins.is_empty(), "{pins}");
}

#[tokio::test]
async fn an_operation_that_was_given_up_waiting_gives_its_pinned_place_back() {
    let sessions = sessions(1).await;
    let mut holder = sessions.create().unwrap();
    holder.begin(Modes::default()).await.unwrap();
    holder.query("SELECT 1", &[]).await.unwrap();
    sessions.set_max_pinned(1);
    let mut a = sessions.create().unwrap();
    let create = a.batch("CREATE TEMP TABLE given_up (x int)");
    assert!(timeout(Duration::from_millis(50), create).await.is_err());
    holder.rollback().await.unwrap();
    let mut b = sessions.create().unwrap();
    let pinned = b.batch("CREATE TEMP TABLE mine (x int)").await;
    assert!(pinned.is_ok(), "nobody is pinned: {pinned:?}");
}

#[tokio::test]
async fn attach_counts_against_the_pinned() {
    let sessions = sessions(1).await;
    sessions.set_max_pinned(0);
    let mut a = sessions.create().unwrap();
    let attached = a.attach().await;
    assert!(
        matches!(attached, Err(SessionError::TooManyPinned { .. })),
        "{attached:?}"
    );
}

#[tokio::test]
async fn migrate_that_fails_gives_the_connection_back() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    b.batch("DROP ROLE IF EXISTS review_gone; CREATE ROLE review_gone")
        .await
        .unwrap();
    a.set_role("review_gone").await.unwrap();
    b.batch("DROP ROLE review_gone").await.unwrap();
    a.migrate().await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(sessions.pool().status().leased, 0);
}

#[tokio::test]
async fn a_session_that_waits_for_a_notification_does_not_expire_meanwhile() {
    let config = SessionConfig::new().session_timeout(Some(Duration::from_millis(200)));
    let sessions = sessions_with(3, config).await;
    let mut a = sessions.create().unwrap();
    a.listen("review_expiry").await.unwrap();
    let _ = timeout(Duration::from_millis(1500), a.notification()).await;
    let used = a.query("SELECT 1", &[]).await;
    assert!(used.is_ok(), "{used:?}");
}

// ---- secrets ---------------------------------------------------------------------------------

#[test]
fn options_do_not_show_values() {
    let options = SessionOptions::new().setting("app.token", "hunter2");
    assert!(!format!("{options:?}").contains("hunter2"));
}

// ---- second reading --------------------------------------------------------------------------

#[tokio::test]
async fn a_role_that_is_gone_is_a_prelude_error_and_not_an_unknown_outcome() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP ROLE IF EXISTS review_gone2; CREATE ROLE review_gone2")
        .await
        .unwrap();
    a.set_role("review_gone2").await.unwrap();
    let occupied = occupy(&mut a).await;
    let mut b = sessions.create().unwrap();
    b.batch("DROP ROLE review_gone2").await.unwrap();
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
    tokio::time::sleep(Duration::from_millis(100)).await;
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
        .batch("DROP ROLE IF EXISTS review_base; CREATE ROLE review_base")
        .await
        .unwrap();
    let options = SessionOptions::new().setting("role", "review_base");
    let mut a = sessions.create_with(options).unwrap();
    a.query("SELECT 1", &[]).await.unwrap();
    a.batch("SET ROLE NONE").await.unwrap();
    assert_ne!(
        ask(&mut a, "SELECT current_user::text").await.unwrap(),
        "review_base"
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
    a.batch("DROP TABLE IF EXISTS review_m; CREATE TABLE review_m (x int)")
        .await
        .unwrap();
    let mut script = "INSERT INTO review_m VALUES (1);".repeat(1030);
    script.push_str("COMMIT; BEGIN");
    let done = a.batch(&script).await;
    let rows = a.query("SELECT 1 FROM review_m", &[]).await.unwrap().len();
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
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut a = sessions.resume(id).unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
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
        "DROP TABLE IF EXISTS review_deferred; CREATE TABLE review_deferred (x int \
         UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO review_deferred VALUES (1)",
    )
    .await
    .unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    other.set("work_mem", "6MB").await.unwrap();
    a.batch("SELECT pg_advisory_lock(4713); INSERT INTO review_deferred VALUES (1)")
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
    a.batch("DROP TABLE IF EXISTS review_t2; CREATE TABLE review_t2 (tenant text)")
        .await
        .unwrap();
    b.set("app.large", &"x".repeat(1_000_000)).await.unwrap();
    for _ in 0..30 {
        if a.set("app.tenant", "a").await.is_ok() {
            let _ = a.set("statement_timeout", "1ms").await;
        }
        let _ = b
            .query_typed(
                "INSERT INTO review_t2 VALUES (coalesce(current_setting('app.tenant', true), ''))",
                &[],
            )
            .await;
        let _ = a.reset("statement_timeout").await;
    }
    let mut c = sessions.create().unwrap();
    let count = c
        .query_one("SELECT count(*) FROM review_t2 WHERE tenant = 'a'", &[])
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
        "DROP SCHEMA IF EXISTS review_z1 CASCADE; CREATE SCHEMA review_z1; \
         CREATE TABLE review_z1.t (at timestamp); \
         DROP SCHEMA IF EXISTS review_z2 CASCADE; CREATE SCHEMA review_z2; \
         CREATE TABLE review_z2.t (at timestamptz)",
    )
    .await
    .unwrap();
    const SQL: &str = "INSERT INTO t VALUES ($1)";
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    a.set("search_path", "review_z1").await.unwrap();
    a.query(SQL, &[&epoch]).await.unwrap();
    let mut b = sessions.create().unwrap();
    b.set("search_path", "review_z2").await.unwrap();
    b.set("timezone", "Asia/Tokyo").await.unwrap();
    b.query(SQL, &[&epoch]).await.unwrap();
    let at: f64 = b
        .query_one("SELECT extract(epoch FROM at)::float8 FROM t", &[])
        .await
        .unwrap()
        .get(0);
    assert!(at.abs() < 1.0, "written {at} s away from what was given");
}
