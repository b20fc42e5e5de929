//! Who may enter: each token comes back exactly once, however the request that had it ends, and
//! before anybody else sees the connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool_facade::{
    Admission, Admit, Builder, Clock, CloseReason, CoarseTime, Error, ErrorClass, Event, Hook,
    Observer, OnSuspend, Outcome, Phase, Pool, PooledConnection, Priority, Reason, RequestInfo,
    Status, Timer, Token, WeakPool,
};
use pool_testkit::clock::ManualClock;
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Step};

use super::doorman::{Doorman, hush, ms, poll_once};

static NOT_YOU: Reason = Reason {
    policy: "doorman",
    text: "not you",
};

fn builder(backend: &FakeBackend) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .idle_timeout(None)
        .max_lifetime(None)
        .max_size(1u32)
}

async fn guarded(backend: &FakeBackend) -> (Arc<Doorman>, Pool<FakeManager>) {
    let doorman = Arc::new(Doorman::default());
    let pool = builder(backend).admission(Arc::clone(&doorman) as _);
    (doorman, pool.build().await.unwrap())
}

/// Lets none in.
struct Bouncer;

impl Admission for Bouncer {
    fn admit(&self, _: Duration, _: &RequestInfo) -> Admit {
        Admit::Refuse {
            reason: &NOT_YOU,
            retry_after: Some(ms(250)),
        }
    }

    fn leave(&self, _: Duration, token: Token, _: Outcome) {
        panic!("{token:?} leaves and never entered");
    }
}

/// The texts of refusals.
#[derive(Default)]
struct Texts(Mutex<Vec<String>>);

