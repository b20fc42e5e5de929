//! The settings of a pool, and how many connections it has: growth, shrinking, resizing.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is how a test fails"
)]

use std::time::Duration;

use pool_facade::{BuildError, Builder, CloseReason, ErrorClass, Pool, ResizeError};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Gate, Step};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Lets `time` of the paused clock pass.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

fn builder(backend: &FakeBackend, max_size: u32) -> Builder<FakeManager> {
    Pool::builder(backend.manager()).max_size(max_size)
}

/// Starts a task that gets a connection and holds it for `hold`.
fn user(pool: &Pool<FakeManager>, hold: Duration) -> tokio::task::JoinHandle<()> {
    let pool = pool.clone();
    tokio::task::spawn(async move {
        let lease = pool.acquire().await.unwrap();
        let owned = lease.own();
        pass(hold).await;
        drop(owned);
    })
}

// --- settings ---

#[tokio::test]
async fn every_problem_of_a_configuration_is_reported_at_once() {
    let backend = FakeBackend::new();
    let outcome = builder(&backend, 0)
        .min_size(1u32)
        .min_idle(2u32)
        .initial_size(3u32)
        .max_connecting(0u32)
        .creation_throttle(0u32)
        .lifetime_jitter(1.5)
        .acquire_timeout(Duration::ZERO)
        .connect_timeout(Duration::MAX)
        .backoff_initial(ms(100))
        .backoff_max(ms(10))
        .idle_timeout(ms(1000))
        .keepalive(ms(2000))
        .build()
        .await;
    let Err(BuildError::Config(error)) = outcome else {
        panic!("{outcome:?}");
    };
    let problems = error.problems();
    for setting in [
        "max_size",
        "min_size",
        "min_idle",
        "initial_size",
        "max_connecting",
        "creation_throttle",
        "lifetime_jitter",
        "acquire_timeout",
        "connect_timeout",
        "backoff_initial",
    ] {
        let named = problems.iter().filter(|text| text.starts_with(setting));
        assert_eq!(named.count(), 1, "{setting}: {problems:?}");
        assert!(error.to_string().contains(setting));
    }
    assert_eq!(problems.len(), 10, "{problems:#?}");
    assert_eq!(backend.counts().connects, 0);
}

#[tokio::test]
async fn each_wrong_setting_is_reported_alone_by_its_name_and_value() {
    type Change = fn(Builder<FakeManager>) -> Builder<FakeManager>;
    let wrong: [(&str, &str, Change); 15] = [
        ("max_size", "0", |b| b.max_size(0u32)),
        ("min_size", "11", |b| b.min_size(11u32)),
        ("min_idle", "11", |b| b.min_idle(11u32)),
        ("initial_size", "11", |b| b.initial_size(11u32)),
        ("max_size_ceiling", "9", |b| b.max_size_ceiling(9u32)),
        ("max_size_ceiling", "2000000", |b| {
            b.max_size_ceiling(2_000_000u32)
        }),
        ("max_connecting", "0", |b| b.max_connecting(0u32)),
        ("creation_throttle", "0", |b| b.creation_throttle(0u32)),
        ("lifetime_jitter", "-0.1", |b| b.lifetime_jitter(-0.1)),
        ("lifetime_jitter", "NaN", |b| b.lifetime_jitter(f64::NAN)),
        ("idle_timeout", "0", |b| b.idle_timeout(Duration::ZERO)),
        ("max_lifetime", "0", |b| b.max_lifetime(Duration::ZERO)),
        ("maintenance_interval", "0", |b| {
            b.maintenance_interval(Duration::ZERO)
        }),
        ("backoff_initial", "2s", |b| {
            b.backoff_initial(Duration::from_secs(2))
        }),
        ("keepalive", "400s", |b| {
            b.keepalive(Duration::from_secs(400))
        }),
    ];
    for (setting, value, change) in wrong {
        let backend = FakeBackend::new();
        let outcome = change(Pool::builder(backend.manager())).build().await;
        let Err(BuildError::Config(error)) = outcome else {
            panic!("{setting} {value}: {outcome:?}");
        };
        let problems = error.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let text = &problems[0];
        assert!(text.starts_with(setting) && text.contains(value), "{text}");
    }
}

