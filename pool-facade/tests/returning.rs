//! Ways out of a lease, ways into and out of the pool, and what is known of a connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use pool_facade::{
    AddError, Builder, CloseReason, ErrorClass, Evict, Pool, PooledConnection, Priority,
};
use pool_testkit::fake::{Action, FakeBackend, FakeError, FakeManager, Gate, Step};

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

/// An error of the given class, from another server.
async fn error(class: ErrorClass) -> FakeError {
    let elsewhere = FakeBackend::new();
    elsewhere.script(Step::Connect, [Action::fail(class)]);
    elsewhere
        .manager()
        .open()
        .await
        .expect_err("the script says so")
}

#[tokio::test(start_paused = true)]
async fn reported_fatal_error_costs_the_connection_and_the_waiter_gets_another() {
    for class in [
        ErrorClass::Connection,
        ErrorClass::Endpoint,
        ErrorClass::Permanent,
    ] {
        let backend = FakeBackend::new();
        let pool = pool(&backend).max_size(1u32).build().await.unwrap();
        let mut lease = pool.acquire().await.unwrap();
        let other = pool.clone();
        let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap().id() });
        pass(10).await;
        let said = PooledConnection::report(&mut lease, &error(class).await);
        assert_eq!(said, class);
        assert!(lease.is_alive(), "the holder keeps it until it is done");
        drop(lease);
        assert_eq!(waiter.await.unwrap(), 2, "{class:?}");
        assert_eq!(pool.status().closed_by(CloseReason::Broken), 1);
        assert_eq!(backend.counts().peak_total, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn reported_harmless_error_is_counted_and_the_connection_kept() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    for errors in 1..=3 {
        let mut lease = pool.acquire().await.unwrap();
        let error = error(ErrorClass::Harmless).await;
        let said = PooledConnection::report(&mut lease, &error);
        assert_eq!(said, ErrorClass::Harmless);
        assert_eq!(PooledConnection::info(&lease).errors, errors);
    }
    assert_eq!(pool.status().opened, 1);
}

#[tokio::test(start_paused = true)]
async fn dirty_connection_is_reset_before_the_next_user_sees_it() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    let gate = Gate::new();
    backend.script(Step::Reset, [Action::gate(&gate)]);
    let lease = pool.acquire().await.unwrap();
    lease.leave("a setting of mine");
    drop(lease);
    gate.until_waiting(1).await;
    assert_eq!(pool.status().resetting, 1);
    assert!(pool.try_acquire().is_none());
    gate.open();
    let lease = pool.acquire().await.unwrap();
    lease.assert_clean();
    assert_eq!((lease.id(), backend.counts().reset), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn reset_that_hangs_fails_or_panics_costs_the_connection_only() {
    for action in [
        Action::hang(),
        Action::fail(ErrorClass::Harmless),
        Action::panic(),
    ] {
        let backend = FakeBackend::new();
        let pool = pool(&backend).max_size(1u32).build().await.unwrap();
        backend.script(Step::Reset, [action.clone()]);
        pool.acquire().await.unwrap().leave("a setting of mine");
        let lease = pool.acquire().await.unwrap();
        lease.assert_clean();
        assert_eq!(lease.id(), 2, "{action:?}");
        assert_eq!(pool.status().closed_by(CloseReason::ResetFailed), 1);
        assert_eq!(backend.counts().peak_total, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn round_trip_that_was_not_finished_costs_the_connection() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    let mut lease = pool.acquire().await.unwrap();
    let trip = PooledConnection::begin(&mut lease);
    trip.work().await.unwrap();
    trip.finish();
    drop(lease);
    let mut lease = pool.acquire().await.unwrap();
    assert_eq!(lease.id(), 1, "a finished one does not");
    drop(PooledConnection::begin(&mut lease));
    drop(lease);
    assert_eq!(pool.acquire().await.unwrap().id(), 2);
    assert_eq!(pool.status().closed_by(CloseReason::InFlight), 1);
}

#[tokio::test(start_paused = true)]
async fn connection_of_a_panicking_task_is_closed() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    let other = pool.clone();
    let failing = tokio::task::spawn(async move {
        let _lease = other.acquire().await.unwrap();
        panic!("the test says so");
    });
    assert!(failing.await.unwrap_err().is_panic());
    assert_eq!(pool.acquire().await.unwrap().id(), 2);
    assert_eq!(pool.status().closed_by(CloseReason::Panicked), 1);
}

#[tokio::test(start_paused = true)]
async fn evict_all_closes_idle_ones_now_leased_ones_on_return_and_the_minimum_is_refilled() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(30u32)
        .min_size(10u32)
        .initial_size(30u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    assert_eq!(pool.evict(Evict::All), 29);
    pass(100).await;
    let status = pool.status();
    assert_eq!((status.size, status.idle, status.leased), (10, 9, 1));
    lease.work().await.unwrap();
    drop(lease);
    pass(100).await;
    let status = pool.status();
    assert_eq!((status.size, status.idle), (10, 10));
    assert_eq!((status.opened, status.closed), (40, 30));
    assert_eq!(backend.connections(), (31..=40).collect::<Vec<_>>());
    assert!(backend.counts().peak_total <= 30);
}

#[tokio::test(start_paused = true)]
async fn evict_idle_spares_the_leased_ones_for_good() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(5u32)
        .initial_size(5u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let kept = lease.id();
    assert_eq!(pool.evict(Evict::Idle), 4);
    assert_eq!(pool.evict(Evict::Idle), 0);
    drop(lease);
    pass(10).await;
    assert_eq!(backend.connections(), [kept]);
    assert_eq!(pool.status().closed_by(CloseReason::Evicted), 4);
}

#[tokio::test(start_paused = true)]
async fn evict_one_closes_that_one_now_or_on_return() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(3u32)
        .initial_size(3u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let id = PooledConnection::info(&lease).id;
    let idle = (1..=3).find(|other| *other != id).unwrap();
    assert_eq!(pool.evict(Evict::Connection(idle)), 1);
    assert_eq!(pool.evict(Evict::Connection(idle)), 0, "it has gone");
    assert_eq!(pool.evict(Evict::Connection(id)), 0, "it is leased");
    assert_eq!(pool.evict(Evict::Connection(99)), 0, "there is none");
    lease.work().await.unwrap();
    drop(lease);
    pass(10).await;
    let status = pool.status();
    assert_eq!((status.size, status.idle), (1, 1));
    assert_eq!(status.closed_by(CloseReason::Evicted), 2);
}

#[tokio::test(start_paused = true)]
async fn detached_connection_leaves_for_good_and_its_place_is_free() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap().id() });
    pass(10).await;
    let own = PooledConnection::detach(lease);
    assert_eq!(waiter.await.unwrap(), 2, "the waiter gets the place");
    let status = pool.status();
    assert_eq!((status.size, status.detached, status.closed), (1, 1, 1));
    drop(pool);
    own.work().await.unwrap();
    assert_eq!(backend.connections(), [own.id()], "it outlives the pool");
}

