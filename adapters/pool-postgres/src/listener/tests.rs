//! The listener on a real server.

mod lost;

use super::{Event, ListenError, Listener, Subscription};
use crate::connection::PostgresConnection;
use crate::server::{manager, open, url};
use crate::{Error, PostgresManager};
use futures_util::future::join_all;
use pool_core::{Pool, TokioClock};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);

/// The side connections that a listener has had.
type Sides = Arc<Mutex<Vec<Arc<PostgresConnection>>>>;

/// A listener with connections of its own, kept for the test to look at.
fn listener_at(manager: PostgresManager, ring: usize) -> (Listener, Sides) {
    let sides = Sides::default();
    let (manager, kept) = (Arc::new(manager), Arc::clone(&sides));
    let lease = move || {
        let (manager, kept) = (Arc::clone(&manager), Arc::clone(&kept));
        Box::pin(async move {
            let conn = Arc::new(manager.open().await?);
            kept.lock().unwrap().push(Arc::clone(&conn));
            Ok::<_, Error>(conn)
        }) as pool_core::BoxFuture<'static, _>
    };
    let clock = Arc::new(TokioClock::new());
    (Listener::new(clock, ring, lease), sides)
}

fn listener(ring: usize) -> (Listener, Sides) {
    listener_at(manager(), ring)
}

fn side(sides: &Sides) -> Arc<PostgresConnection> {
    Arc::clone(sides.lock().unwrap().last().unwrap())
}

async fn notify(conn: &PostgresConnection, channel: &str, payload: &str) {
    conn.execute("SELECT pg_notify($1, $2)", &[&channel, &payload])
        .await
        .unwrap();
}

async fn next(subscription: &mut Subscription) -> Result<Event, ListenError> {
    timeout(LIMIT, subscription.recv()).await.unwrap()
}

