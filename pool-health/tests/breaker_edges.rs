//! A breaker where it is easily wrong: nothing known, exactly at a threshold, probes that never come
//! back, clocks that leap, numbers without end, settings that contradict each other; and what other
//! breakers do that this one must not.

use std::time::Duration;

use fastrand::Rng;
use pool_health::{
    Breaker, BreakerBuilder, Circuit, ConfigError, Decision, FailureClass, Tally, Transition,
};
use proptest::prelude::*;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn breaker() -> Breaker {
    Breaker::builder().seed(1).build().expect("defaults")
}

fn failures(count: u64) -> Tally {
    Tally::successes(0).and(FailureClass::Refused, count)
}

fn some(good: u64, failed: u64) -> Tally {
    Tally::successes(good).and(FailureClass::Refused, failed)
}

fn path(breaker: &Breaker) -> Vec<Circuit> {
    breaker.transitions().map(|one| one.to).collect()
}

/// For how long a breaker that has just opened stays open, in steps of a millisecond.
fn open_time(breaker: &mut Breaker, now: &mut Duration) -> Duration {
    assert_eq!(breaker.circuit(), Circuit::Open);
    let since = *now;
    while breaker.circuit() == Circuit::Open {
        *now += millis(1);
        breaker.advance(*now);
    }
    *now - since
}

#[test]
fn without_calls_nothing_is_decided_and_nothing_is_refused() {
    let mut breaker = breaker();
    for second in 0..100 {
        breaker.record(seconds(second), &Tally::default());
        assert_eq!(breaker.admit(seconds(second)), Decision::Enter);
    }
    let snapshot = breaker.snapshot();
    assert_eq!(snapshot.circuit, Circuit::Closed);
    assert_eq!(
        (snapshot.failure_rate.lower, snapshot.failure_rate.upper),
        (0.0, 1.0)
    );
    assert_eq!(breaker.next_due(), None);
}

#[test]
fn a_degraded_breaker_that_nobody_calls_lets_all_in_and_decides_nothing() {
    let mut breaker = breaker();
    breaker.record(seconds(1), &some(20, 80));
    assert_eq!(breaker.circuit(), Circuit::Degraded);
    breaker.advance(seconds(3600));
    assert_eq!(breaker.circuit(), Circuit::Degraded);
    assert!((breaker.share() - 1.0).abs() < 1e-12, "{}", breaker.share());
    breaker.record(seconds(3600), &Tally::successes(10));
    assert_eq!(breaker.circuit(), Circuit::Closed);
}

#[test]
fn a_rate_exactly_at_a_threshold_crosses_nothing() {
    let exact = || Breaker::builder().doubt(0.0).thresholds(0.25, 0.5, 0.75);
    let mut breaker = exact().build().expect("they rise");
    breaker.record(seconds(1), &some(100, 100));
    assert_eq!(breaker.circuit(), Circuit::Closed, "exactly at degrade");
    breaker.record(seconds(1), &failures(1));
    assert_eq!(breaker.circuit(), Circuit::Degraded);
    // Three hundred of four hundred.
    breaker.record(seconds(1), &failures(199));
    assert_eq!(breaker.circuit(), Circuit::Degraded, "exactly at open");

    let mut breaker = exact().build().expect("they rise");
    breaker.record(seconds(1), &some(49, 51));
    breaker.record(seconds(1), &some(104, 0));
    assert_eq!(breaker.circuit(), Circuit::Degraded, "exactly at recover");
    breaker.record(seconds(1), &some(1, 0));
    assert_eq!(breaker.circuit(), Circuit::Closed);
}

#[test]
fn a_share_of_slow_replies_exactly_at_a_threshold_crosses_nothing() {
    let slow = |good, slow| Tally::successes(good).and(FailureClass::Slow, slow);
    let exact = Breaker::builder().doubt(0.0).slow_thresholds(0.25, 0.5);
    let mut breaker = exact.build().expect("they rise");
    breaker.record(seconds(1), &slow(100, 100));
    assert_eq!(breaker.circuit(), Circuit::Closed, "exactly at degrade");
    breaker.record(seconds(1), &slow(0, 1));
    assert_eq!(breaker.circuit(), Circuit::Degraded);
    breaker.record(seconds(1), &slow(203, 0));
    assert_eq!(breaker.circuit(), Circuit::Degraded, "exactly at recover");
    breaker.record(seconds(1), &slow(1, 0));
    assert_eq!(breaker.circuit(), Circuit::Closed);
}

