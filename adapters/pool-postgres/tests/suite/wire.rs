//! What calls cost in messages.

use crate::support::open;
use pool_postgres::tokio_postgres::types::Type;

#[tokio::test]
async fn typed_query_is_one_request_in_one_turn() {
    let (_, conn) = open().await;
    for round in 0..3i32 {
        let before = conn.wire_counts();
        let rows = conn
            .query_typed("SELECT $1 + 1", &[(&round, Type::INT4)])
            .await
            .unwrap();
        assert_eq!(rows[0].get::<_, i32>(0), round + 1);
        let sent = conn.wire_counts().since(&before);
        assert_eq!((sent.turns, sent.requests), (1, 1));
        assert_eq!((sent.parses, sent.binds), (1, 1));
        assert_eq!((sent.executes, sent.syncs), (1, 1));
        assert_eq!((sent.queries, sent.closes), (0, 0));
    }
}

#[tokio::test]
async fn query_takes_two_turns_the_first_time_and_one_from_then_on() {
    let (_, conn) = open().await;
    for (turns, parses) in [(2, 1), (1, 0), (1, 0)] {
        let before = conn.wire_counts();
        conn.query("SELECT 1", &[]).await.unwrap();
        let sent = conn.wire_counts().since(&before);
        assert_eq!((sent.turns, sent.parses), (turns, parses));
    }
}

#[tokio::test]
async fn counts_begin_with_the_startup() {
    let (_, conn) = open().await;
    let sent = conn.wire_counts();
    assert_eq!(sent.requests, 1);
    assert_eq!((sent.queries, sent.syncs), (0, 0));
}
