//! Deadlines and cancelled requests.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is how a test fails"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_facade::{
    Cause, Clock, CloseReason, Error, ErrorClass, Hook, Phase, Pool, PooledConnection, TokioClock,
};
use pool_testkit::clock::ManualClock;
use pool_testkit::fake::{Action, FakeBackend, FakeError, FakeManager, Gate, Step};

type Leased = Result<PooledConnection<FakeManager>, Error<FakeError>>;

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

async fn pool_of(backend: &FakeBackend, max_size: u32, timeout: Duration) -> Pool<FakeManager> {
    let builder = Pool::builder(backend.manager()).max_size(max_size);
    builder.acquire_timeout(timeout).build().await.unwrap()
}

/// The phase, the noted wait and the cause of a request that ran out of time.
fn timed_out(outcome: Leased) -> (Phase, Duration, Option<Cause<FakeError>>) {
    match outcome {
        Err(Error::Timeout {
            phase,
            waited,
            cause,
            ..
        }) => (phase, waited, cause),
        other => panic!("no timeout: {other:?}"),
    }
}

/// Whether a time is the expected one, give or take what the clock's grain adds.
fn is_about(time: Duration, expected: u64) -> bool {
    time >= ms(expected) && time <= ms(expected + 20)
}

#[tokio::test]
async fn a_request_that_is_never_polled_opens_nothing() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1, ms(1000)).await;
    drop(pool.acquire());
    drop(pool.request().user("alice").acquire());
    tokio::task::yield_now().await;
    assert_eq!(backend.counts().connects, 0);
    assert_eq!((pool.status().size, pool.status().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn cancelled_waiters_take_nothing_with_them() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 3, ms(1000)).await;
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(pool.acquire().await.unwrap());
    }
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(pool.acquire())).collect();
    for wait in &mut waits {
        assert!(poll_once(wait.as_mut()).is_pending());
    }
    // One before, one after the connections come back, one by its own time limit.
    drop(waits.remove(0));
    leases.clear();
    drop(waits.remove(0));
    drop(waits);
    let status = pool.status();
    assert_eq!((status.idle, status.waiting), (3, 0), "{status:?}");
    for _ in 0..3 {
        leases.push(pool.acquire().await.unwrap());
    }
    assert_eq!(backend.counts().connects, 3);
}

