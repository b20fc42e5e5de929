use crate::support::{ask, exists, is_active, manager, open, poll_once, until};
use pool_core::Pool;
use pool_postgres::PostgresManager;
use std::pin::pin;
use std::time::Duration;

/// A pool with room for one connection, so that the next user gets what the last one left.
async fn pool_of_one() -> Pool<PostgresManager> {
    Pool::builder(manager())
        .max_size(1u32)
        .build()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_user_of_the_pool_finds_a_clean_session_on_the_same_back_end() {
    let pool = pool_of_one().await;
    let first = pool.acquire().await.unwrap().process_id();
    for leftover in [
        "BEGIN",
        "SET work_mem = '7MB'",
        "BEGIN; SELECT 1/0",
        "LISTEN jobs",
    ] {
        let conn = pool.acquire().await.unwrap();
        let _ = conn.batch_execute(leftover).await;
        drop(conn);
        let conn = pool.acquire().await.unwrap();
        assert_eq!(conn.process_id(), first, "{leftover}");
        assert_eq!(ask(&conn, "SHOW work_mem").await.as_deref(), Some("4MB"));
        let listening = "SELECT count(*)::text FROM pg_listening_channels()";
        assert_eq!(ask(&conn, listening).await.as_deref(), Some("0"));
        // Refused in a transaction block.
        conn.batch_execute("VACUUM pg_catalog.pg_am").await.unwrap();
    }
    pool.close(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_dropped_in_flight_is_replaced_and_its_query_cancelled() {
    let pool = pool_of_one().await;
    let (_, observer) = open().await;
    let conn = pool.acquire().await.unwrap();
    let pid = conn.process_id();
    {
        let mut sleep = pin!(conn.batch_execute("SELECT pg_sleep(600)"));
        poll_once(&mut sleep);
        until("the query runs", || is_active(&observer, pid)).await;
    }
    drop(conn);
    let conn = pool.acquire().await.unwrap();
    assert_ne!(conn.process_id(), pid);
    until("the back end has ended", || async {
        !exists(&observer, pid).await
    })
    .await;
    drop(conn);
    pool.close(Duration::from_secs(5)).await;
}
