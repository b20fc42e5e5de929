//! The policies of health in a pool: what they decide is done, within the maximum, and what is off
//! or only looks on changes nothing.

use std::sync::Arc;
use std::time::Duration;

use pool_facade::health::{
    AdaptiveHealth, AdaptiveHealthBuilder, Ageing, AgeingPolicy, Breaker, BreakerBuilder, Circuit,
    Mode, Prediction, Recycler, RecyclingPolicy, Retry, RetryBudget,
};
use pool_facade::{
    Builder, CloseReason, Error, ErrorClass, Pool, PooledConnection, Priority, TokioClock,
};
use pool_testkit::fake::{Action, FakeBackend, FakeError, FakeManager, Step};
use tokio::time::{Instant, sleep};

use super::doorman::ms;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn builder(backend: &FakeBackend, max: u32) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .idle_timeout(None)
        .max_lifetime(None)
        .max_size(max)
}

/// A policy in which nothing is on.
fn none() -> AdaptiveHealthBuilder {
    AdaptiveHealth::builder()
        .suspicion(Mode::Off)
        .schedule(Mode::Off)
        .endpoint(Mode::Off)
}

async fn opened(
    settings: AdaptiveHealthBuilder,
    builder: Builder<FakeManager>,
) -> (Arc<AdaptiveHealth>, Pool<FakeManager>) {
    let health = Arc::new(settings.seed(1).build().unwrap());
    let pool = health.attach(builder).build().await.unwrap();
    (health, pool)
}

/// Few failures decide, as a pool makes few connects.
fn quick() -> BreakerBuilder {
    Breaker::builder().min_calls(5).doubt(0.0).seed(1)
}

fn breaker(mode: Mode) -> AdaptiveHealthBuilder {
    with(quick(), mode)
}

fn with(breaker: BreakerBuilder, mode: Mode) -> AdaptiveHealthBuilder {
    none().breaker(breaker.build().unwrap(), mode)
}

fn circuit(health: &AdaptiveHealth) -> Circuit {
    health.breaker().unwrap().circuit()
}

/// Somebody who asks again and again, for so long.
async fn ask_for(pool: &Pool<FakeManager>, time: Duration) -> Vec<Result<(), Error<FakeError>>> {
    let end = Instant::now() + time;
    let mut answers = Vec::new();
    while Instant::now() < end {
        let asked = pool.request().within(ms(200)).acquire().await;
        answers.push(asked.map(drop));
        sleep(ms(10)).await;
    }
    answers
}

fn refusals(answers: &[Result<(), Error<FakeError>>]) -> usize {
    let refused = |answer: &&_| matches!(answer, Err(Error::Refused { .. }));
    answers.iter().filter(refused).count()
}

#[tokio::test(start_paused = true)]
async fn breaker_opens_when_connects_fail_and_lets_all_in_again_when_they_succeed() {
    let backend = FakeBackend::new();
    let (health, pool) = opened(breaker(Mode::On), builder(&backend, 4)).await;
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Endpoint));
    ask_for(&pool, seconds(10)).await;
    while circuit(&health) != Circuit::Open {
        ask_for(&pool, ms(1)).await;
    }
    let Err(Error::Refused {
        reason,
        retry_after: Some(after),
    }) = pool.acquire().await
    else {
        panic!("it is open");
    };
    assert_eq!(reason.policy, "breaker");
    assert!(after > Duration::ZERO && after <= seconds(4), "{after:?}");

    backend.clear(Step::Connect);
    let began = Instant::now();
    while pool.acquire().await.is_err() {
        sleep(ms(10)).await;
    }
    // What is left of the open time, and a pause between connects.
    assert!(began.elapsed() < seconds(8), "{:?}", began.elapsed());
    ask_for(&pool, seconds(12)).await;
    assert_eq!(circuit(&health), Circuit::Closed);
    assert_eq!(refusals(&ask_for(&pool, seconds(2)).await), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_must_get_in_gets_in_while_the_breaker_is_open_and_shows_that_all_is_well() {
    let backend = FakeBackend::new();
    let idle = builder(&backend, 2).initial_size(1u32);
    let long = with(quick().open_time(seconds(60), seconds(60)), Mode::On);
    let (health, pool) = opened(long, idle).await;
    let lease = pool.acquire().await.unwrap();
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Endpoint));
    while circuit(&health) != Circuit::Open {
        ask_for(&pool, ms(100)).await;
    }
    drop(lease);
    assert!(pool.acquire().await.is_err());
    let critical = pool.request().priority(Priority::Critical);
    drop(critical.acquire().await.unwrap());
    sleep(seconds(1)).await;
    assert_eq!(circuit(&health), Circuit::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn shadow_decides_and_counts_and_does_nothing() {
    let backend = FakeBackend::new();
    let old = AgeingPolicy::TimeBased {
        max_lifetime: seconds(30),
    };
    let ageing = Ageing::builder().mode(Mode::Shadow).policy(old);
    let recycler = Recycler::builder()
        .mode(Mode::Shadow)
        .policy(RecyclingPolicy::Replace);
    let settings = breaker(Mode::Shadow)
        .suspicion(Mode::Shadow)
        .schedule(Mode::Shadow)
        .endpoint(Mode::Shadow)
        .ageing(ageing.build().unwrap())
        .recycling(recycler.build().unwrap());
    let (health, pool) = opened(settings, builder(&backend, 4).initial_size(4u32)).await;
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Endpoint));
    let mut leases = Vec::new();
    for _ in 0..4 {
        let lease = pool.acquire().await.unwrap();
        lease.vitals().failed(ErrorClass::Connection);
        leases.push(lease);
    }
    let answers = ask_for(&pool, seconds(5)).await;
    drop(leases);
    sleep(seconds(90)).await;
    assert_eq!(refusals(&answers), 0);
    assert_eq!(backend.calls(Step::Validate), 0);
    assert_eq!((pool.status().size, pool.status().closed), (4, 0));
    let counts = health.statistics();
    assert_eq!(counts.errors, 4);
    assert_eq!(counts.flushes, 1);
    assert_eq!(counts.ageing.replaced, 4);
    assert_eq!(counts.recycling.replace, 4);
    assert!(counts.checks_ordered > 0, "{counts:?}");
    assert_eq!(counts.breaker.unwrap().breaker.results.failures(), 4);
    assert_eq!(counts.quarantined_connections, 0);
}

