//! A breaker between threads, as a pool asks it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pool_core::{
    Admission, Admit, CloseReason, Orders, Outcome, Phase, Priority, Reason, RequestInfo, Token,
};
use pool_health::{Breaker, BreakerGate, Circuit, FailureClass, Mode, Tally};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn gate(mode: Mode) -> BreakerGate {
    BreakerGate::new(Breaker::builder().seed(1).build().expect("defaults"), mode)
}

fn failures(count: u64) -> Tally {
    Tally::successes(0).and(FailureClass::Refused, count)
}

/// A gate that has opened at second 1.
fn open_gate(mode: Mode) -> BreakerGate {
    let gate = gate(mode);
    gate.evidence(seconds(1), &failures(100));
    assert_eq!(gate.circuit(), Circuit::Open);
    gate
}

fn ask(gate: &BreakerGate, now: Duration) -> Option<Token> {
    match gate.admit(now, &RequestInfo::default()) {
        Admit::Enter(token) => Some(token),
        _ => None,
    }
}

fn refusal(gate: &BreakerGate, now: Duration) -> (&'static Reason, Duration) {
    match gate.admit(now, &RequestInfo::default()) {
        Admit::Refuse {
            reason,
            retry_after: Some(after),
        } => (reason, after),
        other => panic!("{other:?}"),
    }
}

fn urgent() -> RequestInfo {
    let mut request = RequestInfo::default();
    request.priority = Priority::Critical;
    request
}

/// The gate at a time at which it is surely half open, and that time.
fn half_open(mode: Mode) -> (BreakerGate, Duration) {
    let (gate, now) = (open_gate(mode), seconds(3));
    gate.review(now, &mut Orders::default());
    assert_eq!(gate.circuit(), Circuit::HalfOpen);
    (gate, now)
}

#[test]
fn while_nothing_fails_nothing_is_counted_and_from_the_first_failure_on_everything_is() {
    let gate = gate(Mode::On);
    let serve = |now, outcome| {
        let token = ask(&gate, now).expect("closed");
        gate.leave(now, token, outcome);
    };
    let calls = |now| {
        gate.review(now, &mut Orders::default());
        gate.snapshot().breaker.results.calls()
    };
    (0..1000).for_each(|call| serve(millis(call), Outcome::Returned));
    assert_eq!(calls(seconds(1)), 0);
    serve(seconds(1), Outcome::ConnectFailed);
    (0..50).for_each(|call| serve(millis(1000 + call), Outcome::Returned));
    assert_eq!(calls(seconds(2)), 51);
    // The failure has left the window.
    assert_eq!(calls(seconds(12)), 51);
    serve(seconds(12), Outcome::Returned);
    assert_eq!(calls(seconds(13)), 51);
}

#[test]
fn failed_leases_open_it_without_a_review() {
    let gate = gate(Mode::On);
    let mut refused = 0;
    for call in 0..200 {
        let now = seconds(1) + millis(call * 10);
        match ask(&gate, now) {
            Some(token) => gate.leave(now, token, Outcome::ConnectFailed),
            None => refused += 1,
        }
    }
    assert!(refused > 100, "{refused}");
    assert_ne!(gate.circuit(), Circuit::Closed);
}

#[test]
fn each_state_says_why_it_refuses_and_when_to_come_again() {
    let gate = open_gate(Mode::On);
    let (reason, after) = refusal(&gate, seconds(1));
    assert_eq!(reason.policy, "breaker");
    assert!(reason.text.contains("none is made"), "{reason}");
    assert!(after >= millis(500) && after <= seconds(1), "{after:?}");
    let opens = seconds(1) + after;
    assert_eq!(refusal(&gate, opens - millis(100)).1, millis(100));

    for _ in 0..5 {
        ask(&gate, opens).expect("a probe");
    }
    let (reason, after) = refusal(&gate, opens);
    assert!(reason.text.contains("finding out"), "{reason}");
    assert_eq!(after, seconds(2));

    let degraded = self::gate(Mode::On);
    degraded.evidence(
        seconds(1),
        &Tally::successes(15).and(FailureClass::Timeout, 85),
    );
    assert_eq!(degraded.circuit(), Circuit::Degraded);
    let refused =
        (0..1000).find_map(
            |_| match degraded.admit(seconds(1), &RequestInfo::default()) {
                Admit::Refuse {
                    reason,
                    retry_after,
                } => Some((reason, retry_after)),
                _ => None,
            },
        );
    let (reason, after) = refused.expect("four in ten are refused");
    assert!(reason.text.contains("only some"), "{reason}");
    assert_eq!(after, Some(millis(500)));
}