#[tokio::test]
async fn the_defaults_are_those_of_the_documentation() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager()).build().await.unwrap();
    let config = pool.config();
    assert_eq!(config.name(), "pool");
    assert_eq!(config.max_size(), 10);
    assert_eq!(config.min_size(), 0);
    assert_eq!(config.min_idle(), 0);
    assert_eq!(config.initial_size(), 0);
    assert_eq!(config.acquire_timeout(), ms(30_000));
    assert_eq!(config.connect_timeout(), ms(10_000));
    assert_eq!(config.validation_timeout(), ms(5000));
    assert_eq!(config.reset_timeout(), ms(5000));
    assert_eq!(config.close_timeout(), ms(5000));
    assert_eq!(config.idle_timeout(), Some(ms(300_000)));
    assert_eq!(config.max_lifetime(), Some(ms(3_600_000)));
    assert!((config.lifetime_jitter() - 0.1).abs() < 1e-9);
    assert!(config.validate_on_acquire());
    assert!(!config.validate_on_return());
    assert_eq!(config.validation_bypass(), ms(500));
    assert_eq!(config.keepalive(), None);
    assert_eq!(config.max_connecting(), 8);
    assert_eq!(config.creation_throttle(), None);
    assert_eq!(config.backoff_initial(), ms(50));
    assert_eq!(config.backoff_max(), ms(1000));
    assert_eq!(config.max_wait_queue_size(), u32::MAX);
    assert_eq!(config.hand_off_lease(), ms(1000));
    assert_ne!(config.seed(), 0, "drawn when the pool is built");
}

#[tokio::test]
async fn the_config_of_one_pool_builds_another_like_it() {
    let backend = FakeBackend::new();
    let first = builder(&backend, 3)
        .name("orders")
        .keepalive(ms(1000))
        .build()
        .await
        .unwrap();
    let second = Pool::builder(backend.manager())
        .config(first.config().clone())
        .build()
        .await
        .unwrap();
    let config = second.config();
    assert_eq!((config.name(), config.max_size()), ("orders".into(), 3));
    assert_eq!(config.keepalive(), Some(ms(1000)));
    assert_eq!(second.status().max_size, 3);
}

