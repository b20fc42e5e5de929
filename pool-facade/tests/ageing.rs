//! Idle timeout, lifetime, the minimum, and who replaces whom.

use std::time::Duration;

use pool_facade::{Builder, CloseReason, Pool, PooledConnection};
use pool_testkit::fake::{Action, FakeBackend, FakeManager, Gate, Step, What};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Moves the paused time, and lets the tasks of the pool run meanwhile.
async fn pass(millis: u64) {
    tokio::time::sleep(ms(millis)).await;
}

fn pool(backend: &FakeBackend) -> Builder<FakeManager> {
    Pool::builder(backend.manager())
        .validate_on_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_closes_what_is_above_min_size_and_no_more() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(5u32)
        .min_size(2u32)
        .initial_size(5u32)
        .idle_timeout(ms(1000))
        .build()
        .await
        .unwrap();
    pass(900).await;
    assert_eq!(pool.status().size, 5, "before its time");
    pass(400).await;
    assert_eq!((pool.status().size, backend.counts().open), (2, 2));
    pass(60_000).await;
    let status = pool.status();
    assert_eq!((status.idle, status.opened, status.closed), (2, 5, 3));
    assert_eq!(status.closed_by(CloseReason::Idle), 3);
    assert_eq!(backend.counts().closed_orderly, 3, "in an orderly way, too");
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_keeps_min_idle_besides_what_is_leased() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(5u32)
        .min_idle(2u32)
        .initial_size(5u32)
        .idle_timeout(ms(1000))
        .build()
        .await
        .unwrap();
    let _lease = pool.acquire().await.unwrap();
    pass(10_000).await;
    let status = pool.status();
    assert_eq!((status.idle, status.leased), (2, 1));
    assert_eq!(status.closed_by(CloseReason::Idle), 2);
}

#[tokio::test(start_paused = true)]
async fn min_idle_is_refilled_as_connections_are_leased_and_ends_at_max_size() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(6u32)
        .min_idle(3u32)
        .build()
        .await
        .unwrap();
    pass(10).await;
    assert_eq!(pool.status().idle, 3, "without being asked");
    let mut leases = Vec::new();
    for leased in 1..=6 {
        leases.push(pool.acquire().await.unwrap());
        pass(20_000).await;
        let idle = 3.min(6 - leased);
        assert_eq!(pool.status().idle, idle, "{leased} leased");
    }
    assert_eq!(backend.counts().peak_total, 6);
}

#[tokio::test(start_paused = true)]
async fn time_on_a_lease_is_no_idle_time() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).idle_timeout(ms(1000)).build().await.unwrap();
    let lease = pool.acquire().await.unwrap();
    pass(5000).await;
    drop(lease);
    pass(900).await;
    assert_eq!(pool.status().idle, 1, "idle for 900 ms only");
    pass(400).await;
    assert_eq!(pool.status().size, 0);
}

#[tokio::test(start_paused = true)]
async fn connection_is_replaced_at_its_lifetime_and_not_before() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_lifetime(ms(700))
        .lifetime_jitter(0.0)
        .build()
        .await
        .unwrap();
    let first = pool.acquire().await.unwrap().id();
    pass(600).await;
    assert_eq!(pool.acquire().await.unwrap().id(), first);
    pass(200).await;
    assert_ne!(pool.acquire().await.unwrap().id(), first);
    let status = pool.status();
    assert_eq!(status.closed_by(CloseReason::Lifetime), 1);
    assert_eq!(status.closed_by(CloseReason::Idle), 0);
}

#[tokio::test(start_paused = true)]
async fn lease_outlives_the_lifetime_and_its_connection_is_closed_on_return() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_lifetime(ms(700))
        .lifetime_jitter(0.0)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    pass(5000).await;
    assert!(lease.is_alive());
    lease.work().await.unwrap();
    assert_eq!(pool.status().closed, 0);
    drop(lease);
    assert_eq!(pool.status().idle, 0, "it does not become idle again");
    assert_eq!(pool.status().closed_by(CloseReason::Lifetime), 1);
    backend.until(|counts| counts.open == 0).await;
}

#[tokio::test(start_paused = true)]
async fn connection_past_its_lifetime_is_not_given_out_even_if_maintenance_is_late() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_lifetime(ms(700))
        .lifetime_jitter(0.0)
        .maintenance_interval(ms(3_600_000))
        .build()
        .await
        .unwrap();
    let first = pool.acquire().await.unwrap().id();
    pass(1000).await;
    assert_eq!(pool.status().idle, 1, "nobody has looked");
    assert_ne!(pool.acquire().await.unwrap().id(), first);
    assert_eq!(pool.status().closed_by(CloseReason::Lifetime), 1);
}