/// The usual health check has five samples and acts on the quotient: of a pool in which seven of ten
/// connections work, three or more of five fail in one of six checks.
#[test]
fn five_samples_of_a_server_that_is_well_in_seven_of_ten_degrade_nothing() {
    let mut chance = Rng::with_seed(2);
    let mut quotient_alone = 0;
    for _ in 0..10_000 {
        let mut breaker = breaker();
        let failed = (0..5).filter(|_| chance.f64() < 0.3).count() as u64;
        breaker.record(seconds(1), &some(5 - failed, failed));
        quotient_alone += u32::from(failed >= 3);
        assert_eq!(breaker.circuit(), Circuit::Closed, "{failed} of 5");
    }
    assert!(
        quotient_alone > 1_400,
        "the bug that is not inherited: {quotient_alone}"
    );
}

/// A breaker that can be reset only when it is open never leaves the degraded state for the better.
#[test]
fn a_degraded_breaker_closes_when_calls_succeed() {
    let mut breaker = breaker();
    breaker.record(seconds(1), &some(300, 700));
    assert_eq!(breaker.circuit(), Circuit::Degraded);
    for second in 2..=12 {
        breaker.record(seconds(second), &Tally::successes(100));
    }
    assert_eq!(breaker.circuit(), Circuit::Closed);
}

/// One that can be opened only when it is closed never leaves it for the worse.
#[test]
fn a_degraded_breaker_opens_when_nearly_all_calls_fail() {
    let mut breaker = breaker();
    breaker.record(seconds(1), &some(300, 700));
    assert_eq!(breaker.circuit(), Circuit::Degraded);
    breaker.record(seconds(2), &failures(100));
    assert_eq!(breaker.circuit(), Circuit::Open);
}

#[test]
fn probes_that_never_come_back_are_replaced() {
    let mut breaker = breaker();
    breaker.record(seconds(1), &failures(100));
    let mut now = seconds(1);
    open_time(&mut breaker, &mut now);
    for round in 0..10 {
        let entered = (0..100).filter(|_| breaker.admit(now) == Decision::Enter);
        assert_eq!(entered.count(), 5, "round {round}");
        let Decision::Refuse { retry_after } = breaker.admit(now) else {
            panic!("more than the probes");
        };
        assert_eq!(retry_after, seconds(2), "when there are others");
        now += retry_after;
    }
    breaker.record(now, &Tally::successes(1));
    breaker.advance(now + seconds(10));
    assert_eq!(breaker.circuit(), Circuit::Closed);
}

#[test]
fn a_probe_that_is_given_up_makes_room_for_another_and_for_no_more() {
    let mut breaker = breaker();
    breaker.record(seconds(1), &failures(100));
    let mut now = seconds(1);
    open_time(&mut breaker, &mut now);
    let mut entered = || {
        (0..100)
            .filter(|_| breaker.admit(now) == Decision::Enter)
            .count()
    };
    assert_eq!(entered(), 5);
    breaker.abandon();
    assert_eq!(
        (0..100)
            .filter(|_| breaker.admit(now) == Decision::Enter)
            .count(),
        1
    );
    (0..1000).for_each(|_| breaker.abandon());
    assert_eq!(
        (0..100)
            .filter(|_| breaker.admit(now) == Decision::Enter)
            .count(),
        5
    );
}

#[test]
fn what_calls_from_before_come_to_is_not_heard_while_open() {
    let mut breaker = breaker();
    breaker.record(seconds(1), &failures(100));
    breaker.record(seconds(1), &some(50, 50));
    assert_eq!(breaker.circuit(), Circuit::Open);
    assert_eq!(breaker.snapshot().results.calls(), 200, "but counted");
}

