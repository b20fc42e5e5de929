//! Statements and labels.

use std::cell::Cell;
use std::sync::Arc;

use pool_affinity::{Affinity, Mode, statement_set};
use pool_core::{Candidate, Labels, Placement, Profile};

use crate::desk::{Desk, at};

fn desk() -> Desk {
    let mut desk = Desk::new(40, Affinity::builder());
    desk.even(10);
    desk
}

#[test]
fn a_connection_that_has_the_statement_is_chosen_before_others() {
    let desk = desk();
    desk.affinity.cached(at(3), 77);
    assert_eq!(desk.choose(Profile::new(1).statement(77)), Some(3));
    desk.affinity.uncached(at(3), Some(77));
    desk.affinity.cached(at(5), 77);
    assert_eq!(desk.choose(Profile::new(1).statement(77)), Some(5));
    desk.affinity.uncached(at(5), None);
    desk.affinity.cached(at(6), 77);
    assert_eq!(desk.choose(Profile::new(1).statement(77)), Some(6));
}

#[test]
fn a_set_comes_back_to_its_homes_and_two_sets_to_different_ones() {
    let mut desk = desk();
    let work = |desk: &mut Desk, module: u32, statement: u32| {
        let set = statement_set(format!("module {module}"));
        let statement = 1 + 100 * module + statement;
        let profile = Profile::new(u64::from(module) + 1)
            .statements(set)
            .statement(statement);
        let taken = desk.take(profile);
        desk.affinity.cached(taken, statement);
        desk.give(profile, taken);
        taken.slot
    };
    let mut homes = [[false; 40]; 2];
    for round in 0..2_000 {
        for module in 0..2 {
            let slot = work(&mut desk, module, round % 50);
            homes[module as usize][slot as usize] |= round >= 1_000;
        }
    }
    let both = (0..40)
        .filter(|slot| homes[0][*slot] && homes[1][*slot])
        .count();
    assert!(both <= 4, "{both}");
    let routing = desk.affinity.statistics().routing;
    let hits = routing.statement_hits as f64;
    let misses = routing.statement_misses as f64;
    assert!(hits / (hits + misses) > 0.6, "{routing:?}");
    assert!(routing.home > 0 && routing.adopted > 0);
}

#[test]
fn the_wanted_label_goes_before_a_cached_statement() {
    let mut desk = desk();
    desk.affinity.cached(at(2), 77);
    desk.idle[6].label = 9;
    let wants = Profile::new(1).label(9).statement(77);
    assert_eq!(desk.choose(wants), Some(6));
    desk.idle[6].label = 0;
    assert_eq!(desk.choose(wants), Some(2));
}

#[test]
fn a_connection_with_the_label_is_found_where_no_list_shows_it() {
    let mut desk = Desk::new(400, Affinity::builder());
    desk.even(10);
    let labelled = at(333).labelled(9);
    desk.lease_of(Profile::new(5).label(9), labelled);
    desk.idle[333] = labelled;
    assert_eq!(desk.choose(Profile::new(1).label(9)), Some(333));
    // The hint is wrong by now.
    desk.idle[333] = at(333).labelled(8);
    assert_ne!(desk.choose(Profile::new(1).label(9)), Some(333));
}

struct Steps;

impl Labels for Steps {
    fn cost(&self, from: u32, to: u32) -> Option<u32> {
        (to != 0).then(|| from.abs_diff(to))
    }
}

fn labelled(labels: &[u32]) -> Desk {
    let builder = Affinity::builder().labels(Arc::new(Steps));
    let mut desk = Desk::new(labels.len() as u32, builder);
    desk.even(10);
    desk.idle
        .iter_mut()
        .zip(labels)
        .for_each(|(one, label)| one.label = *label);
    desk
}

#[test]
fn among_wrong_labels_the_nearest_is_chosen_and_a_missing_statement_is_four_steps() {
    let desk = labelled(&[20, 13, 11, 30]);
    let wants = Profile::new(1).label(10);
    assert_eq!(desk.choose(wants), Some(2));
    let wants = wants.statement(77);
    desk.affinity.cached(at(1), 77);
    assert_eq!(desk.choose(wants), Some(1));
    desk.affinity.uncached(at(1), None);
    desk.affinity.cached(at(0), 77);
    assert_eq!(desk.choose(wants), Some(2));
}

