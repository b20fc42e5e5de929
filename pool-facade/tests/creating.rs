//! When connections are opened, how many at a time, and what failed connects do.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is how a test fails"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{Cause, Error, ErrorClass, Hook, Phase, Pool, Refused};
use pool_testkit::fake::{Action, FakeBackend, FakeConn, FakeError, FakeManager, Gate, Step};
use pool_testkit::spawn::{CountingSpawn, Fate};

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

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Every connect waits at the gate.
fn connects_behind_a_gate(backend: &FakeBackend) -> Gate {
    let gate = Gate::new();
    let rule = gate.clone();
    backend.rule(Step::Connect, move |_| Action::gate(&rule));
    gate
}

/// Starts a task that gets a connection, holds it for `hold` and tells how that went.
fn user(
    pool: &Pool<FakeManager>,
    hold: Duration,
) -> tokio::task::JoinHandle<Result<u64, Error<FakeError>>> {
    let pool = pool.clone();
    tokio::task::spawn(async move {
        let lease = pool.acquire().await?;
        let owned = lease.own();
        pass(hold).await;
        drop(owned);
        Ok(lease.id())
    })
}

// --- how many are opened ---

#[tokio::test(start_paused = true)]
async fn sustained_load_ends_with_a_connection_per_task_and_opens_none_after_it() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::delay(ms(20)));
    let pool = Pool::builder(backend.manager())
        .max_size(100u32)
        .min_size(2u32)
        .build()
        .await
        .unwrap();
    let left = Arc::new(Mutex::new(100_000u32));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (pool, left) = (pool.clone(), Arc::clone(&left));
            tokio::task::spawn(async move {
                loop {
                    {
                        let mut left = left.lock().unwrap();
                        if *left == 0 {
                            break;
                        }
                        *left -= 1;
                    }
                    let lease = pool.acquire().await.unwrap();
                    pass(ms(1)).await;
                    drop(lease);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let opened = backend.counts().connects;
    assert!((45..=55).contains(&opened), "{opened} connections");
    pass(Duration::from_secs(2)).await;
    let late = backend.counts().connects - opened;
    assert!(late <= 1, "{late} opened after the work had ended");
}

#[tokio::test(start_paused = true)]
async fn failures_stop_soon_after_the_load_falls_to_what_the_pool_can_bear() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .max_size(10u32)
        .acquire_timeout(ms(1000))
        .build()
        .await
        .unwrap();
    let query = || user(&pool, ms(1000));
    let mut overload: Vec<_> = (0..50).map(|_| query()).collect();
    for (every, count) in [(80, 125), (90, 110)] {
        for _ in 0..count {
            overload.push(query());
            pass(ms(every)).await;
        }
    }
    let mut bearable = Vec::new();
    for _ in 0..300 {
        bearable.push(query());
        pass(ms(100)).await;
    }
    let mut refused = 0;
    for task in overload {
        refused += u32::from(task.await.unwrap().is_err());
    }
    assert!(refused > 40, "{refused}: no overload");
    let mut last_failure = None;
    for (nth, task) in bearable.into_iter().enumerate() {
        if task.await.unwrap().is_err() {
            last_failure = Some(nth);
        }
    }
    assert!(
        last_failure < Some(120),
        "{last_failure:?} tenths of a second"
    );
}

#[tokio::test]
async fn a_waiter_held_up_by_the_connect_limit_takes_a_returned_connection() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .max_size(5u32)
        .max_connecting(1u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let gate = connects_behind_a_gate(&backend);
    let mut first = Box::pin(pool.acquire());
    let mut second = Box::pin(pool.acquire());
    assert!(poll_once(first.as_mut()).is_pending());
    gate.until_waiting(1).await;
    assert!(poll_once(second.as_mut()).is_pending());
    drop(lease);
    let Poll::Ready(Ok(returned)) = poll_once(first.as_mut()) else {
        panic!("it waits for the connect");
    };
    assert_eq!(returned.id(), 1);
    drop(returned);
    assert!(poll_once(second.as_mut()).is_ready());
    assert_eq!(backend.counts().connects, 2);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_takes_the_connection_that_the_minimum_is_filled_with() {
    let backend = FakeBackend::new();
    let gate = connects_behind_a_gate(&backend);
    let pool = Pool::builder(backend.manager())
        .max_size(5u32)
        .min_size(1u32)
        .build()
        .await
        .unwrap();
    gate.until_waiting(1).await;
    let task = user(&pool, ms(1));
    pass(ms(50)).await;
    assert_eq!(pool.status().waiting, 1);
    gate.open();
    assert_eq!(task.await.unwrap().unwrap(), 1);
    pass(ms(1000)).await;
    assert_eq!(backend.counts().connects, 1);
}

#[tokio::test]
async fn a_connect_that_nobody_needs_any_more_is_not_begun() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .max_size(2u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let mut waits = Box::pin(pool.acquire());
    assert!(poll_once(waits.as_mut()).is_pending());
    // The task of the connect has not run yet.
    drop(lease);
    assert!(poll_once(waits.as_mut()).is_ready());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(backend.counts().connects, 1);
    assert_eq!((pool.status().connects_elided, pool.status().size), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_do_not_multiply_connects() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::delay(ms(1000)));
    let pool = Pool::builder(backend.manager())
        .max_size(100u32)
        .max_connecting(4u32)
        .acquire_timeout(ms(10))
        .build()
        .await
        .unwrap();
    let begun = now();
    for _ in 0..90 {
        assert!(pool.acquire().await.is_err());
    }
    assert!(begun.elapsed() < ms(1000));
    let counts = backend.counts();
    assert!(counts.connects <= 4, "{counts:?}");
    let crowd: Vec<_> = (0..100).map(|_| user(&pool, ms(0))).collect();
    for task in crowd {
        let _ = task.await.unwrap();
    }
    let counts = backend.counts();
    assert!(counts.peak_connecting <= 4, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connect_outlives_the_caller_that_wanted_it() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::delay(ms(1000)));
    let pool = Pool::builder(backend.manager()).build().await.unwrap();
    let outcome = pool.request().within(ms(10)).acquire().await;
    assert!(matches!(
        outcome,
        Err(Error::Timeout {
            phase: Phase::Connecting,
            ..
        })
    ));
    let mut dropped = Box::pin(pool.acquire());
    assert!(poll_once(dropped.as_mut()).is_pending());
    drop(dropped);
    pass(ms(1000)).await;
    assert_eq!(pool.status().idle, 1);
    let begun = now();
    drop(pool.acquire().await.unwrap());
    assert!(begun.elapsed() < ms(10), "{:?}", begun.elapsed());
    let counts = backend.counts();
    assert_eq!((counts.connects, counts.abandoned), (1, 0));
}

// --- limits on connects ---

#[tokio::test(start_paused = true)]
async fn no_more_than_max_connecting_connects_run_at_a_time() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::delay(ms(100)));
    let pool = Pool::builder(backend.manager())
        .max_size(20u32)
        .max_connecting(3u32)
        .initial_size(20u32)
        .build()
        .await
        .unwrap();
    assert_eq!(pool.status().idle, 20);
    assert_eq!(backend.counts().peak_connecting, 3);
    pool.reopen();
    let users: Vec<_> = (0..40).map(|_| user(&pool, ms(500))).collect();
    for user in users {
        user.await.unwrap().unwrap();
    }
    assert_eq!(backend.counts().peak_connecting, 3);
    assert!(backend.counts().peak_total <= 20);
}

