//! Settings that make no sense, and input that does not.

use std::time::Duration;

use pool_affinity::{Affinity, Class, Mode, Weights, statement_set};
use pool_core::{Candidate, Placement, Profile};
use proptest::prelude::*;

use crate::desk::{Desk, at};

#[test]
fn all_problems_are_told_at_once() {
    let error = Affinity::builder()
        .max_sessions(0)
        .cached_for_medium(0)
        .imbalance(f64::NAN)
        .load_factor(0.5)
        .max_sets(0)
        .max_labels(0)
        .weights(Weights {
            statement: f64::NAN,
            success: f64::INFINITY,
            speed: -0.1,
            ..Weights::default()
        })
        .build()
        .expect_err("nonsense");
    assert_eq!(error.problems().len(), 9, "{error}");
    assert!(error.to_string().contains("load_factor 0.5"), "{error}");
}

#[test]
fn weights_that_are_all_nothing_are_refused_and_one_that_is_something_does() {
    let none = Weights {
        statement: 0.0,
        success: 0.0,
        speed: 0.0,
        health: 0.0,
        ..Weights::default()
    };
    assert!(Affinity::builder().weights(none).build().is_err());
    let one = Weights { speed: 1.0, ..none };
    assert!(Affinity::builder().weights(one).build().is_ok());
}

proptest! {
    #[test]
    fn any_number_is_a_setting_or_an_error(
        numbers in proptest::collection::vec(any::<f64>(), 4),
        most in any::<u32>(),
    ) {
        let weights = Weights { statement: numbers[0], age: numbers[1], ..Weights::default() };
        let built = Affinity::builder()
            .imbalance(numbers[2])
            .load_factor(numbers[3])
            .cached_for_medium(most)
            .weights(weights)
            .build();
        let sound = |number: f64, most: f64| (0.0..=most).contains(&number);
        let expected = sound(numbers[0], 1000.0)
            && sound(numbers[1], 1000.0)
            && sound(numbers[2], 10.0)
            && (1.0..=100.0).contains(&numbers[3])
            && (1..=1024).contains(&most);
        prop_assert_eq!(built.is_ok(), expected);
    }

    #[test]
    fn any_word_of_any_connection_is_borne(
        words in proptest::collection::vec((any::<u32>(), any::<u64>(), any::<u32>(), 0u8..6), 1..100),
    ) {
        let mut desk = Desk::new(9, Affinity::builder().selection(Mode::On));
        for (slot, number, what, which) in words {
            let connection = Candidate::new(slot, number);
            let profile = Profile::new(number).label(what).statement(slot).class(what % 20);
            match which {
                0 => desk.lease_of(profile, connection),
                1 => desk.affinity.cached(connection, what),
                2 => desk.affinity.uncached(connection, Some(what)),
                3 => desk.affinity.completed(connection, what % 20, Duration::MAX, what % 2 == 0),
                4 => { let _ = desk.affinity.rated(connection, f64::from(what), f64::NAN); }
                _ => { desk.affinity.mark_transaction_start(number, connection); }
            }
            if let Some(chosen) = desk.choose(profile.statements(number).last(Some(connection))) {
                prop_assert!(chosen < 9);
            }
        }
        let statistics = desk.affinity.statistics();
        prop_assert!(statistics.load.mean.is_finite() && statistics.load.highest.is_finite());
    }
}

#[test]
fn a_set_has_a_number_whatever_its_name() {
    let long = vec![b'x'; 1 << 20];
    let sets = [
        statement_set(""),
        statement_set("x"),
        statement_set(&long),
        statement_set("a name"),
    ];
    assert!(sets.iter().all(|set| *set != 0));
    for (index, set) in sets.iter().enumerate() {
        assert!(!sets[..index].contains(set));
    }
    assert_eq!(statement_set("module"), statement_set(b"module"));
}

#[test]
fn every_class_has_a_number_of_its_own() {
    let mut ids: Vec<u32> = (0..=17)
        .filter(|id| Class::from_id(*id).is_some())
        .collect();
    assert_eq!(ids, (1..=16).collect::<Vec<_>>());
    ids.retain(|id| Class::from_id(*id).is_some_and(|class| class.id() == *id));
    assert_eq!(ids.len(), Class::COUNT);
    assert_eq!(Class::from_id(u32::MAX), None);
}

#[test]
fn with_all_parts_off_nothing_is_chosen_or_remembered() {
    let off = Affinity::builder()
        .sessions(Mode::Off)
        .routing(Mode::Off)
        .breaking(Mode::Off);
    let mut desk = Desk::new(8, off);
    desk.lease_of(Profile::new(7), at(3));
    assert_eq!(
        desk.choose(Profile::new(7).statement(4).label(4).class(4)),
        None
    );
    assert_eq!(desk.affinity.statistics().sessions.sessions, 0);
    assert_eq!(desk.affinity.rebalance(), 0);
}
