//! Checks: before a lease, after it, and of idle connections in the background.

use std::time::Duration;

use pool_facade::{Builder, CloseReason, Error, ErrorClass, Phase, Pool};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Gate, Step};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Moves the paused time, and lets the tasks of the pool run meanwhile.
async fn pass(millis: u64) {
    tokio::time::sleep(ms(millis)).await;
}

/// Milliseconds that `work` took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, u128) {
    let begun = tokio::time::Instant::now();
    let value = work.await;
    (value, begun.elapsed().as_millis())
}

fn pool(backend: &FakeBackend) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .idle_timeout(None)
        .max_lifetime(None)
}

#[tokio::test(start_paused = true)]
async fn connection_is_asked_before_a_lease_only_if_unused_for_the_bypass_window() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).initial_size(1u32).build().await.unwrap();
    for _ in 0..5 {
        pass(300).await;
        drop(pool.acquire().await.unwrap());
    }
    assert_eq!(
        backend.calls(Step::Validate),
        0,
        "each use renews the trust"
    );
    pass(700).await;
    drop(pool.acquire().await.unwrap());
    assert_eq!(backend.counts().validated, 1);
    drop(pool.acquire().await.unwrap());
    assert_eq!(backend.calls(Step::Validate), 1, "a check renews it too");
}

#[tokio::test(start_paused = true)]
async fn bypass_of_zero_asks_before_every_lease_and_off_never() {
    let backend = FakeBackend::new();
    let always = pool(&backend)
        .validation_bypass(Duration::ZERO)
        .initial_size(1u32)
        .build()
        .await
        .unwrap();
    for _ in 0..3 {
        drop(always.acquire().await.unwrap());
    }
    assert_eq!(backend.calls(Step::Validate), 3);
    let never = pool(&backend)
        .validate_on_acquire(false)
        .initial_size(1u32)
        .build()
        .await
        .unwrap();
    pass(3_600_000).await;
    drop(never.acquire().await.unwrap());
    assert_eq!(backend.calls(Step::Validate), 3);
}

#[tokio::test(start_paused = true)]
async fn borrower_never_sees_a_connection_that_died_unnoticed() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(3u32)
        .initial_size(3u32)
        .build()
        .await
        .unwrap();
    for id in backend.connections() {
        backend.kill_unnoticed(id);
    }
    pass(1000).await;
    let lease = pool.acquire().await.unwrap();
    assert!(lease.is_alive());
    lease.work().await.unwrap();
    assert_eq!(pool.status().closed_by(CloseReason::Invalid), 3);
}

#[tokio::test(start_paused = true)]
async fn hanging_check_ends_at_its_own_limit_and_the_request_goes_on() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .initial_size(1u32)
        .validation_timeout(ms(200))
        .build()
        .await
        .unwrap();
    backend.rule(Step::Validate, |_| Action::hang());
    pass(1000).await;
    let (lease, took) = timed(pool.acquire()).await;
    assert_eq!(lease.unwrap().id(), 2, "a fresh one needs no check");
    assert!((200..230).contains(&took), "{took} ms");
    assert_eq!(backend.calls(Step::Validate), 1);
}

