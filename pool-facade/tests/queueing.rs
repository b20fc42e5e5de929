//! Who is served when: order, hand-off, priorities, the bounded queue.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is how a test fails"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pool_facade::{Error, Pool, PooledConnection, Priority};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Gate, Step};
use pool_testkit::stats::jain;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Lets `time` of the paused clock pass.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

async fn pool_of(backend: &FakeBackend, max_size: u32) -> Pool<FakeManager> {
    let builder = Pool::builder(backend.manager()).max_size(max_size);
    builder.build().await.unwrap()
}

/// Lets other tasks run until as many requests wait.
async fn until_waiting(pool: &Pool<FakeManager>, count: usize) {
    for _ in 0..10_000 {
        if pool.status().waiting == count {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{:?}", pool.status());
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What was served, in order.
#[derive(Clone, Debug, Default)]
struct Served(Arc<Mutex<Vec<&'static str>>>);

impl Served {
    fn note(&self, who: &'static str) {
        self.0.lock().unwrap().push(who);
    }

    fn list(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// Starts a task that waits with `priority`, notes that it was served and holds no longer.
fn wait_with(pool: &Pool<FakeManager>, priority: Priority, served: &Served, who: &'static str) {
    let (pool, served) = (pool.clone(), served.clone());
    tokio::task::spawn(async move {
        let lease = pool.request().priority(priority).acquire().await.unwrap();
        served.note(who);
        drop(lease);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_one_opens_one_connection_for_any_number_of_tasks() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                for _ in 0..100 {
                    let lease = pool.acquire().await.unwrap();
                    let owned = lease.own();
                    tokio::task::yield_now().await;
                    drop(owned);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(backend.counts().connects, 1);
    assert_eq!((pool.status().size, pool.status().idle), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_the_order_of_their_arrival() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let mut lease = Some(pool.acquire().await.unwrap());
    let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
    for waiter in 1..=4 {
        let (pool, served) = (pool.clone(), served.clone());
        tokio::task::spawn(async move {
            let lease = pool.acquire().await.unwrap();
            served.send((waiter, lease)).unwrap();
        });
        pass(ms(100)).await;
    }
    for expected in 1..=4 {
        drop(lease.take());
        let (waiter, next) = order.recv().await.unwrap();
        assert_eq!(waiter, expected);
        assert!(order.try_recv().is_err(), "one return serves one waiter");
        lease = Some(next);
    }
}

#[tokio::test]
async fn a_newcomer_never_overtakes_a_parked_waiter() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    for _ in 0..10_000 {
        let lease = pool.acquire().await.unwrap();
        let mut parked = Box::pin(pool.acquire());
        assert!(poll_once(parked.as_mut()).is_pending());
        drop(lease);
        // Handed over already, although the waiter has not run since.
        assert!(pool.try_acquire().is_none());
        let mut newcomer = Box::pin(pool.acquire());
        assert!(poll_once(newcomer.as_mut()).is_pending());
        let Poll::Ready(first) = poll_once(parked.as_mut()) else {
            panic!("the parked waiter was overtaken");
        };
        drop(first);
        assert!(poll_once(newcomer.as_mut()).is_ready());
    }
    assert_eq!(backend.counts().connects, 1);
}

#[tokio::test]
async fn a_newcomer_is_served_at_once_by_what_the_waiters_leave() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 2).await;
    let leases = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let mut parked = Box::pin(pool.acquire());
    assert!(poll_once(parked.as_mut()).is_pending());
    drop(leases);
    let newcomer = pool.try_acquire();
    assert!(newcomer.is_some(), "two came back, one waited");
    assert!(poll_once(parked.as_mut()).is_ready());
}

/// `tasks` tasks that use connections for 1 ms each, over and over, for 10 s. The waits in
/// milliseconds, sorted, and each task's number of leases.
async fn crowd(tasks: usize, connections: u32) -> (Vec<u128>, Vec<u64>) {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, connections).await;
    let end = now() + Duration::from_secs(10);
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                let mut waits = Vec::new();
                while now() < end {
                    let asked = now();
                    let lease = pool.acquire().await.unwrap();
                    waits.push(asked.elapsed().as_millis());
                    let owned = lease.own();
                    pass(ms(1)).await;
                    drop(owned);
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::new();
    let mut shares = Vec::new();
    for task in running {
        let mine = task.await.unwrap();
        shares.push(mine.len() as u64);
        waits.extend(mine);
    }
    waits.sort_unstable();
    (waits, shares)
}

#[tokio::test(start_paused = true)]
async fn twice_as_many_tasks_as_connections_wait_evenly() {
    for (tasks, connections) in [(32, 16), (4, 2)] {
        let (waits, shares) = crowd(tasks, connections).await;
        let sum: u128 = waits.iter().sum();
        let mean = (sum / waits.len() as u128).max(1);
        let high = waits[waits.len() * 999 / 1000];
        let max = waits[waits.len() - 1];
        assert!(high < 10 * mean, "p99.9 {high} ms, mean {mean} ms");
        assert!(max < 100, "max {max} ms");
        let fairness = jain(&shares);
        assert!(fairness > 0.99, "{fairness}: {shares:?}");
    }
}

#[tokio::test]
async fn try_acquire_on_an_empty_pool_says_no_and_opens_one() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    backend.rule(Step::Connect, {
        let gate = gate.clone();
        move |_| Action::gate(&gate)
    });
    let pool = pool_of(&backend, 1).await;
    assert!(pool.try_acquire().is_none());
    gate.until_waiting(1).await;
    assert!(pool.try_acquire().is_none(), "it is still being opened");
    gate.open();
    backend.until(|counts| counts.open == 1).await;
    for _ in 0..100 {
        if pool.status().idle == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let lease = pool.try_acquire();
    assert!(lease.is_some());
    assert!(pool.try_acquire().is_none());
    assert_eq!(backend.counts().connects, 1);
}

#[tokio::test(start_paused = true)]
async fn spikes_of_requests_are_all_served_within_their_deadline() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .max_size(5u32)
        .acquire_timeout(Duration::from_secs(1))
        .build()
        .await
        .unwrap();
    for _ in 0..2000 {
        let mut spike = tokio::task::JoinSet::new();
        for _ in 0..80 {
            let pool = pool.clone();
            spike.spawn(async move {
                let lease = pool.acquire().await?;
                lease.claim();
                tokio::task::yield_now().await;
                lease.release();
                Ok::<_, Error<_>>(())
            });
        }
        while let Some(served) = spike.join_next().await {
            served.unwrap().unwrap();
        }
    }
    assert_eq!(pool.status().timeouts, 0);
    assert!(backend.counts().peak_total <= 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_connection_is_ever_with_two_owners() {
    // The fake panics when it is claimed twice. More tasks than connections, fewer, and as many.
    for (tasks, connections) in [(32u32, 64u32), (32, 32), (32, 5)] {
        let backend = FakeBackend::new();
        let pool = pool_of(&backend, connections).await;
        let running: Vec<_> = (0..tasks)
            .map(|task| {
                let pool = pool.clone();
                tokio::task::spawn(async move {
                    for round in 0..4000 {
                        let lease = if (task + round) % 3 == 0 {
                            pool.try_acquire()
                        } else {
                            Some(pool.acquire().await.unwrap())
                        };
                        let Some(lease) = lease else { continue };
                        lease.claim();
                        if round % 4 == 0 {
                            tokio::task::yield_now().await;
                        }
                        lease.release();
                    }
                })
            })
            .collect();
        for task in running {
            task.await.unwrap();
        }
        let status = pool.status();
        assert!(backend.counts().peak_total <= u64::from(connections));
        assert_eq!((status.leased, status.waiting), (0, 0), "{status:?}");
    }
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_return_wakes_the_oldest_waiter_alone_and_brings_it_the_connection() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    let handed = pool.status().handed_off;
    let bells: Vec<Arc<Bell>> = (0..5).map(|_| Arc::default()).collect();
    let mut waits: Vec<_> = (0..5).map(|_| Box::pin(pool.acquire())).collect();
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        let waker = Waker::from(Arc::clone(bell));
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    drop(lease);
    let rung: Vec<_> = bells
        .iter()
        .map(|bell| bell.0.load(Ordering::Relaxed))
        .collect();
    assert_eq!(rung, [1, 0, 0, 0, 0]);
    let status = pool.status();
    assert_eq!((status.idle, status.leased, status.waiting), (0, 1, 4));
    assert_eq!(status.handed_off - handed, 1);
    assert!(poll_once(waits[0].as_mut()).is_ready());
}

#[tokio::test]
async fn a_return_without_waiters_wakes_nobody_and_leaves_the_connection_idle() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    let handed = pool.status().handed_off;
    drop(lease);
    assert_eq!(pool.status().handed_off, handed);
    assert_eq!(pool.status().idle, 1);
}

#[tokio::test]
async fn one_request_more_than_the_queue_may_hold_is_refused_at_once() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .max_size(1u32)
        .max_wait_queue_size(3u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(pool.acquire())).collect();
    for wait in &mut waits {
        assert!(poll_once(wait.as_mut()).is_pending());
    }
    let mut fourth = Box::pin(pool.acquire());
    let Poll::Ready(refused) = poll_once(fourth.as_mut()) else {
        panic!("the fourth waits");
    };
    assert!(
        matches!(refused, Err(Error::QueueFull { waiting: 3, .. })),
        "{refused:?}"
    );
    // The place of one that gives up is free again.
    drop(waits.remove(1));
    let mut fifth = Box::pin(pool.acquire());
    assert!(poll_once(fifth.as_mut()).is_pending());
    // Those that were let in are served.
    drop(lease);
    waits.push(fifth);
    for mut wait in waits {
        let Poll::Ready(served) = poll_once(wait.as_mut()) else {
            panic!("out of turn");
        };
        drop(served.unwrap());
    }
}

#[tokio::test]
async fn the_bound_counts_only_requests_that_wait_for_a_lease_to_end() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    backend.rule(Step::Connect, {
        let gate = gate.clone();
        move |_| Action::gate(&gate)
    });
    let pool = Pool::builder(backend.manager())
        .max_size(2u32)
        .max_wait_queue_size(0u32)
        .build()
        .await
        .unwrap();
    let mut first = Box::pin(pool.acquire());
    let mut second = Box::pin(pool.acquire());
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(poll_once(second.as_mut()).is_pending());
    let refused = pool.acquire().await;
    assert!(
        matches!(refused, Err(Error::QueueFull { .. })),
        "{refused:?}"
    );
    gate.open();
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let refused = pool.acquire().await;
    assert!(
        matches!(refused, Err(Error::QueueFull { waiting: 0, .. })),
        "{refused:?}"
    );
    drop((first, second));
    assert!(pool.acquire().await.is_ok(), "an idle one needs no queue");
}

#[tokio::test(start_paused = true)]
async fn a_higher_priority_is_served_first_and_equals_in_order() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    let served = Served::default();
    for (count, (who, priority)) in [
        ("low", Priority::Low),
        ("normal 1", Priority::Normal),
        ("high", Priority::High),
        ("normal 2", Priority::Normal),
        ("critical", Priority::Critical),
    ]
    .into_iter()
    .enumerate()
    {
        wait_with(&pool, priority, &served, who);
        until_waiting(&pool, count + 1).await;
    }
    drop(lease);
    until_waiting(&pool, 0).await;
    pass(ms(1)).await;
    assert_eq!(
        served.list(),
        ["critical", "high", "normal 1", "normal 2", "low"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_waited_for_its_offset_is_overtaken_by_nobody() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    let served = Served::default();
    wait_with(&pool, Priority::Low, &served, "low");
    until_waiting(&pool, 1).await;
    pass(ms(1400)).await;
    // Within the difference of the offsets, 1.5 s: overtakes.
    wait_with(&pool, Priority::Normal, &served, "normal in time");
    until_waiting(&pool, 2).await;
    pass(ms(200)).await;
    wait_with(&pool, Priority::Normal, &served, "normal too late");
    until_waiting(&pool, 3).await;
    pass(ms(600)).await;
    wait_with(&pool, Priority::Critical, &served, "critical too late");
    until_waiting(&pool, 4).await;
    drop(lease);
    until_waiting(&pool, 0).await;
    pass(ms(1)).await;
    assert_eq!(
        served.list(),
        [
            "normal in time",
            "low",
            "normal too late",
            "critical too late"
        ]
    );
}

#[tokio::test]
async fn a_lease_knows_what_its_request_said_and_the_next_lease_does_not() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool
        .request()
        .user("alice")
        .tag("route", "/orders")
        .tag("trace", "7f")
        .priority(Priority::High)
        .acquire()
        .await
        .unwrap();
    let info = PooledConnection::request(&lease).unwrap();
    assert_eq!(info.user.as_deref(), Some("alice"));
    assert_eq!(info.priority, Priority::High);
    let tags: Vec<_> = info.tags.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(tags, [("route", "/orders"), ("trace", "7f")]);
    drop(lease);
    let lease = pool.acquire().await.unwrap();
    assert!(PooledConnection::request(&lease).is_none());
}

#[tokio::test]
async fn a_request_keeps_no_more_than_sixteen_tags() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let mut request = pool.request();
    for tag in 0..100 {
        request = request.tag(format!("tag {tag:03}"), "value");
    }
    let lease = request.acquire().await.unwrap();
    let info = PooledConnection::request(&lease).unwrap();
    assert_eq!(info.tags.len(), 16);
    assert!(info.tags.contains_key("tag 015"));
}

#[tokio::test]
async fn a_cancelled_waiter_passes_its_connection_on() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    let mut gives_up = Box::pin(pool.acquire());
    let mut next = Box::pin(pool.acquire());
    assert!(poll_once(gives_up.as_mut()).is_pending());
    assert!(poll_once(next.as_mut()).is_pending());
    drop(lease);
    // It is on its way to the first.
    assert!(poll_once(next.as_mut()).is_pending());
    drop(gives_up);
    let Poll::Ready(Ok(lease)) = poll_once(next.as_mut()) else {
        panic!("lost: {:?}", pool.status());
    };
    drop(lease);
    assert_eq!((pool.status().idle, backend.counts().connects), (1, 1));
}

/// A request whose connection fails its check has its place in the queue by its arrival, not by the
/// moment at which the check failed.
#[tokio::test(start_paused = true)]
async fn requests_whose_checks_fail_are_served_in_the_order_in_which_they_came() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .max_size(4)
        .initial_size(4)
        .max_connecting(1)
        .build()
        .await
        .unwrap();
    pass(ms(2000)).await;
    backend.rule(Step::Validate, |_| {
        Action::fail(pool_facade::ErrorClass::Connection).after(ms(20))
    });
    backend.rule(Step::Connect, |_| Action::delay(ms(40)));
    let served = Served::default();
    let tasks: Vec<_> = [("first", 0), ("second", 3), ("third", 6), ("fourth", 9)]
        .into_iter()
        .map(|(who, comes)| {
            let (pool, served) = (pool.clone(), served.clone());
            tokio::task::spawn(async move {
                pass(ms(comes)).await;
                let lease = pool.acquire().await.unwrap();
                served.note(who);
                pass(ms(1)).await;
                drop(lease);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        *served.0.lock().unwrap(),
        ["first", "second", "third", "fourth"]
    );
}
