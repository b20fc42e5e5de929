use crate::support::{ask, hand_over, manager, open, url};
use crate::vitals::through_a_proxy;
use pool_core::{Condition, ErrorClass, Manager, OnFailure, Pool, WarmUp};
use pool_postgres::tokio_postgres::SimpleQueryMessage;
use pool_postgres::{Error, PostgresConnection, PostgresManager, Reset};
use pool_testkit::proxy::{FaultProxy, Mode};
use std::error::Error as _;
use std::time::Duration;

/// Round trips on the newest connection through the proxy.
fn round_trips(proxy: &FaultProxy) -> u64 {
    proxy.passages().last().unwrap().round_trips
}

/// One text value without a prepared statement.
async fn ask_plainly(conn: &PostgresConnection, sql: &str) -> Option<String> {
    let messages = conn.simple_query(sql).await.unwrap();
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

#[tokio::test]
async fn warm_up_takes_one_round_trip_and_spares_the_first_query_its_own() {
    let (proxy, manager) = through_a_proxy().await;
    // Slow enough that requests sent one by one would be seen to be.
    proxy.set(Mode::Delay(Duration::from_millis(5)));
    let cold = manager.open().await.unwrap();
    let before = round_trips(&proxy);
    cold.query("SELECT 1 + $1::int4", &[&0i32]).await.unwrap();
    assert_eq!(round_trips(&proxy) - before, 2);

    let mut plan = WarmUp::new().execute("SET work_mem = '5MB'");
    for number in 0..10 {
        plan = plan.execute(format!("SELECT {number}"));
    }
    for number in 0..40 {
        plan = plan.prepare(format!("SELECT {number} + $1::int4"));
    }
    let mut warm = manager.open().await.unwrap();
    let before = round_trips(&proxy);
    manager.warm_up(&mut warm, &plan).await.unwrap();
    assert_eq!(round_trips(&proxy) - before, 1);
    assert_eq!(manager.condition(&mut warm), Condition::Clean);
    assert_eq!(warm.cached_statements(), 40);

    let before = round_trips(&proxy);
    warm.query("SELECT 1 + $1::int4", &[&0i32]).await.unwrap();
    assert_eq!(round_trips(&proxy) - before, 1);
    assert_eq!(ask(&warm, "SHOW work_mem").await.as_deref(), Some("5MB"));
}

#[tokio::test]
async fn type_of_ones_own_costs_the_warm_up_four_more_round_trips() {
    let (_, owner) = open().await;
    owner
        .batch_execute("DROP TYPE IF EXISTS warm_mood; CREATE TYPE warm_mood AS ENUM ('well')")
        .await
        .unwrap();
    let (proxy, manager) = through_a_proxy().await;
    proxy.set(Mode::Delay(Duration::from_millis(5)));
    let mut conn = manager.open().await.unwrap();
    let plan = WarmUp::new().prepare("SELECT $1::warm_mood");
    let before = round_trips(&proxy);
    manager.warm_up(&mut conn, &plan).await.unwrap();
    assert_eq!(round_trips(&proxy) - before, 5);
    let before = round_trips(&proxy);
    conn.query_one("SELECT 'well'::warm_mood", &[])
        .await
        .unwrap();
    assert_eq!(round_trips(&proxy) - before, 2, "the type is known by now");
}

#[tokio::test]
async fn statements_run_in_their_order_and_before_anything_is_prepared() {
    let (manager, mut conn) = open().await;
    let plan = WarmUp::new()
        .prepare("SELECT b FROM pg_temp.warm_order")
        .execute("CREATE TEMP TABLE warm_order (a int)")
        .execute("ALTER TABLE pg_temp.warm_order ADD COLUMN b int");
    manager.warm_up(&mut conn, &plan).await.unwrap();
    assert!(
        conn.query("SELECT b FROM pg_temp.warm_order", &[])
            .await
            .is_ok()
    );
}

/// Settings and whatever else a reset undoes.
fn plan_of_state() -> WarmUp {
    WarmUp::new()
        .execute("SET work_mem = '5MB' -- with a comment")
        .execute("PREPARE warm_statement AS SELECT 'warm'")
        .execute("CREATE TEMP TABLE warm_table (a int)")
        .execute("LISTEN warm_channel")
        .prepare("SELECT 'prepared'")
}

async fn assert_warm(conn: &PostgresConnection, after: &str) {
    for (question, answer) in [
        ("SHOW work_mem", "5MB"),
        ("EXECUTE warm_statement", "warm"),
        ("SELECT count(*) FROM pg_temp.warm_table", "0"),
        ("SELECT pg_listening_channels()", "warm_channel"),
    ] {
        let answered = ask_plainly(conn, question).await;
        assert_eq!(
            answered.as_deref(),
            Some(answer),
            "{question} after {after}"
        );
    }
}

#[tokio::test]
async fn settings_of_the_warm_up_survive_every_reset() {
    for policy in [Reset::WhenTainted, Reset::Always] {
        let builder = PostgresManager::builder(url()).unwrap();
        let manager = builder.reset(policy).build().unwrap();
        let mut conn = manager.open().await.unwrap();
        manager.warm_up(&mut conn, &plan_of_state()).await.unwrap();
        assert_eq!(manager.condition(&mut conn), Condition::Clean);
        for doing in [
            "SET work_mem = '7MB'",
            "SET search_path = pg_catalog",
            "BEGIN; DROP TABLE pg_temp.warm_table; SET work_mem = '7MB'",
            "UNLISTEN *; SET work_mem = '7MB'",
            "INSERT INTO pg_temp.warm_table VALUES (1)",
            "PREPARE of_a_user AS SELECT 1",
            "BEGIN; SELECT 1/0",
        ] {
            let _ = conn.batch_execute(doing).await;
            assert_eq!(manager.condition(&mut conn), Condition::Dirty, "{doing}");
            hand_over(&manager, &mut conn).await;
            assert_warm(&conn, doing).await;
            hand_over(&manager, &mut conn).await;
            assert_eq!(conn.cached_statements(), 1, "{doing}");
        }
        manager.reset_fully(&mut conn).await.unwrap();
        assert_warm(&conn, "a full reset").await;
    }
}

#[tokio::test]
async fn reset_of_a_warm_connection_is_one_round_trip_still() {
    let (proxy, manager) = through_a_proxy().await;
    let mut conn = manager.open().await.unwrap();
    manager.warm_up(&mut conn, &plan_of_state()).await.unwrap();
    proxy.set(Mode::Delay(Duration::from_millis(5)));
    conn.batch_execute("SET work_mem = '7MB'").await.unwrap();
    let before = round_trips(&proxy);
    manager.reset(&mut conn).await.unwrap();
    assert_eq!(round_trips(&proxy) - before, 1);
    manager.reset_fully(&mut conn).await.unwrap();
    assert_eq!(round_trips(&proxy) - before, 2);
}

#[tokio::test]
async fn full_reset_leaves_the_statements_of_the_warm_up_and_no_others() {
    let (manager, mut conn) = open().await;
    manager.warm_up(&mut conn, &plan_of_state()).await.unwrap();
    for number in 0..5 {
        conn.query(&format!("SELECT {number}"), &[]).await.unwrap();
    }
    conn.batch_execute("BEGIN; PREPARE of_a_user AS SELECT 1; SET work_mem = '7MB'")
        .await
        .unwrap();
    manager.reset_fully(&mut conn).await.unwrap();
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    assert_eq!(conn.cached_statements(), 1);
    let sql = "SELECT string_agg(statement, '; ' ORDER BY from_sql) FROM pg_prepared_statements";
    let left = ask_plainly(&conn, sql).await.unwrap();
    assert_eq!(
        left,
        "SELECT 'prepared'; PREPARE warm_statement AS SELECT 'warm'"
    );
    let misses = conn.statement_stats().misses;
    conn.query("SELECT 'prepared'", &[]).await.unwrap();
    assert_eq!(conn.statement_stats().misses, misses);
}

#[tokio::test]
async fn warm_up_that_deallocates_does_not_pull_statements_from_under_the_cache() {
    let (manager, mut conn) = open().await;
    let plan = plan_of_state().execute("DEALLOCATE ALL");
    manager.warm_up(&mut conn, &plan).await.unwrap();
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    conn.query("SELECT 'a users'", &[]).await.unwrap();
    conn.batch_execute("SET work_mem = '7MB'").await.unwrap();
    hand_over(&manager, &mut conn).await;
    for statement in ["SELECT 'prepared'", "SELECT 'a users'"] {
        conn.query(statement, &[]).await.unwrap();
    }
    assert_eq!(ask(&conn, "SHOW work_mem").await.as_deref(), Some("5MB"));
}

#[tokio::test]
async fn full_reset_refuses_what_no_command_takes_back() {
    let (manager, mut conn) = open().await;
    conn.batch_execute("SELECT setseed(0.5)").await.unwrap();
    let refused = manager.reset_fully(&mut conn).await;
    assert!(matches!(refused, Err(Error::NotResettable)));
}

#[tokio::test]
async fn driver_still_asks_for_types_after_a_full_reset() {
    let (manager, mut conn) = open().await;
    for number in 0..2 {
        let name = format!("reset_mood_{number}");
        conn.batch_execute(&format!(
            "DROP TYPE IF EXISTS {name}; CREATE TYPE {name} AS ENUM ('well')"
        ))
        .await
        .unwrap();
    }
    conn.query("SELECT 'well'::reset_mood_0", &[])
        .await
        .unwrap();
    manager.reset_fully(&mut conn).await.unwrap();
    conn.query("SELECT 'well'::reset_mood_1", &[])
        .await
        .unwrap();
}

/// Everything an error shows, its sources included.
fn everything(error: &Error) -> String {
    let source = error.source().map(|source| format!("{source} {source:?}"));
    format!("{error} {error:?} {}", source.unwrap_or_default())
}

#[tokio::test]
async fn failed_warm_up_names_the_statement_and_shows_nothing_of_it() {
    let good = || {
        let plan = WarmUp::new().execute("SET work_mem = '5MB'");
        plan.prepare("SELECT 1")
    };
    for (plan, named, class) in [
        (
            good().execute("SET work_mem = 'hunter2'"),
            "statement 2 to execute",
            ErrorClass::Permanent,
        ),
        (
            good().prepare("SELECT 'hunter2'; hunter2"),
            "statement 2 to prepare",
            ErrorClass::Permanent,
        ),
        (
            good().execute("BEGIN; SELECT 'hunter2'::int"),
            "statement 2 to execute",
            ErrorClass::Permanent,
        ),
        (
            good().execute("DO $$ BEGIN RAISE 'hunter2' USING ERRCODE = '55P03'; END $$"),
            "statement 2 to execute",
            ErrorClass::Endpoint,
        ),
    ] {
        let (manager, mut conn) = open().await;
        let error = manager.warm_up(&mut conn, &plan).await.unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
        assert!(!everything(&error).contains("hunter2"), "{error:?}");
        assert_eq!(manager.classify(&error), class, "{error}");
        assert!(error.code().is_some());
        // Where it is kept all the same, what succeeded stays, resets included.
        hand_over(&manager, &mut conn).await;
        for _ in 0..2 {
            assert_eq!(ask(&conn, "SHOW work_mem").await.as_deref(), Some("5MB"));
            conn.batch_execute("SET work_mem = '7MB'").await.unwrap();
            hand_over(&manager, &mut conn).await;
        }
    }
}

#[tokio::test]
async fn statement_that_leaves_a_transaction_open_fails_the_warm_up() {
    let (manager, mut conn) = open().await;
    let plan = WarmUp::new().execute("BEGIN");
    let error = manager.warm_up(&mut conn, &plan).await.unwrap_err();
    assert!(matches!(error, Error::StillDirty), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_gives_out_warm_connections_again_and_again() {
    for on_failure in [OnFailure::Close, OnFailure::Keep] {
        let pool = Pool::builder(manager())
            .max_size(1u32)
            .warm_up(plan_of_state().on_failure(on_failure))
            .build()
            .await
            .unwrap();
        let first = pool.acquire().await.unwrap().process_id();
        for _ in 0..3 {
            let conn = pool.acquire().await.unwrap();
            assert_eq!(conn.process_id(), first);
            assert_warm(&conn, "a lease").await;
            conn.batch_execute("SET work_mem = '7MB'").await.unwrap();
        }
        pool.close(Duration::from_secs(5)).await;
    }
}