#[test]
fn while_degraded_as_many_enter_as_the_share_says() {
    let gate = gate(Mode::On);
    gate.evidence(
        seconds(1),
        &Tally::successes(150).and(FailureClass::Timeout, 850),
    );
    let share = gate.snapshot().breaker.share;
    assert!(
        (share - 0.6).abs() < 0.01,
        "four for each that succeeds: {share}"
    );
    let entered = (0..100_000).filter(|_| ask(&gate, seconds(1)).is_some());
    let entered = f64::from(u32::try_from(entered.count()).expect("so many"));
    assert!((entered / 100_000.0 - share).abs() < 0.006, "{entered}");
    let refused = gate.snapshot().refused;
    assert!(
        (entered - (100_000.0 - f64::from(u32::try_from(refused).expect("fewer")))).abs() < 0.5
    );
}

#[test]
fn administration_enters_whatever_the_state_and_its_success_ends_the_open_time() {
    let gate = open_gate(Mode::On);
    let now = seconds(1) + millis(60);
    assert!(ask(&gate, now).is_none());
    let Admit::Enter(token) = gate.admit(now, &urgent()) else {
        panic!("refused");
    };
    gate.leave(now, token, Outcome::Returned);
    assert_eq!(gate.snapshot().reserved, 1);
    assert!(
        ask(&gate, now + millis(60)).is_some(),
        "{:?}",
        gate.circuit()
    );
    assert_eq!(gate.circuit(), Circuit::HalfOpen);
}

#[test]
fn a_check_that_passes_ends_the_open_time() {
    let gate = open_gate(Mode::On);
    gate.checked(seconds(1), Err(FailureClass::Timeout));
    assert_eq!(gate.circuit(), Circuit::Open);
    gate.checked(seconds(1), Ok(()));
    assert_eq!(gate.circuit(), Circuit::HalfOpen);
}