/// The payload that comes next.
async fn heard(subscription: &mut Subscription) -> String {
    match next(subscription).await.unwrap() {
        Event::Notification(notification) => notification.payload().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Channels that the connection listens to.
async fn listening(conn: &PostgresConnection) -> i64 {
    let text = "SELECT count(*) FROM pg_listening_channels()";
    conn.query_one(text, &[]).await.unwrap().get(0)
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(LIMIT, asking).await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_committed_right_after_subscribing_is_never_lost() {
    let (listener, _) = listener(16);
    let conn = open().await;
    let mut kept = Vec::new();
    for round in 0..100 {
        let channel = format!("right_after_{round}");
        let mut subscription = listener.subscribe(&channel).await.unwrap();
        assert_eq!(subscription.channel(), channel);
        notify(&conn, &channel, &channel).await;
        assert_eq!(heard(&mut subscription).await, channel);
        if round % 2 == 0 {
            kept.push(subscription);
        }
    }
}

#[tokio::test]
async fn each_subscriber_hears_his_own_channels_and_every_subscriber_of_one_hears_it() {
    let (listener, _) = listener(16);
    let conn = open().await;
    let mut first = listener.subscribe("shared").await.unwrap();
    let mut second = listener.subscribe("shared").await.unwrap();
    let mut odd = listener.subscribe(r#"Odd "name"; --"#).await.unwrap();
    notify(&conn, r#"Odd "name"; --"#, "odd").await;
    notify(&conn, "shared", "both").await;
    assert_eq!(heard(&mut first).await, "both");
    assert_eq!(heard(&mut second).await, "both");
    assert_eq!(heard(&mut odd).await, "odd");
    drop(first);
    notify(&conn, "shared", "one").await;
    assert_eq!(heard(&mut second).await, "one");
}

#[tokio::test]
async fn many_who_subscribe_at_once_take_few_requests() {
    let (listener, sides) = listener(1);
    let names: Vec<String> = (0..500).map(|number| format!("many_{number}")).collect();
    let subscribing = names.iter().map(|name| listener.subscribe(name));
    let subscriptions = join_all(subscribing).await;
    assert!(subscriptions.iter().all(Result::is_ok));
    assert_eq!(sides.lock().unwrap().len(), 1);
    let side = side(&sides);
    // The startup, and two batches, or a few more if they do not all come in one poll.
    let requests = side.wire_counts().requests;
    assert!(requests <= 5, "{requests}");
    assert_eq!(listening(&side).await, 500);
    drop(subscriptions);
    until("nothing is listened to", async || {
        listening(&side).await == 0
    })
    .await;
}

#[tokio::test]
async fn channel_is_given_up_with_its_last_subscriber() {
    let (listener, sides) = listener(1);
    let first = listener.subscribe("given_up").await.unwrap();
    let second = listener.subscribe("given_up").await.unwrap();
    let other = listener.subscribe("kept").await.unwrap();
    let side = side(&sides);
    drop(first);
    drop(second);
    until("it is given up", async || listening(&side).await == 1).await;
    // Whoever comes back is listened for again.
    let mut again = listener.subscribe("given_up").await.unwrap();
    notify(&side, "given_up", "again").await;
    assert_eq!(heard(&mut again).await, "again");
    drop((again, other));
    until("the lease is given back", async || {
        Arc::strong_count(&side) == 2
    })
    .await;
    assert_eq!(listening(&side).await, 0);
}

#[tokio::test]
async fn slow_subscriber_is_told_how_much_he_has_missed() {
    let (listener, _) = listener(4);
    let conn = open().await;
    let mut slow = listener.subscribe("slow").await.unwrap();
    let mut last = listener.subscribe("last").await.unwrap();
    for number in 0..10 {
        notify(&conn, "slow", &number.to_string()).await;
    }
    notify(&conn, "last", "last").await;
    heard(&mut last).await;
    assert!(matches!(next(&mut slow).await, Ok(Event::Lagged(6))));
    assert_eq!(heard(&mut slow).await, "6");
}

#[tokio::test]
async fn names_that_cannot_be_channels_are_refused_without_a_connection() {
    let (listener, sides) = listener(1);
    for name in ["", &"n".repeat(64), "a\0b"] {
        let refused = listener.subscribe(name).await.unwrap_err();
        assert!(matches!(refused, ListenError::Channel), "{name:?}");
    }
    assert!(sides.lock().unwrap().is_empty());
    listener.subscribe(&"n".repeat(63)).await.unwrap();
}

#[tokio::test]
async fn channel_that_the_server_refuses_spoils_none_beside_it() {
    let conn = open().await;
    conn.run("DROP DATABASE IF EXISTS listen_latin")
        .await
        .unwrap();
    conn.run("CREATE DATABASE listen_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        .await
        .unwrap();
    let (server, _) = url().rsplit_once('/').unwrap();
    let latin = PostgresManager::new(&format!("{server}/listen_latin")).unwrap();
    let (listener, sides) = listener_at(latin, 1);
    let (good, refused, other) = tokio::join!(
        listener.subscribe("good"),
        listener.subscribe("日"),
        listener.subscribe("other")
    );
    assert!(good.is_ok() && other.is_ok());
    let Err(ListenError::Refused { code }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(code.code(), "22P05");
    assert_eq!(listening(&side(&sides)).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn side_connection_counts_against_the_pools_maximum_while_anybody_listens() {
    let pool = Pool::builder(manager())
        .max_size(1u32)
        .build()
        .await
        .unwrap();
    let leased = pool.clone();
    let lease = move || {
        let pool = leased.clone();
        Box::pin(async move { pool.acquire().await }) as pool_core::BoxFuture<'static, _>
    };
    let listener = Listener::new(Arc::new(TokioClock::new()), 4, lease);
    let subscription = listener.subscribe("pooled").await.unwrap();
    assert!(pool.try_acquire().is_none());
    drop(subscription);
    let conn = timeout(LIMIT, pool.acquire()).await.unwrap().unwrap();
    assert_eq!(listening(&conn).await, 0);
    drop(conn);
    let subscription = listener.subscribe("pooled").await.unwrap();
    listener.close().await;
    let conn = timeout(LIMIT, pool.acquire()).await.unwrap().unwrap();
    assert_eq!(listening(&conn).await, 0);
    drop((conn, subscription));
    pool.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn no_task_outlives_the_listener() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let (listener, sides) = listener(1);
    assert_eq!(tasks(), 0, "it begins with the first subscription");
    let mut subscription = listener.subscribe("a").await.unwrap();
    assert_eq!(tasks(), 2, "its own, and the connection's");
    drop(listener);
    assert!(matches!(
        next(&mut subscription).await,
        Err(ListenError::Closed)
    ));
    sides.lock().unwrap().clear();
    until("the tasks have ended", async || tasks() == 0).await;
}

#[tokio::test]
async fn closed_listener_has_ended_its_task_and_takes_nobody_in() {
    let (listener, sides) = listener(1);
    let mut subscription = listener.subscribe("a").await.unwrap();
    let side = side(&sides);
    listener.close().await;
    assert_eq!(Arc::strong_count(&side), 2, "the lease is given back");
    assert_eq!(listening(&side).await, 0);
    for error in [
        next(&mut subscription).await.unwrap_err(),
        listener.subscribe("b").await.unwrap_err(),
    ] {
        assert!(matches!(error, ListenError::Closed));
    }
}

#[tokio::test]
async fn subscriber_who_gives_up_waiting_leaves_no_channel() {
    let (listener, sides) = listener(1);
    let kept = listener.subscribe("kept").await.unwrap();
    {
        let mut dropped = std::pin::pin!(listener.subscribe("dropped"));
        crate::server::poll_once(&mut dropped);
    }
    let side = side(&sides);
    until("it is not listened to", async || {
        listening(&side).await == 1
    })
    .await;
    drop(kept);
}
