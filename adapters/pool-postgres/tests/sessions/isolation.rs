//! What one user of a connection leaves there, no other finds.

use crate::support::{
    PostgresPool, ask, code, number, pid, run, sessions, sessions_with, set_up, show, user,
};
use pool_multiplex::{SessionConfig, SessionPool as _, Sessions};
use pool_postgres::{PostgresConnection, PostgresManager, Session, SessionError};

const TRACES: &str = "SELECT concat_ws(' ', current_user, current_setting('work_mem'), \
    coalesce(current_setting('app.id', true), ''), current_setting('TimeZone') = 'Asia/Tokyo', \
    (SELECT count(*) FROM pg_cursors WHERE name <> ''), (SELECT count(*) FROM pg_prepared_statements WHERE from_sql), \
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), \
    (SELECT count(*) FROM pg_listening_channels()), \
    (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()), \
    (SELECT count(*) FROM pg_settings WHERE source = 'session' AND name <> 'app.id'))";

const LEAVE: &str = "SET work_mem = '9MB'; SET app.id = 'left'; SET TIME ZONE 'Asia/Tokyo'; \
    CREATE TEMP TABLE left_behind (v int4); SELECT pg_advisory_lock(4711); \
    PREPARE left_behind AS SELECT 1; SET ROLE pg_monitor; \
    DECLARE left_cursor CURSOR WITH HOLD FOR SELECT 1";

async fn traces(conn: &PostgresConnection) -> String {
    conn.query_one(TRACES, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_plain_lease_never_sees_the_state_of_a_session() {
    for max_interned in [20_000, 0] {
        let config = SessionConfig::new().max_interned(max_interned);
        let sessions = sessions_with(1, config).await;
        let mut a = sessions.create().unwrap();
        run(&mut a, "SET work_mem = '9MB'; SET app.id = 'mine'").await;
        a.set_role("pg_monitor").await.unwrap();
        let here = pid(&mut a).await;
        let conn = sessions.pool().acquire().await.unwrap();
        assert_eq!(conn.process_id(), here);
        assert_eq!(traces(&conn).await, "postgres 4MB  f 0 0 0 0 0 0");
        drop(conn);
        assert_eq!(show(&mut a, "work_mem").await, "9MB");
        assert_eq!(user(&mut a).await, "pg_monitor");
        let conn = sessions.pool().try_acquire();
        if let Some(conn) = conn {
            assert_eq!(traces(&conn).await, "postgres 4MB  f 0 0 0 0 0 0");
        }
        run(&mut a, LEAVE).await;
        drop(a);
        let conn = sessions.pool().acquire().await.unwrap();
        assert_eq!(traces(&conn).await, "postgres 4MB  f 0 0 0 0 0 0");
        assert_eq!(conn.process_id(), here);
    }
}

#[tokio::test]
async fn a_session_never_sees_what_a_plain_lease_has_left() {
    set_up("DROP SEQUENCE IF EXISTS of_a_lease; CREATE SEQUENCE of_a_lease").await;
    let sessions = sessions(1).await;
    let conn = sessions.pool().acquire().await.unwrap();
    let here = conn.process_id();
    conn.batch_execute(LEAVE).await.unwrap();
    conn.batch_execute("RESET ROLE; LISTEN left_channel; SELECT nextval('of_a_lease')")
        .await
        .unwrap();
    drop(conn);
    let mut a = sessions.create().unwrap();
    assert_eq!(
        ask(&mut a, TRACES).await.unwrap(),
        "postgres 4MB  f 0 0 0 0 0 0"
    );
    assert_eq!(pid(&mut a).await, here);
    let error = a.query("SELECT currval('of_a_lease')", &[]).await;
    assert_eq!(code(&error.unwrap_err()), "55000");
}

#[tokio::test]
async fn values_of_sequences_never_pass_between_leases_and_sessions() {
    set_up("DROP TABLE IF EXISTS numbered; CREATE TABLE numbered (id serial)").await;
    let sessions = sessions(1).await;
    let conn = sessions.pool().acquire().await.unwrap();
    conn.execute("INSERT INTO numbered DEFAULT VALUES", &[])
        .await
        .unwrap();
    drop(conn);
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    let error = a.query("SELECT lastval()", &[]).await.unwrap_err();
    assert_eq!(code(&error), "55000");
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "INSERT INTO numbered DEFAULT VALUES").await;
    assert_eq!(number(&mut tx, "SELECT lastval()").await, 2);
    assert_eq!(
        number(&mut tx, "SELECT currval('numbered_id_seq')").await,
        2
    );
    tx.commit().await.unwrap();
    let mut tx = b.transaction().await.unwrap();
    let error = tx.query("SELECT lastval()", &[]).await.unwrap_err();
    assert_eq!(code(&error), "55000");
    tx.rollback().await.unwrap();
    run(&mut b, "CREATE TEMP TABLE stays_here ()").await;
    let error = b.query("SELECT lastval()", &[]).await.unwrap_err();
    assert_eq!(code(&error), "55000");
    run(&mut b, "INSERT INTO numbered DEFAULT VALUES").await;
    assert_eq!(number(&mut b, "SELECT lastval()").await, 3);
    drop(b);
    b = sessions.create().unwrap();
    b.attach().await.unwrap();
    let error = b.query("SELECT lastval()", &[]).await.unwrap_err();
    assert_eq!(code(&error), "55000");
}

#[tokio::test]
async fn a_session_that_ends_leaves_a_clean_connection_whatever_it_did() {
    let sessions = sessions(1).await;
    for last in ["SELECT 1", "BEGIN", "BEGIN; SELECT 1/0"] {
        let mut a = sessions.create().unwrap();
        let here = pid(&mut a).await;
        run(&mut a, LEAVE).await;
        let _ = a.batch(last).await;
        drop(a);
        let mut b = sessions.create().unwrap();
        let said = ask(&mut b, TRACES).await.unwrap();
        assert_eq!(said, "postgres 4MB  f 0 0 0 0 0 0", "{last}");
        assert_eq!(pid(&mut b).await, here, "{last}");
    }
}

#[tokio::test]
async fn discard_all_leaves_the_session_as_it_began_and_its_statements_prepared() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let prepared = a.prepare("SELECT 'still there'").await.unwrap();
    a.query_one(&prepared, &[]).await.unwrap();
    let mut b = sessions.create().unwrap();
    run(&mut b, LEAVE).await;
    run(&mut b, "DISCARD ALL").await;
    assert!(crate::support::is_free(&b));
    assert_eq!(
        ask(&mut b, TRACES).await.unwrap(),
        "postgres 4MB  f 0 0 0 0 0 0"
    );
    a.query_one(&prepared, &[]).await.unwrap();
}