#[tokio::test(start_paused = true)]
async fn check_never_outlives_the_deadline_of_the_request() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(4u32)
        .initial_size(4u32)
        .acquire_timeout(ms(400))
        .validation_timeout(ms(5000))
        .build()
        .await
        .unwrap();
    backend.rule(Step::Validate, |_| Action::hang());
    backend.rule(Step::Connect, |_| Action::hang());
    pass(1000).await;
    let (refused, took) = timed(pool.acquire()).await;
    let Err(Error::Timeout { phase, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        matches!(phase, Phase::Connecting | Phase::Checking),
        "{phase}"
    );
    assert!((400..420).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn request_does_not_spend_all_its_time_on_one_slow_check() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(2u32)
        .initial_size(1u32)
        .acquire_timeout(ms(400))
        .validation_timeout(ms(5000))
        .build()
        .await
        .unwrap();
    backend.rule(Step::Validate, |_| Action::hang());
    pass(1000).await;
    let (lease, took) = timed(pool.acquire()).await;
    assert_eq!(lease.unwrap().id(), 2);
    assert!((100..130).contains(&took), "a quarter of 400 ms: {took} ms");
    pass(5000).await;
    assert_eq!(pool.status().closed_by(CloseReason::Invalid), 1);
}

#[tokio::test(start_paused = true)]
async fn check_that_times_out_makes_all_idle_connections_suspect() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(2u32)
        .initial_size(2u32)
        .validation_timeout(ms(100))
        .build()
        .await
        .unwrap();
    let (old, fresh) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(old);
    pass(800).await;
    // One idle connection is old now; the other will have been used a moment ago.
    backend.rule(Step::Validate, |_| Action::hang());
    let other = pool.clone();
    let asking = tokio::task::spawn(async move { other.acquire().await.unwrap().id() });
    pass(20).await;
    backend.kill_unnoticed(fresh.id());
    drop(fresh);
    asking.await.unwrap();
    let lease = pool.acquire().await.unwrap();
    assert!(lease.is_alive(), "it was asked, though used 80 ms ago");
}

#[tokio::test(start_paused = true)]
async fn panicking_check_costs_its_connection_only() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).initial_size(1u32).build().await.unwrap();
    backend.script(Step::Validate, [Action::panic()]);
    pass(1000).await;
    assert_eq!(pool.acquire().await.unwrap().id(), 2);
    assert_eq!(pool.status().closed_by(CloseReason::Invalid), 1);
}

#[tokio::test(start_paused = true)]
async fn check_goes_on_when_its_caller_has_gone_and_the_connection_is_kept() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(1u32)
        .initial_size(1u32)
        .build()
        .await
        .unwrap();
    let gate = Gate::new();
    backend.script(Step::Validate, [Action::gate(&gate)]);
    pass(1000).await;
    let other = pool.clone();
    let asking = tokio::task::spawn(async move { drop(other.acquire().await) });
    gate.until_waiting(1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    assert_eq!(pool.status().checking, 1);
    assert!(pool.try_acquire().is_none(), "nobody has it meanwhile");
    gate.open();
    assert_eq!(pool.acquire().await.unwrap().id(), 1);
    assert_eq!(backend.counts().abandoned, 0);
}

#[tokio::test(start_paused = true)]
async fn a_check_for_one_who_left_counts_for_the_next_in_line_and_for_nobody_else() {
    let backend = FakeBackend::new();
    backend.rule(Step::Validate, |_| Action::delay(ms(20)));
    let pool = pool(&backend)
        .max_size(1u32)
        .initial_size(1u32)
        .validation_bypass(Duration::ZERO)
        .build()
        .await
        .unwrap();
    let other = pool.clone();
    let first = tokio::task::spawn(async move { drop(other.acquire().await) });
    pass(5).await;
    let other = pool.clone();
    let next = tokio::task::spawn(async move { timed(other.acquire()).await });
    pass(5).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let (lease, took) = next.await.unwrap();
    let lease = lease.unwrap();
    assert_eq!(backend.counts().validated, 1, "it was asked for nothing");
    assert!((15..20).contains(&took), "{took} ms");
    drop(lease);
    drop(pool.acquire().await.unwrap());
    assert_eq!(
        backend.counts().validated,
        2,
        "asked before every other lease"
    );
}

#[tokio::test(start_paused = true)]
async fn returned_connections_are_asked_in_the_background_if_so_configured() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(1u32)
        .validate_on_return(true)
        .build()
        .await
        .unwrap();
    drop(pool.acquire().await.unwrap());
    backend.until(|counts| counts.validated == 1).await;
    let lease = pool.acquire().await.unwrap();
    assert_eq!(lease.id(), 1);
    backend.script(Step::Validate, [Action::fail(ErrorClass::Connection)]);
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap().id() });
    tokio::task::yield_now().await;
    drop(lease);
    assert_eq!(waiter.await.unwrap(), 2, "the next one gets another");
    assert_eq!(pool.status().closed_by(CloseReason::Invalid), 1);
    assert_eq!(backend.counts().peak_total, 1);
}

