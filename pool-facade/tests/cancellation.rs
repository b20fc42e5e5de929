//! Requests given up at every await point while everything that can go wrong does: brute force
//! over what each phase of a connection's life may do, on paused time.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::collections::{BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{Cause, Error, ErrorClass, Hook, Pool, PooledConnection, Refused};
use pool_testkit::fake::{Action, FakeBackend, FakeConn, FakeManager, Step};
use pool_testkit::spawn::{CountingSpawn, Fate};

const MAX: u32 = 3;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

/// Keeps the panics that are planned off the screen: thousands of them, each with a backtrace.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if !text.starts_with("the script of") && text != "planned" {
                loud(info);
            }
        }));
    });
}

/// How one call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    Err,
    Slow,
    Never,
    Panic,
}

const OUTCOMES: [Outcome; 5] = [
    Outcome::Ok,
    Outcome::Err,
    Outcome::Slow,
    Outcome::Never,
    Outcome::Panic,
];

/// Where foreign code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Connect,
    AfterConnect,
    Validate,
    BeforeAcquire,
    Reset,
    AfterRelease,
    Close,
}

const PLACES: [Place; 7] = [
    Place::Connect,
    Place::AfterConnect,
    Place::Validate,
    Place::BeforeAcquire,
    Place::Reset,
    Place::AfterRelease,
    Place::Close,
];

/// What the next calls at each place do; all further ones succeed.
#[derive(Clone, Default)]
struct Plan(Arc<Mutex<[VecDeque<Outcome>; PLACES.len()]>>);

impl Plan {
    fn add(&self, place: Place, outcomes: &[Outcome]) {
        self.0.lock().unwrap()[place as usize].extend(outcomes);
    }

    fn next(&self, place: Place) -> Outcome {
        let next = self.0.lock().unwrap()[place as usize].pop_front();
        next.unwrap_or(Outcome::Ok)
    }

    fn clear(&self) {
        self.0.lock().unwrap().iter_mut().for_each(VecDeque::clear);
    }

    fn action(&self, place: Place) -> Action {
        match self.next(place) {
            Outcome::Ok => Action::succeed(),
            Outcome::Err => Action::fail(ErrorClass::Endpoint),
            Outcome::Slow => Action::delay(ms(20)),
            Outcome::Never => Action::hang(),
            Outcome::Panic => Action::panic(),
        }
    }

    fn hook(&self, place: Place) -> Hook<FakeConn> {
        let plan = self.clone();
        Hook::asynchronous(move |_, _| {
            let outcome = plan.next(place);
            Box::pin(async move {
                match outcome {
                    Outcome::Ok => tokio::task::yield_now().await,
                    Outcome::Err => return Err(Refused::new("planned")),
                    Outcome::Slow => pass(ms(20)).await,
                    Outcome::Never => std::future::pending().await,
                    Outcome::Panic => panic!("planned"),
                }
                Ok(())
            })
        })
    }
}

struct Scene {
    backend: FakeBackend,
    spawn: CountingSpawn,
    plan: Plan,
    pool: Pool<FakeManager>,
}

impl Scene {
    async fn set() -> Self {
        let (backend, spawn, plan) = (FakeBackend::new(), CountingSpawn::tokio(), Plan::default());
        for (step, place) in [
            (Step::Connect, Place::Connect),
            (Step::Validate, Place::Validate),
            (Step::Reset, Place::Reset),
            (Step::Close, Place::Close),
        ] {
            let plan = plan.clone();
            backend.rule(step, move |_| plan.action(place));
        }
        let pool = Pool::builder(backend.manager())
            .max_size(MAX)
            .acquire_timeout(ms(400))
            .connect_timeout(ms(100))
            .validation_timeout(ms(50))
            .validation_bypass(Duration::ZERO)
            .reset_timeout(ms(50))
            .close_timeout(ms(50))
            .hand_off_lease(ms(50))
            .backoff_initial(ms(1))
            .backoff_max(ms(5))
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(plan.hook(Place::AfterConnect))
            .before_acquire(plan.hook(Place::BeforeAcquire))
            .after_release(plan.hook(Place::AfterRelease))
            .spawner(Arc::new(spawn.clone()))
            .build()
            .await
            .unwrap();
        Self {
            backend,
            spawn,
            plan,
            pool,
        }
    }

    /// Eight users whose requests are given up, at their first to fourth await points, with a
    /// grant in hand, after a random time or long after anybody looked at them; two whose requests
    /// are not; all three times.
    async fn play(&self, seed: u64) {
        let users: Vec<_> = (0..10u64)
            .map(|user| {
                let pool = self.pool.clone();
                let mut chance = fastrand::Rng::with_seed(seed * 16 + user);
                tokio::task::spawn(async move {
                    for round in 0..3 {
                        ask(&pool, user, round, &mut chance).await;
                    }
                })
            })
            .collect();
        for user in users {
            user.await.unwrap();
        }
    }

