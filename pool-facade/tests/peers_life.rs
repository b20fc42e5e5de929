//! What users of other pools suffer from over a connection's life: each test is a complaint turned
//! into a rule.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{Builder, CloseReason, Event, Observer, Pool, PooledConnection};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Step};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn of(backend: &FakeBackend, max_size: u32) -> Builder<FakeManager> {
    Pool::builder(backend.manager()).max_size(max_size)
}

async fn pool_of(backend: &FakeBackend, max_size: u32) -> Pool<FakeManager> {
    of(backend, max_size).build().await.unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

/// 14: a check that gets no answer takes a part of the request's time, and the next one is tried.
#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_leaves_time_for_the_next_connection() {
    let backend = FakeBackend::new();
    let pool = of(&backend, 2)
        .initial_size(2u32)
        .acquire_timeout(Duration::from_secs(2))
        .build()
        .await
        .unwrap();
    pass(Duration::from_secs(5)).await;
    backend.script(Step::Validate, [Action::hang()]);
    let begun = now();
    let lease = pool.acquire().await.unwrap();
    assert!(begun.elapsed() <= ms(510), "{:?}", begun.elapsed());
    assert_eq!(backend.counts().validated, 1, "the next one was asked too");
    drop(lease);
}

/// 15: one lost connection is enough to ask all that were idle meanwhile before they are used.
#[tokio::test(start_paused = true)]
async fn after_a_restart_of_the_server_one_request_at_most_gets_a_dead_connection() {
    let backend = FakeBackend::new();
    let pool = of(&backend, 5).initial_size(5u32).build().await.unwrap();
    let restarted = backend.connections();
    pass(ms(100)).await;
    for id in restarted {
        backend.kill_unnoticed(id);
    }
    let mut failed = 0;
    for _ in 0..10 {
        let mut lease = pool.acquire().await.unwrap();
        if let Err(error) = lease.work().await {
            failed += 1;
            PooledConnection::report(&mut lease, &error);
        }
    }
    assert_eq!(failed, 1);
}

/// 16: a reply nobody read does not reach the next user.
#[tokio::test(start_paused = true)]
async fn a_user_cancelled_during_a_round_trip_leaves_no_reply_to_the_next() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let mut lease = pool.acquire().await.unwrap();
    let user = tokio::task::spawn(async move {
        let flight = PooledConnection::begin(&mut lease);
        flight.leave("half a reply");
        std::future::pending::<()>().await;
        flight.finish();
    });
    pass(ms(10)).await;
    user.abort();
    let next = pool.acquire().await.unwrap();
    next.assert_clean();
    assert_eq!(next.pool_id(), 2);
    assert_eq!(pool.status().closed_by(CloseReason::InFlight), 1);
}

/// 17: an open transaction does not reach the next user.
#[tokio::test(start_paused = true)]
async fn a_user_cancelled_in_a_transaction_leaves_none_open() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    let user = tokio::task::spawn(async move {
        (*lease).begin();
        std::future::pending::<()>().await;
    });
    pass(ms(10)).await;
    user.abort();
    let next = pool.acquire().await.unwrap();
    assert!(!next.in_transaction());
    next.assert_clean();
}

/// 18: a panic costs the connection, not its place.
#[tokio::test(start_paused = true)]
async fn a_lease_dropped_by_a_panic_is_discarded_and_its_slot_freed() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    for round in 1..=20 {
        let lease = pool.acquire().await.unwrap();
        assert_eq!(lease.pool_id(), round);
        let user = tokio::task::spawn(async move {
            let _lease = lease;
            panic!("a bug of the user");
        });
        assert!(user.await.is_err());
    }
    assert_eq!(pool.status().closed_by(CloseReason::Panicked), 20);
}

/// 19: a lease that dies with its runtime is not lost.
#[test]
fn a_lease_dropped_by_a_dying_runtime_is_back_in_the_pool() {
    let backend = FakeBackend::new();
    let first = runtime();
    let pool = first.block_on(pool_of(&backend, 1));
    first.block_on(async {
        let lease = pool.acquire().await.unwrap();
        tokio::task::spawn(async move {
            let _lease = lease;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
    });
    assert_eq!(pool.status().leased, 1);
    drop(first);
    assert_eq!((pool.status().leased, pool.status().idle), (0, 1));
}

/// 20: who returns on one runtime serves who waits on another.
#[test]
fn leases_cross_threads_and_runtimes() {
    let backend = FakeBackend::new();
    let first = runtime();
    let pool = first.block_on(pool_of(&backend, 1));
    let lease = first.block_on(async { pool.acquire().await.unwrap() });
    let other = std::thread::spawn({
        let pool = pool.clone();
        move || runtime().block_on(async { pool.acquire().await.unwrap().pool_id() })
    });
    while pool.status().waiting == 0 {
        std::thread::yield_now();
    }
    drop(first);
    drop(lease);
    assert_eq!(other.join().unwrap(), 1);
    assert_eq!(pool.status().idle, 1);
}

/// 21: shrinking a pool that is not full takes what it never used.
#[tokio::test(start_paused = true)]
async fn a_shrunk_pool_gives_out_no_more_than_its_new_maximum() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 10).await;
    pool.resize(2).unwrap();
    let mut requests: Vec<_> = (0..10).map(|_| Box::pin(pool.acquire())).collect();
    let mut leases = Vec::new();
    for (max, want) in [(2, 2), (10, 10)] {
        pool.resize(max).unwrap();
        for _ in 0..1000 {
            requests.retain_mut(|request| match poll(request.as_mut()) {
                Poll::Ready(lease) => {
                    leases.push(lease.unwrap());
                    false
                }
                Poll::Pending => true,
            });
            pass(ms(1)).await;
        }
        assert_eq!((leases.len(), pool.status().leased), (want, want));
        assert_eq!(backend.counts().peak_total, want as u64);
    }
}