#[tokio::test(start_paused = true)]
async fn shadow_breaker_refuses_nobody_and_counts_whom_it_would_have() {
    let backend = FakeBackend::new();
    let (health, pool) = opened(breaker(Mode::Shadow), builder(&backend, 4)).await;
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Endpoint));
    let answers = ask_for(&pool, seconds(20)).await;
    assert_eq!(refusals(&answers), 0);
    let gate = health.statistics().breaker.unwrap();
    assert!(gate.breaker.entered[Circuit::Open.index()] > 0, "{gate:?}");
    assert!(gate.refused > 0, "{gate:?}");
    let failures = gate.breaker.results.failures();
    assert_eq!(failures, pool.status().connect_failures, "each once");
}

#[tokio::test(start_paused = true)]
async fn with_all_parts_off_a_pool_is_not_even_looked_at() {
    let backend = FakeBackend::new();
    let off = none()
        .ageing(Ageing::builder().build().unwrap())
        .recycling(Recycler::builder().build().unwrap())
        .prediction(Prediction::builder().build().unwrap())
        .breaker(Breaker::builder().build().unwrap(), Mode::Off);
    let (health, pool) = opened(off, builder(&backend, 2).initial_size(1u32)).await;
    let lease = pool.acquire().await.unwrap();
    lease.vitals().sent(1);
    assert_eq!(
        lease.vitals().pulse().outstanding,
        0,
        "nobody would read it"
    );
    sleep(seconds(3)).await;
    drop(lease);
    sleep(seconds(60)).await;
    assert_eq!(health.statistics(), Default::default());
    assert!(health.breaker().is_none());
}

#[tokio::test(start_paused = true)]
async fn leased_connection_that_falls_silent_is_kept_back_and_asked_when_it_comes_back() {
    let backend = FakeBackend::new();
    let settings = AdaptiveHealth::builder();
    let (health, pool) = opened(settings, builder(&backend, 2).initial_size(1u32)).await;
    let lease = pool.acquire().await.unwrap();
    for _ in 0..40 {
        lease.vitals().sent(1);
        sleep(ms(5)).await;
        lease.vitals().answered();
        sleep(ms(50)).await;
    }
    lease.vitals().sent(1);
    sleep(ms(200)).await;
    let counts = health.statistics();
    assert_eq!((counts.suspected, counts.condemned), (1, 0), "{counts:?}");
    drop(lease);
    sleep(ms(50)).await;
    assert_eq!(backend.calls(Step::Validate), 1);
    assert_eq!(health.statistics().false_suspicions, 1, "it passed");
}