async fn hidden() -> Sessions<PostgresManager> {
    set_up(
        "CREATE OR REPLACE FUNCTION hides_a_setting() RETURNS int4 LANGUAGE sql AS \
         $$ SELECT set_config('work_mem', '9MB', false); SELECT 1 $$; \
         CREATE OR REPLACE FUNCTION hides_a_lock() RETURNS int4 LANGUAGE sql AS \
         $$ SELECT pg_advisory_lock(1313); SELECT 1 $$",
    )
    .await;
    sessions_with(1, SessionConfig::new().audit(true)).await
}

#[tokio::test]
async fn what_a_function_hides_is_found_by_the_audit_named_and_costs_the_connection() {
    let sessions = hidden().await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    for (call, found) in [
        ("SELECT hides_a_setting()", "setting work_mem"),
        ("SELECT hides_a_lock()", "advisory lock"),
    ] {
        a.set("app.id", "known").await.unwrap();
        a.set("maintenance_work_mem", "70MB").await.unwrap();
        let here = pid(&mut a).await;
        let tainted = sessions.statistics().tainted;
        a.query(call, &[]).await.unwrap();
        assert_eq!(sessions.statistics().tainted, tainted + 1, "{call}");
        let said = sessions.statistics().residue;
        assert!(said.iter().any(|(what, _)| what == found), "{said:?}");
        assert_eq!(show(&mut b, "work_mem").await, "4MB");
        assert_ne!(pid(&mut b).await, here);
        assert_eq!(show(&mut a, "app.id").await, "known");
        assert_eq!(show(&mut a, "work_mem").await, "4MB");
    }
}

#[tokio::test]
async fn the_audit_finds_nothing_where_nothing_is_hidden() {
    let sessions = hidden().await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    let here = pid(&mut a).await;
    for _ in 0..2 {
        run(&mut a, "SET datestyle = 'German'; SET app.id = 'a'").await;
        run(
            &mut a,
            "SET TIME ZONE 'Asia/Tokyo'; SET search_path = public",
        )
        .await;
        a.set_role("pg_monitor").await.unwrap();
        assert_eq!(show(&mut b, "DateStyle").await, "ISO, MDY");
        b.prepare("SELECT 'of b'").await.unwrap();
        let mut tx = b.transaction().await.unwrap();
        run(
            &mut tx,
            "SET LOCAL work_mem = '9MB'; CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1",
        )
        .await;
        tx.commit().await.unwrap();
    }
    assert_eq!(pid(&mut b).await, here);
    assert_eq!(sessions.statistics().tainted, 0);
    assert!(sessions.statistics().residue.is_empty());
}

#[tokio::test]
async fn sessions_of_a_pool_that_is_cloned_are_the_same() {
    let sessions = sessions(1).await;
    let pool: PostgresPool = sessions.pool().clone();
    let mut a = sessions.create().unwrap();
    run(&mut a, "SET app.id = 'kept'").await;
    let id = Session::suspend(a).unwrap();
    let mut again = pool.sessions().resume(id).unwrap();
    assert_eq!(show(&mut again, "app.id").await, "kept");
    let error = pool.sessions().resume(id).unwrap_err();
    assert!(matches!(error, SessionError::Unknown(_)), "{error:?}");
}
