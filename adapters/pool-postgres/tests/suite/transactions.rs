use crate::support::{ask, hand_over, open, poll_once};
use pool_core::{Condition, Manager};
use std::pin::pin;

#[tokio::test]
async fn raw_begin_is_seen_and_rolled_back() {
    let (manager, mut conn) = open().await;
    conn.batch_execute("BEGIN; CREATE TABLE raw_begin (a int)")
        .await
        .unwrap();
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    hand_over(&manager, &mut conn).await;
    assert_eq!(
        ask(&conn, "SELECT to_regclass('raw_begin')::text").await,
        None
    );
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
}

#[tokio::test]
async fn begin_by_prepared_statement_is_seen_and_rolled_back() {
    let (manager, mut conn) = open().await;
    conn.execute("BEGIN", &[]).await.unwrap();
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    hand_over(&manager, &mut conn).await;
}

#[tokio::test]
async fn failed_transaction_is_rolled_back() {
    let (manager, mut conn) = open().await;
    conn.batch_execute("BEGIN").await.unwrap();
    conn.batch_execute("SELECT 1/0").await.unwrap_err();
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    hand_over(&manager, &mut conn).await;
    assert_eq!(ask(&conn, "SELECT 'works'").await.as_deref(), Some("works"));
}

#[tokio::test]
async fn transaction_state_is_forgotten_together_with_settings_in_one_round_trip() {
    let (manager, mut conn) = open().await;
    conn.batch_execute("BEGIN; SET work_mem = '7MB'")
        .await
        .unwrap();
    let before = conn.requests();
    hand_over(&manager, &mut conn).await;
    assert_eq!(conn.requests(), before + 1);
    assert_eq!(ask(&conn, "SHOW work_mem").await.as_deref(), Some("4MB"));
}