#[tokio::test(start_paused = true)]
async fn the_throttle_spaces_connects_out_evenly() {
    let backend = FakeBackend::new();
    let times = noted_connects(&backend, |_| Action::succeed());
    let pool = Pool::builder(backend.manager())
        .max_size(100u32)
        .max_connecting(100u32)
        .creation_throttle(10u32)
        .build()
        .await
        .unwrap();
    let users: Vec<_> = (0..30).map(|_| user(&pool, ms(10_000))).collect();
    for user in users {
        user.await.unwrap().unwrap();
    }
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 30);
    // Begun at a rate of ten per second, none of the rate wasted.
    for (nth, at) in times.iter().enumerate() {
        let due = ms(100 * nth as u64);
        assert!(
            *at >= due && *at <= due + ms(60),
            "connect {nth} at {at:?}: {times:?}"
        );
    }
}

// --- failed connects ---

/// Plays `rule` for each connect and notes when it began, counted from now.
fn noted_connects(
    backend: &FakeBackend,
    rule: impl Fn(u64) -> Action + Send + Sync + 'static,
) -> Arc<Mutex<Vec<Duration>>> {
    let times = Arc::new(Mutex::new(Vec::new()));
    let begun = now();
    let noted = Arc::clone(&times);
    backend.rule(Step::Connect, move |call| {
        noted.lock().unwrap().push(begun.elapsed());
        rule(call.nth)
    });
    times
}