#[test]
fn the_open_time_doubles_up_to_its_limit_and_starts_over_after_a_recovery() {
    let builder = Breaker::builder().open_time(seconds(1), seconds(8));
    for seed in 0..20 {
        let mut breaker = builder.clone().seed(seed).build().expect("they rise");
        let mut now = seconds(1);
        breaker.record(now, &failures(100));
        for whole in [1, 2, 4, 8, 8, 8] {
            let length = open_time(&mut breaker, &mut now);
            let least = seconds(whole) / 2;
            assert!(
                length >= least && length <= least * 2 + millis(1),
                "{length:?} is not in the upper half of {whole} s"
            );
            breaker.record(now, &failures(5));
        }
        open_time(&mut breaker, &mut now);
        breaker.record(now, &Tally::successes(1));
        now += seconds(10);
        breaker.record(now, &Tally::successes(1));
        assert_eq!(breaker.circuit(), Circuit::Closed);
        breaker.record(now, &failures(100));
        assert!(open_time(&mut breaker, &mut now) <= millis(1001));
    }
}

#[test]
fn the_ramp_goes_evenly_from_a_tenth_to_all_and_back_to_none_if_calls_fail_again() {
    let mut breaker = breaker();
    let mut now = seconds(1);
    breaker.record(now, &failures(100));
    open_time(&mut breaker, &mut now);
    breaker.record(now, &Tally::successes(1));
    for second in 0..10_u32 {
        breaker.advance(now + seconds(u64::from(second)));
        let expected = 0.1 + 0.09 * f64::from(second);
        assert!(
            (breaker.share() - expected).abs() < 1e-9,
            "{}",
            breaker.share()
        );
    }
    breaker.record(now + seconds(9), &failures(40));
    assert_eq!(breaker.circuit(), Circuit::Open);
    assert!(breaker.share().abs() < 1e-12);
}

#[test]
fn a_check_that_passes_ends_the_open_time_and_is_believed_half_as_easily_each_time_it_misled() {
    let builder = Breaker::builder().open_time(seconds(300), seconds(300));
    let mut breaker = builder.build().expect("they are equal");
    let now = seconds(1);
    breaker.record(now, &failures(100));
    for needed in [1, 2, 4, 8] {
        for passed in 1..=needed {
            assert_eq!(breaker.circuit(), Circuit::Open, "{passed} of {needed}");
            breaker.record_reserved(now, &Tally::successes(1));
        }
        assert_eq!(breaker.circuit(), Circuit::HalfOpen, "{needed}");
        breaker.record(now, &failures(5));
    }
    breaker.record_reserved(now, &Tally::successes(15));
    breaker.record_reserved(now, &failures(1));
    breaker.record_reserved(now, &Tally::successes(15));
    assert_eq!(
        breaker.circuit(),
        Circuit::Open,
        "one that failed starts over"
    );
    breaker.record_reserved(now, &Tally::successes(1));
    assert_eq!(breaker.circuit(), Circuit::HalfOpen);
}

#[test]
fn replies_that_are_all_slow_degrade_by_half_and_never_open() {
    let builder = Breaker::builder().slow_above(millis(100));
    let mut breaker = builder.build().expect("defaults");
    for call in 0..1000 {
        breaker.record_one(millis(10 * call), millis(101), Ok(()));
        assert_ne!(breaker.circuit(), Circuit::Open);
    }
    assert_eq!(breaker.circuit(), Circuit::Degraded);
    assert!((breaker.share() - 0.5).abs() < 1e-12);
    let last = breaker.transitions().last().map(Transition::text);
    assert_eq!(last, Some("degraded: many replies are slow"));
    for call in 1000..3000 {
        breaker.record_one(millis(10 * call), millis(100), Ok(()));
    }
    assert_eq!(
        breaker.circuit(),
        Circuit::Closed,
        "at the limit is not slow"
    );
}

