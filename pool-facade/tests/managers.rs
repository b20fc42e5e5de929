//! A manager is written with plain `async fn`, and a pool over it goes wherever a value may go.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pool_facade::{Acquire, Condition, ConnectCtx, Error, Manager, Pool, PooledConnection};
use pool_facade::{Request, WeakPool};
use pool_testkit::spawn::CountingSpawn;

/// The least a manager is.
#[derive(Default)]
struct Least {
    opened: AtomicU32,
}

impl Manager for Least {
    type Connection = u32;
    type Error = Infallible;

    async fn connect(&self, _: &ConnectCtx) -> Result<u32, Infallible> {
        Ok(1 + self.opened.fetch_add(1, Ordering::Relaxed))
    }
}

/// The most: every method by hand, each `async` one a plain `async fn` that waits, over a type that
/// is generic itself.
struct Most<T>(T);

impl<T: Clone + Send + Sync + 'static> Manager for Most<T> {
    type Connection = Vec<T>;
    type Error = std::io::Error;

    async fn connect(&self, cx: &ConnectCtx) -> Result<Vec<T>, std::io::Error> {
        tokio::task::yield_now().await;
        assert!(cx.attempt >= 1 && cx.connection_id >= 1);
        Ok(vec![self.0.clone()])
    }

    async fn validate(&self, conn: &mut Vec<T>) -> Result<(), std::io::Error> {
        tokio::task::yield_now().await;
        match conn.is_empty() {
            true => Err(std::io::ErrorKind::BrokenPipe.into()),
            false => Ok(()),
        }
    }

    async fn reset(&self, conn: &mut Vec<T>) -> Result<(), std::io::Error> {
        tokio::task::yield_now().await;
        conn.truncate(1);
        Ok(())
    }

    async fn close(&self, conn: Vec<T>) {
        tokio::task::yield_now().await;
        drop(conn);
    }

    fn condition(&self, conn: &mut Vec<T>) -> Condition {
        match conn.len() {
            0 => Condition::Broken,
            1 => Condition::Clean,
            _ => Condition::Dirty,
        }
    }
}

/// Borrows across an await, generic over the manager.
async fn lend<M: Manager>(
    pool: &Pool<M>,
    see: impl Fn(&M::Connection) -> usize,
) -> Result<usize, Error<M::Error>> {
    let lease = pool.acquire().await?;
    tokio::task::yield_now().await;
    Ok(see(&lease))
}

/// A trait object in front of a pool, as services have it.
trait Repository: Send + Sync {
    fn count(&self) -> Pin<Box<dyn Future<Output = usize> + Send + '_>>;
}

impl<M: Manager<Connection = Vec<u8>>> Repository for Pool<M> {
    fn count(&self) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
        Box::pin(async move { lend(self, Vec::len).await.unwrap_or(0) })
    }
}

fn goes_anywhere<T: Send + 'static>(value: T) -> T {
    value
}

fn is_send<T: Send>(value: T) -> T {
    value
}

fn is_send_sync_static<T: Send + Sync + 'static>() {}

#[test]
fn handles_and_leases_are_send_sync_and_static_whatever_the_connection() {
    is_send_sync_static::<Pool<Least>>();
    is_send_sync_static::<WeakPool<Least>>();
    is_send_sync_static::<PooledConnection<Least>>();
    is_send_sync_static::<Error<std::io::Error>>();
}

/// A connection that one thread at a time may use.
struct Single;

impl Manager for Single {
    type Connection = Cell<u32>;
    type Error = Infallible;

    async fn connect(&self, _: &ConnectCtx) -> Result<Cell<u32>, Infallible> {
        Ok(Cell::new(0))
    }
}

