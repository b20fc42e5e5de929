//! How connections are recycled, and that it does not flap.

use std::time::Duration;

use fastrand::Rng;
use pool_core::{Order, Orders, Recycling, Subject};
use pool_health::{Mode, Recycler, RecyclingPolicy};

use crate::subjects::{connection, subject};

const SECOND: Duration = Duration::from_secs(1);

fn recycler(policy: RecyclingPolicy) -> Recycler {
    let builder = Recycler::builder().mode(Mode::On).policy(policy);
    builder.build().expect("it can be")
}

/// What it orders for the only connection.
fn ordered(recycler: &mut Recycler, now: Duration, subject: Subject) -> Option<Recycling> {
    let mut orders = Orders::default();
    recycler.review(now, &[subject], &mut orders);
    assert_eq!(orders.findings().len(), orders.orders().len());
    match *orders.orders() {
        [] => None,
        [Order::Recycle(one, how)] if one == subject.connection => Some(how),
        ref other => panic!("{other:?} is not what this part may order"),
    }
}

fn used(uses: u64, reported: u32) -> Subject {
    Subject {
        uses,
        reported,
        ..subject(connection(0, 1))
    }
}

#[test]
fn a_fixed_way_is_ordered_once_for_each_connection_and_the_pools_own_never() {
    for (policy, how) in [
        (RecyclingPolicy::Fast, None),
        (RecyclingPolicy::Checked, Some(Recycling::Checked)),
        (RecyclingPolicy::Replace, Some(Recycling::Replace)),
    ] {
        let mut recycler = recycler(policy);
        assert_eq!(ordered(&mut recycler, SECOND, used(0, 0)), how);
        assert_eq!(ordered(&mut recycler, SECOND * 2, used(900, 900)), None);
        let successor = subject(connection(0, 2));
        assert_eq!(ordered(&mut recycler, SECOND * 3, successor), how);
    }
}

#[test]
fn healthy_goes_fast_and_degraded_checked_and_degraded_and_old_is_replaced() {
    let mut recycler = recycler(RecyclingPolicy::Adaptive);
    assert_eq!(ordered(&mut recycler, SECOND, used(1000, 10)), None);
    let degraded = used(2000, 200);
    assert_eq!(
        ordered(&mut recycler, SECOND * 2, degraded),
        Some(Recycling::Checked)
    );
    assert_eq!(
        ordered(&mut recycler, SECOND * 3, degraded),
        None,
        "it is known"
    );
    let old = SECOND * 1800;
    let more = used(100_000, 20_000);
    assert_eq!(ordered(&mut recycler, old, more), Some(Recycling::Replace));
    assert_eq!(ordered(&mut recycler, old + SECOND, more), None);
    let counts = recycler.statistics();
    assert_eq!((counts.fast, counts.checked, counts.replace), (0, 1, 1));
}

#[test]
fn age_alone_changes_nothing() {
    let mut recycler = recycler(RecyclingPolicy::Adaptive);
    assert_eq!(
        ordered(&mut recycler, SECOND * 100_000, used(100_000, 0)),
        None
    );
}

#[test]
fn one_error_in_three_uses_is_no_verdict() {
    let mut recycler = recycler(RecyclingPolicy::Adaptive);
    assert_eq!(ordered(&mut recycler, SECOND, used(3, 1)), None);
}

#[test]
fn errors_count_although_the_lease_began_before() {
    let mut recycler = recycler(RecyclingPolicy::Adaptive);
    assert_eq!(ordered(&mut recycler, SECOND, used(20, 0)), None);
    assert_eq!(
        ordered(&mut recycler, SECOND * 2, used(20, 9)),
        Some(Recycling::Checked)
    );
}

#[test]
fn old_errors_are_forgiven_with_and_without_use() {
    for uses_per_minute in [0, 600] {
        let mut recycler = recycler(RecyclingPolicy::Adaptive);
        let bad = used(200, 60);
        assert_eq!(
            ordered(&mut recycler, SECOND, bad),
            Some(Recycling::Checked)
        );
        let fast = (1..60).find(|minute| {
            let subject = used(200 + u64::from(*minute) * uses_per_minute, 60);
            ordered(&mut recycler, SECOND * 60 * *minute, subject) == Some(Recycling::Fast)
        });
        assert!(
            fast.is_some(),
            "not within an hour at {uses_per_minute} uses a minute"
        );
    }
}