/// A pool whose connections are given these lives by the policy and by the pool itself.
async fn mortal(
    by_policy: u64,
    by_pool: Option<u64>,
) -> (FakeBackend, Arc<AdaptiveHealth>, Pool<FakeManager>) {
    let backend = FakeBackend::new();
    let policy = AgeingPolicy::TimeBased {
        max_lifetime: seconds(by_policy),
    };
    let ageing = Ageing::builder().mode(Mode::On).policy(policy).at_a_time(1);
    let settings = none().ageing(ageing.build().unwrap());
    let builder = builder(&backend, 4)
        .min_idle(3u32)
        .initial_size(3u32)
        .max_lifetime(by_pool.map(seconds));
    let (health, pool) = opened(settings, builder).await;
    (backend, health, pool)
}

#[tokio::test(start_paused = true)]
async fn old_connections_are_replaced_warm_and_within_the_maximum() {
    let (backend, health, pool) = mortal(60, None).await;
    let delay = |_: &_| Action::delay(ms(300));
    backend.rule(Step::Connect, delay);
    let began = Instant::now();
    while began.elapsed() < seconds(300) {
        sleep(ms(50)).await;
        let status = pool.status();
        let open = status.idle + status.leased;
        assert!(open >= 3, "{status:?} after {:?}", began.elapsed());
    }
    let replaced = pool.status().closed_by(CloseReason::Replaced);
    assert!((12..=18).contains(&replaced), "{replaced}");
    assert_eq!(health.statistics().ageing.replaced, replaced);
    assert!(backend.counts().peak_total <= 4);
}

#[tokio::test(start_paused = true)]
async fn of_a_lifetime_of_the_pool_and_one_of_the_policy_the_earlier_holds() {
    let (_, _, pool) = mortal(60, Some(600)).await;
    sleep(seconds(200)).await;
    let by = |reason| pool.status().closed_by(reason);
    assert!(by(CloseReason::Replaced) >= 9, "{:?}", pool.status());
    assert_eq!(by(CloseReason::Lifetime), 0);

    let (_, health, pool) = mortal(600, Some(60)).await;
    sleep(seconds(200)).await;
    let by = |reason| pool.status().closed_by(reason);
    assert!(by(CloseReason::Lifetime) >= 9, "{:?}", pool.status());
    assert_eq!(by(CloseReason::Replaced), 0);
    assert_eq!(health.statistics().ageing.replaced, 0);
}

/// The most uses of a connection that is lent at most 1000 times, where so many users have each a
/// use per millisecond.
async fn most_uses(users: u32) -> u64 {
    let backend = FakeBackend::new();
    let policy = AgeingPolicy::UsageBased { max_borrows: 1000 };
    let ageing = Ageing::builder().mode(Mode::On).policy(policy);
    let settings = none().ageing(ageing.build().unwrap());
    let max = users + 2;
    let (_, pool) = opened(settings, builder(&backend, max).initial_size(users)).await;
    let user = |pool: Pool<FakeManager>| async move {
        let mut most = 0;
        for _ in 0..4000 {
            let lease = pool.acquire().await.unwrap();
            sleep(ms(1)).await;
            most = most.max(PooledConnection::info(&lease).uses);
        }
        most
    };
    let all: Vec<_> = (0..users)
        .map(|_| tokio::spawn(user(pool.clone())))
        .collect();
    let mut most = 0;
    for one in all {
        most = most.max(one.await.unwrap());
    }
    assert!(pool.status().closed_by(CloseReason::Replaced) >= u64::from(users));
    most
}

#[tokio::test(start_paused = true)]
async fn connection_is_lent_beyond_its_uses_for_two_reviews_and_its_turn_and_no_longer() {
    // A review each 50 ms finds two that are old, and the next closes them.
    let most = most_uses(1).await;
    assert!(most > 900 && most <= 1000 + 2 * 50, "{most}");
    let most = most_uses(8).await;
    assert!(most <= 1000 + (4 * 2 + 1) * 50, "{most}");
}

#[tokio::test(start_paused = true)]
async fn requests_outlast_a_backend_that_fails_at_first_if_they_are_tried_again() {
    let backend = FakeBackend::new();
    let (health, pool) = opened(breaker(Mode::On), builder(&backend, 4)).await;
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Endpoint));
    let retry = Retry::builder(Arc::new(TokioClock::new()))
        .max_attempts(20)
        .budget(Arc::new(RetryBudget::default()))
        .build()
        .unwrap();
    let call = async {
        let attempt = |_| pool.request().within(ms(300)).acquire();
        retry.run(attempt).await.map(drop)
    };
    let heal = async {
        sleep(seconds(8)).await;
        backend.clear(Step::Connect);
    };
    let ((), ended) = tokio::join!(heal, call);
    assert!(ended.is_ok(), "{ended:?} {:?}", health.statistics());
    let failed = health.statistics().breaker.unwrap().breaker.results;
    assert!(failed.failures() > 0);
}
