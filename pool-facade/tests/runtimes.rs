//! A pool whose callers come from several runtimes: its own work is done where it was built.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is how a test fails"
)]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{BoxFuture, BuildError, Error, Pool, PooledConnection, Spawn, TokioSpawn};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Gate, Step};
use pool_testkit::spawn::{CountingSpawn, Fate};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Longer than anything takes that comes to an end.
const LONG: Duration = Duration::from_secs(20);

/// A runtime that is driven all the time.
fn home() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

/// A runtime that stands still unless a caller blocks on it.
fn guest() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn builder(backend: &FakeBackend) -> pool_facade::Builder<FakeManager> {
    let pool = Pool::builder(backend.manager()).max_size(1u32);
    pool.acquire_timeout(ms(200)).idle_timeout(ms(200))
}

/// One that has to wait at home, while somebody has the only connection, is told when its time is up.
fn waits_in_vain(home: &Runtime, pool: &Pool<FakeManager>) {
    let ended = home.block_on(async { timeout(LONG, pool.acquire()).await });
    assert!(matches!(ended, Ok(Err(Error::Timeout { .. }))), "{ended:?}");
}

/// What nobody uses is closed at home.
fn idles_out(home: &Runtime, backend: &FakeBackend) {
    let closed = home.block_on(async { timeout(LONG, backend.until(|now| now.open == 0)).await });
    assert!(closed.is_ok(), "{:?}", backend.counts());
}

#[test]
fn outside_a_runtime_and_where_nothing_runs_there_is_no_pool() {
    let backend = FakeBackend::new();
    let mut build = pin!(builder(&backend).build());
    let outside = build.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(outside, Poll::Ready(Err(BuildError::NoRuntime))));
    let timeless = Builder::new_current_thread().build().unwrap();
    let built = timeless.block_on(builder(&backend).build());
    assert!(matches!(built, Err(BuildError::NoRuntime)));
    let refusing = CountingSpawn::tokio();
    refusing.set(Fate::Refuse);
    let built = guest().block_on(builder(&backend).spawner(Arc::new(refusing)).build());
    assert!(matches!(built, Err(BuildError::NoRuntime)));
}

#[test]
fn deadlines_at_home_are_kept_while_the_first_callers_runtime_stands_still() {
    let (home, guest) = (home(), guest());
    let pool = home.block_on(builder(&FakeBackend::new()).build()).unwrap();
    let lease = guest.block_on(async { pool.acquire().await }).unwrap();
    waits_in_vain(&home, &pool);
    drop(lease);
}

#[test]
fn what_idles_is_closed_at_home_when_the_first_callers_runtime_has_ended() {
    let (home, backend) = (home(), FakeBackend::new());
    let pool = home.block_on(builder(&backend).build()).unwrap();
    drop(guest().block_on(async { pool.acquire().await }).unwrap());
    idles_out(&home, &backend);
}

/// A spawner as a user writes one: it goes by the runtime that calls.
#[derive(Debug)]
struct Here;

impl Spawn for Here {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(task);
        };
        runtime.spawn(task);
        Ok(())
    }
}

/// Only a pool's own spawner can be told where the pool was built; so one with another begins there.
#[test]
fn deadlines_at_home_are_kept_over_whatever_spawner() {
    let (home, still) = (home(), guest());
    let elsewhere = still.block_on(async { TokioSpawn::new() });
    let spawners: [Arc<dyn Spawn>; 2] = [Arc::new(Here), Arc::new(elsewhere)];
    for spawner in spawners {
        let pool = builder(&FakeBackend::new()).spawner(spawner).build();
        let pool = home.block_on(pool).unwrap();
        let lease = still.block_on(async { pool.acquire().await }).unwrap();
        waits_in_vain(&home, &pool);
        drop(lease);
    }
}

/// Runs everything on one runtime.
#[derive(Debug)]
struct On(Handle);

impl Spawn for On {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
        self.0.spawn(task);
        Ok(())
    }
}

/// The timers of what runs at home are of home, whoever caused it.
#[test]
fn driver_goes_by_its_own_time_whoever_comes_first_and_goes() {
    let (home, backend) = (home(), FakeBackend::new());
    let tasks = CountingSpawn::new(On(home.handle().clone()));
    let pool = builder(&backend).spawner(Arc::new(tasks.clone())).build();
    let pool = home.block_on(pool).unwrap();
    let first = guest();
    let lease = first.block_on(async { pool.acquire().await }).unwrap();
    waits_in_vain(&home, &pool);
    drop((lease, first));
    idles_out(&home, &backend);
    assert_eq!(tasks.counts().dropped, 0, "{:?}", tasks.counts());
}

/// A connect that is begun when another has ended is nobody's in particular, and so begun at home.
#[test]
fn one_that_waits_at_home_is_served_though_another_runtime_ends() {
    let (home, backend) = (home(), FakeBackend::new());
    let (before, gate) = (Gate::new(), Gate::new());
    backend.script(Step::Connect, [Action::gate(&before)]);
    let behind = gate.clone();
    backend.rule(Step::Connect, move |_| Action::gate(&behind));
    let pool = builder(&backend).max_size(4u32).max_connecting(1u32);
    let pool = home.block_on(pool.acquire_timeout(LONG).build()).unwrap();
    let guest = guest();
    let mut waiter = None;
    guest.block_on(async {
        let mut first = pin!(pool.acquire());
        poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
        before.until_waiting(1).await;
        let at_home = pool.clone();
        waiter = Some(home.spawn(async move { at_home.acquire().await.map(drop) }));
        while pool.status().waiting < 2 {
            tokio::task::yield_now().await;
        }
        before.open();
        let lease = first.await.unwrap();
        gate.until_waiting(1).await;
        PooledConnection::discard(lease);
    });
    drop(guest);
    gate.open();
    let ended = home.block_on(waiter.unwrap()).unwrap();
    assert!(ended.is_ok(), "{ended:?}");
}

/// One that needed the time very exactly does not have all others pay for it when it has gone.
#[tokio::test(start_paused = true)]
async fn time_is_no_finer_than_the_pools_need_it_that_are_left() {
    let backend = FakeBackend::new();
    let build = |idle| {
        let pool = Pool::builder(backend.manager()).validate_on_acquire(false);
        pool.idle_timeout(ms(idle)).build()
    };
    let coarse = build(300_000).await.unwrap();
    let time = coarse.clock().coarse(ms(250));
    drop(build(50).await.unwrap());
    tokio::time::sleep(ms(1000)).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        tokio::time::sleep(ms(1)).await;
        seen.insert(time.millis());
    }
    assert!(seen.len() <= 6, "{} ticks in a second", seen.len());
}

#[test]
fn pools_of_a_runtime_share_a_clock_that_suits_them() {
    let backend = FakeBackend::new();
    let build = || async { builder(&backend).build().await.unwrap() };
    let (one, other) = (guest(), guest());
    let (first, second) = one.block_on(async { (build().await, build().await) });
    let elsewhere = other.block_on(build());
    assert!(Arc::ptr_eq(first.clock(), second.clock()));
    assert!(!Arc::ptr_eq(first.clock(), elsewhere.clock()));
}