    /// Nothing is lost, nothing is left.
    async fn strike(self, what: &str) {
        self.plan.clear();
        pass(ms(1000)).await;
        let status = self.pool.status();
        let counts = self.backend.counts();
        assert_eq!(status.size, status.idle, "{what}: {status:?}");
        assert_eq!(status.waiting, 0, "{what}: {status:?}");
        assert_eq!(counts.open, status.idle as u64, "{what}: {counts:?}");
        let mut leases = Vec::new();
        for _ in 0..MAX {
            let lease = self.pool.acquire().await;
            leases.push(lease.unwrap_or_else(|error| panic!("{what}: a slot is lost: {error}")));
        }
        let distinct: BTreeSet<_> = leases.iter().map(|lease| lease.id()).collect();
        assert_eq!(distinct.len(), leases.len(), "{what}");
        let owned: Vec<_> = leases.iter().map(|lease| lease.own()).collect();
        drop(owned);
        drop(leases);
        pass(ms(100)).await;
        let counts = self.backend.counts();
        assert!(counts.peak_total <= u64::from(MAX), "{what}: {counts:?}");
        let tasks = self.spawn.counts();
        assert_eq!(tasks.alive(), 1, "{what}: only the driver: {tasks:?}");
        assert!(self.pool.close(ms(500)).await.is_complete(), "{what}");
        pass(ms(1)).await;
        assert_eq!(self.spawn.counts().alive(), 0, "{what}");
        assert_eq!(self.backend.counts().open, 0, "{what}");
    }
}

/// One request, in the manner of that user.
async fn ask(pool: &Pool<FakeManager>, user: u64, round: u64, chance: &mut fastrand::Rng) {
    let acquire = Box::pin(pool.acquire());
    let served = match user {
        0..3 => GiveUp::after(user + round, acquire).await,
        3..5 => GiveUp::when_woken(acquire).await,
        5 => {
            let _unread = GiveUp::unread(acquire).await;
            return pass(ms(chance.u64(0..150))).await;
        }
        6..8 => {
            let patience = ms(chance.u64(0..80));
            tokio::time::timeout(patience, acquire).await.ok()
        }
        _ => {
            let ended = tokio::time::timeout(ms(10_000), acquire).await;
            Some(ended.expect("the wait never ends"))
        }
    };
    if let Some(Ok(lease)) = served {
        use_up(&lease).await;
    }
}

/// Uses a connection so that it must be reset.
async fn use_up(lease: &PooledConnection<FakeManager>) {
    let owned = lease.own();
    lease.assert_clean();
    tokio::task::yield_now().await;
    lease.leave("something");
    drop(owned);
}

/// A request that is dropped after so many polls: at once, or when it is next woken, so perhaps
/// with a grant in hand.
struct GiveUp<F> {
    polls: u64,
    at_once: bool,
    request: Pin<Box<F>>,
}

impl<F: Future> GiveUp<F> {
    fn after(polls: u64, request: Pin<Box<F>>) -> Self {
        Self {
            polls,
            at_once: true,
            request,
        }
    }

    fn when_woken(request: Pin<Box<F>>) -> Self {
        Self {
            polls: 1,
            at_once: false,
            request,
        }
    }

    /// Polls a request once, and gives it back to be left alone.
    async fn unread(mut request: Pin<Box<F>>) -> Pin<Box<F>> {
        let _ = poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx).is_ready())).await;
        request
    }
}

impl<F: Future> Future for GiveUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        if self.polls == 0 && self.at_once {
            cx.waker().wake_by_ref();
        }
        self.request.as_mut().poll(cx).map(Some)
    }
}

/// Three calls in a row at one place, ended in every combination.
async fn brute_force(place: Place) {
    hush();
    for (first, second, third) in triples() {
        let scene = Scene::set().await;
        scene.plan.add(place, &[first, second, third]);
        let what = format!("{place:?} {first:?} {second:?} {third:?}");
        scene
            .play(first as u64 * 25 + second as u64 * 5 + third as u64)
            .await;
        scene.strike(&what).await;
    }
}

fn triples() -> impl Iterator<Item = (Outcome, Outcome, Outcome)> {
    OUTCOMES.into_iter().flat_map(|first| {
        let rest = move |second| {
            OUTCOMES
                .into_iter()
                .map(move |third| (first, second, third))
        };
        OUTCOMES.into_iter().flat_map(rest)
    })
}

macro_rules! brute_force {
    ($($name:ident: $place:ident,)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            brute_force(Place::$place).await;
        }
    )*};
}