#[tokio::test(start_paused = true)]
async fn discarded_connection_is_closed_and_its_place_is_free() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    PooledConnection::discard(pool.acquire().await.unwrap());
    assert_eq!(pool.acquire().await.unwrap().id(), 2);
    assert_eq!(pool.status().closed_by(CloseReason::Discarded), 1);
    assert_eq!(backend.counts().closed_orderly, 1);
    assert_eq!(backend.counts().peak_total, 1);
}

#[tokio::test(start_paused = true)]
async fn retain_closes_what_it_refuses_and_sees_idle_connections_only() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(5u32)
        .initial_size(5u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    pass(300).await;
    let mut seen = Vec::new();
    let closed = pool.retain(|conn, info| {
        assert_eq!(conn.pool_id(), info.id);
        assert!(info.age >= ms(200) && info.idle >= ms(200), "{info:?}");
        seen.push(conn.id());
        conn.id() % 2 == 1
    });
    seen.sort_unstable();
    let expected: Vec<u64> = (1..=5).filter(|id| *id != lease.id()).collect();
    assert_eq!(seen, expected);
    pass(10).await;
    let kept: Vec<u64> = (1..=5)
        .filter(|id| *id == lease.id() || id % 2 == 1)
        .collect();
    assert_eq!(backend.connections(), kept);
    assert_eq!(closed, 5 - kept.len());
    assert_eq!(
        pool.status().closed_by(CloseReason::Discarded),
        closed as u64
    );
}

#[tokio::test(start_paused = true)]
async fn panicking_predicate_costs_the_connection_it_saw_and_nothing_else() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(4u32)
        .initial_size(4u32)
        .build()
        .await
        .unwrap();
    let mut calls = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pool.retain(|_, _| {
            calls += 1;
            assert!(calls < 2, "the test says so");
            true
        })
    }));
    assert!(outcome.is_err());
    pass(10).await;
    let status = pool.status();
    assert_eq!((status.size, status.idle), (3, 3));
    assert_eq!(status.closed_by(CloseReason::Panicked), 1);
    let leases = [
        pool.acquire().await.unwrap(),
        pool.acquire().await.unwrap(),
        pool.acquire().await.unwrap(),
        pool.acquire().await.unwrap(),
    ];
    assert_eq!(backend.counts().opened, 5, "{leases:?}");
}