#[tokio::test(start_paused = true)]
async fn waiter_is_not_handed_an_expired_connection_and_is_not_lost() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(1u32)
        .max_lifetime(ms(700))
        .lifetime_jitter(0.0)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let first = lease.id();
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap().id() });
    pass(1000).await;
    assert_eq!(pool.status().waiting, 1);
    drop(lease);
    assert_ne!(waiter.await.unwrap(), first);
    assert_eq!(backend.counts().peak_total, 1);
}

/// When, in steps of 10 ms, the connections of a pool came to the end of their lives.
async fn ends(seed: u64, jitter: f64) -> Vec<u64> {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(40u32)
        .initial_size(40u32)
        .max_lifetime(ms(10_000))
        .lifetime_jitter(jitter)
        .maintenance_interval(ms(10))
        .seed(seed)
        .build()
        .await
        .expect("the settings make sense and every connect works");
    let mut ends = Vec::new();
    for at in 1..=1100 {
        pass(10).await;
        let ended = pool.status().closed_by(CloseReason::Lifetime);
        ends.resize(ended as usize, at * 10);
    }
    ends
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_the_ends_over_its_part_of_the_lifetime() {
    let spread = ends(7, 0.4).await;
    assert_eq!(spread.len(), 40, "all have ended");
    let (first, last) = (spread[0], spread[39]);
    // The coarse clock may lag by 250 ms.
    assert!((6000..7000).contains(&first), "{spread:?}");
    assert!((9000..10_300).contains(&last), "{spread:?}");
    let mut distinct = spread.clone();
    distinct.dedup();
    assert!(distinct.len() > 15, "few end together: {spread:?}");
    assert_eq!(spread, ends(7, 0.4).await, "the seed decides");
    let together = ends(7, 0.0).await;
    assert!(together.iter().all(|at| *at == together[0]), "{together:?}");
}

#[tokio::test(start_paused = true)]
async fn successor_is_open_before_its_predecessor_retires() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::delay(ms(50)));
    let pool = pool(&backend)
        .max_size(2u32)
        .min_size(1u32)
        .initial_size(1u32)
        .max_lifetime(ms(1000))
        .lifetime_jitter(0.0)
        .build()
        .await
        .unwrap();
    for step in 0..500 {
        pass(10).await;
        let status = pool.status();
        assert!(
            status.idle >= 1,
            "nobody is ready at step {step}: {status:?}"
        );
    }
    let at = |step, connection, what| {
        let log = backend.log();
        let at = log.iter().position(|entry| {
            (entry.step, entry.connection, entry.what) == (step, connection, what)
        });
        at.unwrap_or_else(|| panic!("no {what:?} of {step:?} {connection} in {log:?}"))
    };
    for (old, new) in [(1, 2), (2, 3), (3, 4)] {
        let opened = at(Step::Connect, new, What::Succeeded);
        assert!(opened < at(Step::Close, old, What::Started), "{old}");
    }
    let opened = pool.status().opened;
    assert!((5..=7).contains(&opened), "{opened} in 5 s of 1 s each");
}

#[tokio::test(start_paused = true)]
async fn without_room_for_a_successor_the_old_one_goes_first() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(1u32)
        .min_size(1u32)
        .initial_size(1u32)
        .max_lifetime(ms(1000))
        .lifetime_jitter(0.0)
        .build()
        .await
        .unwrap();
    pass(1500).await;
    assert_eq!(pool.acquire().await.unwrap().id(), 2);
    assert_eq!(backend.counts().peak_total, 1);
}

#[tokio::test(start_paused = true)]
async fn min_size_is_refilled_whatever_took_a_connection_away() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(5u32)
        .min_size(3u32)
        .build()
        .await
        .unwrap();
    pass(10).await;
    assert_eq!(pool.status().idle, 3, "without being asked");
    let detached = PooledConnection::detach(pool.acquire().await.unwrap());
    PooledConnection::discard(pool.acquire().await.unwrap());
    let killed = pool.acquire().await.unwrap();
    backend.kill(killed.id());
    drop(killed);
    pass(100).await;
    let status = pool.status();
    assert_eq!((status.size, status.idle, status.opened), (3, 3, 6));
    drop(detached);
}