#[test]
fn slow_replies_that_do_not_count_are_good_ones() {
    let builder = Breaker::builder().slow_above(millis(100));
    let builder = builder.counts(FailureClass::Slow, false);
    let mut breaker = builder.build().expect("defaults");
    for call in 0..1000 {
        breaker.record_one(millis(10 * call), seconds(5), Ok(()));
    }
    assert_eq!(breaker.circuit(), Circuit::Closed);
    assert_eq!(breaker.snapshot().window.good(), 1000);
    assert_eq!(breaker.snapshot().results.of(FailureClass::Slow), 1000);
}

#[test]
fn a_class_that_does_not_count_is_counted_and_decides_nothing() {
    for class in FailureClass::ALL {
        let tally = Tally::successes(0).and(class, 1000);
        let mut without = Breaker::builder()
            .counts(class, false)
            .build()
            .expect("defaults");
        without.record(seconds(1), &tally);
        assert_eq!(without.circuit(), Circuit::Closed, "{class:?}");
        assert_eq!(without.snapshot().results, tally);
        let mut with = breaker();
        with.record(seconds(1), &tally);
        let expected = match class {
            FailureClass::Slow => Circuit::Degraded,
            _ => Circuit::Open,
        };
        assert_eq!(with.circuit(), expected, "{class:?}");
        let cause = with.transitions().last().and_then(|one| one.cause);
        assert_eq!(cause, Some(class));
    }
}

#[test]
fn a_clock_that_goes_back_holds_nothing_up() {
    for back in [Duration::from_nanos(1), millis(128), seconds(3600)] {
        let mut breaker = breaker();
        let late = seconds(36_000);
        breaker.record(late, &failures(100));
        assert_eq!(breaker.circuit(), Circuit::Open);
        let mut now = late - back;
        breaker.advance(now);
        assert_eq!(breaker.circuit(), Circuit::Open, "{back:?}");
        assert!(
            open_time(&mut breaker, &mut now) <= millis(1200),
            "{back:?}"
        );
        breaker.record(now, &Tally::successes(20));
        now += seconds(10);
        breaker.record(now, &Tally::successes(20));
        assert_eq!(breaker.circuit(), Circuit::Closed, "{back:?}");
        breaker.record(now + seconds(11), &some(0, 9));
        assert_eq!(
            breaker.snapshot().window,
            failures(9),
            "{back:?}: old calls are forgotten"
        );
    }
}

#[test]
fn a_clock_that_leaps_by_hours_finds_each_state_where_it_should_be() {
    let leap = seconds(8 * 3600);
    let mut closed = breaker();
    closed.record(seconds(1), &some(60, 40));
    closed.record(leap, &some(1, 4));
    assert_eq!(closed.circuit(), Circuit::Closed);
    assert_eq!(closed.snapshot().window.calls(), 5);

    let mut open = breaker();
    open.record(seconds(1), &failures(100));
    open.advance(leap);
    assert_eq!(
        open.circuit(),
        Circuit::HalfOpen,
        "probed before all are let in"
    );
    assert_eq!(
        (0..100)
            .filter(|_| open.admit(leap * 2) == Decision::Enter)
            .count(),
        5
    );
    open.record(leap * 2, &Tally::successes(1));
    open.advance(leap * 3);
    assert_eq!(open.circuit(), Circuit::Closed);
}

#[test]
fn the_end_of_time_and_counts_without_end_overflow_nothing() {
    let endless = failures(u64::MAX).and(FailureClass::Timeout, u64::MAX);
    let mut breaker = breaker();
    for now in [Duration::ZERO, Duration::MAX, Duration::ZERO, Duration::MAX] {
        for tally in [endless, Tally::successes(u64::MAX), endless] {
            breaker.record(now, &tally);
            breaker.record_reserved(now, &Tally::successes(u64::MAX));
            breaker.admit(now);
            assert!((0.0..=1.0).contains(&breaker.share()));
            breaker.record_one(now, Duration::MAX, Ok(()));
        }
    }
    assert_eq!(breaker.snapshot().results.calls(), u64::MAX);
}

