//! What is decided about a connection is not missed, however close it comes to somebody's look.
//!
//! A connection that was looked at closely is not looked at again before the next decision. The
//! manager here decides in the midst of the look, as another thread could.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use pool_facade::{CloseReason, Condition, ConnectCtx, Evict, Manager, Pool, WeakPool};

/// Evicts a connection while it is asked how that one is, once each time it is armed.
#[derive(Clone, Default)]
struct Meddler(Arc<Shared>);

#[derive(Default)]
struct Shared {
    pool: OnceLock<WeakPool<Meddler>>,
    armed: AtomicBool,
}

impl Meddler {
    /// A pool of one.
    async fn pool(&self) -> Pool<Self> {
        let pool = Pool::builder(self.clone())
            .max_size(1u32)
            .build()
            .await
            .expect("the settings are good");
        assert!(self.0.pool.set(pool.downgrade()).is_ok());
        pool
    }

    fn arm(&self) {
        self.0.armed.store(true, Ordering::Relaxed);
    }

    fn has_decided(&self) -> bool {
        !self.0.armed.load(Ordering::Relaxed)
    }
}

impl Manager for Meddler {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Infallible> {
        Ok(cx.connection_id)
    }

    fn condition(&self, conn: &mut u64) -> Condition {
        if self.0.armed.swap(false, Ordering::Relaxed)
            && let Some(pool) = self.0.pool.get().and_then(WeakPool::upgrade)
        {
            let closed = pool.evict(Evict::Connection(*conn));
            assert_eq!(closed, 0, "it is in somebody's hands");
        }
        Condition::Clean
    }
}

#[tokio::test(start_paused = true)]
async fn connection_evicted_while_a_request_looks_at_it_is_given_to_no_later_one() {
    let manager = Meddler::default();
    let pool = manager.pool().await;
    manager.arm();
    // New, so it is looked at closely.
    let lease = pool.acquire().await.unwrap();
    assert_eq!((*lease, manager.has_decided()), (1, true));
    drop(lease);
    let later = *pool.acquire().await.unwrap();
    assert_ne!(later, 1, "given out after its eviction");
    assert_eq!(pool.status().closed_by(CloseReason::Evicted), 1);
}

#[tokio::test(start_paused = true)]
async fn connection_evicted_while_its_return_is_looked_at_is_given_to_no_later_request() {
    let manager = Meddler::default();
    let pool = manager.pool().await;
    let lease = pool.acquire().await.unwrap();
    assert_eq!(*lease, 1);
    // Any decision has the return looked at closely.
    assert_eq!(pool.evict(Evict::Connection(99)), 0);
    manager.arm();
    drop(lease);
    assert!(manager.has_decided());
    let later = *pool.acquire().await.unwrap();
    assert_ne!(later, 1, "given out after its eviction");
    assert_eq!(pool.status().closed_by(CloseReason::Evicted), 1);
}
