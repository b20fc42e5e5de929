//! A pool begins with its first use: until then it is what it was built from, and nothing more.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is how a test fails"
)]

use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::time::Duration;

use pool_facade::{
    Admission, Admit, Error, Outcome, Pool, PoolPhase, RequestInfo, Token, WeakPool,
};
use pool_testkit::fake::{FakeBackend, FakeManager};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Longer than anything takes that comes to an end.
const LONG: Duration = Duration::from_secs(20);

fn builder(backend: &FakeBackend) -> pool_facade::Builder<FakeManager> {
    let pool = Pool::builder(backend.manager()).max_size(1u32);
    pool.acquire_timeout(ms(200)).idle_timeout(ms(200))
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

/// How many tasks there are on this runtime.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn pool_that_nobody_uses_runs_nothing_however_long_and_whoever_looks_at_it() {
    let backend = FakeBackend::new();
    // All pools of a runtime share a ticker.
    let _first = builder(&backend).build().await.unwrap();
    let before = tasks();
    let pool = builder(&backend).build().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let status = pool.status();
    assert_eq!((status.phase, status.max_size), (PoolPhase::Open, 1));
    assert_eq!((status.size, status.opened, status.lock_entries), (0, 0, 0));
    assert!(pool.holders().is_empty() && !pool.is_closed());
    let again = pool.clone().downgrade().upgrade().unwrap();
    assert!(std::ptr::eq(pool.config(), again.config()));
    assert_eq!(tasks(), before);
    drop(pool.acquire().await.unwrap());
    assert_eq!(tasks(), before + 1, "the driver");
    assert_eq!(pool.status().opened, 1);
}

#[tokio::test]
async fn pool_that_keeps_connections_begins_at_once() {
    let backend = FakeBackend::new();
    let _pool = builder(&backend).min_idle(1u32).build().await.unwrap();
    let opened = timeout(LONG, backend.until(|now| now.open == 1)).await;
    assert!(opened.is_ok(), "{:?}", backend.counts());
}

#[tokio::test]
async fn last_handle_of_a_pool_that_nobody_used_leaves_nothing() {
    let (backend, kept) = (FakeBackend::new(), Arc::new(()));
    let pool = builder(&backend).extension(Arc::clone(&kept));
    let pool = pool.build().await.unwrap();
    let weak = pool.downgrade();
    drop(weak.upgrade().unwrap());
    assert_eq!(Arc::strong_count(&kept), 2);
    drop(pool);
    assert!(weak.upgrade().is_none());
    drop(weak);
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[tokio::test]
async fn pool_that_nobody_used_can_be_closed_for_ever() {
    let pool = builder(&FakeBackend::new()).build().await.unwrap();
    assert!(pool.close(ms(100)).await.is_complete());
    assert!(pool.is_closed());
    assert!(matches!(pool.acquire().await, Err(Error::Closed)));
}

/// However many come first at the same time, it is one pool.
#[test]
fn pool_begins_once() {
    const THREADS: usize = 4;
    let home = runtime();
    for _ in 0..50 {
        let backend = FakeBackend::new();
        let pool = builder(&backend).acquire_timeout(LONG).build();
        let pool = home.block_on(pool).unwrap();
        let start = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (pool, start, home) = (pool.clone(), Arc::clone(&start), home.handle().clone());
                std::thread::spawn(move || {
                    start.wait();
                    home.block_on(async { drop(pool.acquire().await.unwrap()) });
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let status = pool.status();
        assert_eq!((status.opened, status.idle, status.size), (1, 1, 1));
        assert_eq!(backend.counts().peak_total, 1);
    }
}

/// Where the runtime that it was built on has ended before, it lives on that of its first user.
#[test]
fn pool_whose_home_ended_before_its_first_use_keeps_deadlines_and_closes_what_idles() {
    let (home, backend) = (runtime(), FakeBackend::new());
    let pool = home.block_on(builder(&backend).build()).unwrap();
    drop(home);
    let here = runtime();
    let lease = here.block_on(pool.acquire()).unwrap();
    let ended = here.block_on(async { timeout(LONG, pool.acquire()).await });
    assert!(matches!(ended, Ok(Err(Error::Timeout { .. }))), "{ended:?}");
    drop(lease);
    let closed = here.block_on(async { timeout(LONG, backend.until(|now| now.open == 0)).await });
    assert!(closed.is_ok(), "{:?}", backend.counts());
}

#[test]
fn pool_whose_home_ended_before_its_first_use_asks_again_what_was_idle_for_long() {
    let (home, backend) = (runtime(), FakeBackend::new());
    let pool = builder(&backend).idle_timeout(LONG);
    let pool = home.block_on(pool.build()).unwrap();
    drop(home);
    let mut here = Builder::new_current_thread();
    let here = here.enable_all().start_paused(true).build().unwrap();
    here.block_on(async {
        drop(pool.acquire().await.unwrap());
        tokio::time::sleep(pool.config().validation_bypass() * 2).await;
        drop(pool.acquire().await.unwrap());
    });
    assert_eq!(backend.counts().validated, 1);
}

/// Many first users, one where nothing runs, while the home ends: each is served or told.
#[test]
fn first_users_while_the_home_ends_are_served_or_told() {
    for _ in 0..30 {
        let (home, here, backend) = (runtime(), runtime(), FakeBackend::new());
        let pool = home.block_on(builder(&backend).build()).unwrap();
        let start = Arc::new(Barrier::new(4));
        let user = |asks: fn(&Runtime, &Pool<FakeManager>)| {
            let (pool, start) = (pool.clone(), Arc::clone(&start));
            let here = runtime();
            std::thread::spawn(move || {
                start.wait();
                asks(&here, &pool);
            })
        };
        let acquires: fn(&Runtime, &Pool<FakeManager>) = |here, pool| {
            for _ in 0..10 {
                let ended = here.block_on(async { timeout(LONG, pool.acquire()).await });
                drop(ended.expect("served or told"));
            }
        };
        let users = [
            user(acquires),
            user(acquires),
            user(|_, pool| {
                drop(pool.try_acquire());
                pool.resume();
            }),
        ];
        start.wait();
        home.shutdown_background();
        users.into_iter().for_each(|user| user.join().unwrap());
        let ended = here.block_on(async { timeout(LONG, pool.acquire()).await });
        assert!(ended.is_ok());
    }
}

/// An admission that looks at its pool whenever it is asked about itself.
#[derive(Default)]
struct Looking(OnceLock<WeakPool<FakeManager>>);

impl Admission for Looking {
    fn admit(&self, _: Duration, _: &RequestInfo) -> Admit {
        Admit::Enter(Token::new(0))
    }

    fn leave(&self, _: Duration, _: Token, _: Outcome) {}

    fn stands_by(&self) -> Option<bool> {
        if let Some(pool) = self.0.get().and_then(WeakPool::upgrade) {
            drop(pool.try_acquire());
        }
        Some(false)
    }
}

#[test]
fn policy_that_uses_the_pool_does_not_hang_its_first_user() {
    let (home, policy) = (runtime(), Arc::new(Looking::default()));
    let pool = builder(&FakeBackend::new()).admission(Arc::clone(&policy) as _);
    let pool = home.block_on(pool.build()).unwrap();
    let _ = policy.0.set(pool.downgrade());
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        pool.resume();
        let _ = done.send(());
    });
    assert!(is_done.recv_timeout(LONG).is_ok());
}