#[test]
fn no_more_than_the_probes_get_in_however_many_threads_ask() {
    let (gate, now) = half_open(Mode::On);
    let entered = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mine = (0..1000).filter(|_| ask(&gate, now).is_some()).count();
                let mine = u32::try_from(mine).expect("at most a thousand");
                entered.fetch_add(mine, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(entered.into_inner(), 5);
}

#[test]
fn threads_that_ask_and_leave_side_by_side_lose_no_result() {
    let gate = gate(Mode::On);
    gate.evidence(seconds(1), &failures(1));
    thread::scope(|scope| {
        for thread in 0..4 {
            let gate = &gate;
            scope.spawn(move || {
                for call in 0..5000 {
                    let now = seconds(1) + millis(call / 10);
                    let token = ask(gate, now).expect("closed");
                    let outcome = match (call + thread) % 10 {
                        0 => Outcome::ConnectFailed,
                        _ => Outcome::Returned,
                    };
                    gate.leave(now, token, outcome);
                }
            });
        }
    });
    gate.review(seconds(2), &mut Orders::default());
    let results = gate.snapshot().breaker.results;
    assert_eq!((results.good(), results.failures()), (18_000, 2001));
}

#[test]
fn a_probe_that_is_cancelled_makes_room_for_another() {
    let (gate, now) = half_open(Mode::On);
    for _ in 0..100 {
        let token = ask(&gate, now).expect("one is free");
        gate.leave(now, token, Outcome::Cancelled);
    }
    assert_eq!((0..100).filter(|_| ask(&gate, now).is_some()).count(), 5);
}

#[test]
fn a_probe_of_which_others_tell_makes_room_for_none() {
    let gate = gate(Mode::On).count_ends(false);
    gate.evidence(seconds(1), &failures(100));
    let due = gate.review(seconds(3), &mut Orders::default());
    assert_eq!(due, Some(millis(100)), "to hear what they come to");
    for _ in 0..5 {
        let token = ask(&gate, seconds(3)).expect("a probe");
        gate.leave(seconds(3), token, Outcome::Returned);
    }
    assert!(ask(&gate, seconds(3)).is_none());
    gate.evidence(seconds(3), &Tally::successes(5));
    gate.review(seconds(13), &mut Orders::default());
    assert_eq!(gate.circuit(), Circuit::Closed);
}

#[test]
fn probes_that_are_forgotten_are_replaced_after_a_while() {
    let (gate, now) = half_open(Mode::On);
    for round in 0..5 {
        let now = now + seconds(2 * round);
        assert_eq!((0..100).filter(|_| ask(&gate, now).is_some()).count(), 5);
    }
    let now = now + seconds(10);
    let token = ask(&gate, now).expect("a probe");
    gate.leave(now, token, Outcome::Returned);
    gate.review(now + seconds(1), &mut Orders::default());
    gate.review(now + seconds(11), &mut Orders::default());
    assert_eq!(gate.circuit(), Circuit::Closed);
}

#[test]
fn requests_from_before_it_opened_do_not_speak_of_the_server_as_it_is_now() {
    let gate = gate(Mode::On);
    let before: Vec<Token> = (0..100).filter_map(|_| ask(&gate, seconds(1))).collect();
    gate.evidence(seconds(1), &failures(100));
    gate.review(seconds(3), &mut Orders::default());
    assert_eq!(gate.circuit(), Circuit::HalfOpen);
    for token in before {
        gate.leave(seconds(3), token, Outcome::ConnectFailed);
    }
    gate.review(seconds(3), &mut Orders::default());
    assert_eq!(
        gate.circuit(),
        Circuit::HalfOpen,
        "none of them was a probe"
    );
    assert_eq!(gate.snapshot().unheard, 100);
    assert_eq!(
        (0..100)
            .filter(|_| ask(&gate, seconds(3)).is_some())
            .count(),
        5
    );
}

#[test]
fn a_shadow_decides_and_counts_and_refuses_nobody() {
    let (shadow, acting) = (gate(Mode::Shadow), gate(Mode::On));
    for call in 0..20_000 {
        let now = millis(call * 10);
        for gate in [&shadow, &acting] {
            if let Some(token) = ask(gate, now) {
                gate.leave(now, token, Outcome::ConnectFailed);
            }
        }
    }
    let (seen, done) = (shadow.snapshot(), acting.snapshot());
    assert_eq!(seen.refused, done.refused);
    assert!(seen.refused > 18_000, "{seen:?}");
    assert_eq!(shadow.transitions(), acting.transitions());
    assert_eq!(seen.breaker, done.breaker);
}

#[test]
fn one_that_is_off_hears_nothing() {
    let gate = gate(Mode::Off);
    let mut orders = Orders::default();
    gate.evidence(seconds(1), &failures(1000));
    gate.checked(seconds(1), Err(FailureClass::Timeout));
    for call in 0..1000 {
        let token = ask(&gate, millis(call)).expect("off");
        gate.leave(millis(call), token, Outcome::ConnectFailed);
    }
    assert_eq!(gate.review(seconds(1), &mut orders), None);
    assert!(orders.findings().is_empty());
    assert_eq!(gate.snapshot().breaker.results, Tally::default());
}

#[test]
fn observers_are_told_once_of_each_transition_and_whether_it_acts() {
    for (mode, acted) in [(Mode::On, true), (Mode::Shadow, false)] {
        let gate = open_gate(mode);
        let mut orders = Orders::default();
        let due = gate.review(seconds(1), &mut orders).expect("it is open");
        assert!(due <= seconds(1), "{due:?}");
        let told: Vec<_> = orders
            .findings()
            .iter()
            .map(|one| (one.text, one.acted))
            .collect();
        assert_eq!(told, [("open: nearly all calls are refused", acted)]);
        orders.clear();
        gate.review(seconds(1), &mut orders);
        assert!(orders.findings().is_empty(), "once");
        gate.review(seconds(1) + due, &mut orders);
        assert_eq!(orders.findings().len(), 1, "half open");
    }
}

#[test]
fn an_end_counts_only_if_it_says_something_of_the_server() {
    let said = |outcome| {
        let gate = gate(Mode::On);
        gate.evidence(seconds(1), &failures(1));
        let token = ask(&gate, seconds(1)).expect("closed");
        gate.leave(seconds(1), token, outcome);
        gate.review(seconds(1), &mut Orders::default());
        let results = gate.snapshot().breaker.results;
        (results.good(), results.failures() - 1)
    };
    for failed in [
        Outcome::ConnectFailed,
        Outcome::TimedOut(Phase::Connecting),
        Outcome::TimedOut(Phase::Checking),
        Outcome::Closed(CloseReason::Broken),
        Outcome::Closed(CloseReason::Invalid),
        Outcome::Closed(CloseReason::ResetFailed),
    ] {
        assert_eq!(said(failed), (0, 1), "{failed:?}");
    }
    for silent in [
        Outcome::TimedOut(Phase::Waiting),
        Outcome::Detached,
        Outcome::Refused,
        Outcome::Unavailable,
        Outcome::Cancelled,
        Outcome::Closed(CloseReason::InFlight),
        Outcome::Closed(CloseReason::Panicked),
        Outcome::Closed(CloseReason::Evicted),
        Outcome::Closed(CloseReason::PoolClosed),
    ] {
        assert_eq!(said(silent), (0, 0), "{silent:?}");
    }
    assert_eq!(said(Outcome::Returned), (1, 0));
    assert_eq!(said(Outcome::Closed(CloseReason::Lifetime)), (1, 0));
}

#[test]
fn an_end_that_others_tell_of_counts_neither_as_a_success_nor_as_a_failure() {
    let gate = gate(Mode::On).count_ends(false);
    gate.evidence(seconds(1), &failures(1));
    for outcome in [
        Outcome::Returned,
        Outcome::ConnectFailed,
        Outcome::TimedOut(Phase::Connecting),
        Outcome::Closed(CloseReason::Broken),
        Outcome::Closed(CloseReason::ResetFailed),
    ] {
        let token = ask(&gate, seconds(1)).expect("closed");
        gate.leave(seconds(1), token, outcome);
    }
    gate.review(seconds(1), &mut Orders::default());
    assert_eq!(gate.snapshot().breaker.results, failures(1));
}

#[test]
fn while_open_an_end_is_heard_of_those_that_entered_for_their_priority_whoever_tells_of_others() {
    let gate = gate(Mode::On).count_ends(false);
    gate.evidence(seconds(1), &failures(100));
    let Admit::Enter(token) = gate.admit(seconds(1), &urgent()) else {
        panic!("refused");
    };
    gate.leave(seconds(1), token, Outcome::Returned);
    gate.review(seconds(1), &mut Orders::default());
    assert_eq!(gate.circuit(), Circuit::HalfOpen);
}

#[test]
fn a_clock_that_goes_back_or_ends_holds_nothing_up() {
    for late in [seconds(36_000), Duration::MAX] {
        let gate = gate(Mode::On);
        gate.evidence(late, &failures(100));
        assert_eq!(gate.circuit(), Circuit::Open);
        let entered = (0..400).find(|step| ask(&gate, seconds(5) + millis(step * 10)).is_some());
        assert!(entered.is_some(), "{late:?}");
    }
}
