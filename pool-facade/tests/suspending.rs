//! Suspend and resume, and reopening after a failover.

use std::sync::Arc;
use std::time::Duration;

use pool_facade::{Builder, CloseReason, Error, Evict, OnSuspend, Pool, PoolPhase};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Gate, Step};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Moves the paused time, and lets the tasks of the pool run meanwhile.
async fn pass(millis: u64) {
    tokio::time::sleep(ms(millis)).await;
}

fn pool(backend: &FakeBackend) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .idle_timeout(None)
        .max_lifetime(None)
}

#[tokio::test(start_paused = true)]
async fn suspended_pool_takes_leases_back_and_serves_the_oldest_first_once_resumed() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(3u32)
        .initial_size(3u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    pool.suspend(OnSuspend::Wait);
    assert_eq!(pool.status().phase, PoolPhase::Suspended);
    let (served, mut order) = mpsc::unbounded_channel();
    let mut waiters = JoinSet::new();
    for number in 0..6 {
        let (pool, served) = (pool.clone(), served.clone());
        waiters.spawn(async move {
            let lease = pool.acquire().await.unwrap();
            served.send(number).unwrap();
            pass(10).await;
            drop(lease);
        });
        pass(10).await;
    }
    lease.work().await.unwrap();
    drop(lease);
    assert!(pool.try_acquire().is_none());
    pass(5000).await;
    let status = pool.status();
    assert_eq!((status.idle, status.waiting, status.leased), (3, 6, 0));
    pool.resume();
    assert_eq!(pool.status().phase, PoolPhase::Open);
    waiters.join_all().await;
    drop(served);
    let mut served = Vec::new();
    while let Some(number) = order.recv().await {
        served.push(number);
    }
    assert_eq!(served, [0, 1, 2, 3, 4, 5]);
    assert_eq!(backend.counts().opened, 3);
}

#[tokio::test(start_paused = true)]
async fn deadlines_run_on_while_the_pool_is_suspended() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .initial_size(1u32)
        .acquire_timeout(ms(500))
        .build()
        .await
        .unwrap();
    pool.suspend(OnSuspend::Wait);
    let refused = pool.acquire().await.unwrap_err();
    let Error::Timeout { waited, .. } = refused else {
        panic!("{refused}")
    };
    assert!((ms(500)..ms(520)).contains(&waited), "{waited:?}");
    pool.resume();
    assert_eq!(pool.acquire().await.unwrap().id(), 1);
}

#[tokio::test(start_paused = true)]
async fn refusing_suspension_refuses_newcomers_at_once_and_keeps_those_who_wait() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap().id() });
    pass(10).await;
    pool.suspend(OnSuspend::Refuse);
    for _ in 0..3 {
        let refused = pool.acquire().await.unwrap_err();
        assert!(matches!(refused, Error::Suspended), "{refused}");
    }
    drop(lease);
    pass(1000).await;
    assert!(!waiter.is_finished(), "nobody is served meanwhile");
    pool.resume();
    assert_eq!(waiter.await.unwrap(), 1);
    drop(pool.acquire().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_while_suspended() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(4u32)
        .min_size(2u32)
        .initial_size(2u32)
        .build()
        .await
        .unwrap();
    pool.suspend(OnSuspend::Wait);
    backend.kill_all();
    let mut waiters = JoinSet::new();
    for _ in 0..4 {
        let pool = pool.clone();
        waiters.spawn(async move { drop(pool.acquire().await.unwrap()) });
    }
    assert!(pool.try_acquire().is_none());
    assert_eq!(pool.evict(Evict::Idle), 2);
    pass(20_000).await;
    assert_eq!((pool.status().size, backend.counts().connects), (0, 2));
    pool.resume();
    waiters.join_all().await;
    pass(100).await;
    assert!(pool.status().idle >= 2, "the minimum is back");
}

#[tokio::test(start_paused = true)]
async fn connect_that_ends_while_suspended_is_kept_for_the_resume() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    backend.script(Step::Connect, [Action::gate(&gate)]);
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap().id() });
    gate.until_waiting(1).await;
    pool.suspend(OnSuspend::Wait);
    gate.open();
    pass(1000).await;
    assert!(!waiter.is_finished());
    assert_eq!(pool.status().idle, 1);
    pool.resume();
    assert_eq!(waiter.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_a_suspended_pool_ends_the_waits_and_it_stays_closed() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).initial_size(2u32).build().await.unwrap();
    pool.suspend(OnSuspend::Wait);
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.map(drop) });
    pass(10).await;
    assert!(pool.close(ms(1000)).await.is_complete());
    assert!(matches!(waiter.await.unwrap(), Err(Error::Closed)));
    pool.resume();
    pool.suspend(OnSuspend::Refuse);
    assert!(matches!(pool.acquire().await, Err(Error::Closed)));
    assert_eq!(backend.counts().open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspending_and_resuming_under_load_loses_nobody_and_nothing() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).max_size(4u32).build().await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let pool = pool.clone();
        tasks.spawn(async move {
            for _ in 0..100 {
                let lease = pool.acquire().await.unwrap();
                let claim = lease.own();
                tokio::task::yield_now().await;
                drop(claim);
            }
        });
    }
    let switch = tokio::task::spawn({
        let pool = pool.clone();
        async move {
            loop {
                pool.suspend(OnSuspend::Wait);
                tokio::task::yield_now().await;
                pool.resume();
                tokio::task::yield_now().await;
            }
        }
    });
    tasks.join_all().await;
    switch.abort();
    let _ = switch.await;
    pool.resume();
    let status = pool.status();
    assert_eq!((status.waiting, status.leased), (0, 0), "{status:?}");
    assert_eq!(status.timeouts, 0);
    assert!(backend.counts().peak_total <= 4);
    pool.close(ms(5000)).await;
    assert_eq!(backend.counts().open, 0);
}