brute_force! {
    nothing_is_lost_however_connects_end: Connect,
    nothing_is_lost_however_hooks_after_connect_end: AfterConnect,
    nothing_is_lost_however_checks_end: Validate,
    nothing_is_lost_however_hooks_before_acquire_end: BeforeAcquire,
    nothing_is_lost_however_resets_end: Reset,
    nothing_is_lost_however_hooks_after_release_end: AfterRelease,
    nothing_is_lost_however_closes_end: Close,
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_however_two_phases_end_together() {
    hush();
    for (at, &one) in PLACES.iter().enumerate() {
        for &other in &PLACES[at + 1..] {
            for first in OUTCOMES {
                for second in OUTCOMES {
                    let scene = Scene::set().await;
                    scene.plan.add(one, &[first, first]);
                    scene.plan.add(other, &[second, second]);
                    scene.play(first as u64 * 5 + second as u64).await;
                    let what = format!("{one:?} {first:?}, {other:?} {second:?}");
                    scene.strike(&what).await;
                }
            }
        }
    }
}

async fn pool_of(backend: &FakeBackend, max_size: u32) -> Pool<FakeManager> {
    let pool = Pool::builder(backend.manager()).max_size(max_size);
    pool.build().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_condition_costs_the_connection_and_not_the_slot() {
    hush();
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    drop(pool.acquire().await.unwrap());
    backend.script(Step::Condition, [Action::panic()]);
    let mut acquire = Box::pin(pool.acquire());
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let mut cx = Context::from_waker(Waker::noop());
        acquire.as_mut().poll(&mut cx).is_ready()
    }));
    assert!(polled.is_err(), "the manager's panic reaches the caller");
    drop(acquire);
    assert_eq!(pool.acquire().await.unwrap().pool_id(), 2);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::mem_forget, reason = "this is what is tested")]
async fn a_forgotten_lease_costs_its_slot_and_nothing_else() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 2).await;
    std::mem::forget(pool.acquire().await.unwrap());
    for _ in 0..100 {
        let lease = pool.acquire().await.unwrap();
        let owned = lease.own();
        assert_eq!((lease.pool_id(), pool.status().leased), (2, 2));
        drop(owned);
    }
    pool.reopen();
    pool.resize(1).unwrap();
    pool.resize(3).unwrap();
    drop((pool.acquire().await.unwrap(), pool.acquire().await.unwrap()));
    let report = pool.close(ms(100)).await;
    assert_eq!(report.still_held.len(), 1, "{report:?}");
    assert_eq!(backend.counts().open, 1);
}

#[test]
fn a_lease_outlives_its_runtime_and_all_handles() {
    let backend = FakeBackend::new();
    let first = runtime();
    let (pool, leases) = first.block_on(async {
        let pool = pool_of(&backend, 3).await;
        let leases = [
            pool.acquire().await.unwrap(),
            pool.acquire().await.unwrap(),
            pool.acquire().await.unwrap(),
        ];
        (pool, leases)
    });
    let [clean, mut broken, last] = leases;
    drop(first);
    let user = std::thread::spawn(move || {
        drop(clean);
        drop(PooledConnection::begin(&mut broken));
        drop(broken);
        (pool.status(), pool)
    });
    let (status, pool) = user.join().unwrap();
    assert_eq!((status.idle, status.leased, status.size), (1, 1, 2));
    drop(pool);
    assert_eq!(
        backend.counts().open,
        1,
        "idle ones end with the last handle"
    );
    drop(last);
    assert_eq!(backend.counts().open, 0);
}

#[test]
fn a_pool_in_a_static_serves_a_second_runtime_after_the_first_has_ended() {
    static POOL: OnceLock<Pool<FakeManager>> = OnceLock::new();
    let backend = FakeBackend::new();
    let first = runtime();
    first.block_on(async {
        let pool = POOL.get_or_init(|| unreachable_pool(&backend));
        let lease = pool.acquire().await.unwrap();
        // Left waiting when the runtime ends.
        tokio::task::spawn(async { POOL.get().unwrap().acquire().await.map(drop) });
        tokio::task::yield_now().await;
        drop(lease);
    });
    drop(first);
    let pool = POOL.get().unwrap();
    runtime().block_on(async {
        let lease = pool.acquire().await.unwrap();
        // Connects, waits and closes work as well.
        let waiter = tokio::task::spawn(async { POOL.get().unwrap().acquire().await.map(drop) });
        tokio::task::yield_now().await;
        PooledConnection::discard(lease);
        waiter.await.unwrap().unwrap();
        assert_eq!((pool.status().size, pool.status().waiting), (1, 0));
    });
}

/// Builds a pool where nothing can be awaited.
fn unreachable_pool(backend: &FakeBackend) -> Pool<FakeManager> {
    let mut build = Box::pin(pool_of(backend, 1));
    let mut cx = Context::from_waker(Waker::noop());
    match build.as_mut().poll(&mut cx) {
        Poll::Ready(pool) => pool,
        Poll::Pending => panic!("building without initial connections does not wait"),
    }
}

#[tokio::test(start_paused = true)]
async fn connects_that_no_runtime_runs_end_the_wait_with_a_typed_error() {
    let backend = FakeBackend::new();
    for fate in [Fate::Lose, Fate::Refuse] {
        let spawn = CountingSpawn::tokio();
        let pool = Pool::builder(backend.manager())
            .spawner(Arc::new(spawn.clone()))
            .build()
            .await
            .unwrap();
        spawn.set(fate);
        let ended = tokio::time::timeout(ms(100), pool.acquire()).await;
        let error = ended
            .expect("it does not wait for its deadline")
            .unwrap_err();
        let told = matches!(
            error,
            Error::Connect {
                cause: Cause::TaskLost,
                ..
            }
        );
        assert!(told, "{fate:?}: {error}");
        spawn.set(Fate::Run);
        pass(ms(100)).await;
        assert!(pool.acquire().await.is_ok(), "{fate:?}: and recovers");
    }
}
