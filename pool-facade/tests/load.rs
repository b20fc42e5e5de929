//! Many tasks on few connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use pool_facade::{Pool, PooledConnection};
use pool_testkit::fake::{Action, FakeBackend, Step};
use pool_testkit::stats::jain;

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
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::delay(ms(150)));
    let pool = Pool::builder(backend.manager())
        .max_size(50u32)
        .initial_size(5u32)
        .build()
        .await
        .unwrap();
    assert_eq!(pool.status().idle, 5);
    let begun = tokio::time::Instant::now();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                let lease = pool.acquire().await.unwrap();
                tokio::time::sleep(ms(2)).await;
                drop(lease);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = begun.elapsed();
    assert!(took <= ms(25), "{took:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let size = pool.status().size;
    assert!(size <= 6, "{size} connections after the spike");
}

/// What had been open is opened again for those who wait, all of it at once: only what is more than
/// that is paced.
#[tokio::test(start_paused = true)]
async fn what_breaks_while_others_wait_is_replaced_at_once() {
    let backend = FakeBackend::new();
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
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move { drop(pool.acquire().await.unwrap()) })
        })
        .collect();
    tokio::time::sleep(ms(1)).await;
    assert_eq!(backend.counts().connecting, 1, "growth is paced");
    held.drain(..4).for_each(PooledConnection::discard);
    tokio::time::sleep(ms(1)).await;
    assert_eq!(backend.counts().connecting, 5, "the four that broke too");
    for task in tasks {
        task.await.unwrap();
    }
}
