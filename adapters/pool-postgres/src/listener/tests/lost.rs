//! Side connections that are lost.

use super::{LIMIT, Sides, heard, listener, next, notify, side};
use crate::Error;
use crate::connection::PostgresConnection;
use crate::listener::{ATTEMPTS, Event, ListenError, Listener};
use crate::server::{manager, open};
use pool_testkit::clock::ManualClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

async fn kill(observer: &PostgresConnection, victim: &PostgresConnection) {
    let text = "SELECT pg_terminate_backend($1)";
    let process_id = victim.process_id();
    observer.query(text, &[&process_id]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connection_is_replaced_and_everybody_told_of_the_gap() {
    let (listener, sides) = listener(16);
    let conn = open().await;
    let mut first = listener.subscribe("gap_a").await.unwrap();
    let mut second = listener.subscribe("gap_b").await.unwrap();
    for round in 1..=3 {
        kill(&conn, &side(&sides)).await;
        for subscription in [&mut first, &mut second] {
            assert!(matches!(next(subscription).await, Ok(Event::Gap)));
        }
        // From the gap on nothing is missing.
        notify(&conn, "gap_a", "a").await;
        notify(&conn, "gap_b", "b").await;
        assert_eq!(heard(&mut first).await, "a");
        assert_eq!(heard(&mut second).await, "b");
        assert_eq!(sides.lock().unwrap().len(), 1 + round);
    }
    let mut third = listener.subscribe("gap_c").await.unwrap();
    notify(&conn, "gap_c", "no gap").await;
    assert_eq!(heard(&mut third).await, "no gap");
}

/// A listener whose first connection is good and whose next ones cannot be had.
fn with_one_connection(clock: &ManualClock) -> (Listener, Sides, Arc<AtomicU32>) {
    let (sides, attempts) = (Sides::default(), Arc::new(AtomicU32::new(0)));
    let (kept, counted) = (Arc::clone(&sides), Arc::clone(&attempts));
    let lease = move || {
        let kept = Arc::clone(&kept);
        let attempt = counted.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            if attempt > 0 {
                return Err(Error::Closed);
            }
            let conn = Arc::new(manager().open().await?);
            kept.lock().unwrap().push(Arc::clone(&conn));
            Ok(conn)
        }) as pool_core::BoxFuture<'static, _>
    };
    let listener = Listener::new(Arc::new(clock.clone()), 16, lease);
    (listener, sides, attempts)
}

#[tokio::test]
async fn attempts_to_replace_a_connection_are_bounded_and_spaced() {
    let clock = ManualClock::new();
    let (listener, sides, attempts) = with_one_connection(&clock);
    let conn = open().await;
    let mut subscription = listener.subscribe("bounded").await.unwrap();
    kill(&conn, &side(&sides)).await;
    let receiving = subscription.recv();
    let passing = async {
        loop {
            clock.run_for(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
        }
    };
    let lost = async {
        match super::super::either(receiving, passing).await {
            super::super::Either::Left(received) => received,
            super::super::Either::Right(never) => never,
        }
    };
    let lost = tokio::time::timeout(LIMIT, lost).await.unwrap();
    assert!(matches!(lost, Err(ListenError::Lost)), "{lost:?}");
    assert_eq!(attempts.load(Ordering::Relaxed), 1 + ATTEMPTS);
    // Whoever comes now is told at once.
    let refused = listener.subscribe("bounded").await.unwrap_err();
    assert!(matches!(refused, ListenError::NoConnection(_)));
}

#[tokio::test]
async fn subscriber_without_a_connection_is_told_at_once_and_nothing_goes_on() {
    let clock = ManualClock::new();
    let (listener, sides, attempts) = with_one_connection(&clock);
    drop(listener.subscribe("first").await.unwrap());
    let side = side(&sides);
    super::until("the lease is given back", async || {
        Arc::strong_count(&side) == 2
    })
    .await;
    for attempt in 1..4 {
        let refused = listener.subscribe("none").await.unwrap_err();
        assert!(matches!(refused, ListenError::NoConnection(_)));
        assert_eq!(attempts.load(Ordering::Relaxed), 1 + attempt);
    }
}

/// The listener's task is busy with a question while more comes in than it keeps.
#[tokio::test]
async fn ring_of_the_connection_never_holds_its_driver_up() {
    let conn = open().await;
    let (sender, mut ring) = tokio::sync::broadcast::channel(2);
    conn.forward_notifications(Some(sender));
    conn.run("LISTEN unread; NOTIFY unread, 'a'").await.unwrap();
    for payload in 0..5 {
        notify(&conn, "unread", &payload.to_string()).await;
    }
    use tokio::sync::broadcast::error::RecvError;
    assert_eq!(ring.recv().await.unwrap_err(), RecvError::Lagged(4));
    assert_eq!(ring.recv().await.unwrap().payload(), "3");
    assert_eq!(ring.recv().await.unwrap().payload(), "4");
    let other = open().await;
    kill(&other, &conn).await;
    assert_eq!(ring.recv().await.unwrap_err(), RecvError::Closed);
    let (sender, mut late) = tokio::sync::broadcast::channel(2);
    conn.forward_notifications(Some(sender));
    assert_eq!(late.recv().await.unwrap_err(), RecvError::Closed);
}