#[test]
fn among_equals_one_without_a_label_is_chosen_as_nobody_misses_it() {
    let desk = labelled(&[4, 0, 4]);
    assert_eq!(desk.choose(Profile::new(1).label(2)), Some(1));
    let desk = labelled(&[4, 0, 4]);
    assert_eq!(desk.choose(Profile::new(1)), Some(1));
}

#[test]
fn the_next_connection_in_a_slot_has_nothing_cached() {
    let mut desk = desk();
    desk.affinity.cached(at(3), 77);
    desk.idle[3] = Candidate::new(3, 1_000);
    desk.affinity.cached(at(4), 77);
    assert_eq!(desk.choose(Profile::new(1).statement(77)), Some(4));
    // Late word of the one that is gone.
    desk.lease_of(Profile::default(), desk.idle[3]);
    desk.affinity.cached(at(3), 78);
    assert!(desk.affinity.connection_statistics(at(3)).is_none());
    assert_eq!(
        desk.affinity
            .connection_statistics(desk.idle[3])
            .unwrap()
            .cached,
        0
    );
}

#[test]
fn a_request_that_wants_nothing_gets_what_the_pool_would_give() {
    let desk = desk();
    assert_eq!(desk.choose(Profile::default()), None);
    let nothing = pool_core::RequestInfo::default();
    let candidates = pool_core::Candidates::new(&desk.idle);
    assert_eq!(desk.affinity.choose(&nothing, &candidates), None);
}

#[test]
fn without_candidates_nothing_is_chosen() {
    let mut desk = desk();
    desk.idle.clear();
    let wants = Profile::new(1)
        .statement(1)
        .statements(2)
        .label(3)
        .class(4)
        .last(Some(at(0)));
    assert_eq!(desk.choose(wants), None);
}

#[test]
fn in_the_shadow_it_decides_and_counts_and_changes_nothing() {
    let shadow = Affinity::builder()
        .sessions(Mode::Shadow)
        .routing(Mode::Shadow)
        .selection(Mode::Shadow);
    let mut desk = Desk::new(8, shadow);
    desk.even(10);
    desk.affinity.cached(at(3), 77);
    desk.lease_of(Profile::new(1), at(5));
    assert_eq!(desk.choose(Profile::new(1).statement(77)), None);
    assert_eq!(desk.choose(Profile::new(1).statement(77).class(1)), None);
    let statistics = desk.affinity.statistics();
    assert_eq!(statistics.routing.fitting, 2);
    assert_eq!(statistics.selection.scored, 1);
}

#[test]
fn one_choice_looks_at_a_bounded_number_of_connections_however_many_there_are() {
    thread_local!(static LOOKS: Cell<u32> = const { Cell::new(0) });
    /// Counts how many candidates with a wrong label are weighed.
    struct Counting;
    impl Labels for Counting {
        fn cost(&self, _: u32, _: u32) -> Option<u32> {
            LOOKS.set(LOOKS.get() + 1);
            None
        }
    }
    let builder = Affinity::builder()
        .labels(Arc::new(Counting))
        .load_factor(100.0);
    let mut desk = Desk::new(1_000, builder);
    desk.even(2);
    for round in 0..200 {
        let profile = Profile::new(round)
            .statements(5)
            .statement(6)
            .label(7)
            .last(Some(at(900)));
        LOOKS.set(0);
        desk.lease(profile);
        assert!((1..=32).contains(&LOOKS.get()), "{}", LOOKS.get());
    }
}

#[test]
fn a_session_that_wants_nothing_else_is_served_at_its_last_connection_at_once() {
    let mut desk = desk();
    let taken = desk.lease(Profile::new(5));
    for _ in 0..3 {
        assert_eq!(desk.choose(Profile::new(5)), Some(taken.slot));
    }
    assert_eq!(desk.affinity.statistics().routing.last, 3);
}