#[tokio::test(start_paused = true)]
async fn min_equal_to_max_never_shrinks() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(4u32)
        .min_size(4u32)
        .initial_size(4u32)
        .idle_timeout(ms(100))
        .build()
        .await
        .unwrap();
    pass(100_000).await;
    assert_eq!((pool.status().idle, pool.status().closed), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn without_timeouts_a_connection_stays_for_hours() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).initial_size(2u32).build().await.unwrap();
    pass(3 * 3_600_000).await;
    assert_eq!((pool.status().idle, pool.status().closed), (2, 0));
}

/// Nothing wakes a pool in which nothing is due: an hour of it takes the queue's lock a few times.
#[tokio::test(start_paused = true)]
async fn pool_that_keeps_nothing_ready_sleeps_until_something_is_due() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).idle_timeout(ms(3_600_000));
    let pool = pool.build().await.unwrap();
    drop(pool.acquire().await.unwrap());
    // Until the time of that request would have been up.
    pass(60_000).await;
    let before = pool.status().lock_entries;
    pass(3_450_000).await;
    let own = 2;
    assert_eq!(pool.status().lock_entries - before, own);
    pass(100_000).await;
    assert_eq!(pool.status().closed_by(CloseReason::Idle), 1);
}

/// However connections are used meanwhile, each is closed or asked when its time has come, within the
/// time between two runs.
#[tokio::test(start_paused = true)]
async fn what_comes_due_while_maintenance_sleeps_is_seen_to_in_time() {
    const EVERY: u64 = 1000;
    /// The coarse clock is late by up to 250 ms where it is written and where it is read.
    const SLACK: u64 = 600;
    let mut ends = [0; 2];
    for seed in 0..20 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let backend = FakeBackend::new();
        let life = 45_000;
        let idle = (seed % 3 != 2).then_some(ms(20_000));
        let keepalive = (seed % 3 == 0).then_some(ms(7_000));
        let late = |since: Duration, limit: Option<Duration>| {
            limit.is_some_and(|limit| since >= limit + ms(EVERY + SLACK))
        };
        let pool = pool(&backend)
            .max_size(4u32)
            .idle_timeout(idle)
            .max_lifetime(ms(life))
            .lifetime_jitter(0.2)
            .keepalive(keepalive)
            .maintenance_interval(ms(EVERY))
            .seed(seed + 1);
        let pool = pool.build().await.unwrap();
        let (mut leases, mut asked) = (Vec::new(), (0, 0));
        for step in 0..1200 {
            match chance.u8(..) {
                // A quiet time.
                _ if step % 600 > 300 => leases.clear(),
                0..4 => leases.extend(pool.try_acquire()),
                4..8 if !leases.is_empty() => {
                    drop(leases.swap_remove(chance.usize(..leases.len())));
                }
                _ => {}
            }
            pass(100).await;
            let validated = backend.counts().validated;
            if validated != asked.0 {
                asked = (validated, step);
            }
            let unasked = ms(100 * (step - asked.1));
            pool.retain(|_, info| {
                assert!(!late(info.age, Some(ms(life))), "{info:?}");
                // One that is about to go for its age is left alone until then.
                let goes = info.age > ms(life / 5 * 4 - 2 * EVERY);
                assert!(goes || !late(info.idle, idle), "{info:?}");
                let forgotten = late(info.idle, keepalive) && late(unasked, keepalive);
                assert!(goes || !forgotten, "{info:?}, {unasked:?}");
                true
            });
        }
        let status = pool.status();
        ends[0] += status.closed_by(CloseReason::Idle);
        ends[1] += status.closed_by(CloseReason::Lifetime);
    }
    assert!(ends[0] > 20 && ends[1] > 20, "{ends:?}");
}

/// What maintenance did not see because it was being made clean is not forgotten until much later.
#[tokio::test(start_paused = true)]
async fn connection_that_is_being_reset_when_maintenance_looks_ends_at_its_lifetime_too() {
    const LIFE: u64 = 100_000;
    let (backend, gate) = (FakeBackend::new(), Gate::new());
    backend.script(Step::Reset, [Action::gate(&gate)]);
    let pool = pool(&backend)
        .max_lifetime(ms(LIFE))
        .lifetime_jitter(0.0)
        .reset_timeout(ms(LIFE));
    let pool = pool.build().await.unwrap();
    PooledConnection::discard(pool.acquire().await.unwrap());
    pass(LIFE / 2).await;
    let lease = pool.acquire().await.unwrap();
    pass(LIFE / 2 - 1000).await;
    lease.leave("a setting of mine");
    drop(lease);
    gate.until_waiting(1).await;
    // Meanwhile the first is due that maintenance can know of.
    pass(15_000).await;
    gate.open();
    pass(LIFE / 2 + 1000).await;
    assert_eq!(pool.status().closed_by(CloseReason::Lifetime), 1);
}
