//! Trying again, with a clock that the test moves: pauses, limits, the budget, cancelling.

use std::cell::{Cell, RefCell};
use std::future::{Pending, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pool_core::Error;
use pool_health::{
    Attempt, GaveUp, Jitter, Retry, RetryBudget, RetryBuilder, RetryVerdict, WhyGaveUp,
};
use pool_testkit::clock::ManualClock;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn builder(clock: &ManualClock) -> RetryBuilder {
    Retry::builder(Arc::new(clock.clone()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed")]
struct Failed;

/// Runs to the end; the clock goes from one deadline to the next whenever nothing else can happen.
fn run<T>(clock: &ManualClock, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        assert!(clock.advance_to_next(), "waits for nothing");
    }
}

/// A call of which every attempt fails like this: how it ended, and when each attempt was.
fn failing(
    clock: &ManualClock,
    retry: &Retry,
    verdict: RetryVerdict,
) -> (GaveUp<Failed>, Vec<Duration>) {
    let began = clock.show();
    let times = RefCell::new(Vec::new());
    let attempt = |_| {
        times.borrow_mut().push(clock.show() - began);
        async { Err::<(), _>(Failed) }
    };
    let gave_up = run(clock, retry.run_if(attempt, |_| verdict)).expect_err("all fail");
    (gave_up, times.into_inner())
}

#[test]
fn a_call_that_succeeds_sets_no_timer_and_costs_no_retry() {
    let clock = ManualClock::new();
    let budget = Arc::new(RetryBudget::default());
    let retry = builder(&clock)
        .budget(Arc::clone(&budget))
        .build()
        .expect("defaults");
    let value = run(&clock, retry.run(|_| async { Ok::<_, Error<Failed>>(7) }));
    assert_eq!(value.expect("it succeeds"), 7);
    assert_eq!(budget.balance(Duration::ZERO), 100);
    assert_eq!(clock.armed_timers(), 0);
}

#[test]
fn attempts_are_numbered_and_the_first_that_succeeds_ends_the_call() {
    let clock = ManualClock::new();
    let retry = builder(&clock)
        .max_attempts(5)
        .build()
        .expect("it makes sense");
    let deadline = clock.show() + seconds(30);
    let seen = RefCell::new(Vec::new());
    let attempt = |attempt: Attempt| {
        assert_eq!(attempt.deadline, Some(deadline), "the same for all");
        seen.borrow_mut().push(attempt.number);
        async move { (attempt.number == 3).then_some("done").ok_or(Failed) }
    };
    assert_eq!(
        run(&clock, retry.run_if(attempt, |_| RetryVerdict::Again)),
        Ok("done")
    );
    assert_eq!(seen.into_inner(), [1, 2, 3]);
}

#[test]
fn pauses_are_those_of_the_backoff() {
    let clock = ManualClock::new();
    let plain = builder(&clock).jitter(Jitter::None).max_attempts(5);
    let retry = plain
        .pauses(millis(10), millis(60))
        .build()
        .expect("they rise");
    let (gave_up, times) = failing(&clock, &retry, RetryVerdict::Again);
    assert_eq!(times, [0, 20, 60, 120, 180].map(millis));
    assert_eq!((gave_up.attempts, gave_up.why), (5, WhyGaveUp::Attempts));
    let text = "gave up after 5 attempts, as there may be no more: failed";
    assert_eq!(gave_up.to_string(), text);
}

#[test]
fn by_default_calls_pause_differently_and_those_of_one_seed_alike() {
    let clock = ManualClock::new();
    let pauses = |seed| {
        let retry = builder(&clock).seed(seed).build().expect("defaults");
        [(); 4].map(|()| failing(&clock, &retry, RetryVerdict::Again).1)
    };
    let calls = pauses(1);
    assert_eq!(calls, pauses(1));
    assert!(calls[0] != calls[1] && calls[1] != calls[2] && calls[2] != calls[3]);
}

#[test]
fn a_refusal_is_tried_again_no_sooner_than_it_says_and_not_by_all_at_once() {
    let clock = ManualClock::new();
    let retry = builder(&clock)
        .max_attempts(2)
        .build()
        .expect("it makes sense");
    let mut times = Vec::new();
    for _ in 0..50 {
        let (_, attempts) = failing(&clock, &retry, RetryVerdict::After(seconds(4)));
        assert!(attempts[1] >= seconds(4) && attempts[1] <= seconds(4) + millis(100));
        times.push(attempts[1]);
    }
    times.sort();
    times.dedup();
    assert!(times.len() > 45, "{times:?}");
}

#[test]
fn what_is_not_retryable_is_tried_once() {
    let clock = ManualClock::new();
    let retry = builder(&clock).build().expect("defaults");
    let (gave_up, times) = failing(&clock, &retry, RetryVerdict::Never);
    assert_eq!((gave_up.why, times.len()), (WhyGaveUp::NotRetryable, 1));
    let closed = |_| async { Err::<(), Error<Failed>>(Error::Closed) };
    let gave_up = run(&clock, retry.run(closed)).expect_err("the pool is closed");
    assert_eq!(
        (gave_up.why, gave_up.attempts),
        (WhyGaveUp::NotRetryable, 1)
    );
}

#[test]
fn no_attempt_begins_after_the_deadline_and_nobody_waits_for_it_in_vain() {
    let clock = ManualClock::new();
    let plain = builder(&clock).jitter(Jitter::None).max_attempts(100);
    let plain = plain.pauses(millis(100), seconds(1)).deadline(seconds(3));
    let retry = plain.build().expect("they rise");
    let began = clock.show();
    let (gave_up, times) = failing(&clock, &retry, RetryVerdict::Again);
    assert_eq!(times, [0, 200, 600, 1400, 2400].map(millis));
    assert_eq!(gave_up.why, WhyGaveUp::Deadline);
    assert_eq!(clock.show() - began, millis(2400), "not waited for");
    let (gave_up, times) = failing(&clock, &retry, RetryVerdict::After(seconds(3)));
    assert_eq!((gave_up.why, times.len()), (WhyGaveUp::Deadline, 1));
    let (gave_up, _) = failing(&clock, &retry, RetryVerdict::After(Duration::MAX));
    assert_eq!(gave_up.why, WhyGaveUp::Deadline);
}

#[test]
fn without_a_deadline_a_time_that_cannot_be_told_ends_the_call() {
    let clock = ManualClock::new();
    for deadline in [None, Some(Duration::MAX)] {
        let retry = builder(&clock).deadline(deadline).build().expect("none");
        let (gave_up, times) = failing(&clock, &retry, RetryVerdict::After(Duration::MAX));
        assert_eq!((gave_up.why, times.len()), (WhyGaveUp::Deadline, 1));
    }
}

/// A thousand calls that all fail make three thousand attempts without a budget.
#[test]
fn a_server_that_fails_everything_gets_a_fifth_more_and_no_storm() {
    let clock = ManualClock::new();
    let tried = |budget: Option<Arc<RetryBudget>>| {
        let retry = builder(&clock)
            .budget(budget)
            .jitter(Jitter::None)
            .pauses(Duration::from_nanos(1), Duration::from_nanos(1));
        let retry = retry.build().expect("they are equal");
        let call = |_| failing(&clock, &retry, RetryVerdict::Again).1.len();
        (0..1000).map(call).sum::<usize>()
    };
    assert_eq!(tried(None), 3000);
    let shared = RetryBudget::new(0.2, 0, seconds(10)).expect("it makes sense");
    assert_eq!(tried(Some(Arc::new(shared))), 1200);
    assert_eq!(
        tried(Some(Arc::default())),
        1300,
        "and ten per second of ten seconds"
    );
}

#[test]
fn calls_of_several_retries_share_a_budget() {
    let clock = ManualClock::new();
    let budget = Arc::new(RetryBudget::new(0.0, 1, seconds(10)).expect("it makes sense"));
    let one = || {
        builder(&clock)
            .budget(Arc::clone(&budget))
            .build()
            .expect("defaults")
    };
    let (first, second) = (one(), one());
    let mut whys = Vec::new();
    for _ in 0..6 {
        whys.push(failing(&clock, &first, RetryVerdict::Again).0.why);
        whys.push(failing(&clock, &second, RetryVerdict::Again).0.why);
    }
    let within = whys
        .iter()
        .filter(|why| **why == WhyGaveUp::Attempts)
        .count();
    assert_eq!(within, 5, "ten retries, two a call: {whys:?}");
    assert_eq!(whys.last(), Some(&WhyGaveUp::Budget));
}

#[test]
fn a_call_that_is_dropped_drops_its_attempt_and_its_timer() {
    struct Held<'a>(&'a Cell<u32>, Pending<()>);
    impl Future for Held<'_> {
        type Output = Result<(), Failed>;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            Pin::new(&mut self.1).poll(cx).map(Ok)
        }
    }
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let clock = ManualClock::new();
    let retry = builder(&clock).build().expect("defaults");
    let mut cx = Context::from_waker(Waker::noop());
    let held = Cell::new(0);
    {
        let attempt = |_| {
            held.set(held.get() + 1);
            Held(&held, pending())
        };
        let mut call = pin!(retry.run_if(attempt, |_| RetryVerdict::Again));
        assert!(call.as_mut().poll(&mut cx).is_pending());
        assert_eq!(held.get(), 1);
    }
    assert_eq!(held.get(), 0, "the attempt");
    {
        let attempt = |_| async { Err::<(), _>(Failed) };
        let mut call = pin!(retry.run_if(attempt, |_| RetryVerdict::After(seconds(1))));
        assert!(call.as_mut().poll(&mut cx).is_pending());
        assert_eq!(clock.armed_timers(), 1);
    }
    assert_eq!(clock.armed_timers(), 0, "the timer");
}

#[test]
fn a_call_can_go_to_another_thread() {
    fn sent<T: Send>(_: T) {}
    let clock = ManualClock::new();
    let retry = builder(&clock).build().expect("defaults");
    sent(retry.run(|_| async { Ok::<(), Error<Failed>>(()) }));
}

#[test]
fn settings_that_contradict_each_other_are_refused_all_at_once() {
    let clock = ManualClock::new();
    let none = builder(&clock).max_attempts(0).deadline(Duration::ZERO);
    let error = none
        .pauses(seconds(2), seconds(1))
        .build()
        .expect_err("nonsense");
    assert_eq!(error.problems().len(), 3, "{error}");
}

#[test]
fn time_is_asked_for_once_per_call_and_once_per_retry() {
    let clock = ManualClock::new();
    let retry = builder(&clock).build().expect("defaults");
    let before: (Instant, u64) = (clock.show(), clock.reads());
    failing(&clock, &retry, RetryVerdict::Again);
    assert!(clock.reads() - before.1 <= 3, "{}", clock.reads());
}