#[tokio::test(start_paused = true)]
async fn each_waiter_fails_at_its_own_deadline_and_leaks_nothing() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 10, ms(500)).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::task::spawn(async move {
                let asked = now();
                let outcome = pool.acquire().await;
                let took = asked.elapsed();
                if let Ok(lease) = outcome {
                    pass(ms(1000)).await;
                    drop(lease);
                    return None;
                }
                let (phase, waited, cause) = timed_out(outcome);
                assert!(phase == Phase::Waiting && cause.is_none());
                assert!(is_about(waited, 500), "noted {waited:?}");
                Some(took)
            })
        })
        .collect();
    let mut failed = Vec::new();
    for task in tasks {
        failed.extend(task.await.unwrap());
    }
    assert_eq!(failed.len(), 10);
    assert!(failed.iter().all(|took| is_about(*took, 500)), "{failed:?}");
    let status = pool.status();
    assert_eq!((status.timeouts, status.idle, status.waiting), (10, 10, 0));
    let mut leases = Vec::new();
    for _ in 0..10 {
        leases.push(pool.acquire().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn failing_connects_are_retried_to_the_deadline_and_the_last_cause_is_told() {
    let backend = FakeBackend::new();
    backend.rule(Step::Connect, |_| Action::fail(ErrorClass::Endpoint));
    let pool = pool_of(&backend, 1, ms(2800)).await;
    let asked = now();
    let outcome = pool.acquire().await;
    assert!(is_about(asked.elapsed(), 2800), "{:?}", asked.elapsed());
    let text = outcome.as_ref().unwrap_err().to_string();
    let (phase, waited, cause) = timed_out(outcome);
    assert_eq!(phase, Phase::Connecting);
    assert!(is_about(waited, 2800), "{waited:?}");
    let cause = cause.unwrap();
    let error = cause.manager_error().unwrap();
    assert_eq!(error.class, ErrorClass::Endpoint);
    assert_eq!(error.connection, backend.counts().connects, "not the last");
    assert!(text.contains(&error.to_string()), "{text}");
    assert!(text.contains("acquire_timeout"), "no remedy: {text}");
    assert!(backend.counts().connects > 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_within_the_deadline_serves_the_request() {
    let backend = FakeBackend::new();
    let begun = now();
    backend.rule(Step::Connect, move |_| {
        if begun.elapsed() < ms(300) {
            Action::fail(ErrorClass::Endpoint)
        } else {
            Action::delay(ms(5))
        }
    });
    let pool = pool_of(&backend, 1, ms(2800)).await;
    drop(pool.acquire().await.unwrap());
    assert!(begun.elapsed() >= ms(250), "{:?}", begun.elapsed());
    assert!(begun.elapsed() <= ms(1400), "{:?}", begun.elapsed());
}

/// A server that answers nothing from `from` to `to` after now.
fn black_hole(backend: &FakeBackend, from: Duration, to: Duration) {
    let begun = now();
    for step in [Step::Connect, Step::Validate, Step::Close] {
        backend.rule(step, move |_| {
            let at = begun.elapsed();
            if at >= from && at < to {
                Action::hang()
            } else {
                Action::delay(ms(5))
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_outlasts_its_deadline_while_the_server_is_a_black_hole() {
    let backend = FakeBackend::new();
    let pool = Pool::builder(backend.manager())
        .acquire_timeout(Duration::from_secs(5))
        .connect_timeout(Duration::from_secs(1))
        .initial_size(5u32)
        .build()
        .await
        .unwrap();
    let (from, to) = (Duration::from_secs(10), Duration::from_secs(70));
    black_hole(&backend, from, to);
    let begun = now();
    let mut calls = Vec::new();
    for _ in 0..45 {
        let pool = pool.clone();
        calls.push(tokio::task::spawn(async move {
            let at = begun.elapsed();
            let outcome = pool.acquire().await;
            (at, begun.elapsed() - at, outcome.is_ok())
        }));
        pass(Duration::from_secs(2)).await;
    }
    for call in calls {
        let (at, took, served) = call.await.unwrap();
        assert!(took <= ms(5200), "call at {at:?} took {took:?}");
        let is_down = at >= from && at < to - Duration::from_secs(5);
        let is_up = at < from || at >= to;
        assert!(!is_down || !served, "served at {at:?}");
        assert!(!is_up || served, "not served at {at:?}");
    }
}

/// A pool of one whose only connection was idle long enough to be asked first.
async fn with_a_doubtful_connection(backend: &FakeBackend, timeout: Duration) -> Pool<FakeManager> {
    let pool = Pool::builder(backend.manager())
        .max_size(1u32)
        .acquire_timeout(timeout)
        .validation_timeout(ms(250))
        .close_timeout(ms(1))
        .build()
        .await
        .unwrap();
    drop(pool.acquire().await.unwrap());
    pass(ms(2000)).await;
    pool
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_cut_at_its_limit_and_its_connection_replaced() {
    let backend = FakeBackend::new();
    let pool = with_a_doubtful_connection(&backend, ms(10_000)).await;
    backend.rule(Step::Validate, |_| Action::hang());
    let asked = now();
    let lease = pool.acquire().await.unwrap();
    assert!(is_about(asked.elapsed(), 250), "{:?}", asked.elapsed());
    assert_eq!(lease.id(), 2, "the doubtful one was given out");
    assert_eq!(backend.calls(Step::Validate), 1);
    assert_eq!(backend.counts().abandoned, 1);
    assert_eq!(pool.status().closed_by(CloseReason::Invalid), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_leaves_a_check_after_a_quarter_of_its_time_and_the_check_goes_on() {
    let backend = FakeBackend::new();
    let pool = with_a_doubtful_connection(&backend, ms(400)).await;
    pool.resize(2).unwrap();
    backend.script(Step::Validate, [Action::delay(ms(200))]);
    let asked = now();
    let lease = pool.acquire().await.unwrap();
    assert!(is_about(asked.elapsed(), 100), "{:?}", asked.elapsed());
    assert_eq!(lease.id(), 2);
    pass(ms(110)).await;
    let status = pool.status();
    assert_eq!((status.idle, status.checking), (1, 0), "{status:?}");
    assert_eq!(backend.counts().abandoned, 0);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_failed_check_is_the_cause_of_the_timeout_that_follows() {
    let backend = FakeBackend::new();
    let pool = with_a_doubtful_connection(&backend, ms(400)).await;
    backend.rule(Step::Validate, |_| Action::fail(ErrorClass::Connection));
    backend.rule(Step::Connect, |_| Action::hang());
    let asked = now();
    let (phase, _, cause) = timed_out(pool.acquire().await);
    assert!(is_about(asked.elapsed(), 400), "{:?}", asked.elapsed());
    assert_eq!(phase, Phase::Connecting);
    assert_eq!(cause.unwrap().manager_error().unwrap().what, "validate");
    assert_eq!(backend.calls(Step::Validate), 1);
}

#[tokio::test(start_paused = true)]
async fn one_deadline_covers_waiting_connecting_and_checking() {
    let backend = FakeBackend::new();
    let hang = Hook::asynchronous(|_, info| {
        Box::pin(async move {
            if info.id > 1 {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    });
    let pool = Pool::builder(backend.manager())
        .max_size(1u32)
        .acquire_timeout(ms(1000))
        .before_acquire(hang)
        .build()
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    backend.rule(Step::Connect, |_| Action::delay(ms(400)));
    let waiter = tokio::task::spawn({
        let pool = pool.clone();
        async move {
            let asked = now();
            let outcome = pool.acquire().await;
            (asked.elapsed(), timed_out(outcome))
        }
    });
    pass(ms(400)).await;
    assert_eq!(pool.status().waiting, 1);
    PooledConnection::discard(lease);
    pass(ms(200)).await;
    assert_eq!(pool.status().connecting, 1);
    pass(ms(300)).await;
    assert_eq!(pool.status().checking, 1);
    let (took, (phase, waited, _)) = waiter.await.unwrap();
    assert_eq!(phase, Phase::Checking);
    assert!(
        is_about(took, 1000) && is_about(waited, 1000),
        "{took:?}, {waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_says_whether_it_waited_for_a_lease_or_for_a_connect() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1, ms(100)).await;
    let lease = pool.acquire().await.unwrap();
    assert_eq!(timed_out(pool.acquire().await).0, Phase::Waiting);
    PooledConnection::discard(lease);
    backend.rule(Step::Connect, |_| Action::hang());
    assert_eq!(timed_out(pool.acquire().await).0, Phase::Connecting);
}

#[tokio::test(start_paused = true)]
async fn within_and_deadline_replace_the_timeout_of_the_pool_and_the_earlier_counts() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1, ms(100)).await;
    let _lease = pool.acquire().await.unwrap();
    let std_now = || now().into_std();
    for (within, deadline, expected) in [
        (None, None, 100),
        (Some(250), None, 250),
        (None, Some(300), 300),
        (Some(250), Some(50), 50),
        (Some(20), Some(500), 20),
    ] {
        let asked = now();
        let mut request = pool.request();
        if let Some(within) = within {
            request = request.within(ms(within));
        }
        if let Some(deadline) = deadline {
            request = request.deadline(std_now() + ms(deadline));
        }
        let (_, waited, _) = timed_out(request.acquire().await);
        let took = asked.elapsed();
        assert!(is_about(took, expected), "{expected}: {took:?}");
        assert!(is_about(waited, expected), "{expected}: {waited:?}");
    }
    let past = pool.request().deadline(std_now() - ms(10)).acquire().await;
    assert!(timed_out(past).1 < ms(2), "a deadline in the past waits");
}

#[tokio::test]
async fn deadlines_keep_to_the_clock_of_the_pool() {
    let clock = ManualClock::new();
    let backend = FakeBackend::with_clock(clock.clone());
    let pool = Pool::builder(backend.manager())
        .max_size(1u32)
        .clock(Arc::new(clock.clone()))
        .build()
        .await
        .unwrap();
    let _lease = pool.acquire().await.unwrap();
    let deadline = clock.now() + Duration::from_secs(60);
    let waiter = tokio::task::spawn({
        let pool = pool.clone();
        async move { timed_out(pool.request().deadline(deadline).acquire().await) }
    });
    clock.run_for(ms(59_990)).await;
    assert!(!waiter.is_finished());
    clock.run_for(ms(20)).await;
    assert!(waiter.is_finished());
    assert!(is_about(waiter.await.unwrap().1, 60_000));
}

#[tokio::test(start_paused = true)]
async fn a_check_whose_caller_has_gone_ends_and_leaves_the_connection_idle() {
    let backend = FakeBackend::new();
    let pool = with_a_doubtful_connection(&backend, ms(1000)).await;
    let gate = Gate::new();
    backend.rule(Step::Validate, {
        let gate = gate.clone();
        move |_| Action::gate(&gate)
    });
    let mut asks = Box::pin(pool.acquire());
    assert!(poll_once(asks.as_mut()).is_pending());
    assert_eq!(pool.status().checking, 1);
    drop(asks);
    gate.open();
    let lease = pool.acquire().await.unwrap();
    assert_eq!((lease.id(), backend.counts().abandoned), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_timed_out_waiter_leaves_the_queue_and_the_next_return_goes_to_the_next() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1, ms(10_000)).await;
    let lease = pool.acquire().await.unwrap();
    let short = tokio::task::spawn({
        let pool = pool.clone();
        async move { pool.request().within(ms(50)).acquire().await.is_err() }
    });
    tokio::task::yield_now().await;
    let long = tokio::task::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(|lease| lease.id()) }
    });
    pass(ms(60)).await;
    assert!(short.await.unwrap());
    assert_eq!(pool.status().waiting, 1);
    drop(lease);
    assert_eq!(long.await.unwrap().unwrap(), 1);
}

/// Moves the time without letting anybody run: what a stopped process finds when it goes on.
fn stop_for(time: Duration) {
    let advance = std::pin::pin!(tokio::time::advance(time));
    assert!(poll_once(advance).is_pending(), "it yields after the jump");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_begins_right_after_the_process_was_stopped_has_all_its_time() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1, ms(30_000)).await;
    let _held = pool.acquire().await.unwrap();
    let mut before = Box::pin(pool.acquire());
    assert!(poll_once(before.as_mut()).is_pending());
    pass(ms(1000)).await;
    stop_for(ms(60_000));
    // Nobody has told the coarse time yet.
    let asked = now();
    let outcome = pool.acquire().await;
    // Later at most by what the time stood still.
    let took = asked.elapsed();
    assert!(took >= ms(30_000), "cut short: {took:?}");
    assert!(took <= ms(30_200), "{took:?}");
    let (phase, waited, _) = timed_out(outcome);
    assert_eq!(phase, Phase::Waiting);
    assert!((ms(30_000)..=ms(30_200)).contains(&waited), "{waited:?}");
    let (_, waited, _) = timed_out(before.await);
    assert!(waited >= ms(61_000), "its time had passed: {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_long_timeout_is_kept_to_one_part_in_a_hundred_and_never_cut_short() {
    for timeout in [500, 5_000, 9_000, 11_000, 30_000, 100_000] {
        let backend = FakeBackend::new();
        let pool = pool_of(&backend, 1, ms(timeout)).await;
        let _held = pool.acquire().await.unwrap();
        for pause in [0, 7, 49, 130] {
            pass(ms(pause)).await;
            let asked = now();
            let (_, waited, _) = timed_out(pool.acquire().await);
            let took = asked.elapsed();
            let most = ms(timeout) + ms(timeout) / 100 + ms(20);
            assert!((ms(timeout)..=most).contains(&took), "{timeout}: {took:?}");
            assert!(waited >= ms(timeout), "{timeout}: {waited:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_right_after_the_process_was_stopped_has_its_time() {
    let backend = FakeBackend::new();
    backend.rule(Step::Validate, |_| Action::delay(ms(20)));
    let pool = pool_of(&backend, 1, ms(30_000)).await;
    drop(pool.acquire().await.unwrap());
    pass(ms(600)).await;
    stop_for(ms(60_000));
    let asked = now();
    let lease = pool.acquire().await;
    assert!(lease.is_ok(), "cut short: {:?}", lease.err());
    assert!(is_about(asked.elapsed(), 20), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_that_joins_again_after_the_process_was_stopped_has_its_time() {
    let backend = FakeBackend::new();
    let pool = pool_of(&backend, 1, ms(30_000)).await;
    let held = pool.acquire().await.unwrap();
    pass(ms(1000)).await;
    stop_for(ms(60_000));
    let mut waiting = Box::pin(pool.acquire());
    assert!(poll_once(waiting.as_mut()).is_pending());
    // Handed over, and broken before it is collected: a new one is opened meanwhile.
    let id = held.id();
    drop(held);
    backend.kill(id);
    let lease = waiting.await;
    assert!(lease.is_ok(), "cut short: {:?}", lease.err());
}

#[tokio::test(start_paused = true)]
async fn pools_that_share_a_clock_get_the_finest_time_that_any_of_them_needs() {
    let clock = TokioClock::new();
    let coarse = clock.coarse(ms(5));
    let _ = clock.coarse(ms(250));
    pass(ms(100)).await;
    assert!(coarse.millis() >= 90, "{} ms", coarse.millis());
}