#[tokio::test(start_paused = true)]
async fn reopen_closes_idle_ones_now_leased_ones_on_return_and_fails_no_waiter() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(8u32)
        .initial_size(8u32)
        .build()
        .await
        .unwrap();
    let mut leases = Vec::new();
    for _ in 0..5 {
        leases.push(pool.acquire().await.unwrap());
    }
    pool.reopen();
    pass(10).await;
    let status = pool.status();
    assert_eq!((status.idle, status.leased, status.epoch), (0, 5, 1));
    let fresh = pool.acquire().await.unwrap();
    assert_eq!(fresh.epoch(), 1);
    for lease in leases {
        lease.work().await.unwrap();
        drop(lease);
    }
    drop(fresh);
    pass(10).await;
    let status = pool.status();
    assert_eq!((status.size, status.idle, status.closed), (1, 1, 8));
    assert_eq!(status.closed_by(CloseReason::Stale), 5);
}

#[tokio::test(start_paused = true)]
async fn connects_begun_before_a_reopen_are_discarded_and_the_waiter_is_served_by_a_new_one() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    backend.script(Step::Connect, [Action::gate(&gate)]);
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap().epoch() });
    gate.until_waiting(1).await;
    pool.reopen();
    gate.open();
    assert_eq!(waiter.await.unwrap(), 1);
    assert_eq!(pool.status().closed_by(CloseReason::Stale), 1);
    assert_eq!(backend.counts().peak_total, 1);
}

#[tokio::test(start_paused = true)]
async fn reopen_ends_the_pause_after_failed_connects() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .backoff_initial(ms(20_000))
        .backoff_max(ms(20_000))
        .build()
        .await
        .unwrap();
    backend.script(
        Step::Connect,
        [Action::fail(pool_facade::ErrorClass::Endpoint)],
    );
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.map(drop) });
    pass(1000).await;
    assert_eq!(backend.counts().connects, 1);
    pool.reopen();
    pass(100).await;
    assert!(waiter.is_finished(), "{:?}", pool.status());
    waiter.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn reopening_a_suspended_pool_clears_it_and_serves_new_ones_after_the_resume() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(4u32)
        .min_size(2u32)
        .initial_size(2u32)
        .build()
        .await
        .unwrap();
    pool.suspend(OnSuspend::Refuse);
    pool.reopen();
    pass(20_000).await;
    assert_eq!(pool.status().size, 0, "no refill until the resume");
    assert!(matches!(pool.acquire().await, Err(Error::Suspended)));
    pool.resume();
    pass(100).await;
    assert_eq!(pool.status().idle, 2);
    assert_eq!(pool.acquire().await.unwrap().epoch(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evicting_and_reopening_under_load_keeps_exact_counts() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(6u32)
        .min_size(2u32)
        .build()
        .await
        .unwrap();
    let done = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..24 {
        let (pool, done) = (pool.clone(), Arc::clone(&done));
        tasks.spawn(async move {
            for _ in 0..100 {
                let before = pool.status().epoch;
                let lease = pool.acquire().await.unwrap();
                let claim = lease.own();
                assert!(lease.epoch() >= before, "an old one was given out");
                tokio::task::yield_now().await;
                drop(claim);
                drop(lease);
                done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
    }
    let mut round = 0u64;
    while done.load(std::sync::atomic::Ordering::Relaxed) < 2400 {
        match round % 3 {
            0 => pool.reopen(),
            1 => {
                pool.evict(Evict::All);
            }
            _ => {
                pool.evict(Evict::Connection(backend.counts().connects));
            }
        }
        round += 1;
        tokio::task::yield_now().await;
        assert!(!tasks.is_empty());
    }
    tasks.join_all().await;
    assert!(backend.counts().peak_total <= 6, "{:?}", backend.counts());
    assert!(pool.close(ms(5000)).await.is_complete());
    let status = pool.status();
    assert_eq!(status.size, 0);
    assert_eq!(status.opened, status.closed);
    assert_eq!(status.opened, backend.counts().opened);
    assert_eq!(backend.counts().open, 0);
}
