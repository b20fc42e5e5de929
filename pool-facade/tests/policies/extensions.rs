//! What other crates keep with a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pool_facade::{Pool, PooledConnection};
use pool_testkit::fake::{FakeBackend, FakeManager};

use super::house::builder;

struct Kept {
    number: u32,
    ends: Arc<AtomicU32>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.ends.fetch_add(1, Ordering::Relaxed);
    }
}

/// Of another type.
struct Other(u32);

async fn pool() -> Pool<FakeManager> {
    builder(&FakeBackend::new(), 1).build().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn pool_keeps_one_value_of_each_type_made_by_whoever_asks_first() {
    let pool = pool().await;
    let made = pool.extension(|| Other(1));
    let again = pool
        .clone()
        .extension(|| -> Other { panic!("it is there") });
    assert!(Arc::ptr_eq(&made, &again));
    assert_eq!(*pool.extension(|| 7_u64), 7, "one of another type");
    assert_eq!(pool.extension(|| Other(2)).0, 1);
    let elsewhere = self::pool().await;
    assert_eq!(
        elsewhere.extension(|| Other(3)).0,
        3,
        "each pool has its own"
    );
}

#[tokio::test(start_paused = true)]
async fn pool_is_built_with_the_last_value_of_a_type() {
    let builder = builder(&FakeBackend::new(), 1);
    let builder = builder.extension(Other(1)).extension(5_u64);
    let pool = builder.extension(Other(2)).build().await.unwrap();
    assert_eq!(pool.extension(|| Other(3)).0, 2);
    assert_eq!(*pool.extension(|| 6_u64), 5);
}

#[tokio::test(start_paused = true)]
async fn value_is_kept_as_long_as_anything_of_the_pool_is_there() {
    let pool = pool().await;
    let ends = Arc::new(AtomicU32::new(0));
    let kept = || Kept {
        number: 1,
        ends: Arc::clone(&ends),
    };
    drop(pool.extension(kept));
    assert_eq!(ends.load(Ordering::Relaxed), 0, "the pool keeps it");
    let lease: PooledConnection<_> = pool.acquire().await.unwrap();
    let weak = pool.downgrade();
    drop(pool);
    tokio::task::yield_now().await;
    assert_eq!(ends.load(Ordering::Relaxed), 0, "a lease is out");
    drop(lease);
    // What was still to be done in the background is done.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ends.load(Ordering::Relaxed), 1);
    assert!(weak.upgrade().is_none());
    assert_eq!(kept().number, 1);
}