/// The pauses between connects that fail, for a pool with this seed.
async fn pauses(seed: u64) -> Vec<Duration> {
    let backend = FakeBackend::new();
    let times = noted_connects(&backend, |_| Action::fail(ErrorClass::Endpoint));
    let pool = Pool::builder(backend.manager())
        .backoff_initial(ms(100))
        .backoff_max(ms(800))
        .acquire_timeout(ms(6000))
        .seed(seed)
        .build()
        .await
        .unwrap();
    assert!(pool.acquire().await.is_err());
    let times = times.lock().unwrap();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn pauses_after_failed_connects_double_up_to_the_cap_with_jitter() {
    let seen = pauses(7).await;
    assert!(seen.len() >= 6, "{seen:?}");
    for (nth, pause) in seen.iter().enumerate() {
        let whole = ms((100 << nth.min(3)).min(800));
        assert!(
            *pause >= whole / 2 && *pause <= whole + ms(5),
            "pause {nth} is not between half and all of {whole:?}: {seen:?}"
        );
    }
    assert_eq!(pauses(7).await, seen, "the seed decides");
    assert_ne!(pauses(8).await, seen, "pools do not knock in step");
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_the_pauses() {
    let backend = FakeBackend::new();
    let times = noted_connects(&backend, |nth| match nth {
        1..=4 | 6 => Action::fail(ErrorClass::Endpoint),
        _ => Action::succeed(),
    });
    let pool = Pool::builder(backend.manager())
        .backoff_initial(ms(100))
        .backoff_max(ms(10_000))
        .build()
        .await
        .unwrap();
    let first = pool.acquire().await.unwrap();
    let second = pool.acquire().await.unwrap();
    let times = times.lock().unwrap();
    let pause = times[6] - times[5];
    assert!(pause <= ms(110), "{pause:?}: {times:?}");
    drop((first, second));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_reaches_every_waiter_at_once() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| {
        Action::fail(ErrorClass::Permanent).after(ms(20))
    });
    let pool = Pool::builder(backend.manager())
        .max_size(2u32)
        .build()
        .await
        .unwrap();
    let begun = now();
    let users: Vec<_> = (0..6).map(|_| user(&pool, ms(1))).collect();
    for user in users {
        let error = user.await.unwrap().unwrap_err();
        let Error::Connect { cause, waited, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(cause.manager_error().unwrap().class, ErrorClass::Permanent);
        assert!(waited <= ms(30), "{waited:?}");
    }
    assert!(begun.elapsed() <= ms(30), "{:?}", begun.elapsed());
    pass(ms(100)).await;
    assert_eq!((pool.status().size, pool.status().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_spares_waiters_that_a_lease_can_still_serve() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .max_size(2u32)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Permanent));
    let waits = user(&pool, ms(1));
    pass(ms(1000)).await;
    assert!(!waits.is_finished());
    drop(lease);
    assert_eq!(waits.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_one_of_several_acquirers_gets_the_error_of_a_server_that_is_down() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Endpoint));
    let pool = Pool::builder(backend.manager())
        .max_size(2u32)
        .acquire_timeout(ms(500))
        .build()
        .await
        .unwrap();
    let users: Vec<_> = (0..6).map(|_| user(&pool, ms(1))).collect();
    for user in users {
        let error = user.await.unwrap().unwrap_err();
        let class = error.manager_error().map(|error| error.class);
        assert_eq!(class, Some(ErrorClass::Endpoint), "{error}");
    }
    pass(ms(2000)).await;
    let status = pool.status();
    assert_eq!((status.size, status.waiting), (0, 0), "{status:?}");
    let idle = backend.counts().connects;
    pass(ms(60_000)).await;
    assert_eq!(backend.counts().connects, idle, "nobody asks any more");
    backend.clear(Step::Connect);
    drop(pool.acquire().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_panicking_connect_costs_no_capacity_and_is_told_as_the_cause() {
    let backend = FakeBackend::new();
    backend.script(Step::Connect, (0..5).map(|_| Action::panic()));
    let pool = Pool::builder(backend.manager())
        .max_size(1u32)
        .build()
        .await
        .unwrap();
    let outcome = pool.request().within(ms(20)).acquire().await;
    let Err(Error::Timeout { cause, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(matches!(cause, Some(Cause::Panicked(_))), "{cause:?}");
    drop(pool.acquire().await.unwrap());
    let status = pool.status();
    assert_eq!((status.size, status.connect_failures), (1, 5), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_the_runtime_drops_is_told_at_once_and_costs_no_capacity() {
    let backend = FakeBackend::new();
    let spawner = CountingSpawn::tokio();
    let pool = Pool::builder(backend.manager())
        .max_size(1u32)
        .spawner(Arc::new(spawner.clone()))
        .build()
        .await
        .unwrap();
    for fate in [Fate::Lose, Fate::Refuse] {
        spawner.set(fate);
        let begun = now();
        let outcome = pool.acquire().await;
        assert!(begun.elapsed() < ms(10), "{:?}", begun.elapsed());
        let Err(Error::Connect { cause, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(matches!(cause, Cause::TaskLost), "{cause:?}");
        pass(ms(5000)).await;
    }
    spawner.set(Fate::Run);
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.status().size, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_hangs_does_not_hold_up_whoever_waits_for_it() {
    let backend = FakeBackend::new();
    backend.script(Step::Connect, [Action::hang()]);
    backend.rule(Step::Connect, |_| Action::delay(ms(20)));
    let pool = Pool::builder(backend.manager())
        .max_connecting(2u32)
        .build()
        .await
        .unwrap();
    let begun = now();
    let lease = pool.acquire().await.unwrap();
    assert!(begun.elapsed() <= ms(1200), "{:?}", begun.elapsed());
    // The same while a lease circulates, which allows one connect at a time.
    backend.script(Step::Connect, [Action::hang()]);
    pass(ms(15_000)).await;
    let begun = now();
    drop(pool.acquire().await.unwrap());
    assert!(begun.elapsed() <= ms(1200), "{:?}", begun.elapsed());
    assert_eq!(backend.counts().peak_connecting, 2);
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn connects_that_hang_are_never_more_than_the_limit() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::hang());
    let pool = Pool::builder(backend.manager())
        .max_size(50u32)
        .max_connecting(3u32)
        .acquire_timeout(ms(60_000))
        .build()
        .await
        .unwrap();
    let crowd: Vec<_> = (0..20).map(|_| user(&pool, ms(0))).collect();
    for task in crowd {
        assert!(task.await.unwrap().is_err());
    }
    let counts = backend.counts();
    assert_eq!(counts.peak_connecting, 3, "{counts:?}");
    // Three at a time for a minute, each given up after ten seconds.
    assert!(counts.connects <= 3 * 7, "{counts:?}");
}

/// A far end that takes connections and drops them, or a hook that likes none of them, is asked as
/// rarely as one that refuses.
#[tokio::test(start_paused = true)]
async fn connections_that_come_to_nothing_before_their_first_use_are_not_opened_in_a_loop() {
    let dead_on_arrival = FakeBackend::new();
    dead_on_arrival.rule(Step::Connect, |_| Action::break_connection());
    let disliked = FakeBackend::new();
    let dislike = Hook::new(|_: &mut FakeConn, _| Err(Refused::new("none is good enough")));
    let born_dirty = FakeBackend::new();
    born_dirty.rule(Step::Reset, |_| Action::fail(ErrorClass::Connection));
    let stain = Hook::new(|conn: &mut FakeConn, _| {
        conn.dirty();
        Ok(())
    });
    for (backend, builder) in [
        (&dead_on_arrival, Pool::builder(dead_on_arrival.manager())),
        (
            &disliked,
            Pool::builder(disliked.manager()).before_acquire(dislike),
        ),
        (
            &born_dirty,
            Pool::builder(born_dirty.manager()).after_connect(stain),
        ),
    ] {
        let pool = builder.acquire_timeout(ms(5000)).build().await.unwrap();
        let asked = now();
        let error = pool.acquire().await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(asked.elapsed() <= ms(5010), "{:?}", asked.elapsed());
        // At most 14 pauses, and two connects in each: one more may begin while one is reset.
        let opened = backend.calls(Step::Connect);
        assert!((4..=28).contains(&opened), "{opened} connects in 5 s");
    }
}
