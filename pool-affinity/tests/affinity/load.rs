//! The load bound.

use pool_affinity::{Affinity, Mode};
use pool_core::{Candidate, Placement, Profile};
use proptest::prelude::*;

use crate::desk::{Desk, at};

/// Of the connections at the desk, the highest load and the mean.
fn loads(desk: &Desk) -> (f64, f64) {
    let load = |one: &Candidate| {
        let known = desk.affinity.connection_statistics(*one);
        known.map_or(0.0, |known| known.load)
    };
    let all: Vec<f64> = desk.idle.iter().map(load).collect();
    let sum: f64 = all.iter().sum();
    (
        all.into_iter().fold(0.0, f64::max),
        sum / desk.idle.len() as f64,
    )
}

#[test]
fn a_module_that_is_all_the_work_is_spread_within_the_bound() {
    let mut desk = Desk::new(20, Affinity::builder());
    desk.affinity.cached(at(0), 1);
    for _ in 0..5_000 {
        desk.lease(Profile::new(1).statements(9).statement(1));
    }
    let load = desk.affinity.statistics().load;
    assert_eq!(load.connections, 20);
    assert!(load.highest <= 1.26, "{load:?}");
}

proptest! {
    #[test]
    fn no_load_is_above_the_bound_while_any_is_below_it(
        connections in 1u32..12,
        factor in 1.0f64..3.0,
        steps in proptest::collection::vec((0u64..4, 0u32..6), 1..600),
    ) {
        let builder = Affinity::builder().sessions(Mode::Off).load_factor(factor);
        let mut desk = Desk::new(connections, builder);
        // They are met before anything is counted on.
        desk.even(1);
        for (set, statement) in steps {
            let profile = Profile::new(1).statements(set).statement(statement);
            let taken = desk.take(profile);
            if statement != 0 {
                desk.affinity.cached(taken, statement);
            }
            desk.give(profile, taken);
            let (highest, mean) = loads(&desk);
            let cap = (factor * mean).max(mean + 8.0);
            prop_assert!(highest <= cap + 1e-3, "{highest} of {mean}");
            prop_assert_eq!(desk.overruled.get(), 0);
        }
        prop_assert_eq!(desk.affinity.statistics().routing.above_bound, 0);
    }
}

#[test]
fn when_all_that_are_looked_at_first_are_above_the_bound_others_are_looked_for() {
    let mut desk = Desk::new(30, Affinity::builder());
    for _ in 0..10 {
        // All are met, now and then.
        desk.even(1);
        for _ in 0..4 {
            (0..20).for_each(|slot| desk.lease_of(Profile::default(), at(slot)));
        }
    }
    for turn in 0..31 {
        let chosen = desk.choose(Profile::new(7).statement(3));
        assert!(chosen >= Some(20), "{chosen:?}");
        desk.lease_of(Profile::default(), at(turn % 20));
    }
}

#[test]
fn when_all_that_are_idle_are_above_the_bound_the_least_used_is_chosen() {
    let mut desk = Desk::new(10, Affinity::builder());
    desk.even(10);
    for _ in 0..40 {
        desk.lease_of(Profile::default(), at(1));
    }
    (0..30).for_each(|_| desk.lease_of(Profile::default(), at(2)));
    desk.idle = vec![at(1), at(2)];
    assert_eq!(desk.choose(Profile::new(7).statement(3)), Some(2));
    assert_eq!(desk.affinity.statistics().routing.above_bound, 1);
}

#[test]
fn the_only_connection_with_the_label_is_taken_above_the_bound_and_of_several_one_below_it() {
    let mut desk = Desk::new(4, Affinity::builder());
    desk.even(10);
    for slot in 0..4 {
        desk.idle[slot as usize] = at(slot).labelled(slot + 1);
    }
    let wants = Profile::new(7).label(2).last(Some(desk.idle[1]));
    for turn in 1..=60 {
        assert_eq!(desk.lease(wants).slot, 1, "after {turn} turns");
    }
    assert!(desk.affinity.statistics().routing.above_bound > 0);
    desk.idle[3] = at(3).labelled(2);
    assert_eq!(desk.choose(wants), Some(3));
    // A missing statement does not make it a worse one.
    assert_eq!(desk.choose(wants.statement(5)), Some(3));
}

#[test]
fn connections_that_no_list_shows_are_known_and_count() {
    let mut desk = Desk::new(100, Affinity::builder());
    // Nothing but slot 0 is ever leased.
    for _ in 0..3_000 {
        desk.choose(Profile::new(5));
        desk.lease_of(Profile::default(), at(0));
    }
    assert_eq!(desk.affinity.statistics().load.connections, 100);
}

#[test]
fn a_pool_that_shrinks_is_known_to_be_smaller_soon() {
    let mut desk = Desk::new(64, Affinity::builder());
    desk.even(40);
    desk.idle.truncate(4);
    for _ in 0..64 * 16 * 2 {
        desk.lease(Profile::new(0).statement(1));
    }
    assert_eq!(desk.affinity.statistics().load.connections, 4);
    let known = loads(&desk).1;
    assert!(known > 0.0);
}

#[test]
fn the_load_of_a_connection_ends_with_it() {
    let mut desk = Desk::new(4, Affinity::builder());
    desk.even(30);
    let mean = desk.affinity.statistics().load.mean;
    desk.idle[0] = Candidate::new(0, 77);
    desk.lease_of(Profile::default(), desk.idle[0]);
    let after = desk.affinity.statistics().load.mean;
    assert!(after < mean * 0.8, "{mean} {after}");
    let new = desk.affinity.connection_statistics(desk.idle[0]).unwrap();
    assert!((new.load - 1.0).abs() < 1e-6);
}
