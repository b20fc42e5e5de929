use crate::support::{ask, hand_over, open};
use futures_util::{SinkExt, TryStreamExt};
use pool_core::{Condition, Manager};
use std::pin::pin;
use tokio_postgres::CopyInSink;

use pool_postgres::tokio_postgres;

type Sink = CopyInSink<std::io::Cursor<Vec<u8>>>;

fn rows(text: &str) -> std::io::Cursor<Vec<u8>> {
    std::io::Cursor::new(text.as_bytes().to_vec())
}

#[tokio::test]
async fn finished_copy_in_is_clean() {
    let (manager, mut conn) = open().await;
    conn.batch_execute("CREATE TEMP TABLE copied (a int)")
        .await
        .unwrap();
    for _ in 0..3 {
        let copy = conn.prepare_cached("COPY copied FROM STDIN").await.unwrap();
        let sink: Sink = conn.copy_in(&copy).await.unwrap();
        let mut sink = pin!(sink);
        assert_eq!(manager.condition(&mut conn), Condition::Broken);
        sink.send(rows("1\n2\n")).await.unwrap();
        assert_eq!(sink.as_mut().finish().await.unwrap(), 2);
        // Dirty for the temporary table, and not broken.
        assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    }
    assert_eq!(
        ask(&conn, "SELECT count(*)::text FROM copied")
            .await
            .as_deref(),
        Some("6")
    );
    drop(conn.prepare_cached("SELECT 1").await.unwrap());
    hand_over(&manager, &mut conn).await;
}

#[tokio::test]
async fn copy_in_dropped_midway_is_never_clean_before_its_end() {
    let (manager, mut conn) = open().await;
    conn.batch_execute("CREATE TEMP TABLE copied (a int)")
        .await
        .unwrap();
    hand_over(&manager, &mut conn).await;
    conn.batch_execute("CREATE TABLE IF NOT EXISTS copy_dropped (a int)")
        .await
        .unwrap();
    let mut sink: std::pin::Pin<Box<Sink>> =
        Box::pin(conn.copy_in("COPY copy_dropped FROM STDIN").await.unwrap());
    sink.send(rows("1\n")).await.unwrap();
    drop(sink);
    assert_ne!(manager.condition(&mut conn), Condition::Clean);
    // The driver ends the copy by itself; what follows waits for it.
    assert_eq!(
        ask(&conn, "SELECT count(*)::text FROM copy_dropped")
            .await
            .as_deref(),
        Some("0")
    );
    hand_over(&manager, &mut conn).await;
}

#[tokio::test]
async fn copy_out_is_clean_once_it_is_read() {
    let (manager, mut conn) = open().await;
    let sql = "COPY (SELECT generate_series(1, 100000)) TO STDOUT";
    let stream = conn.copy_out(sql).await.unwrap();
    let mut stream = pin!(stream);
    stream.try_next().await.unwrap().unwrap();
    assert_ne!(manager.condition(&mut conn), Condition::Clean);
    while stream.try_next().await.unwrap().is_some() {}
    hand_over(&manager, &mut conn).await;
}
