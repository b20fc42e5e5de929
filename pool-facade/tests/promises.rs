//! The eight promises to users, each by tests that turn red when the pool breaks it on purpose
//! (`breaks.toml` names the break for each).

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{
    Builder, Cause, CloseReason, Error, Evict, Manager, OnSuspend, Phase, Pool, PooledConnection,
};
use pool_testkit::alloc::{CountingAllocator, thread_cost};
use pool_testkit::clock::ManualClock;
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Gate, Step};
use pool_testkit::spawn::CountingSpawn;

use pool_facade::ErrorClass::{Endpoint, Harmless, Permanent};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

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

/// A task that waits for a connection and tells which it got, and after how long.
fn waiter(pool: &Pool<FakeManager>) -> tokio::task::JoinHandle<(u64, Duration)> {
    let (pool, begun) = (pool.clone(), now());
    tokio::task::spawn(async move {
        let lease = pool.acquire().await.unwrap();
        (lease.pool_id(), begun.elapsed())
    })
}

// ---- 1: one owner at a time ----

/// Uses connections in every way, gives requests up at random, ends leases in every way.
async fn careless_user(pool: Pool<FakeManager>, seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    for _ in 0..60 {
        let patience = ms(chance.u64(0..8));
        let Ok(Ok(mut lease)) = tokio::time::timeout(patience, pool.acquire()).await else {
            continue;
        };
        let owned = lease.own();
        match chance.bool() {
            true => pass(ms(chance.u64(0..4))).await,
            false => tokio::task::yield_now().await,
        }
        drop(owned);
        match chance.u8(0..8) {
            0 => PooledConnection::discard(lease),
            1 => drop(PooledConnection::detach(lease)),
            2 => lease.dirty(),
            3 => drop(PooledConnection::begin(&mut lease)),
            4 => drop(catch_unwind(AssertUnwindSafe(move || {
                let _lease = lease;
                std::panic::resume_unwind(Box::new("a user's panic"));
            }))),
            _ => drop(lease),
        }
    }
}

