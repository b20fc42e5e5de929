//! Many tasks on few connections.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is how a test fails"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use pool_facade::{Evict, Pool, PooledConnection};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Step};
use pool_testkit::stats::jain;
use tokio::task::JoinHandle;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const TASKS: usize = 10_000;
const LEASES: u64 = 400_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_tasks_on_a_hundred_connections_are_served_evenly() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .max_size(100u32)
        .build()
        .await
        .unwrap();
    // Counted from the moment at which every task has had a turn: those that the machine started
    // first have had more by then, which is not the pool's doing.
    let begun = Arc::new(AtomicUsize::new(0));
    let total = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (pool, begun, total) = (pool.clone(), Arc::clone(&begun), Arc::clone(&total));
            tokio::task::spawn(async move {
                let mut mine = 0u64;
                for turn in 0.. {
                    let counts = begun.load(Ordering::Relaxed) == TASKS;
                    if counts && total.fetch_add(1, Ordering::Relaxed) >= LEASES {
                        break;
                    }
                    let lease = pool.acquire().await.unwrap();
                    lease.claim();
                    tokio::task::yield_now().await;
                    lease.release();
                    mine += u64::from(counts);
                    begun.fetch_add(usize::from(turn == 0), Ordering::Relaxed);
                }
                mine
            })
        })
        .collect();
    let mut counts = Vec::new();
    for task in tasks {
        counts.push(task.await.unwrap());
    }
    assert_eq!(counts.iter().sum::<u64>(), LEASES);
    let fairness = jain(&counts);
    assert!(fairness >= 0.99, "Jain's index {fairness}");
    assert!(backend.counts().peak_open <= 100, "{:?}", backend.counts());
}

#[tokio::test(start_paused = true)]
async fn a_spike_is_served_by_what_circulates_without_a_connect_storm() {
    // What circulates was opened by the pool, or for a smaller crowd a moment ago.
    for initial in [5, 0] {
        let backend = FakeBackend::new();
        // The last one ends when nobody waits any more.
        backend.script(
            Step::Connect,
            [150, 150, 150, 150, 160].map(ms).map(Action::delay),
        );
        backend.rule(Step::Connect, |_| Action::delay(ms(150)));
        let pool = Pool::builder(backend.manager()).max_size(50u32);
        let pool = pool.initial_size(initial).build().await.unwrap();
        users(&pool, 5, ms(1)).await;
        tokio::time::sleep(ms(20)).await;
        assert_eq!(pool.status().idle, 5);
        spike(&pool).await;
    }
}