#[test]
fn only_so_many_transitions_are_remembered() {
    let mut breaker = breaker();
    let mut now = seconds(1);
    breaker.record(now, &failures(100));
    for _ in 0..100 {
        open_time(&mut breaker, &mut now);
        breaker.record(now, &failures(5));
    }
    assert_eq!(path(&breaker).len(), 32);
    assert_eq!(breaker.snapshot().entered, [0, 0, 101, 100]);
}

#[test]
fn settings_that_contradict_each_other_are_refused_all_at_once() {
    let refused = |builder: BreakerBuilder| builder.build().expect_err("makes no sense");
    let nan = f64::NAN;
    for (recover, degrade, open) in [
        (0.5, 0.4, 0.9),
        (0.4, 0.9, 0.5),
        (0.5, 0.5, 0.9),
        (0.4, 0.5, 0.5),
        (0.0, 0.5, 0.9),
        (0.4, 0.5, 1.0),
        (nan, 0.5, 0.9),
        (0.4, nan, 0.9),
        (0.4, 0.5, nan),
    ] {
        let error: ConfigError = refused(Breaker::builder().thresholds(recover, degrade, open));
        assert_eq!(error.problems().len(), 1, "{error}");
    }
    let builder = || Breaker::builder();
    let each = [
        builder().doubt(-1.0),
        builder().doubt(nan),
        builder().slow_thresholds(0.5, 0.3),
        builder().slow_admission(0.0),
        builder().slow_admission(nan),
        builder().slow_above(Duration::ZERO),
        builder().window(Duration::ZERO),
        builder().window(Duration::MAX),
        builder().ramp(Duration::MAX, 0.1),
        builder().ramp(seconds(10), 0.0),
        builder().ramp(seconds(10), nan),
        builder().open_time(Duration::ZERO, seconds(1)),
        builder().open_time(seconds(2), seconds(1)),
        builder().open_time(seconds(1), seconds(301)),
        builder().open_time(seconds(1), Duration::MAX),
        builder().probes(0),
        builder().probes(u32::MAX),
        builder().probe_patience(Duration::ZERO),
        builder().probe_patience(Duration::MAX),
        builder().multiplier(1.0),
        builder().multiplier(f64::INFINITY),
        builder().multiplier(nan),
    ];
    let problems = each.map(|builder| refused(builder).problems().len());
    assert_eq!(problems, [1; 22]);
    let both = refused(builder().probes(0).doubt(nan));
    assert_eq!(both.problems().len(), 2, "{both}");
    let least = builder().ramp(Duration::ZERO, 1.0).min_calls(0).doubt(0.0);
    assert!(least.build().is_ok(), "no ramp is a setting");
}

proptest! {
    /// Whatever it is told, and when: a share from 0 to 1, bounds in order, and after enough successes
    /// it closes.
    #[test]
    fn whatever_happens_it_stays_sane_and_can_always_close(
        steps in prop::collection::vec((0_u64..20_000, 0_u64..50, 0_u64..50, 0_u8..5), 1..200),
        seed in any::<u64>(),
    ) {
        let mut breaker = Breaker::builder().seed(seed).build().expect("defaults");
        let mut now = Duration::ZERO;
        for (step, good, failed, what) in steps {
            now = match what {
                0 => now.saturating_sub(millis(step)),
                _ => now + millis(step),
            };
            match what {
                1 => breaker.record_reserved(now, &some(good, failed)),
                2 => _ = breaker.admit(now),
                3 => breaker.abandon(),
                _ => breaker.record(now, &some(good, failed)),
            }
            let snapshot = breaker.snapshot();
            prop_assert!((0.0..=1.0).contains(&snapshot.share), "{snapshot:?}");
            let rate = snapshot.failure_rate;
            prop_assert!(0.0 <= rate.lower && rate.lower <= rate.upper && rate.upper <= 1.0);
        }
        for _ in 0..100 {
            now += millis(500);
            breaker.record(now, &Tally::successes(20));
        }
        prop_assert_eq!(breaker.circuit(), Circuit::Closed);
        prop_assert!((breaker.share() - 1.0).abs() < 1e-12);
    }
}
