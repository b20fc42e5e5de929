//! Connections chosen by score.

use std::time::Duration;

use pool_affinity::{Affinity, Class, Complexity, Features, Mode, Weights};
use pool_core::{Placement, Profile};
use proptest::prelude::*;

use crate::desk::{Desk, at};

const READING: Class = Class::reading(Complexity::Simple);
const MS: Duration = Duration::from_millis(1);

fn desk(connections: u32) -> Desk {
    let builder = Affinity::builder()
        .sessions(Mode::Off)
        .routing(Mode::Off)
        .selection(Mode::On);
    let mut desk = Desk::new(connections, builder);
    desk.even(3);
    desk
}

fn reading() -> Profile {
    Profile::new(0).class(READING.id())
}

/// Tells of so much work there.
fn work(desk: &Desk, slot: u32, class: Class, took: Duration, succeeded: bool) {
    (0..30).for_each(|_| {
        desk.affinity
            .completed(at(slot), class.id(), took, succeeded)
    });
}

#[test]
fn where_work_of_the_class_succeeds_and_is_fast_more_of_it_goes() {
    let desk = desk(4);
    for slot in 0..4 {
        work(
            &desk,
            slot,
            READING,
            if slot == 2 { MS } else { 20 * MS },
            true,
        );
    }
    assert_eq!(desk.choose(reading()), Some(2));
    work(&desk, 2, READING, MS, false);
    work(&desk, 2, READING, MS, false);
    assert_ne!(desk.choose(reading()), Some(2));
}

#[test]
fn classes_are_judged_apart() {
    let desk = desk(4);
    let report = Class::reading(Complexity::Complex);
    for slot in 0..4 {
        work(
            &desk,
            slot,
            READING,
            if slot == 1 { MS } else { 20 * MS },
            true,
        );
        work(
            &desk,
            slot,
            report,
            if slot == 3 { 1_000 * MS } else { 4_000 * MS },
            true,
        );
    }
    assert_eq!(desk.choose(reading()), Some(1));
    assert_eq!(desk.choose(Profile::new(0).class(report.id())), Some(3));
    assert!(desk.affinity.class_statistics(report).p95 >= 4_000 * MS);
    assert!(desk.affinity.class_statistics(READING).p95 < 40 * MS);
}

#[test]
fn a_cached_statement_outweighs_all_else_that_is_well() {
    let desk = desk(4);
    (0..4).for_each(|slot| work(&desk, slot, READING, MS, true));
    desk.affinity.cached(at(3), 9);
    assert_eq!(desk.choose(reading().statement(9)), Some(3));
}

#[test]
fn transactions_do_not_go_to_degraded_connections_while_another_is_seen() {
    let desk = desk(3);
    let inside = READING.in_transaction();
    desk.affinity.cached(at(0), 9);
    for slot in [0, 1] {
        work(&desk, slot, inside, MS, true);
        desk.affinity.rated(at(slot), 0.4, 0.0).unwrap();
    }
    (0..3).for_each(|_| work(&desk, 2, inside, 9 * MS, false));
    let wants = reading().statement(9);
    assert_eq!(desk.choose(wants.class(inside.id())), Some(2));
    assert_eq!(desk.choose(wants), Some(0));
}

#[test]
fn among_equals_the_one_used_last_is_chosen() {
    let mut desk = desk(4);
    for slot in [1, 3, 2] {
        for other in 0..4 {
            if other != slot {
                desk.lease_of(Profile::default(), at(other));
            }
        }
        desk.lease_of(Profile::default(), at(slot));
        assert_eq!(desk.choose(reading()), Some(slot));
    }
}

#[test]
fn what_is_not_known_is_neither_first_nor_last() {
    let weights = Weights::default();
    let unknown = weights.score(&Features::default());
    let known = |success, speed| {
        let features = Features::default().success(success).unwrap();
        weights.score(&features.speed(speed).unwrap())
    };
    assert!(known(0.9, 0.9) > unknown && unknown > known(0.1, 0.1));
}

#[test]
fn what_is_no_part_of_a_whole_is_refused_and_counted_and_changes_nothing() {
    let desk = desk(2);
    desk.affinity.rated(at(0), 0.75, 0.5).unwrap();
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 1.1];
    for number in bad {
        assert!(desk.affinity.rated(at(0), number, 0.5).is_err());
        assert!(desk.affinity.rated(at(0), 0.5, number).is_err());
        assert!(Features::default().success(number).is_err());
    }
    let known = desk.affinity.connection_statistics(at(0)).unwrap();
    assert!((known.health - 0.75).abs() < 1e-6 && (known.age - 0.5).abs() < 1e-6);
    assert_eq!(desk.affinity.statistics().selection.rejected, 10);
    desk.affinity.completed(at(0), 99, MS, true);
    assert_eq!(desk.affinity.statistics().selection.unclassified, 1);
}

