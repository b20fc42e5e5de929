//! What users of other pools suffer from while they wait: each test is a complaint turned into a
//! rule.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{
    Builder, Condition, ConnectCtx, Error, ErrorClass, Event, Hook, Manager, Observer, Pool,
    PooledConnection, Refused, WeakPool,
};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Gate, Step};

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

/// 1: at 20 requests per connection the last in a hundred waits hardly longer than the middle one.
#[tokio::test(start_paused = true)]
async fn under_twenty_requests_per_connection_the_tail_stays_near_the_median() {
    let backend = FakeBackend::new();
    let pool = of(&backend, 50).initial_size(50u32).build().await.unwrap();
    let users: Vec<_> = (0..1000)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                let mut waits = Vec::new();
                for _ in 0..10 {
                    let begun = now();
                    let lease = pool.acquire().await.unwrap();
                    waits.push(begun.elapsed());
                    pass(ms(1)).await;
                    drop(lease);
                }
                waits.split_off(1)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for user in users {
        waits.extend(user.await.unwrap());
    }
    waits.sort_unstable();
    let at = |percent: usize| waits[waits.len() * percent / 100];
    let ratio = at(99).as_secs_f64() / at(50).as_secs_f64();
    assert!(ratio <= 1.35, "p99 {:?}, p50 {:?}", at(99), at(50));
}

/// 2: between "nothing is idle" and "I am in the queue" no return is missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_waiter_sleeps_while_a_connection_is_idle() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 4).await;
    let over = Arc::new(AtomicBool::new(false));
    let watch = std::thread::spawn({
        let (pool, over) = (pool.clone(), Arc::clone(&over));
        move || {
            while !over.load(Ordering::Relaxed) {
                let status = pool.status();
                let asleep = status.idle > 0 && status.waiting > 0;
                assert!(!asleep, "{status:?}");
            }
        }
    });
    let users: Vec<_> = (0..32)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                for _ in 0..500 {
                    let lease = pool.acquire().await.unwrap();
                    tokio::task::yield_now().await;
                    drop(lease);
                }
            })
        })
        .collect();
    for user in users {
        user.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    watch.join().unwrap();
    assert!(pool.status().handed_off > 0, "some of them waited");
}

/// 3: a return names its waiter; who asks before that waiter runs does not get it.
#[tokio::test(start_paused = true)]
async fn a_returned_connection_belongs_to_its_waiter_before_the_waiter_runs() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    let mut early = pin!(pool.acquire());
    assert!(poll(early.as_mut()).is_pending());
    drop(lease);
    let mut late = pin!(pool.acquire());
    assert!(poll(late.as_mut()).is_pending());
    assert!(pool.try_acquire().is_none());
    assert!(poll(early.as_mut()).is_ready());
}

/// How a hook ends in the test below.
fn hook(outcome: u64) -> Hook<pool_testkit::fake::FakeConn> {
    Hook::asynchronous(move |_, _| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            match outcome {
                0 => Ok(()),
                1 => Err(Refused::new("no")),
                2 => panic!("a bug in the hook"),
                3 => std::future::pending().await,
                _ => {
                    pass(ms(20)).await;
                    Ok(())
                }
            }
        })
    })
}

/// 4: an acquire dropped after any number of polls, whatever the hook does, costs nothing.
#[tokio::test(start_paused = true)]
async fn an_acquire_dropped_at_any_await_point_leaves_the_sizes_as_they_were() {
    for outcome in 0..5 {
        for polls in 0..8 {
            let backend = FakeBackend::new();
            // Time stands still while anything can run, so a connect must take some.
            backend.rule(Step::Connect, |_| Action::delay(ms(10)));
            let pool = of(&backend, 2)
                .before_acquire(hook(outcome))
                .acquire_timeout(ms(100))
                .build()
                .await
                .unwrap();
            let held = pool.acquire().await.ok();
            for _ in 0..4 {
                let mut acquire = Box::pin(pool.acquire());
                for _ in 0..polls {
                    if poll(acquire.as_mut()).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            drop(held);
            pass(ms(500)).await;
            let status = pool.status();
            assert_eq!((status.leased, status.waiting), (0, 0), "{status:?}");
            assert_eq!(status.size, status.idle, "{status:?}");
            assert_eq!(backend.counts().open, status.idle as u64);
        }
    }
}

/// 5: connects that take longer than anybody waits are finished, not begun again.
#[tokio::test(start_paused = true)]
async fn a_slow_connect_outlives_impatient_requests_and_the_pool_fills() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::delay(ms(200)));
    let pool = of(&backend, 5)
        .acquire_timeout(ms(50))
        .build()
        .await
        .unwrap();
    let users: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                let mut served = 0u64;
                for _ in 0..40 {
                    let Ok(lease) = pool.acquire().await else {
                        continue;
                    };
                    pass(ms(5)).await;
                    drop(lease);
                    served += 1;
                }
                served
            })
        })
        .collect();
    let mut served = 0;
    for user in users {
        served += user.await.unwrap();
    }
    let counts = backend.counts();
    assert!(counts.connects <= 5 && counts.abandoned == 0, "{counts:?}");
    assert!(served >= 500, "{served} of 800 served");
}

