//! What the rules are written with.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use pool_core::{Builder, Manager, Pool, PooledConnection};

use super::{Conn, Subject};

/// How often to ask a backend that tells nobody of its own accord.
const PACE: Duration = Duration::from_millis(2);
/// How long what must happen may take to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pool whose connections are asked before each lease.
pub(super) async fn pool<S: Subject>(
    subject: &S,
    max_size: u32,
    adjust: impl FnOnce(Builder<S::Manager>) -> Builder<S::Manager>,
) -> Pool<S::Manager> {
    let builder = Pool::builder(subject.manager())
        .max_size(max_size)
        .acquire_timeout(PATIENCE)
        .validation_bypass(Duration::ZERO);
    adjust(builder).build().await.expect("a pool")
}

pub(super) async fn lease<M: Manager>(pool: &Pool<M>) -> PooledConnection<M> {
    pool.acquire().await.expect("a lease")
}

/// As many leases as asked for, all at once.
pub(super) async fn leases<M: Manager>(pool: &Pool<M>, count: usize) -> Vec<PooledConnection<M>> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(lease(pool).await);
    }
    all
}

pub(super) async fn ping<S: Subject>(conn: &mut Conn<S>) {
    S::ping(conn).await.expect("a round trip");
}

/// Polls once. Whether it is done is for the caller to see later.
pub(super) fn poll_once<F: Future>(future: Pin<&mut F>) -> bool {
    future
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

/// Asks again and again until `holds`.
#[expect(
    clippy::disallowed_methods,
    reason = "a backend keeps to the real time and offers nothing better than to look again"
)]
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !holds().await {
            tokio::time::sleep(PACE).await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, asking).await;
    assert!(done.is_ok(), "not within {PATIENCE:?}: {what}");
}

/// Waits until the backend counts as many connections.
pub(super) async fn until_open<S: Subject>(subject: &S, count: usize) {
    let what = format!("the backend counts {count} connections");
    until(&what, async || subject.open_now().await == count).await;
}

/// Asserts that the backend counts as many connections, at once if it can.
pub(super) async fn assert_open<S: Subject>(subject: &S, count: usize) {
    if S::LINGERS {
        until_open(subject, count).await;
    } else {
        assert_eq!(subject.open_now().await, count);
    }
}

/// Who holds a connection, by its identity.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    now: HashSet<u64>,
    ever: HashSet<u64>,
}

impl Owners {
    /// Claims a connection until the guard is dropped, which must be before the lease is.
    pub(super) fn claim(&self, identity: u64) -> Owned {
        let mut held = self.held();
        held.ever.insert(identity);
        let was_free = held.now.insert(identity);
        drop(held);
        assert!(was_free, "connection {identity} is held twice");
        Owned(self.clone(), identity)
    }

    /// How many connections were ever claimed.
    pub(super) fn seen(&self) -> usize {
        self.held().ever.len()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim.
#[derive(Debug)]
pub(super) struct Owned(Owners, u64);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.held().now.remove(&self.1);
    }
}