#[test]
fn every_idle_connection_is_used_within_ten_acquires_per_connection() {
    for (connections, bound) in [(1u32, 1.25), (7, 100.0), (64, 1.25), (64, 100.0)] {
        let builder = Affinity::builder().selection(Mode::On).load_factor(bound);
        let mut desk = Desk::new(connections, builder);
        // All that is good is said of slot 0.
        work(&desk, 0, READING, MS, true);
        desk.affinity.cached(at(0), 9);
        let mut used = vec![0u64; connections as usize];
        for turn in 1..=u64::from(connections) * 60 {
            let taken = desk.lease(reading().statement(9));
            used[taken.slot as usize] = turn;
            for last in &used {
                assert!(
                    turn - last <= 10 * u64::from(connections),
                    "{turn} {used:?}"
                );
            }
        }
    }
}

#[test]
fn a_connection_that_does_its_work_well_is_efficient_and_one_that_fails_is_not() {
    let desk = desk(3);
    work(&desk, 0, READING, MS, true);
    work(&desk, 1, READING, 50 * MS, false);
    let efficiency = |slot| {
        desk.affinity
            .connection_statistics(at(slot))
            .unwrap()
            .efficiency
    };
    assert!(
        efficiency(0) > Some(0.9) && efficiency(1) < Some(0.2),
        "{:?} {:?}",
        efficiency(0),
        efficiency(1)
    );
    assert_eq!(efficiency(2), None);
}

#[test]
fn history_is_bounded_so_that_a_connection_can_change() {
    let desk = desk(2);
    (0..1_000).for_each(|_| work(&desk, 0, READING, MS, true));
    (0..30).for_each(|_| work(&desk, 0, READING, MS, false));
    let known = desk.affinity.connection_statistics(at(0)).unwrap();
    assert!(known.efficiency < Some(0.5), "{known:?}");
}

fn features() -> impl Strategy<Value = [f64; 5]> {
    proptest::array::uniform5(0.0f64..=1.0)
}

fn made(cached: bool, of: [f64; 5]) -> Features {
    let features = Features::default().statement(cached).success(of[0]);
    features
        .and_then(|features| features.speed(of[1]))
        .and_then(|features| features.health(of[2]))
        .and_then(|features| features.age(of[3]))
        .and_then(|features| features.over_use(of[4]))
        .expect("all are parts of a whole")
}

proptest! {
    #[test]
    fn a_score_never_falls_when_a_merit_rises_nor_rises_with_a_fault(
        of in features(),
        cached in any::<bool>(),
        which in 0usize..5,
        to in 0.0f64..=1.0,
    ) {
        let weights = Weights::default();
        let mut other = of;
        other[which] = to;
        let (before, after) = (weights.score(&made(cached, of)), weights.score(&made(cached, other)));
        let is_merit = which < 3;
        if (to >= of[which]) == is_merit {
            prop_assert!(after >= before);
        } else {
            prop_assert!(after <= before);
        }
        prop_assert!(weights.score(&made(true, of)) >= weights.score(&made(false, of)));
        prop_assert!(before.value().is_finite());
    }

    #[test]
    fn scores_are_ordered_as_a_whole(all in proptest::collection::vec(features(), 3)) {
        let weights = Weights::default();
        let scores: Vec<_> = all.into_iter().map(|one| weights.score(&made(false, one))).collect();
        let (a, b, c) = (scores[0], scores[1], scores[2]);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert!(!(a <= b && b <= c) || a <= c);
    }

    #[test]
    fn the_order_of_candidates_does_not_matter(
        order in Just((0u32..7).collect::<Vec<_>>()).prop_shuffle(),
        cached in 0u32..7,
        works in proptest::collection::vec((0u32..7, 1u64..50, any::<bool>()), 0..30),
    ) {
        let mut desk = desk(7);
        desk.affinity.cached(at(cached), 9);
        for (slot, millis, succeeded) in works {
            desk.affinity.completed(at(slot), READING.id(), Duration::from_millis(millis), succeeded);
        }
        let before = desk.choose(reading().statement(9));
        desk.idle = order.into_iter().map(at).collect();
        prop_assert_eq!(desk.choose(reading().statement(9)), before);
    }
}