impl Observer for Texts {
    fn event(&self, event: &Event<'_>) {
        if let Event::Refused { reason, .. } = event {
            self.0.lock().unwrap().push((*reason).to_owned());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn refused_request_ends_typed_and_takes_no_connection_and_no_place_in_the_queue() {
    for initial in [0u32, 1] {
        let (backend, texts) = (FakeBackend::new(), Arc::new(Texts::default()));
        let pool = builder(&backend)
            .initial_size(initial)
            .admission(Arc::new(Bouncer))
            .observer(Arc::clone(&texts) as _)
            .build()
            .await
            .unwrap();
        // The pool begins with its first request, and then looks at itself once.
        assert!(poll_once(pin!(pool.acquire())).is_some());
        tokio::task::yield_now().await;
        texts.0.lock().unwrap().clear();
        let before = pool.status();
        for _ in 0..10 {
            let Err(error) = poll_once(pin!(pool.acquire())).expect("it does not wait") else {
                panic!("it was refused")
            };
            let told = matches!(
                error,
                Error::Refused { reason, retry_after } if *reason == NOT_YOU && retry_after == Some(ms(250))
            );
            assert!(told, "{error}");
            assert!(pool.request().user("u").acquire().await.is_err());
            assert!(pool.try_acquire().is_none());
        }
        let after = pool.status();
        let own = 2;
        assert_eq!(
            after.lock_entries - before.lock_entries,
            own,
            "the queue was asked"
        );
        assert_eq!(
            (after.idle, after.leased, after.waiting, after.opened),
            (initial as usize, 0, 0, u64::from(initial))
        );
        assert_eq!(backend.counts().connects, u64::from(initial));
        let texts = texts.0.lock().unwrap();
        assert_eq!(texts.len(), 30, "the observer hears of each");
        assert_eq!(
            texts[0],
            "refused by doorman: not you; ask again after 250ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn policy_is_asked_once_per_request_at_its_first_poll_and_told_who_asks() {
    let backend = FakeBackend::new();
    let (doorman, pool) = guarded(&backend).await;
    drop(pool.acquire());
    assert_eq!(doorman.entered(), 0, "nothing was polled");
    let held = pool.acquire().await.unwrap();
    let request = pool
        .request()
        .user("alice")
        .tag("kind", "report")
        .priority(Priority::High);
    let mut waiting = Box::pin(request.acquire());
    for _ in 0..5 {
        assert!(poll_once(waiting.as_mut()).is_none());
    }
    assert_eq!(doorman.entered(), 2);
    drop(held);
    let lease = poll_once(waiting.as_mut()).expect("it was handed over");
    assert_eq!((doorman.entered(), doorman.inside()), (2, 1));
    drop(lease);
    let asked = doorman.asked();
    assert_eq!(asked[0], RequestInfo::default());
    assert_eq!(asked[1].user.as_deref(), Some("alice"));
    assert_eq!(asked[1].tags["kind"], "report");
    assert_eq!(asked[1].priority, Priority::High);
    drop(pool.try_acquire().expect("it is idle"));
    assert_eq!((doorman.entered(), doorman.inside()), (3, 0));
}

/// A doorman that looks at the pool whenever somebody leaves.
struct Lookout {
    pool: Mutex<Option<WeakPool<FakeManager>>>,
    /// Connections that were idle, in a reset or closing when a token came back, of those that
    /// were leased with it.
    late: Mutex<Vec<(Outcome, Status)>>,
    left: AtomicU32,
}

impl Admission for Lookout {
    fn admit(&self, _: Duration, _: &RequestInfo) -> Admit {
        Admit::Enter(Token::new(7))
    }

    fn leave(&self, _: Duration, _: Token, outcome: Outcome) {
        self.left.fetch_add(1, Ordering::Relaxed);
        let pool = self.pool.lock().unwrap().as_ref().unwrap().upgrade();
        let status = pool.unwrap().status();
        if status.leased != 1 || status.handed_off > 0 {
            self.late.lock().unwrap().push((outcome, status));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn token_is_free_before_the_next_holder_sees_the_connection() {
    for waits in [false, true] {
        for end in 0..5 {
            let backend = FakeBackend::new();
            let lookout = Arc::new(Lookout {
                pool: Mutex::default(),
                late: Mutex::default(),
                left: AtomicU32::new(0),
            });
            let pool = builder(&backend)
                .initial_size(1u32)
                .admission(Arc::clone(&lookout) as _)
                .build()
                .await
                .unwrap();
            *lookout.pool.lock().unwrap() = Some(pool.downgrade());
            let lease = pool.acquire().await.unwrap();
            let mut next = Box::pin(pool.acquire());
            if waits {
                assert!(poll_once(next.as_mut()).is_none());
            }
            match end {
                0 => drop(lease),
                1 => {
                    lease.leave("something");
                    drop(lease);
                }
                2 => {
                    backend.kill(lease.id());
                    drop(lease);
                }
                3 => PooledConnection::discard(lease),
                _ => drop(PooledConnection::detach(lease)),
            }
            assert_eq!(lookout.left.load(Ordering::Relaxed), 1, "end {end}");
            let late = std::mem::take(&mut *lookout.late.lock().unwrap());
            assert!(late.is_empty(), "end {end}, {waits}: {late:?}");
            drop(next.await.unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lease_leaves_with_the_outcome_it_had() {
    hush();
    let backend = FakeBackend::new();
    let (doorman, pool) = guarded(&backend).await;
    let returned = Outcome::Returned;
    let closed = Outcome::Closed;

    drop(pool.acquire().await.unwrap());
    assert_eq!(doorman.last(), returned);
    pool.acquire().await.unwrap().leave("something");
    assert_eq!(doorman.last(), returned, "the reset is not the request's");
    drop(pool.request().user("u").acquire().await.unwrap());
    assert_eq!(doorman.last(), returned);

    let lease = pool.acquire().await.unwrap();
    backend.kill(lease.id());
    drop(lease);
    assert_eq!(doorman.last(), closed(CloseReason::Broken));
    PooledConnection::discard(pool.acquire().await.unwrap());
    assert_eq!(doorman.last(), closed(CloseReason::Discarded));
    let mut lease = pool.acquire().await.unwrap();
    drop(PooledConnection::begin(&mut lease));
    drop(lease);
    assert_eq!(doorman.last(), closed(CloseReason::InFlight));
    let lease = pool.acquire().await.unwrap();
    pool.reopen();
    drop(lease);
    assert_eq!(doorman.last(), closed(CloseReason::Stale));
    let lease = pool.acquire().await.unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _lease = lease;
        panic!("planned");
    }));
    assert!(panicked.is_err());
    assert_eq!(doorman.last(), closed(CloseReason::Panicked));

    drop(PooledConnection::detach(pool.acquire().await.unwrap()));
    assert_eq!(doorman.last(), Outcome::Detached);
    let lease = pool.acquire().await.unwrap();
    drop(pool);
    assert_eq!(doorman.inside(), 1, "a lease may outlive its pool");
    drop(lease);
    assert_eq!(doorman.last(), returned);
    doorman.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn request_without_a_lease_leaves_with_the_outcome_it_had() {
    let backend = FakeBackend::new();
    let doorman = Arc::new(Doorman::default());
    let pool = builder(&backend)
        .acquire_timeout(ms(100))
        .connect_timeout(ms(10_000))
        .validation_bypass(Duration::ZERO)
        .max_wait_queue_size(1u32)
        .admission(Arc::clone(&doorman) as _)
        .build()
        .await
        .unwrap();

    assert!(pool.try_acquire().is_none());
    assert_eq!(doorman.last(), Outcome::Unavailable);
    let lease = pool.acquire().await.unwrap();
    assert!(pool.acquire().await.is_err());
    assert_eq!(doorman.last(), Outcome::TimedOut(Phase::Waiting));

    let mut waiting = Box::pin(pool.acquire());
    assert!(poll_once(waiting.as_mut()).is_none());
    assert!(matches!(pool.acquire().await, Err(Error::QueueFull { .. })));
    assert_eq!(doorman.last(), Outcome::Refused);
    drop(waiting);
    assert_eq!(doorman.last(), Outcome::Cancelled);
    pool.suspend(OnSuspend::Refuse);
    assert!(matches!(pool.acquire().await, Err(Error::Suspended)));
    assert_eq!(doorman.last(), Outcome::Refused);
    pool.resume();

    // Handed over and never looked at.
    let mut waiting = Box::pin(pool.acquire());
    assert!(poll_once(waiting.as_mut()).is_none());
    drop(lease);
    assert_eq!(doorman.inside(), 1);
    drop(waiting);
    assert_eq!(doorman.last(), Outcome::Cancelled);

    // In a check, and when the check takes too long.
    backend.rule(Step::Validate, |_| Action::hang());
    tokio::time::sleep(ms(50)).await;
    let mut checking = Box::pin(pool.acquire());
    assert!(poll_once(checking.as_mut()).is_none());
    assert_eq!((pool.status().checking, doorman.inside()), (1, 1));
    drop(checking);
    assert_eq!(doorman.last(), Outcome::Cancelled);
    assert!(pool.acquire().await.is_err());
    assert!(matches!(doorman.last(), Outcome::TimedOut(_)));
    backend.clear(Step::Validate);
    tokio::time::sleep(ms(6_000)).await;

    backend.rule(Step::Connect, |_| Action::hang());
    pool.reopen();
    assert!(pool.acquire().await.is_err());
    assert_eq!(doorman.last(), Outcome::TimedOut(Phase::Connecting));
    tokio::time::sleep(ms(11_000)).await;
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Permanent));
    assert!(matches!(pool.acquire().await, Err(Error::Connect { .. })));
    assert_eq!(doorman.last(), Outcome::ConnectFailed);

    backend.rule(Step::Connect, |_| Action::hang());
    let mut waiting = Box::pin(pool.acquire());
    assert!(poll_once(waiting.as_mut()).is_none());
    assert!(pool.close(ms(1)).await.is_complete());
    assert!(matches!(waiting.await, Err(Error::Closed)));
    assert_eq!(doorman.last(), Outcome::Refused);
    assert!(matches!(pool.acquire().await, Err(Error::Closed)));
    assert_eq!(doorman.last(), Outcome::Refused);
    doorman.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn token_comes_back_when_the_manager_panics_while_a_connection_is_looked_at() {
    hush();
    let backend = FakeBackend::new();
    let (doorman, pool) = guarded(&backend).await;
    for tries in [false, true] {
        drop(pool.acquire().await.unwrap());
        backend.script(Step::Condition, [Action::panic()]);
        if tries {
            let asked = catch_unwind(AssertUnwindSafe(|| drop(pool.try_acquire())));
            assert!(asked.is_err());
        } else {
            let mut acquire = Box::pin(pool.acquire());
            assert!(catch_unwind(AssertUnwindSafe(|| poll_once(acquire.as_mut()))).is_err());
            assert_eq!(doorman.inside(), 1);
            drop(acquire);
        }
        assert_eq!(doorman.last(), Outcome::Cancelled);
    }
    // On the way back the panic stays inside.
    let lease = pool.acquire().await.unwrap();
    backend.script(Step::Condition, [Action::panic()]);
    drop(lease);
    assert_eq!(doorman.last(), Outcome::Closed(CloseReason::Broken));
    drop(pool.acquire().await.unwrap());
    doorman.assert_balanced();
}

/// A clock that breaks once when told to.
#[derive(Debug)]
struct Brittle(ManualClock, AtomicBool);

impl Clock for Brittle {
    fn now(&self) -> Instant {
        assert!(!self.1.swap(false, Ordering::Relaxed), "planned");
        self.0.now()
    }

    fn timer(&self) -> Box<dyn Timer> {
        self.0.timer()
    }

    fn coarse(&self, resolution: Duration) -> Arc<CoarseTime> {
        self.0.coarse(resolution)
    }
}

#[tokio::test(start_paused = true)]
async fn token_comes_back_when_a_request_panics_in_the_middle_of_a_check() {
    hush();
    let backend = FakeBackend::new();
    let doorman = Arc::new(Doorman::default());
    let clock = Arc::new(Brittle(ManualClock::new(), AtomicBool::new(false)));
    let pool = builder(&backend)
        .initial_size(1u32)
        .clock(Arc::clone(&clock) as _)
        .before_acquire(Hook::asynchronous(|_, _| Box::pin(std::future::pending())))
        .admission(Arc::clone(&doorman) as _)
        .build()
        .await
        .unwrap();
    let mut acquire = Box::pin(pool.acquire());
    assert!(poll_once(acquire.as_mut()).is_none());
    assert_eq!(pool.status().checking, 1);
    clock.1.store(true, Ordering::Relaxed);
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(acquire.as_mut()))).is_err());
    drop(acquire);
    assert_eq!(doorman.last(), Outcome::Cancelled);
    doorman.assert_balanced();
}

#[tokio::test(start_paused = true)]
#[expect(clippy::mem_forget, reason = "this is what is tested")]
async fn forgotten_lease_keeps_its_token_and_nothing_else() {
    let backend = FakeBackend::new();
    let doorman = Arc::new(Doorman::default());
    let pool = builder(&backend)
        .max_size(2u32)
        .admission(Arc::clone(&doorman) as _)
        .build()
        .await
        .unwrap();
    std::mem::forget(pool.acquire().await.unwrap());
    for _ in 0..10 {
        drop(pool.acquire().await.unwrap());
    }
    assert_eq!((doorman.entered(), doorman.inside()), (11, 1));
}

/// Panics where it is told to.
#[derive(Default)]
struct Nervous {
    at_the_door: AtomicBool,
    at_the_exit: AtomicBool,
    inside: AtomicU32,
}

impl Admission for Nervous {
    fn admit(&self, _: Duration, _: &RequestInfo) -> Admit {
        assert!(!self.at_the_door.load(Ordering::Relaxed), "planned");
        self.inside.fetch_add(1, Ordering::Relaxed);
        Admit::Enter(Token::default())
    }

    fn leave(&self, _: Duration, _: Token, _: Outcome) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
        assert!(!self.at_the_exit.load(Ordering::Relaxed), "planned");
    }
}

#[tokio::test(start_paused = true)]
async fn request_whose_admission_panics_panics_with_nothing_held() {
    hush();
    let (backend, nervous) = (FakeBackend::new(), Arc::new(Nervous::default()));
    let pool = builder(&backend)
        .initial_size(1u32)
        .admission(Arc::clone(&nervous) as _)
        .build()
        .await
        .unwrap();
    nervous.at_the_door.store(true, Ordering::Relaxed);
    let mut acquire = Box::pin(pool.acquire());
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(acquire.as_mut()))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(pool.try_acquire()))).is_err());
    drop(acquire);
    let status = pool.status();
    assert_eq!((status.idle, status.leased, status.waiting), (1, 0, 0));
    nervous.at_the_door.store(false, Ordering::Relaxed);
    drop(pool.acquire().await.unwrap());
    assert_eq!(nervous.inside.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_policy_that_is_left_is_contained_and_loses_nothing() {
    hush();
    let (backend, nervous) = (FakeBackend::new(), Arc::new(Nervous::default()));
    let pool = builder(&backend)
        .acquire_timeout(ms(100))
        .admission(Arc::clone(&nervous) as _)
        .build()
        .await
        .unwrap();
    nervous.at_the_exit.store(true, Ordering::Relaxed);
    let first = pool.acquire().await.unwrap();
    assert!(matches!(pool.acquire().await, Err(Error::Timeout { .. })));
    let mut waiting = Box::pin(pool.acquire());
    assert!(poll_once(waiting.as_mut()).is_none());
    assert!(pool.try_acquire().is_none());
    drop(first);
    drop(waiting);
    assert_eq!(pool.status().idle, 1);
    PooledConnection::discard(pool.acquire().await.unwrap());
    drop(PooledConnection::detach(pool.acquire().await.unwrap()));
    let lease = pool.acquire().await.unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _lease = lease;
        panic!("planned");
    }));
    assert!(
        panicked.is_err(),
        "a panic within a panic would have aborted"
    );
    drop(pool.acquire().await.unwrap());
    let status = pool.status();
    assert_eq!((status.size, status.idle, status.waiting), (1, 1, 0));
    assert_eq!(nervous.inside.load(Ordering::Relaxed), 0);
}