#[tokio::test]
async fn connection_need_not_be_sync_and_its_lease_is_not_either() {
    is_send_sync_static::<Pool<Single>>();
    let pool = Pool::builder(Single).max_size(1u32).build().await.unwrap();
    let lease = is_send(pool.acquire()).await.unwrap();
    let lease = goes_anywhere(lease);
    lease.set(7);
    drop(lease);
    assert_eq!(pool.acquire().await.unwrap().get(), 7);

    /// Has two impls, so that `seen` is ambiguous, and this fails to compile, for what is `Sync`.
    trait Seen<Which> {
        fn seen() {}
    }
    struct Shareable;
    impl<T: ?Sized> Seen<()> for T {}
    impl<T: ?Sized + Sync> Seen<Shareable> for T {}
    <PooledConnection<Single> as Seen<_>>::seen();
}

#[tokio::test]
async fn pool_works_spawned_generic_and_boxed() {
    let pool = Pool::builder(Least::default()).build().await.unwrap();
    let spawned = tokio::task::spawn(goes_anywhere({
        let pool = pool.clone();
        async move { lend(&pool, |number| *number as usize).await.unwrap() }
    }));
    assert_eq!(spawned.await.unwrap(), 1);

    let pool = Pool::builder(Most(7u8)).build().await.unwrap();
    assert_eq!(is_send(lend(&pool, Vec::len)).await.unwrap(), 1);
    let acquire: Acquire<'_, _> = is_send(pool.acquire());
    drop(acquire);
    let request: Request<'_, _> = is_send(pool.request());
    drop(request.user("alice").acquire().await.unwrap());
    let repository: Arc<dyn Repository> = Arc::new(pool);
    let other = Arc::clone(&repository);
    let spawned = tokio::task::spawn(async move { other.count().await });
    assert_eq!((spawned.await.unwrap(), repository.count().await), (1, 1));
}

#[tokio::test]
async fn lease_derefs_to_the_connection_and_may_end_on_another_thread() {
    let pool = Pool::builder(Most(7u8))
        .max_size(1u32)
        .build()
        .await
        .unwrap();
    let mut lease = pool.acquire().await.unwrap();
    lease.push(8);
    assert_eq!(*lease, [7, 8]);
    std::thread::spawn(move || drop(lease)).join().unwrap();
    let lease = pool.acquire().await.unwrap();
    assert_eq!(*lease, [7], "it was reset");
    assert_eq!(pool.status().opened, 1);
}

#[tokio::test]
async fn least_manager_needs_connect_alone() {
    let pool = Pool::builder(Least::default())
        .max_size(1u32)
        .validation_bypass(std::time::Duration::ZERO)
        .validate_on_return(true)
        .build()
        .await
        .unwrap();
    for _ in 0..3 {
        assert_eq!(*pool.acquire().await.unwrap(), 1);
    }
    PooledConnection::discard(pool.acquire().await.unwrap());
    assert_eq!(*pool.acquire().await.unwrap(), 2);
    assert_eq!(pool.manager().opened.load(Ordering::Relaxed), 2);
}

/// Panics where it is asked to close a connection, before there is a future.
#[derive(Default)]
struct Rude(Least);

impl Manager for Rude {
    type Connection = u32;
    type Error = Infallible;

    async fn connect(&self, cx: &ConnectCtx) -> Result<u32, Infallible> {
        self.0.connect(cx).await
    }

    fn close(&self, conn: u32) -> impl Future<Output = ()> + Send {
        assert_eq!(conn, 0, "a panic that this test asks for");
        std::future::ready(())
    }
}

#[tokio::test]
async fn panic_of_close_frees_the_place_and_ends_no_task_but_its_own() {
    let tasks = CountingSpawn::tokio();
    let pool = Pool::builder(Rude::default())
        .max_size(1u32)
        .spawner(Arc::new(tasks.clone()))
        .build()
        .await
        .unwrap();
    for round in 1..=3 {
        let lease = pool.acquire().await.unwrap();
        assert_eq!(*lease, round);
        PooledConnection::discard(lease);
    }
    drop(pool.acquire().await.unwrap());
    assert_eq!(tasks.counts().dropped, 0, "{:?}", tasks.counts());
    assert_eq!(tasks.counts().alive(), 1, "the driver");
}