/// 22: a close ends by its deadline and names who still holds a connection, and from where.
#[tokio::test(start_paused = true)]
async fn a_close_ends_in_time_and_names_the_holders() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 2).await;
    let (lease, line) = (pool.acquire().await.unwrap(), line!());
    drop(pool.acquire().await.unwrap());
    let begun = now();
    let report = pool.close(ms(500)).await;
    assert!(begun.elapsed() >= ms(500) && begun.elapsed() <= ms(510));
    let [holder] = report.still_held.as_slice() else {
        panic!("{report:?}");
    };
    assert_eq!((holder.site.file(), holder.site.line()), (file!(), line));
    assert_eq!(holder.connection, lease.pool_id());
    drop(lease);
    let report = pool.close(ms(500)).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(backend.counts().open, 0);
}

/// 23: the minimum is kept, not closed and opened again.
#[tokio::test(start_paused = true)]
async fn unused_connections_up_to_the_minimum_stay_as_they_are() {
    let backend = FakeBackend::new();
    let pool = of(&backend, 5)
        .min_size(2u32)
        .min_idle(1u32)
        .idle_timeout(ms(100))
        .build()
        .await
        .unwrap();
    pass(Duration::from_secs(60)).await;
    assert_eq!((pool.status().idle, backend.counts().connects), (2, 2));
    let mut leases = Vec::new();
    for _ in 0..4 {
        leases.push(pool.acquire().await.unwrap());
    }
    drop(leases);
    pass(Duration::from_secs(60)).await;
    assert_eq!(pool.status().idle, 2);
    assert!(backend.counts().connects <= 5, "{:?}", backend.counts());
}

#[derive(Default)]
struct Waits(Mutex<(Vec<Duration>, Vec<Duration>)>);

impl Observer for Waits {
    fn event(&self, event: &Event<'_>) {
        let mut waits = self.0.lock().unwrap();
        match event {
            Event::Acquired { waited, .. } => waits.0.push(*waited),
            Event::Refused { waited, .. } => waits.1.push(*waited),
            _ => {}
        }
    }
}

/// 24: how many wait is exact whoever gives up, and each wait is told to the observer.
#[tokio::test(start_paused = true)]
async fn the_count_of_waiters_is_exact_and_every_wait_is_told() {
    let backend = FakeBackend::new();
    let waits = Arc::new(Waits::default());
    let pool = of(&backend, 1)
        .acquire_timeout(ms(300))
        .observer(Arc::clone(&waits) as Arc<dyn Observer>)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let mut waiters: Vec<_> = (0..10).map(|_| Box::pin(pool.acquire())).collect();
    for (before, waiter) in waiters.iter_mut().enumerate() {
        assert_eq!(pool.status().waiting, before);
        assert!(poll(waiter.as_mut()).is_pending());
    }
    for left in [9, 8, 7] {
        drop(waiters.remove(left / 2));
        assert_eq!(pool.status().waiting, left);
    }
    pass(ms(100)).await;
    drop(lease);
    assert_eq!(pool.status().waiting, 6);
    let lease = waiters.remove(0).await.unwrap();
    pass(ms(300)).await;
    assert_eq!((pool.status().waiting, pool.status().timeouts), (0, 0));
    for waiter in waiters {
        assert!(waiter.await.is_err());
    }
    assert_eq!(pool.status().timeouts, 6);
    drop(lease);
    let (served, refused) = &*waits.0.lock().unwrap();
    let about = |wait: &Duration, want: u64| wait.abs_diff(ms(want)) <= ms(5);
    assert!(served.len() == 2 && about(&served[1], 100), "{served:?}");
    let all = refused.len() == 6 && refused.iter().all(|wait| about(wait, 400));
    assert!(all, "{refused:?}");
}