/// A policy may use the pool that asks it.
struct Inward(Mutex<Option<WeakPool<FakeManager>>>, AtomicU32);

impl Admission for Inward {
    fn admit(&self, _: Duration, request: &RequestInfo) -> Admit {
        if request.user.is_some() {
            self.look();
        }
        Admit::Enter(Token::default())
    }

    fn leave(&self, _: Duration, _: Token, _: Outcome) {
        if self.1.fetch_add(1, Ordering::Relaxed) == 0 {
            self.look();
        }
    }
}

impl Inward {
    fn look(&self) {
        let pool = self.0.lock().unwrap().as_ref().unwrap().upgrade().unwrap();
        let lease = pool.try_acquire();
        assert_eq!(pool.status().leased, 1);
        drop(lease);
    }
}

#[tokio::test(start_paused = true)]
async fn no_lock_of_the_pool_is_held_while_a_policy_is_asked() {
    let backend = FakeBackend::new();
    let inward = Arc::new(Inward(Mutex::default(), AtomicU32::new(0)));
    let pool = builder(&backend)
        .admission(Arc::clone(&inward) as _)
        .build()
        .await
        .unwrap();
    *inward.0.lock().unwrap() = Some(pool.downgrade());
    drop(pool.acquire().await.unwrap());
    drop(pool.request().user("u").acquire().await.unwrap());
    assert_eq!(pool.status().idle, 1);
}
