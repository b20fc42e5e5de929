//! One copy of what is alive, and none of what is not.

use std::thread;

use pool_core::Labels;
use proptest::prelude::*;

use super::{Interner, MOST_NAMES};
use crate::settings::{Difference, Settings};

#[test]
fn equal_sets_are_one_copy_however_they_were_made() {
    let interner = Interner::new(8);
    let made = interner.intern([("b", "2"), ("a", "1")]);
    let grown = interner.with(&interner.intern([("a", "1")]), "b", "2");
    let shrunk = interner.without(&interner.with(&made, "c", "3"), "C");
    let changed = interner.with(&interner.with(&made, "a", "0"), "A", "1");
    for other in [&grown, &shrunk, &changed] {
        assert!(made.same(other));
        assert_eq!(made.id(), other.id());
    }
    assert_eq!(interner.len(), 1);
}

#[test]
fn of_two_values_for_one_name_the_later_counts() {
    let interner = Interner::new(8);
    let settings = interner.intern([("a", "1"), ("A", "2")]);
    assert!(settings.same(&interner.intern([("a", "2")])));
}

#[test]
fn ten_thousand_sets_that_came_and_went_leave_nothing() {
    let interner = Interner::new(1 << 16);
    for round in 0..3 {
        let tenants = (0..10_000).map(|id| interner.intern([("app.id", format!("{round}-{id}"))]));
        let tenants: Vec<_> = tenants.collect();
        assert_eq!(interner.len(), tenants.len());
        drop(tenants);
        assert_eq!(interner.len(), 0);
    }
}

#[test]
fn ten_thousand_names_that_came_and_went_leave_a_bounded_number() {
    let interner = Interner::new(8);
    for name in 0..10_000 {
        drop(interner.intern([(format!("app.n{name}"), "1")]));
        assert!(interner.0.names.read().unwrap().len() <= MOST_NAMES);
    }
}

#[test]
fn beyond_its_capacity_sets_work_and_are_not_shared() {
    for capacity in [0, 1] {
        let interner = Interner::new(capacity);
        let shared: Vec<_> = (0..capacity)
            .map(|at| interner.intern([("shared", at.to_string())]))
            .collect();
        let one = interner.intern([("a", "1")]);
        let other = interner.intern([("a", "1")]);
        assert!(one == other && !one.same(&other));
        assert_ne!(one.id(), other.id());
        assert!(Difference::between(&one, &other).is_empty());
        assert_eq!(interner.cost(one.id(), other.id()), None);
        assert_eq!(interner.len(), capacity);
        drop(shared);
        let later = interner.intern([("a", "1")]);
        assert_eq!(later.same(&interner.intern([("a", "1")])), capacity > 0);
    }
}

#[test]
fn sets_outlive_their_interner() {
    let settings = Interner::new(8).intern([("a", "1")]);
    assert_eq!(settings.get("a").map(|value| &**value), Some("1"));
}

#[test]
fn a_cost_that_is_remembered_is_the_one_that_was_counted() {
    let interner = Interner::new(8);
    let from = interner.intern([("a", "1"), ("b", "2")]);
    let to = interner.intern([("a", "3"), ("c", "4")]);
    for _ in 0..2 {
        assert_eq!(interner.cost(from.id(), to.id()), Some(3));
        assert_eq!(interner.cost(0, to.id()), Some(2));
        assert_eq!(interner.cost(to.id(), 0), Some(2));
        assert_eq!(interner.cost(to.id(), to.id()), Some(0));
    }
    assert_eq!(interner.cost(0, 0xffff_fff0), None);
}

proptest! {
    #[test]
    fn a_cost_is_the_number_of_steps_whatever_was_asked_before(
        asked in prop::collection::vec((0usize..40, 0usize..40), 0..200),
    ) {
        let interner = Interner::new(64);
        let set = |at: usize| interner.intern((0..at % 7).map(|name| (name.to_string(), at.to_string())));
        let sets: Vec<Settings> = (0..40).map(set).collect();
        for (from, to) in asked {
            let (from, to) = (&sets[from], &sets[to]);
            let steps = Difference::between(from, to).len() as u32;
            prop_assert_eq!(interner.cost(from.id(), to.id()), Some(steps));
        }
    }
}

#[test]
fn threads_that_make_and_drop_the_same_sets_see_one_copy_of_each() {
    let interner = Interner::new(1 << 10);
    let set =
        |value: u32| interner.intern([("app.id", value.to_string()), ("lasts", "yes".into())]);
    let lasting: Vec<_> = (0..8).map(set).collect();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (lasting, set) = (&lasting, &set);
            scope.spawn(move || {
                for round in 0..4_000u32 {
                    let value = (round * 7 + thread * 3) % 16;
                    let (one, other) = (set(value), set(value));
                    assert!(one.same(&other));
                    assert_eq!(
                        one.get("app.id").map(|v| v.to_string()),
                        Some(value.to_string())
                    );
                    if let Some(kept) = lasting.get(value as usize) {
                        assert!(kept.same(&one));
                    }
                }
            });
        }
    });
    assert_eq!(interner.len(), lasting.len());
    drop(lasting);
    assert_eq!(interner.len(), 0);
}