/// 6: whoever gives up during a check leaves the check running, and the connection in the pool.
#[tokio::test(start_paused = true)]
async fn a_cancelled_check_does_not_cost_a_good_connection() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    backend.script(Step::Validate, [Action::gate(&gate)]);
    let pool = of(&backend, 1)
        .validation_bypass(Duration::ZERO)
        .build()
        .await
        .unwrap();
    let mut acquire = Box::pin(pool.acquire());
    while !backend
        .log()
        .iter()
        .any(|entry| entry.step == Step::Validate)
    {
        assert!(poll(acquire.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    drop(acquire);
    gate.open();
    pass(ms(10)).await;
    assert_eq!((pool.status().idle, pool.status().closed), (1, 0));
    assert_eq!(pool.acquire().await.unwrap().pool_id(), 1);
}

/// Calls its pool from wherever it is called.
#[derive(Clone, Default)]
struct Reentrant {
    pool: Arc<OnceLock<WeakPool<Self>>>,
    calls: Arc<AtomicU64>,
}

impl Reentrant {
    fn call(&self) {
        if let Some(pool) = self.pool.get().and_then(WeakPool::upgrade) {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let _ = (pool.status(), pool.holders());
        }
    }
}

struct ReentrantConn(Reentrant);

impl Drop for ReentrantConn {
    fn drop(&mut self) {
        self.0.call();
    }
}

impl Manager for Reentrant {
    type Connection = ReentrantConn;
    type Error = std::io::Error;

    async fn connect(&self, _: &ConnectCtx) -> Result<ReentrantConn, std::io::Error> {
        self.call();
        Ok(ReentrantConn(self.clone()))
    }

    fn condition(&self, _: &mut ReentrantConn) -> Condition {
        self.call();
        Condition::Clean
    }
}

impl Observer for Reentrant {
    fn event(&self, _: &Event<'_>) {
        self.call();
    }
}

/// 7: no user code runs under a lock of the pool.
#[test]
fn destructors_callbacks_and_observers_may_call_the_pool() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(reenter());
        done.send(()).unwrap();
    });
    ended
        .recv_timeout(Duration::from_secs(20))
        .expect("no deadlock");
}

async fn reenter() {
    let manager = Reentrant::default();
    let pool = Pool::builder(manager.clone())
        .max_size(1u32)
        .observer(Arc::new(manager.clone()))
        .build()
        .await
        .unwrap();
    assert!(manager.pool.set(pool.downgrade()).is_ok());
    let lease = pool.acquire().await.unwrap();
    let waiter = tokio::task::spawn({
        let pool = pool.clone();
        async move { PooledConnection::discard(pool.acquire().await.unwrap()) }
    });
    tokio::task::yield_now().await;
    drop(lease);
    waiter.await.unwrap();
    drop(pool.acquire().await.unwrap());
    let inside = pool.clone();
    pool.retain(|_, _| inside.status().size > 1);
    drop(pool.acquire().await.unwrap());
    pool.resize(2).unwrap();
    pool.reopen();
    assert!(pool.close(Duration::from_secs(5)).await.is_complete());
    assert!(manager.calls.load(Ordering::Relaxed) > 10);
}

/// 8: a broken connection's place serves the next waiter.
#[tokio::test(start_paused = true)]
async fn when_every_connection_breaks_all_requests_are_still_served() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 2).await;
    let begun = now();
    let users: Vec<_> = (0..10)
        .map(|_| {
            let (pool, backend) = (pool.clone(), backend.clone());
            tokio::task::spawn(async move {
                let lease = pool.acquire().await.unwrap();
                pass(ms(1)).await;
                backend.kill(lease.id());
            })
        })
        .collect();
    for user in users {
        user.await.unwrap();
    }
    assert!(begun.elapsed() <= ms(100), "{:?}", begun.elapsed());
    assert_eq!(backend.counts().opened, 10);
}

/// 9: a wrong password is told as such, and at once.
#[tokio::test(start_paused = true)]
async fn a_connect_that_cannot_work_is_reported_at_once_with_its_cause() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Permanent));
    let pool = pool_of(&backend, 3).await;
    let begun = now();
    let error = pool.acquire().await.unwrap_err();
    assert!(begun.elapsed() <= ms(10), "{:?}", begun.elapsed());
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert_eq!(error.manager_error().unwrap().class, ErrorClass::Permanent);
    assert!(error.to_string().contains("fake connection"), "{error}");
}

