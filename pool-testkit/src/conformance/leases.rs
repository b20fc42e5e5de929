//! Leases: whose they are, how many, and how they end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{CloseReason, Pool, PooledConnection};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Subject;
use super::support::{Owners, assert_open, lease, ping, poll_once, pool, until, until_open};

/// How many tasks compete.
const TASKS: usize = 32;
/// How many connections they compete for.
const SIZE: u32 = 4;
/// How many leases each task takes.
const ROUNDS: usize = 20;

/// 32 tasks on 4 connections: no connection has two holders at once, by the backend's name for it.
pub async fn leases_are_exclusive_by_the_backends_identity<S: Subject>(subject: S) {
    let pool = pool(&subject, SIZE, |builder| builder).await;
    let owners = Owners::default();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (pool, owners) = (pool.clone(), owners.clone());
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                let mut lease = lease(&pool).await;
                let owned = owners.claim(S::identity(&lease));
                ping::<S>(&mut lease).await;
                drop(owned);
            }
        });
    }
    tasks.join_all().await;
    assert!(owners.seen() <= SIZE as usize, "{owners:?}");
}

/// However leases end, the backend never counts more connections than `max_size`.
pub async fn at_most_max_size_connections_as_the_backend_counts<S: Subject>(subject: S) {
    let pool = pool(&subject, SIZE, |builder| builder).await;
    let subject = Arc::new(subject);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (pool, subject) = (pool.clone(), Arc::clone(&subject));
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                let mut lease = lease(&pool).await;
                ping::<S>(&mut lease).await;
                let open = subject.open_now().await;
                assert!((1..=SIZE as usize).contains(&open), "{open} at once");
                // Where the count lags behind, a replaced connection would be counted with its
                // successor.
                if !S::LINGERS && (task + round) % 5 == 0 {
                    PooledConnection::discard(lease);
                }
            }
        });
    }
    tasks.join_all().await;
}

/// A call given up half-way under [`PooledConnection::begin`] costs its connection: nobody sees it
/// again, and its place is filled anew for who waits.
pub async fn dropped_call_closes_the_connection<S: Subject>(subject: S) {
    let pool = pool(&subject, 1, |builder| builder).await;
    for patience in [0, 1, 20].map(Duration::from_millis) {
        let mut doomed = lease(&pool).await;
        let identity = S::identity(&doomed);
        let mut waiting = pin!(pool.acquire());
        assert!(!poll_once(waiting.as_mut()));
        let mut call = PooledConnection::begin(&mut doomed);
        assert!(timeout(patience, S::slow(&mut call)).await.is_err());
        drop(call);
        drop(doomed);
        let mut next = waiting.await.expect("the place is filled anew");
        assert_ne!(S::identity(&next), identity, "given up after {patience:?}");
        ping::<S>(&mut next).await;
    }
    assert_eq!(pool.status().closed_by(CloseReason::InFlight), 3);
    until_open(&subject, 1).await;
}

/// A call given up half-way without a word to the pool never meets the next user: who comes next
/// is served at once, whether by another connection or by one that has come to rest.
pub async fn unmarked_dropped_call_never_meets_the_next_user<S: Subject>(subject: S) {
    // Nothing but the adapter's own word stands between the call and the next user.
    let pool = pool(&subject, 1, |builder| builder.validate_on_acquire(false)).await;
    for patience in [0, 1, 2, 5, 10, 20].map(Duration::from_millis) {
        let mut doomed = lease(&pool).await;
        assert!(timeout(patience, S::slow(&mut doomed)).await.is_err());
        drop(doomed);
        let served = timeout(Duration::from_secs(10), async {
            let mut next = lease(&pool).await;
            ping::<S>(&mut next).await;
        });
        assert!(served.await.is_ok(), "given up after {patience:?}");
    }
    until_open(&subject, 1).await;
}

/// Whatever a panicking task was doing with its connection, nobody gets it after that.
pub async fn lease_dropped_by_a_panic_is_closed<S: Subject>(subject: S) {
    let pool = pool(&subject, 1, |builder| builder).await;
    let mut doomed = lease(&pool).await;
    ping::<S>(&mut doomed).await;
    let identity = S::identity(&doomed);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _lease = doomed;
        panic!("a task panics while it has a lease, as this test wants");
    });
    let ended = tasks.join_next().await.expect("there is a task");
    assert!(ended.expect_err("it has panicked").is_panic());
    let mut next = lease(&pool).await;
    assert_ne!(S::identity(&next), identity);
    ping::<S>(&mut next).await;
    assert_eq!(pool.status().closed_by(CloseReason::Panicked), 1);
    assert_open(&subject, 1).await;
}

/// A request dropped while it waits, or with a connection already on its way to it, passes on what
/// was to be its own.
pub async fn cancelled_waiter_passes_the_connection_on<S: Subject>(subject: S) {
    let pool = pool(&subject, 1, |builder| builder).await;
    for is_handed_over in [false, true] {
        let holder = lease(&pool).await;
        let identity = S::identity(&holder);
        let mut first = Box::pin(pool.acquire());
        assert!(!poll_once(first.as_mut()));
        let mut second = pin!(pool.acquire());
        assert!(!poll_once(second.as_mut()));
        if is_handed_over {
            drop(holder);
            drop(first);
        } else {
            drop(first);
            drop(holder);
        }
        let mut next = second.await.expect("a lease");
        assert_eq!(S::identity(&next), identity);
        ping::<S>(&mut next).await;
        drop(next);
        until("nobody waits", async || is_idle(&pool)).await;
    }
}

fn is_idle<M: pool_core::Manager>(pool: &Pool<M>) -> bool {
    let status = pool.status();
    status.waiting == 0 && status.idle == 1
}