#[test]
fn a_low_score_degrades_and_only_a_high_one_heals() {
    let mut recycler = recycler(RecyclingPolicy::Adaptive);
    let mut at = |second: u32, score| {
        recycler.observe(connection(0, 1), score);
        ordered(&mut recycler, SECOND * second, used(5, 0))
    };
    assert_eq!(at(1, 0.65), None);
    assert_eq!(at(2, 0.59), Some(Recycling::Checked));
    assert_eq!(
        at(100, 0.79),
        None,
        "between the two bounds nothing changes"
    );
    assert_eq!(at(101, 0.8), Some(Recycling::Fast));
}

#[test]
fn a_rate_that_is_hardly_below_the_threshold_does_not_heal() {
    let mut recycler = recycler(RecyclingPolicy::Adaptive);
    let mut at = |second, uses| ordered(&mut recycler, SECOND * second, used(uses, 60));
    assert_eq!(at(1, 200), Some(Recycling::Checked));
    assert_eq!(at(40, 1400), None, "4 % at the most, 3 % for certain");
    assert_eq!(at(41, 4000), Some(Recycling::Fast));
}

#[test]
fn a_degraded_connection_stays_so_for_half_a_minute() {
    let mut recycler = recycler(RecyclingPolicy::Adaptive);
    recycler.observe(connection(0, 1), 0.1);
    assert_eq!(
        ordered(&mut recycler, SECOND, used(5, 0)),
        Some(Recycling::Checked)
    );
    recycler.observe(connection(0, 1), 1.0);
    assert_eq!(ordered(&mut recycler, SECOND * 30, used(5, 0)), None);
    assert_eq!(
        ordered(&mut recycler, SECOND * 31, used(5, 0)),
        Some(Recycling::Fast)
    );
}

#[test]
fn at_the_threshold_it_does_not_flap() {
    let mut rng = Rng::with_seed(5);
    for rate in [0.03, 0.05, 0.07, 0.1] {
        let mut recycler = recycler(RecyclingPolicy::Adaptive);
        let mut subject = used(0, 0);
        let mut changes = 0;
        for second in 0..1700 {
            subject.uses += 2;
            subject.reported += u32::from(rng.f64() < rate) + u32::from(rng.f64() < rate);
            recycler.observe(subject.connection, 0.7 + 0.09 * (rng.f64() - 0.5));
            changes += u32::from(ordered(&mut recycler, SECOND * second, subject).is_some());
        }
        assert!(changes <= 3, "{changes} changes in half an hour at {rate}");
    }
}

#[test]
fn in_the_shadow_it_tells_and_counts_and_orders_nothing() {
    for (mode, told) in [(Mode::Shadow, 1), (Mode::Off, 0)] {
        let mut recycler = Recycler::builder().mode(mode).build().expect("defaults");
        let mut orders = Orders::default();
        for second in 1..5 {
            recycler.review(SECOND * second, &[used(1000, 500)], &mut orders);
        }
        assert!(orders.orders().is_empty());
        assert_eq!(orders.findings().len(), told, "{mode:?}");
        assert!(orders.findings().iter().all(|finding| !finding.acted));
        assert_eq!(recycler.statistics().checked, told as u64);
    }
}

#[test]
fn what_is_no_score_and_a_clock_that_was_set_do_no_harm() {
    let mut recycler = recycler(RecyclingPolicy::Adaptive);
    for score in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
        recycler.observe(connection(0, 1), score);
        assert_eq!(ordered(&mut recycler, SECOND * 9000, used(5, 0)), None);
    }
    recycler.observe(connection(0, 1), 0.1);
    assert_eq!(
        ordered(&mut recycler, SECOND * 60, used(5, 0)),
        Some(Recycling::Checked)
    );
    recycler.observe(connection(0, 1), 0.9);
    assert_eq!(ordered(&mut recycler, SECOND, used(5, 0)), None);
    assert_eq!(
        ordered(&mut recycler, SECOND * 31, used(5, 0)),
        Some(Recycling::Fast),
        "half a minute after the clock was set, not when it is where it was"
    );
    assert_eq!(ordered(&mut recycler, Duration::MAX, used(5, 0)), None);
}

#[test]
fn settings_that_cannot_be_are_told_all_at_once() {
    let error = Recycler::builder()
        .error_threshold(0.0)
        .scores(0.8, 0.8)
        .old_after(Duration::ZERO)
        .build()
        .expect_err("none of it can be");
    for name in ["error_threshold 0", "the low score 0.8", "old_after is 0"] {
        let told = error
            .problems()
            .iter()
            .any(|problem| problem.starts_with(name));
        assert!(told, "{name} is missing in {error}");
    }
    for (low, high) in [
        (f64::NAN, 0.5),
        (0.5, f64::NAN),
        (0.9, 0.1),
        (-1.0, 0.5),
        (0.5, 2.0),
    ] {
        assert!(
            Recycler::builder().scores(low, high).build().is_err(),
            "{low} {high}"
        );
    }
}