#[tokio::test(start_paused = true)]
async fn predicate_may_use_the_pool_itself() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(3u32)
        .initial_size(3u32)
        .build()
        .await
        .unwrap();
    let closed = pool.retain(|conn, _| {
        let lease = pool.try_acquire().expect("the others are idle still");
        assert_ne!(lease.id(), conn.id());
        assert_eq!((pool.status().leased, pool.status().checking), (1, 1));
        assert_eq!(pool.holders().len(), 1, "the predicate holds nothing");
        true
    });
    assert_eq!((closed, pool.status().idle), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn retain_goes_on_while_requests_are_served() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(1u32)
        .initial_size(1u32)
        .build()
        .await
        .unwrap();
    let other = pool.clone();
    let mut waiter = None;
    pool.retain(|_, _| {
        let other = other.clone();
        waiter = Some(tokio::task::spawn(async move {
            other.acquire().await.unwrap().id()
        }));
        true
    });
    assert_eq!(waiter.unwrap().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn added_connection_serves_like_any_other() {
    let backend = FakeBackend::new();
    let gate = Gate::new();
    let pool = pool(&backend).max_size(2u32).build().await.unwrap();
    let own = backend.manager().open().await.unwrap();
    backend.rule(Step::Connect, move |_| Action::gate(&gate));
    let other = pool.clone();
    let waiter = tokio::task::spawn(async move { other.acquire().await.unwrap() });
    pass(10).await;
    pool.add(own).unwrap();
    let lease = waiter.await.unwrap();
    assert_eq!(lease.id(), 1);
    assert_eq!(PooledConnection::info(&lease).uses, 1);
    drop(lease);
    assert_eq!(pool.status().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn connection_that_cannot_be_added_comes_back() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .max_size(1u32)
        .initial_size(1u32)
        .build()
        .await
        .unwrap();
    let own = backend.manager().open().await.unwrap();
    let Err(full @ AddError::Full(_)) = pool.add(own) else {
        panic!("there is no room")
    };
    let own = full.into_connection();
    pool.close(ms(1000)).await;
    let Err(closed @ AddError::Closed(_)) = pool.add(own) else {
        panic!("the pool is closed")
    };
    assert!(closed.into_connection().is_alive());
}

#[tokio::test(start_paused = true)]
async fn info_tells_age_uses_and_idle_time_of_a_connection() {
    let backend = FakeBackend::new();
    let pool = pool(&backend)
        .validate_on_acquire(false)
        .max_size(1u32)
        .initial_size(1u32)
        .build()
        .await
        .unwrap();
    for uses in 1..=3 {
        pass(2000).await;
        let lease = pool.acquire().await.unwrap();
        let info = PooledConnection::info(&lease);
        assert_eq!((info.id, info.epoch, info.uses), (1, 0, uses));
        let off = ms(300);
        assert!(
            info.idle + off >= ms(2000) && info.idle <= ms(2000) + off,
            "{info:?}"
        );
        let age = ms(2000) * u32::try_from(uses).unwrap();
        assert!(info.age + off >= age && info.age <= age + off, "{info:?}");
    }
    pool.reopen();
    let lease = pool.acquire().await.unwrap();
    let info = PooledConnection::info(&lease);
    assert_eq!((info.id, info.epoch, info.uses), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn lease_keeps_what_its_own_request_said_and_nothing_of_an_earlier_one() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).max_size(1u32).build().await.unwrap();
    let lease = pool
        .request()
        .user("alice")
        .tag("job", "report")
        .priority(Priority::High)
        .acquire()
        .await
        .unwrap();
    let info = PooledConnection::request(&lease).expect("it said something");
    assert_eq!(info.user.as_deref(), Some("alice"));
    assert_eq!(info.tags["job"], "report");
    assert_eq!(info.priority, Priority::High);
    drop(lease);
    let lease = pool.acquire().await.unwrap();
    assert!(PooledConnection::request(&lease).is_none());
    drop(lease);
    let lease = pool.try_acquire().unwrap();
    assert!(PooledConnection::request(&lease).is_none());
}

/// An eviction holds wherever the connection is at that moment.
#[tokio::test(start_paused = true)]
async fn connection_that_is_evicted_while_a_predicate_looks_at_it_is_closed() {
    let backend = FakeBackend::new();
    let pool = pool(&backend).initial_size(1).build().await.unwrap();
    pool.retain(|conn, _| {
        pool.evict(Evict::Connection(conn.id()));
        true
    });
    assert_ne!(pool.acquire().await.unwrap().id(), 1);
    assert_eq!(pool.status().closed_by(CloseReason::Evicted), 1);
}
