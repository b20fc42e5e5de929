//! A statement cache beside each connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pool_facade::{ConnectCtx, Manager, Pool, PooledConnection, StatementCache};

/// A driver that prepares a statement once per connection.
struct Driver {
    capacity: usize,
    prepared: Arc<AtomicU64>,
}

struct Conn {
    statements: StatementCache<String, u64>,
    prepared: Arc<AtomicU64>,
}

impl Conn {
    fn query(&mut self, sql: &str) -> u64 {
        if let Some(number) = self.statements.get(sql) {
            return *number;
        }
        let number = 1 + self.prepared.fetch_add(1, Ordering::Relaxed);
        self.statements.insert(sql.to_owned(), number);
        number
    }
}

impl Manager for Driver {
    type Connection = Conn;
    type Error = Infallible;

    async fn connect(&self, _: &ConnectCtx) -> Result<Conn, Infallible> {
        Ok(Conn {
            statements: StatementCache::new(self.capacity),
            prepared: Arc::clone(&self.prepared),
        })
    }
}

async fn pool(capacity: usize) -> (Pool<Driver>, Arc<AtomicU64>) {
    let prepared = Arc::new(AtomicU64::new(0));
    let driver = Driver {
        capacity,
        prepared: Arc::clone(&prepared),
    };
    let pool = Pool::builder(driver)
        .max_size(2u32)
        .build()
        .await
        .expect("the settings make sense");
    (pool, prepared)
}

#[tokio::test]
async fn statement_is_prepared_once_per_connection_however_many_lease_it() {
    let (pool, prepared) = pool(16).await;
    for _ in 0..100 {
        let mut lease = pool.acquire().await.unwrap();
        assert_eq!(lease.query("select 1"), 1);
    }
    let mut first = pool.acquire().await.unwrap();
    let mut second = pool.acquire().await.unwrap();
    assert_eq!(first.query("select 1"), 1);
    assert_eq!(second.query("select 1"), 2, "connections share none");
    assert_eq!(prepared.load(Ordering::Relaxed), 2);
    let stats = first.statements.stats();
    assert_eq!((stats.hits, stats.misses, stats.evictions), (100, 1, 0));
    assert!(stats.hit_rate() > 0.99);
}

#[tokio::test]
async fn cache_goes_with_its_connection() {
    let (pool, prepared) = pool(16).await;
    let mut lease = pool.acquire().await.unwrap();
    lease.query("select 1");
    PooledConnection::discard(lease);
    let mut lease = pool.acquire().await.unwrap();
    assert!(lease.statements.is_empty());
    lease.query("select 1");
    assert_eq!(prepared.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn cache_never_holds_more_than_its_capacity_and_keeps_what_is_used() {
    let (pool, prepared) = pool(4).await;
    let mut lease = pool.acquire().await.unwrap();
    for round in 0..1000 {
        lease.query("select hot");
        lease.query(&format!("select {round}"));
        assert!(lease.statements.len() <= 4);
    }
    assert_eq!(prepared.load(Ordering::Relaxed), 1001, "the hot one once");
    assert_eq!(lease.statements.stats().evictions, 1001 - 4);
}

#[tokio::test]
async fn capacity_of_zero_caches_nothing_and_works() {
    let (pool, prepared) = pool(0).await;
    let mut lease = pool.acquire().await.unwrap();
    lease.query("select 1");
    lease.query("select 1");
    assert_eq!(prepared.load(Ordering::Relaxed), 2);
    assert_eq!(lease.statements.capacity(), 0);
}

#[test]
fn debug_output_shows_no_statement() {
    let mut cache = StatementCache::new(4);
    cache.insert("select 'secret'", "secret");
    let text = format!("{cache:?}");
    assert!(!text.contains("secret"), "{text}");
    assert!(text.contains("len: 1"), "{text}");
}