/// So many at once, each with a connection for so long.
async fn users(pool: &Pool<FakeManager>, count: usize, hold: Duration) {
    let one = || {
        let pool = pool.clone();
        tokio::task::spawn(async move {
            let lease = pool.acquire().await.unwrap();
            tokio::time::sleep(hold).await;
            drop(lease);
        })
    };
    let tasks: Vec<_> = (0..count).map(|_| one()).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Fifty at once.
async fn spike(pool: &Pool<FakeManager>) {
    let begun = tokio::time::Instant::now();
    users(pool, 50, ms(2)).await;
    let took = begun.elapsed();
    assert!(took <= ms(25), "{took:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let size = pool.status().size;
    assert!(size <= 6, "{size} connections after the spike");
}

/// A pool with six leases, which may have twenty connections; a connect takes 150 ms.
async fn six_of_twenty(
    backend: &FakeBackend,
) -> (Pool<FakeManager>, Vec<PooledConnection<FakeManager>>) {
    backend.rule(Step::Connect, |_| Action::delay(ms(150)));
    let pool = Pool::builder(backend.manager())
        .max_size(20u32)
        .initial_size(6u32)
        .build()
        .await
        .unwrap();
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(pool.acquire().await.unwrap());
    }
    (pool, held)
}

/// So many tasks that ask for a connection once.
fn crowd(pool: &Pool<FakeManager>, tasks: usize) -> Vec<JoinHandle<()>> {
    let one = || {
        let pool = pool.clone();
        tokio::task::spawn(async move { drop(pool.acquire().await.unwrap()) })
    };
    (0..tasks).map(|_| one()).collect()
}

/// What had been open is opened again for those who wait, all of it at once: only what is more than
/// that is paced.
#[tokio::test(start_paused = true)]
async fn what_breaks_while_others_wait_is_replaced_at_once() {
    let backend = FakeBackend::new();
    let (pool, mut held) = six_of_twenty(&backend).await;
    let tasks = crowd(&pool, 10);
    tokio::time::sleep(ms(1)).await;
    assert_eq!(backend.counts().connecting, 1, "growth is paced");
    held.drain(..4).for_each(PooledConnection::discard);
    tokio::time::sleep(ms(1)).await;
    assert_eq!(backend.counts().connecting, 5, "the four that broke too");
    for task in tasks {
        task.await.unwrap();
    }
}

/// A close may take its time: what replaces it does not wait for it where there is room.
#[tokio::test(start_paused = true)]
async fn what_is_being_closed_is_replaced_meanwhile() {
    let backend = FakeBackend::new();
    backend.rule(Step::Close, |_| Action::delay(ms(2000)));
    let (pool, mut held) = six_of_twenty(&backend).await;
    let tasks = crowd(&pool, 10);
    tokio::time::sleep(ms(1)).await;
    held.drain(..4).for_each(PooledConnection::discard);
    tokio::time::sleep(ms(1)).await;
    assert_eq!(backend.counts().connecting, 5, "the four that broke too");
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
}

/// Neither what was closed while nobody waited nor what was too many.
#[tokio::test(start_paused = true)]
async fn what_nobody_missed_is_not_replaced_at_once() {
    let backend = FakeBackend::new();
    let (pool, mut held) = six_of_twenty(&backend).await;
    backend.rule(Step::Close, |_| Action::delay(ms(20)));
    held.truncate(2);
    assert_eq!(pool.evict(Evict::Idle), 4);
    tokio::time::sleep(ms(5)).await;
    let tasks = crowd(&pool, 10);
    tokio::time::sleep(ms(40)).await;
    assert_eq!(backend.counts().connecting, 1, "growth is paced");
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }

    let (pool, mut held) = six_of_twenty(&backend).await;
    let tasks = crowd(&pool, 10);
    pool.resize(2).unwrap();
    held.truncate(2);
    tokio::time::sleep(ms(5000)).await;
    assert_eq!(pool.status().size, 2);
    let before = backend.counts().connecting;
    pool.resize(20).unwrap();
    tokio::time::sleep(ms(1)).await;
    assert_eq!(backend.counts().connecting - before, 1, "growth is paced");
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
}

/// How long a connect takes is known when the first has ended, and growth goes by it from then on.
#[tokio::test(start_paused = true)]
async fn growth_keeps_pace_with_connects() {
    for (connect, within) in [(2, ms(50)), (20, ms(350)), (150, ms(2000))] {
        let backend = FakeBackend::new();
        backend.rule(Step::Connect, move |_| Action::delay(ms(connect)));
        let pool = Pool::builder(backend.manager()).max_size(100u32);
        let pool = pool.build().await.unwrap();
        let begun = tokio::time::Instant::now();
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let pool = pool.clone();
                tokio::task::spawn(async move { pool.acquire().await.unwrap() })
            })
            .collect();
        let mut held = Vec::new();
        for task in tasks {
            held.push(task.await.unwrap());
        }
        let took = begun.elapsed();
        assert!(took <= within, "connects of {connect} ms: {took:?}");
    }
}

/// A close that takes time has a task of its own, and whoever waits for the place need not wait longer.
#[tokio::test(start_paused = true)]
async fn place_is_free_as_soon_as_a_slow_close_has_ended() {
    let backend = FakeBackend::new();
    backend.rule(Step::Close, |_| Action::delay(ms(10)));
    let pool = Pool::builder(backend.manager()).max_size(1u32);
    let pool = pool.build().await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let waiting = crowd(&pool, 1);
    tokio::time::sleep(ms(1)).await;
    let begun = tokio::time::Instant::now();
    PooledConnection::discard(lease);
    for task in waiting {
        task.await.unwrap();
    }
    let took = begun.elapsed();
    assert!(took <= ms(12), "the freed slot was left lying: {took:?}");
}