/// 10: the numbers add up at every moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_never_wrap_and_always_add_up() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 4).await;
    let over = Arc::new(AtomicBool::new(false));
    let watch = std::thread::spawn({
        let (pool, over) = (pool.clone(), Arc::clone(&over));
        move || {
            while !over.load(Ordering::Relaxed) {
                let now = pool.status();
                let parts = [
                    now.idle,
                    now.leased,
                    now.connecting,
                    now.checking,
                    now.resetting,
                    now.closing,
                ];
                assert_eq!(now.size, parts.iter().sum::<usize>(), "{now:?}");
                assert!(now.size <= 8 && now.closed <= now.opened, "{now:?}");
                assert!(now.waiting <= 16, "{now:?}");
            }
        }
    });
    let users: Vec<_> = (0..16)
        .map(|user| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                for round in 0..300u32 {
                    let acquire = pool.acquire();
                    let Ok(Ok(lease)) = tokio::time::timeout(ms(5), acquire).await else {
                        continue;
                    };
                    match (user + round) % 7 {
                        0 => PooledConnection::discard(lease),
                        1 => pool.resize(1 + round % 8).unwrap(),
                        2 => pool.reopen(),
                        _ => tokio::task::yield_now().await,
                    }
                }
            })
        })
        .collect();
    for user in users {
        user.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    watch.join().unwrap();
}

/// 11: connections opened together do not end together, and are replaced before they end.
#[tokio::test(start_paused = true)]
async fn connections_opened_together_expire_spread_out_and_are_replaced_ahead() {
    let backend = FakeBackend::new();
    let pool = of(&backend, 110)
        .initial_size(100u32)
        .min_size(100u32)
        .max_lifetime(Duration::from_secs(100))
        .lifetime_jitter(0.5)
        .idle_timeout(None)
        .maintenance_interval(Duration::from_secs(1))
        .seed(7u64)
        .build()
        .await
        .unwrap();
    let (mut most, mut least) = (0, usize::MAX);
    for _ in 0..100 {
        let before = backend.counts().closed;
        pass(Duration::from_secs(1)).await;
        most = most.max(backend.counts().closed - before);
        least = least.min(pool.status().idle);
    }
    let closed = backend.counts().closed;
    assert!(closed >= 90, "{closed} expired");
    assert!(most <= 10, "{most} expired in one second");
    assert!(least >= 99, "at one time only {least} were ready");
}

/// 12: cold clients are served as fast as connects run side by side; nobody's connect is for naught.
#[tokio::test(start_paused = true)]
async fn fifty_cold_clients_are_all_served_within_a_few_connect_times() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::delay(ms(100)));
    let pool = of(&backend, 50)
        .acquire_timeout(Duration::from_secs(5))
        .build()
        .await
        .unwrap();
    let begun = now();
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move { pool.acquire().await.unwrap() })
        })
        .collect();
    let mut leases = Vec::new();
    for client in clients {
        leases.push(client.await.unwrap());
    }
    assert!(
        begun.elapsed() <= Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    let counts = backend.counts();
    assert_eq!((counts.connects, counts.peak_total), (50, 50), "{counts:?}");
    assert!(counts.peak_connecting <= 8, "{counts:?}");
}

/// Requests served in a second by ten connections and so many tasks that each wait so long.
async fn served(tasks: u64, patience: Duration) -> u64 {
    let backend = FakeBackend::new();
    let pool = of(&backend, 10)
        .initial_size(10u32)
        .acquire_timeout(patience)
        .build()
        .await
        .unwrap();
    let end = now() + Duration::from_secs(1);
    let users: Vec<_> = (0..tasks)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                let mut served = 0;
                while now() < end {
                    if let Ok(lease) = pool.acquire().await {
                        pass(ms(1)).await;
                        drop(lease);
                        served += 1;
                    }
                }
                served
            })
        })
        .collect();
    let mut all = 0;
    for user in users {
        all += user.await.unwrap();
    }
    all
}

/// 13: more requests than connections never make the pool slower, however patient they are.
#[tokio::test(start_paused = true)]
async fn throughput_does_not_fall_when_requests_outnumber_connections() {
    let just_enough = served(10, Duration::from_secs(30)).await;
    for tasks in [11, 15, 20, 50, 200] {
        for patience in [ms(5), ms(50), Duration::from_secs(30)] {
            let now = served(tasks, patience).await;
            let kept = now * 100 >= just_enough * 95;
            assert!(kept, "{tasks} tasks, {patience:?}: {now} of {just_enough}");
        }
    }
}

/// 13: leaving the queue costs the same however long it is; a search would take minutes here.
#[tokio::test(start_paused = true)]
async fn giving_up_in_a_long_queue_does_not_search_it() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let _lease = pool.acquire().await.unwrap();
    let mut waiters: Vec<_> = (0..100_000).map(|_| Box::pin(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert!(poll(waiter.as_mut()).is_pending());
    }
    let begun = std::time::Instant::now();
    // From the middle on, outwards.
    let late = waiters.split_off(50_000);
    for (early, late) in waiters.into_iter().rev().zip(late) {
        drop((early, late));
    }
    assert_eq!(pool.status().waiting, 0);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}