#[tokio::test]
async fn committed_transaction_needs_no_reset() {
    let (manager, mut conn) = open().await;
    let transaction = conn.transaction().await.unwrap();
    transaction.query("SELECT 1", &[]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
}

#[tokio::test]
async fn transaction_guard_dropped_midway_is_rolled_back_and_the_connection_kept() {
    let (manager, mut conn) = open().await;
    let transaction = conn.transaction().await.unwrap();
    transaction
        .batch_execute("CREATE TABLE guard_dropped (a int)")
        .await
        .unwrap();
    drop(transaction);
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    hand_over(&manager, &mut conn).await;
    assert_eq!(
        ask(&conn, "SELECT to_regclass('guard_dropped')::text").await,
        None
    );
}

#[tokio::test]
async fn rollback_on_its_way_is_waited_for_and_not_taken_for_abandoned_work() {
    let (manager, mut conn) = open().await;
    drop(conn.transaction().await.unwrap());
    // The driver has written the ROLLBACK; its answer has perhaps not come.
    tokio::task::yield_now().await;
    assert_ne!(manager.condition(&mut conn), Condition::Broken);
    hand_over(&manager, &mut conn).await;
}

/// The future has put its request into the driver's queue, and nothing else has happened.
#[tokio::test]
async fn unwritten_begin_never_passes_for_clean() {
    for _ in 0..100 {
        let (manager, mut conn) = open().await;
        {
            let mut begin = pin!(conn.batch_execute("BEGIN"));
            poll_once(&mut begin);
        }
        assert_eq!(manager.condition(&mut conn), Condition::Dirty);
        // Either the reset sees the request unanswered, or it was answered and is rolled back.
        if manager.reset(&mut conn).await.is_ok() {
            assert_eq!(manager.condition(&mut conn), Condition::Clean);
        }
        manager.close(conn).await;
    }
}

/// The same through the connection's own methods, which keep count of their calls.
#[tokio::test]
async fn unwritten_begin_of_a_cached_statement_never_passes_for_clean() {
    let (manager, mut conn) = open().await;
    conn.prepare_cached("BEGIN").await.unwrap();
    hand_over(&manager, &mut conn).await;
    {
        let mut begin = pin!(conn.execute("BEGIN", &[]));
        poll_once(&mut begin);
    }
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    manager.close(conn).await;
}

#[tokio::test]
async fn normal_query_needs_no_reset() {
    let (manager, mut conn) = open().await;
    for round in 0..50i32 {
        let row = conn
            .query_one("SELECT $1::int4 + 1", &[&round])
            .await
            .unwrap();
        assert_eq!(row.get::<_, i32>(0), round + 1);
        assert_eq!(manager.condition(&mut conn), Condition::Clean);
        conn.query("SELECT generate_series(1, 5000)", &[])
            .await
            .unwrap();
        assert_eq!(manager.condition(&mut conn), Condition::Clean);
        conn.simple_query("SELECT 1").await.unwrap();
        assert_eq!(manager.condition(&mut conn), Condition::Clean);
    }
    // The startup; three requests a round; two of them prepared once.
    assert_eq!(conn.requests(), 1 + 50 * 3 + 2);
}

/// The error reaches the caller before the server has said that it is ready again.
#[tokio::test]
async fn failed_query_does_not_cost_the_connection() {
    let (manager, mut conn) = open().await;
    for _ in 0..50 {
        conn.query("SELECT nonsense", &[]).await.unwrap_err();
        hand_over(&manager, &mut conn).await;
        conn.query("SELECT 1 / (1 - 1)", &[]).await.unwrap_err();
        hand_over(&manager, &mut conn).await;
        conn.batch_execute("SELECT 1; SELECT nonsense")
            .await
            .unwrap_err();
        hand_over(&manager, &mut conn).await;
    }
}

/// The client's own way with a text prepares and drops a statement, whose Close is still to be sent
/// when the lease ends. That is uncertain, and settled without a round trip.
#[tokio::test]
async fn dropped_statement_costs_no_round_trip() {
    let (manager, mut conn) = open().await;
    for _ in 0..50 {
        let statement = conn.prepare("SELECT 1").await.unwrap();
        conn.query(&statement, &[]).await.unwrap();
        drop(statement);
        let before = conn.requests();
        hand_over(&manager, &mut conn).await;
        assert_eq!(conn.requests(), before);
    }
}

/// With the driver on another thread the lease may end while the driver finishes its poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn normal_query_needs_no_reset_on_many_threads() {
    let (manager, mut conn) = open().await;
    for _ in 0..500 {
        conn.query("SELECT 1", &[]).await.unwrap();
        assert_eq!(manager.condition(&mut conn), Condition::Clean);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn use_of_the_drivers_client_costs_no_round_trip_on_many_threads() {
    let (manager, mut conn) = open().await;
    let mut uncertain = 0;
    for _ in 0..500 {
        conn.simple_query("SELECT 1").await.unwrap();
        uncertain += usize::from(manager.condition(&mut conn) == Condition::Dirty);
        let before = conn.requests();
        hand_over(&manager, &mut conn).await;
        assert_eq!(conn.requests(), before);
    }
    assert!(uncertain < 500, "the driver was never settled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_can_be_used_from_a_spawned_task() {
    let (manager, mut conn) = open().await;
    #[expect(clippy::disallowed_methods, reason = "a task of the test's own")]
    let task = tokio::task::spawn(async move {
        for number in 0..500i32 {
            conn.query_one("SELECT $1::int4", &[&number]).await.unwrap();
            assert_eq!(manager.condition(&mut conn), Condition::Clean);
            conn.simple_query("SELECT 1").await.unwrap();
            hand_over(&manager, &mut conn).await;
        }
    });
    task.await.unwrap();
}

#[tokio::test]
async fn pipelined_requests_are_all_waited_for() {
    let (manager, mut conn) = open().await;
    let (a, b, c) = tokio::join!(
        conn.query("SELECT 1", &[]),
        conn.query("SELECT 2", &[]),
        conn.simple_query("SELECT 3"),
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    {
        let client = &*conn;
        let mut first = pin!(client.simple_query("SELECT 1"));
        let mut second = pin!(client.simple_query("SELECT pg_sleep(600)"));
        poll_once(&mut first);
        poll_once(&mut second);
        first.await.unwrap();
    }
    assert_eq!(manager.condition(&mut conn), Condition::Broken);
    manager.close(conn).await;
}

#[tokio::test]
async fn replies_that_nobody_reads_are_not_left_to_the_next_user() {
    let (manager, mut conn) = open().await;
    let none: [i32; 0] = [];
    let sql = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)";
    let rows = conn.query_raw(sql, none).await.unwrap();
    assert_ne!(manager.condition(&mut conn), Condition::Clean);
    assert!(manager.reset(&mut conn).await.is_err());
    drop(rows);
}
