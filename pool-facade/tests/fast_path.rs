//! What an uncontended acquire and drop costs, and what a waited one costs.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{
    Admission, Admit, Candidates, Event, Manager, Observer, Outcome, Placement, Pool, RequestInfo,
    Token,
};
use pool_testkit::alloc::{CountingAllocator, thread_cost};
use pool_testkit::clock::ManualClock;
use pool_testkit::fake::FakeBackend;
use pool_testkit::spawn::CountingSpawn;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const ROUNDS: u64 = 10_000;
/// Entries into the lock that a snapshot counts between itself and the one before.
const OWN: u64 = 2;

/// The output of a future that does not wait.
fn ready<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("had to wait"),
    }
}

async fn warm<M: Manager>(pool: &Pool<M>) {
    for _ in 0..3 {
        drop(pool.acquire().await.expect("the fake opens connections"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uncontended_acquire_with_default_settings_allocates_nothing() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager()).build().await.unwrap();
    let measured = tokio::task::spawn(async move {
        warm(&pool).await;
        let before = thread_cost();
        for _ in 0..ROUNDS {
            drop(pool.acquire().await.unwrap());
        }
        thread_cost().allocations - before.allocations
    });
    assert_eq!(measured.await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uncontended_acquire_reads_no_clock_takes_no_lock_and_spawns_nothing() {
    let backend = FakeBackend::new();
    let clock = ManualClock::new();
    let spawn = CountingSpawn::tokio();
    let pool = Pool::builder(backend.manager())
        .clock(Arc::new(clock.clone()))
        .spawner(Arc::new(spawn.clone()))
        .build()
        .await
        .unwrap();
    warm(&pool).await;
    // Time stands still, so the driver sleeps once it has done what is left to do on its own thread.
    // A stretch of leases in which it did nothing shows what they cost by themselves: exactly nothing.
    let untouched = (0..100).any(|_| {
        let (reads, spawned) = (clock.reads(), spawn.counts().spawned);
        let entries = pool.status().lock_entries;
        for _ in 0..ROUNDS / 100 {
            drop(ready(pool.acquire()).unwrap());
        }
        let taken = pool.status().lock_entries - entries;
        (clock.reads(), spawn.counts().spawned, taken) == (reads, spawned, OWN)
    });
    assert!(
        untouched,
        "each stretch of leases read the clock, spawned or took the lock"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn waited_acquire_with_its_deadline_on_allocates_nothing_in_the_steady_state() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .max_size(1u32)
        .acquire_timeout(Duration::from_secs(30))
        .build()
        .await
        .unwrap();
    let other = pool.clone();
    let busy = tokio::task::spawn(async move {
        loop {
            let lease = other.acquire().await.unwrap();
            tokio::task::yield_now().await;
            drop(lease);
        }
    });
    let mut cost = 0;
    for round in 0..ROUNDS + 100 {
        let before = thread_cost().allocations;
        let lease = pool.acquire().await.unwrap();
        tokio::task::yield_now().await;
        drop(lease);
        if round >= 100 {
            cost += thread_cost().allocations - before;
        }
    }
    assert!(pool.status().handed_off >= ROUNDS, "these acquires waited");
    assert_eq!(cost, 0);
    busy.abort();
}

/// Listens, lets in and chooses, and does nothing else.
struct Idler;

impl Observer for Idler {
    fn event(&self, event: &Event<'_>) {
        std::hint::black_box(event);
    }
}

impl Admission for Idler {
    fn admit(&self, _: Duration, _: &RequestInfo) -> Admit {
        Admit::Enter(Token::new(1))
    }

    fn leave(&self, _: Duration, token: Token, _: Outcome) {
        std::hint::black_box(token);
    }
}

impl Placement for Idler {
    fn choose(&self, _: &RequestInfo, candidates: &Candidates<'_>) -> Option<u32> {
        candidates.iter().last().map(|last| last.slot)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uncontended_acquire_with_observer_admission_and_placement_allocates_nothing() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .observer(Arc::new(Idler))
        .admission(Arc::new(Idler))
        .placement(Arc::new(Idler))
        .build()
        .await
        .unwrap();
    let measured = tokio::task::spawn(async move {
        warm(&pool).await;
        let before = thread_cost();
        for _ in 0..ROUNDS {
            drop(pool.acquire().await.unwrap());
            drop(pool.try_acquire().expect("it is idle again"));
        }
        thread_cost().allocations - before.allocations
    });
    assert_eq!(measured.await.unwrap(), 0);
}

#[test]
fn a_lease_is_one_pointer_and_an_acquire_is_small() {
    type M = pool_testkit::fake::FakeManager;
    assert_eq!(size_of::<pool_facade::PooledConnection<M>>(), 8);
    assert_eq!(size_of::<Option<pool_facade::PooledConnection<M>>>(), 8);
    let acquire = size_of::<pool_facade::Acquire<'_, M>>();
    assert!(acquire <= 96, "{acquire} bytes");
}

/// A service with a database for each customer has many that nobody uses.
#[tokio::test]
async fn a_pool_of_two_that_nobody_uses_is_small() {
    const POOLS: usize = 100;
    let backend = FakeBackend::new();
    let build = || Pool::builder(backend.manager()).max_size(2u32).build();
    // What all pools of a process share.
    let _first = build().await.unwrap();
    let mut pools = Vec::with_capacity(POOLS);
    let before = thread_cost().live();
    for _ in 0..POOLS {
        pools.push(build().await.unwrap());
    }
    let bytes = (thread_cost().live() - before) / POOLS as i64;
    assert!(bytes <= 720, "{bytes} bytes");
}