#[tokio::test(start_paused = true)]
async fn check_on_return_that_hangs_ends_at_its_own_limit() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(1u32)
        .validate_on_return(true)
        .validation_timeout(ms(300))
        .build()
        .await
        .unwrap();
    backend.rule(Step::Validate, |_| Action::hang());
    drop(pool.acquire().await.unwrap());
    let (lease, took) = timed(pool.acquire()).await;
    assert_eq!(lease.unwrap().id(), 2);
    assert!((300..330).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn keepalive_saves_a_connection_that_the_server_would_drop() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .validate_on_acquire(false)
        .keepalive(ms(500))
        .initial_size(1u32)
        .build()
        .await
        .unwrap();
    let mut asked = 0;
    let mut silent = 0;
    for _ in 0..120 {
        pass(10).await;
        let calls = backend.calls(Step::Validate);
        silent = if calls > asked { 0 } else { silent + 10 };
        asked = calls;
        assert!(silent < 700, "the server would have dropped it");
    }
    assert_eq!(pool.acquire().await.unwrap().id(), 1);
    assert_eq!(pool.status().closed, 0);
}

#[tokio::test(start_paused = true)]
async fn keepalive_finds_the_dead_and_the_minimum_is_restored_before_anybody_asks() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .validate_on_acquire(false)
        .keepalive(ms(700))
        .min_size(1u32)
        .initial_size(1u32)
        .build()
        .await
        .unwrap();
    pass(500).await;
    backend.kill_unnoticed(1);
    pass(500).await;
    assert_eq!(pool.status().closed_by(CloseReason::Invalid), 1);
    let lease = pool.try_acquire().expect("a new one is there");
    assert_eq!(lease.id(), 2);
}

#[tokio::test(start_paused = true)]
async fn keepalive_leaves_leases_alone_and_does_not_make_idle_connections_younger() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .keepalive(ms(300))
        .idle_timeout(ms(1000))
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let claim = lease.own();
    pass(5000).await;
    assert_eq!(backend.calls(Step::Validate), 0);
    drop(claim);
    drop(lease);
    pass(1300).await;
    assert!(backend.calls(Step::Validate) >= 2);
    assert_eq!(pool.status().size, 0, "the idle timeout counts leases only");
    assert_eq!(pool.status().closed_by(CloseReason::Idle), 1);
}

#[tokio::test(start_paused = true)]
async fn keepalive_renews_the_trust_in_a_connection() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .keepalive(ms(2000))
        .initial_size(1u32)
        .build()
        .await
        .unwrap();
    backend.until(|counts| counts.validated == 1).await;
    drop(pool.acquire().await.unwrap());
    assert_eq!(backend.calls(Step::Validate), 1, "it was asked just now");
}

#[tokio::test(start_paused = true)]
async fn ten_stale_connections_are_found_together_and_not_one_after_the_other() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(10u32)
        .initial_size(10u32)
        .keepalive(ms(500))
        .build()
        .await
        .unwrap();
    backend.rule(Step::Validate, |_| {
        Action::fail(ErrorClass::Connection).after(ms(200))
    });
    pass(400).await;
    let (_, took) = timed(backend.until(|counts| counts.open == 0)).await;
    assert!(took < 600, "{took} ms for 10 checks of 200 ms");
    assert_eq!(pool.status().closed_by(CloseReason::Invalid), 10);
}

#[tokio::test(start_paused = true)]
async fn request_waits_for_a_connection_that_is_being_kept_alive() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(1u32)
        .initial_size(1u32)
        .keepalive(ms(500))
        .build()
        .await
        .unwrap();
    let gate = Gate::new();
    backend.script(Step::Validate, [Action::gate(&gate)]);
    gate.until_waiting(1).await;
    assert_eq!(pool.status().checking, 1);
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap().id() });
    pass(50).await;
    assert_eq!(pool.status().waiting, 1);
    gate.open();
    assert_eq!(waiter.await.unwrap(), 1);
    assert_eq!(backend.counts().connects, 1, "none was opened for it");
}