#[tokio::test(start_paused = true)]
async fn build_opens_the_initial_connections_or_fails_and_leaves_nothing() {
    let backend = FakeBackend::new();
    let pool = builder(&backend, 5).initial_size(5u32).build().await;
    assert_eq!(pool.unwrap().status().idle, 5);
    backend.until(|counts| counts.open == 0).await;

    backend.script(Step::Connect, [Action::succeed(), Action::succeed()]);
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Permanent));
    let outcome = builder(&backend, 5).initial_size(5u32).build().await;
    let Err(BuildError::Connect { wanted, source, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(wanted, 5);
    let class = source.manager_error().map(|error| error.class);
    assert_eq!(class, Some(ErrorClass::Permanent));
    backend
        .until(|counts| counts.open + counts.connecting == 0)
        .await;
}

// --- growth and shrinking ---

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_that_nobody_asked_for() {
    let backend = FakeBackend::new();
    let pool = builder(&backend, 10).build().await.unwrap();
    pass(ms(10_000)).await;
    assert_eq!(backend.counts().connects, 0);
    for _ in 0..20 {
        drop(pool.acquire().await.unwrap());
    }
    assert_eq!(backend.counts().connects, 1);
    let mut leases = Vec::new();
    for open in 1..=4 {
        leases.push(pool.acquire().await.unwrap());
        assert_eq!(backend.counts().open, open);
    }
}

#[tokio::test(start_paused = true)]
async fn min_idle_is_kept_above_the_leases_and_the_rest_shrinks_away() {
    let backend = FakeBackend::new();
    let pool = builder(&backend, 10)
        .min_idle(5u32)
        .idle_timeout(ms(1000))
        .build()
        .await
        .unwrap();
    pass(ms(10)).await;
    assert_eq!(pool.status().idle, 5);
    let mut leases = Vec::new();
    for _ in 0..7 {
        leases.push(pool.acquire().await.unwrap());
    }
    pass(ms(300)).await;
    let status = pool.status();
    assert_eq!((status.size, status.idle, status.leased), (10, 3, 7));
    drop(leases);
    pass(ms(10)).await;
    assert_eq!(pool.status().idle, 10);
    // The idle timeout, two looks, and a close.
    pass(ms(1000 + 2 * 100 + 60)).await;
    let status = pool.status();
    assert_eq!((status.size, status.idle), (5, 5), "{status:?}");
    pass(ms(20_000)).await;
    let status = pool.status();
    assert_eq!((status.size, status.opened), (5, 10), "no coming and going");
}

#[tokio::test(start_paused = true)]
async fn an_elastic_pool_falls_back_to_its_minimum_and_not_below() {
    let backend = FakeBackend::new();
    let pool = builder(&backend, 8)
        .min_size(2u32)
        .idle_timeout(ms(1000))
        .build()
        .await
        .unwrap();
    let users: Vec<_> = (0..8).map(|_| user(&pool, ms(500))).collect();
    for user in users {
        user.await.unwrap();
    }
    assert_eq!(pool.status().size, 8);
    pass(ms(1300)).await;
    let status = pool.status();
    assert_eq!(status.size, 2, "{status:?}");
    assert_eq!(status.closed_by(CloseReason::Idle), 6);
    pass(ms(10_000)).await;
    assert_eq!((pool.status().size, pool.status().opened), (2, 8));
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_minimum_is_its_maximum_never_shrinks() {
    let backend = FakeBackend::new();
    let pool = builder(&backend, 4)
        .min_size(4u32)
        .idle_timeout(ms(100))
        .build()
        .await
        .unwrap();
    pass(ms(10_000)).await;
    let status = pool.status();
    assert_eq!((status.size, status.opened, status.closed), (4, 4, 0));
}

// --- resizing ---

#[tokio::test(start_paused = true)]
async fn a_larger_pool_serves_those_who_wait_at_once() {
    let backend = FakeBackend::new();
    let pool = builder(&backend, 1).build().await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let users: Vec<_> = (0..3).map(|_| user(&pool, ms(10))).collect();
    // Not when the driver would wake anyway.
    pass(ms(1234)).await;
    assert_eq!(pool.status().waiting, 3);
    pool.resize(4).unwrap();
    pass(ms(1)).await;
    assert!(pool.status().waiting < 3, "{:?}", pool.status());
    for user in users {
        user.await.unwrap();
    }
    assert!(backend.counts().peak_total <= 4);
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_pool_closes_idle_ones_now_and_just_as_many_leased_ones_on_return() {
    let backend = FakeBackend::new();
    let pool = builder(&backend, 6).build().await.unwrap();
    let mut leases = Vec::new();
    for _ in 0..6 {
        leases.push(pool.acquire().await.unwrap());
    }
    leases.truncate(4);
    assert_eq!(pool.status().idle, 2);
    pool.resize(2).unwrap();
    pass(ms(1)).await;
    let status = pool.status();
    assert_eq!((status.size, status.leased, status.idle), (4, 4, 0));
    assert!(leases.iter().all(|lease| lease.is_alive()));
    for (leased, idle) in [(3, 0), (2, 0), (1, 1), (0, 2)] {
        leases.pop();
        pass(ms(1)).await;
        let status = pool.status();
        assert_eq!((status.leased, status.idle), (leased, idle), "{status:?}");
    }
    let status = pool.status();
    assert_eq!((status.size, status.max_size), (2, 2));
    assert_eq!(status.closed_by(CloseReason::Shrunk), 4);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_shrinks_while_connects_hang_keeps_to_its_new_size() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    let rule = gate.clone();
    backend.rule(Step::Connect, move |_| Action::gate(&rule));
    let pool = builder(&backend, 4).build().await.unwrap();
    let users: Vec<_> = (0..6).map(|_| user(&pool, ms(10))).collect();
    gate.until_waiting(4).await;
    assert_eq!(pool.status().connecting, 4);
    pool.resize(2).unwrap();
    gate.open();
    for user in users {
        user.await.unwrap();
    }
    let status = pool.status();
    assert_eq!((status.size, status.idle), (2, 2), "{status:?}");
    assert_eq!(backend.counts().connects, 4);
    assert_eq!(status.closed_by(CloseReason::Shrunk), 2);
}

#[tokio::test]
async fn a_size_that_makes_no_sense_is_refused_and_nothing_changes() {
    let backend = FakeBackend::new();
    let pool = builder(&backend, 5)
        .min_size(2u32)
        .max_size_ceiling(9u32)
        .build()
        .await
        .unwrap();
    let wanted = 10;
    let ceiling = 9;
    assert_eq!(pool.resize(0), Err(ResizeError::Zero));
    assert_eq!(
        pool.resize(wanted),
        Err(ResizeError::AboveCeiling { wanted, ceiling })
    );
    let below = ResizeError::BelowMin {
        wanted: 1,
        min_size: 2,
    };
    assert_eq!(pool.resize(1), Err(below));
    assert_eq!(pool.status().max_size, 5);
    pool.resize(9).unwrap();
    assert_eq!(pool.status().max_size, 9);
    pool.close(ms(100)).await;
    assert_eq!(pool.resize(5), Err(ResizeError::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_stay_exact_while_a_loaded_pool_is_resized() {
    let backend = FakeBackend::new();
    let pool = builder(&backend, 8).build().await.unwrap();
    let users: Vec<_> = (0..24)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                for _ in 0..1000 {
                    let lease = pool.acquire().await.unwrap();
                    let owned = lease.own();
                    tokio::task::yield_now().await;
                    drop(owned);
                }
            })
        })
        .collect();
    for round in 0..2000u32 {
        pool.resize(1 + round % 8).unwrap();
        let status = pool.status();
        let parts = status.idle + status.leased + status.connecting;
        let parts = parts + status.checking + status.resetting + status.closing;
        assert_eq!(parts, status.size, "{status:?}");
        assert!(status.size <= 8, "{status:?}");
        tokio::task::yield_now().await;
    }
    pool.resize(3).unwrap();
    for user in users {
        user.await.unwrap();
    }
    assert!(backend.counts().peak_total <= 8, "{:?}", backend.counts());
    backend
        .until(|counts| counts.open + counts.connecting <= 3)
        .await;
    let status = pool.status();
    assert_eq!((status.leased, status.waiting), (0, 0), "{status:?}");
    assert!(status.idle <= 3, "{status:?}");
}
