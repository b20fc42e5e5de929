use crate::support::{open, url};
use pool_core::Manager;
use pool_postgres::PostgresManager;
use pool_postgres::tokio_postgres::SimpleQueryMessage;
use pool_postgres::tokio_postgres::types::Type;

#[tokio::test]
async fn statement_is_prepared_once_per_text_and_types() {
    let (_, conn) = open().await;
    for _ in 0..3 {
        conn.prepare_cached("SELECT $1").await.unwrap();
    }
    conn.prepare_typed_cached("SELECT $1", &[Type::INT8])
        .await
        .unwrap();
    let stats = conn.statement_stats();
    assert_eq!(
        (stats.hits, stats.misses, conn.cached_statements()),
        (2, 2, 2)
    );
}

#[tokio::test]
async fn least_recently_used_statement_is_closed_on_the_server() {
    let manager = PostgresManager::builder(url()).unwrap();
    let manager = manager.statement_cache_size(2).build().unwrap();
    let mut conn = manager.open().await.unwrap();
    for number in 0..10 {
        conn.query(&format!("SELECT {number}"), &[]).await.unwrap();
    }
    assert_eq!(conn.statement_stats().evictions, 8);
    let sql = "SELECT count(*) FROM pg_prepared_statements";
    let rows = conn.simple_query(sql).await.unwrap();
    let count = rows.iter().find_map(|row| match row {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert_eq!(count, Some("2"));
    assert_eq!(manager.condition(&mut conn), pool_core::Condition::Clean);
}

#[tokio::test]
async fn cached_statement_survives_a_changed_table_after_one_error() {
    let (_, conn) = open().await;
    conn.batch_execute("CREATE TEMP TABLE changes (a int)")
        .await
        .unwrap();
    conn.query("SELECT * FROM changes", &[]).await.unwrap();
    conn.batch_execute("ALTER TABLE changes ADD COLUMN b text")
        .await
        .unwrap();
    conn.query("SELECT * FROM changes", &[]).await.unwrap_err();
    let rows = conn.query("SELECT * FROM changes", &[]).await;
    assert!(rows.is_ok());
}

#[tokio::test]
async fn deallocated_statements_are_prepared_anew_after_one_error() {
    let (_, conn) = open().await;
    conn.query("SELECT 1", &[]).await.unwrap();
    conn.batch_execute("DEALLOCATE ALL").await.unwrap();
    conn.query("SELECT 1", &[]).await.unwrap_err();
    assert!(conn.query("SELECT 1", &[]).await.is_ok());
}