async fn busy_operator(pool: Pool<FakeManager>, seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    loop {
        pass(ms(chance.u64(1..10))).await;
        match chance.u8(0..5) {
            0 => pool.resize(chance.u32(1..5)).unwrap(),
            1 => pool.reopen(),
            2 => drop(pool.evict(Evict::All)),
            3 => drop(pool.retain(|_, info| info.id % 2 == 0)),
            _ => {
                pool.suspend(OnSuspend::Wait);
                pass(ms(1)).await;
                pool.resume();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_one_owner_whatever_is_cancelled_dropped_panics_or_resizes() {
    for seed in 0..10 {
        let backend = FakeBackend::new();
        backend.rule(Step::Validate, |call| Action::delay(ms(call.nth % 3)));
        backend.rule(Step::Connect, |call| Action::delay(ms(call.nth % 5)));
        let pool = of(&backend, 4)
            .validation_bypass(Duration::ZERO)
            .build()
            .await
            .unwrap();
        let operator = tokio::task::spawn(busy_operator(pool.clone(), seed));
        let users: Vec<_> = (0..12)
            .map(|user| tokio::task::spawn(careless_user(pool.clone(), seed * 100 + user)))
            .collect();
        for user in users {
            user.await.expect("the back end saw no second owner");
        }
        operator.abort();
        let report = pool.close(Duration::from_secs(60)).await;
        assert!(report.is_complete(), "seed {seed}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_checked_belongs_to_the_one_who_asked() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    drop(pool.acquire().await.unwrap());
    pass(Duration::from_secs(2)).await;
    let mine = pool.acquire().await.unwrap();
    assert_eq!(backend.counts().validated, 1, "it was asked");
    // A second lease of one connection must not be dropped as well: that is undefined.
    let other = pool.try_acquire().map(ManuallyDrop::new);
    assert!(other.is_none(), "a second owner beside {mine:?}");
    assert_eq!((pool.status().leased, pool.status().idle), (1, 0));
}

// ---- 2: nothing is lost ----

#[tokio::test(start_paused = true)]
async fn the_capacity_of_a_closed_connection_goes_to_the_waiter_at_once() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    let waiter = waiter(&pool);
    pass(ms(1)).await;
    PooledConnection::discard(lease);
    let (id, waited) = waiter.await.unwrap();
    assert_eq!(id, 2);
    assert!(waited <= ms(2), "the freed slot was left lying: {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hand_off_that_nobody_collects_goes_to_the_next_waiter() {
    let backend = FakeBackend::new();
    let pool = of(&backend, 1)
        .hand_off_lease(ms(100))
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let mut forgotten = pin!(pool.acquire());
    assert!(poll(forgotten.as_mut()).is_pending());
    let next = waiter(&pool);
    pass(ms(1)).await;
    drop(lease);
    let served = tokio::time::timeout(ms(250), next).await;
    let (id, _) = served.expect("the connection is lost").unwrap();
    assert_eq!((id, pool.status().revoked), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn idle_connections_and_waiters_never_exist_together_and_the_books_balance() {
    for seed in 0..10 {
        let backend = FakeBackend::new();
        let pool = pool_of(&backend, 3).await;
        let users: Vec<_> = (0..8)
            .map(|user| tokio::task::spawn(careless_user(pool.clone(), seed * 100 + user)))
            .collect();
        while !users.iter().all(tokio::task::JoinHandle::is_finished) {
            let status = pool.status();
            let sleeping = status.idle > 0 && status.waiting > 0;
            assert!(!sleeping, "seed {seed}: {status:?}");
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            // Time stands still as long as anything can run.
            pass(ms(1)).await;
        }
        pass(Duration::from_secs(1)).await;
        let status = pool.status();
        assert_eq!(
            (status.size, status.waiting),
            (status.idle, 0),
            "{status:?}"
        );
        assert_eq!(
            status.opened - status.closed,
            status.idle as u64,
            "{status:?}"
        );
        assert_eq!(backend.counts().open, status.idle as u64);
    }
}

// ---- 3: in order ----

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_the_order_of_their_coming_and_nobody_overtakes() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let mut lease = pool.acquire().await.unwrap();
    let mut waiters: Vec<_> = (0..20).map(|_| Box::pin(pool.acquire())).collect();
    for waiter in &mut waiters {
        assert!(poll(waiter.as_mut()).is_pending());
    }
    for (first, waiter) in waiters.iter_mut().enumerate() {
        drop(lease);
        let mut newcomer = pin!(pool.acquire());
        assert!(poll(newcomer.as_mut()).is_pending(), "a newcomer overtook");
        let Poll::Ready(served) = poll(waiter.as_mut()) else {
            panic!("waiter {first} was passed over");
        };
        lease = served.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_passes_its_grant_on_at_once() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    let mut first = Box::pin(pool.acquire());
    let mut second = pin!(pool.acquire());
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    drop(lease);
    drop(first);
    let served = poll(second.as_mut()).is_ready();
    assert!(served, "the grant went with the waiter that was cancelled");
}

// ---- 4: every wait ends ----

/// The result of an acquire that must end, and how long it took.
async fn outcome(
    pool: &Pool<FakeManager>,
) -> (
    Result<u64, Error<<FakeManager as Manager>::Error>>,
    Duration,
) {
    let begun = now();
    let ended = tokio::time::timeout(Duration::from_secs(3600), pool.acquire()).await;
    let result = ended.expect("the wait never ends");
    (result.map(|lease| lease.pool_id()), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_by_its_deadline_and_says_phase_time_and_cause() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::fail(Endpoint));
    let pool = of(&backend, 1)
        .acquire_timeout(ms(200))
        .build()
        .await
        .unwrap();
    let (result, took) = outcome(&pool).await;
    let Err(Error::Timeout {
        phase,
        waited,
        cause,
    }) = result
    else {
        panic!("{result:?}");
    };
    assert_eq!(phase, Phase::Connecting);
    assert!(waited >= ms(200) && took <= ms(260), "{waited:?}, {took:?}");
    let cause = cause.expect("the last failed connect is named");
    assert!(cause.manager_error().is_some(), "{cause:?}");
    backend.clear(Step::Connect);
    let patient = pool.request().within(ms(2000));
    let _lease = patient.acquire().await.unwrap();
    let (result, _) = outcome(&pool).await;
    let waiting = matches!(
        result,
        Err(Error::Timeout {
            phase: Phase::Waiting,
            cause: None,
            ..
        })
    );
    assert!(waiting, "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn a_permanent_connect_failure_ends_the_wait_at_once() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::fail(Permanent));
    let pool = pool_of(&backend, 1).await;
    let (result, took) = outcome(&pool).await;
    assert!(took <= ms(10), "kept waiting for {took:?}");
    let Err(Error::Connect {
        cause: Cause::Manager(cause),
        ..
    }) = result
    else {
        panic!("{result:?}");
    };
    assert_eq!(cause.class, Permanent);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_typed() {
    let backend = FakeBackend::new();
    let pool = of(&backend, 1)
        .max_wait_queue_size(1u32)
        .build()
        .await
        .unwrap();
    let _lease = pool.acquire().await.unwrap();
    let mut waiting = pin!(pool.acquire());
    assert!(poll(waiting.as_mut()).is_pending());
    assert!(matches!(
        outcome(&pool).await.0,
        Err(Error::QueueFull { waiting: 1 })
    ));
    pool.suspend(OnSuspend::Refuse);
    assert!(matches!(outcome(&pool).await.0, Err(Error::Suspended)));
    let report = pool.close(ms(10)).await;
    assert_eq!(report.still_held.len(), 1);
    assert!(matches!(
        poll(waiting.as_mut()),
        Poll::Ready(Err(Error::Closed))
    ));
    assert!(matches!(outcome(&pool).await.0, Err(Error::Closed)));
}

// ---- 5: nothing in doubt is handed out ----

/// A pool of one with its first lease.
async fn one_lease(backend: &FakeBackend) -> (Pool<FakeManager>, PooledConnection<FakeManager>) {
    let pool = pool_of(backend, 1).await;
    let lease = pool.acquire().await.unwrap();
    (pool, lease)
}

/// Asserts that the first connection is closed, for that reason, before anybody asks for another.
async fn assert_closed(pool: &Pool<FakeManager>, backend: &FakeBackend, reason: CloseReason) {
    pass(ms(10)).await;
    let status = pool.status();
    assert_eq!(
        status.closed_by(reason),
        1,
        "not closed as {reason:?}: {status:?}"
    );
    assert_eq!(backend.counts().open, 0);
    assert_eq!(pool.acquire().await.unwrap().pool_id(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_returned_by_a_panic_is_closed() {
    let backend = FakeBackend::new();
    let (pool, lease) = one_lease(&backend).await;
    let user = tokio::task::spawn(async move {
        let _lease = lease;
        panic!("a bug of the user");
    });
    assert!(user.await.is_err());
    assert_closed(&pool, &backend, CloseReason::Panicked).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_cancelled_in_flight_is_closed() {
    let backend = FakeBackend::new();
    let (pool, mut lease) = one_lease(&backend).await;
    drop(PooledConnection::begin(&mut lease));
    drop(lease);
    assert_closed(&pool, &backend, CloseReason::InFlight).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_known_to_be_broken_is_closed_on_return() {
    let backend = FakeBackend::new();
    let (pool, lease) = one_lease(&backend).await;
    backend.kill(lease.id());
    drop(lease);
    assert_closed(&pool, &backend, CloseReason::Broken).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_reset_failed_is_closed() {
    let backend = FakeBackend::new();
    backend.rule(Step::Reset, |_| Action::fail(Harmless));
    let (pool, lease) = one_lease(&backend).await;
    lease.leave("a setting");
    drop(lease);
    assert_closed(&pool, &backend, CloseReason::ResetFailed).await;
}

#[tokio::test(start_paused = true)]
async fn a_dirty_connection_is_reset_before_it_is_idle() {
    let backend = FakeBackend::new();
    let (pool, lease) = one_lease(&backend).await;
    lease.leave("a setting");
    drop(lease);
    assert_eq!(pool.status().idle, 0, "idle with another user's state");
    pass(ms(10)).await;
    assert_eq!((pool.status().idle, backend.counts().reset), (1, 1));
    pool.acquire().await.unwrap().assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_idle_for_long_is_asked_before_it_is_handed_out() {
    let backend = FakeBackend::new();
    let (pool, lease) = one_lease(&backend).await;
    let id = lease.id();
    drop(lease);
    pass(Duration::from_secs(2)).await;
    backend.kill_unnoticed(id);
    let next = pool.acquire().await.unwrap();
    assert!(next.is_alive(), "handed out a dead connection");
}

#[tokio::test(start_paused = true)]
async fn a_connection_from_before_a_reopen_is_not_handed_out_however_late_it_is_collected() {
    let backend = FakeBackend::new();
    let (pool, lease) = one_lease(&backend).await;
    let mut waiting = pin!(pool.acquire());
    assert!(poll(waiting.as_mut()).is_pending());
    drop(lease);
    pool.reopen();
    let next = waiting.await.unwrap();
    assert_eq!(next.epoch(), 1, "handed out a stale connection");
}

#[tokio::test(start_paused = true)]
async fn a_connect_begun_before_a_reopen_is_discarded() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    backend.script(Step::Connect, [Action::gate(&gate)]);
    let pool = pool_of(&backend, 1).await;
    assert!(pool.try_acquire().is_none());
    gate.until_waiting(1).await;
    pool.reopen();
    gate.open();
    assert_closed(&pool, &backend, CloseReason::Stale).await;
}

// ---- 6: never above the maximum ----

#[tokio::test(start_paused = true)]
async fn a_connection_counts_until_its_close_has_ended() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    backend.script(Step::Close, [Action::gate(&gate)]);
    let (pool, lease) = one_lease(&backend).await;
    PooledConnection::discard(lease);
    let waiter = waiter(&pool);
    gate.until_waiting(1).await;
    pass(ms(100)).await;
    let counts = backend.counts();
    assert_eq!(counts.peak_total, 1, "above the maximum: {counts:?}");
    gate.open();
    assert_eq!(waiter.await.unwrap().0, 2);
    assert_eq!(backend.counts().peak_total, 1);
}

#[tokio::test(start_paused = true)]
async fn successors_and_connects_under_way_count() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |call| Action::delay(ms(call.nth % 7)));
    backend.rule(Step::Close, |call| Action::delay(ms(call.nth % 5)));
    let pool = of(&backend, 3)
        .min_size(3u32)
        .max_lifetime(ms(200))
        .build()
        .await
        .unwrap();
    let users: Vec<_> = (0..8)
        .map(|user| tokio::task::spawn(careless_user(pool.clone(), user)))
        .collect();
    for user in users {
        user.await.unwrap();
    }
    pass(Duration::from_secs(3)).await;
    let counts = backend.counts();
    assert!(
        counts.opened > 20,
        "the load replaces connections: {counts:?}"
    );
    assert!(counts.peak_total <= 3, "above the maximum: {counts:?}");
}

// ---- 7: dropping a lease ----

#[test]
fn a_lease_goes_back_at_once_on_a_thread_without_a_runtime() {
    let backend = FakeBackend::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (pool, lease) = runtime.block_on(one_lease(&backend));
    drop(runtime);
    let user = std::thread::spawn(move || drop(lease));
    user.join().unwrap();
    assert_eq!(pool.status().idle, 1, "the return needed a runtime");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_lease_does_not_fail_when_the_manager_panics() {
    let backend = FakeBackend::new();
    let (pool, lease) = one_lease(&backend).await;
    backend.script(Step::Condition, [Action::panic()]);
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(lease)));
    assert!(dropped.is_ok(), "the drop of a lease panicked");
    assert_closed(&pool, &backend, CloseReason::Broken).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_a_lease_wakes_nobody_and_spawns_nothing_when_nobody_waits() {
    let backend = FakeBackend::new();
    let spawn = CountingSpawn::tokio();
    let pool = of(&backend, 1)
        .spawner(Arc::new(spawn.clone()))
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    pass(ms(10)).await;
    let before = spawn.counts().spawned;
    drop(lease);
    assert_eq!(
        spawn.counts().spawned,
        before,
        "the return is left to a task"
    );
    assert_eq!(pool.status().idle, 1);
}

// ---- 8: what is switched off costs one branch ----

/// Lets the driver come to rest: nobody but the snapshot takes the lock.
async fn settle(pool: &Pool<FakeManager>) {
    for _ in 0..1000 {
        let entries = pool.status().lock_entries;
        tokio::task::yield_now().await;
        if pool.status().lock_entries - entries <= 2 {
            return;
        }
    }
    panic!("the driver does not come to rest");
}

#[tokio::test]
async fn absent_hooks_checks_and_observers_cost_no_allocation_clock_lock_or_task() {
    let backend = FakeBackend::new();
    let (clock, spawn) = (ManualClock::new(), CountingSpawn::tokio());
    let pool = of(&backend, 2)
        .clock(Arc::new(clock.clone()))
        .spawner(Arc::new(spawn.clone()))
        .build()
        .await
        .unwrap();
    for _ in 0..3 {
        drop(pool.acquire().await.unwrap());
        settle(&pool).await;
    }
    let (reads, spawned) = (clock.reads(), spawn.counts().spawned);
    let (entries, cost) = (pool.status().lock_entries, thread_cost());
    for _ in 0..1000 {
        drop(pool.acquire().await.unwrap());
    }
    let allocations = thread_cost().allocations - cost.allocations;
    let entries = pool.status().lock_entries - entries;
    assert_eq!(allocations, 0, "paid for what is off: allocations");
    assert_eq!(
        clock.reads() - reads,
        0,
        "paid for what is off: clock reads"
    );
    assert_eq!(
        spawn.counts().spawned - spawned,
        0,
        "paid for what is off: tasks"
    );
    // The snapshots' own.
    assert!(entries <= 2, "paid for what is off: {entries} lock entries");
}
