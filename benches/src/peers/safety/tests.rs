//! The scenarios find what is wrong with a pool, and only that.

use std::thread;

use super::toys::{
    Blocks, Flaw, KeepsBroken, LosesBroken, LosesOnCancel, NeverWakes, Nothing, OneOver, Panics,
    Refuses, ThrowsAway, Toy,
};
use super::{Churn, CutShort, First, Heir, Herd, Many, Spike, Uneven, Waiting};
use crate::peers::contestant::About;
use crate::peers::scenario::{Outcome, Round, Scenario};

/// What a flawed toy gets from a scenario, per variant.
fn try_out<S: Scenario, F: Flaw>() -> Vec<Outcome> {
    let variants = 0..S::variants().len();
    variants
        .map(|variant| {
            let round = Round {
                variant,
                round: 0,
                quick: true,
                seed: 1,
            };
            assert!(S::admits(&About::of::<Toy<F>>(), variant), "{}", S::NAME);
            S::run::<Toy<F>>(&round)
        })
        .collect()
}

#[track_caller]
fn assert_fault<S: Scenario, F: Flaw>(expected: &str) {
    for (outcome, variant) in try_out::<S, F>().iter().zip(S::variants()) {
        let faults = &outcome.faults;
        assert!(
            faults.iter().any(|fault| fault.contains(expected)),
            "{} {variant} says {faults:?}, not {expected:?}",
            S::NAME
        );
    }
}

#[track_caller]
fn figure(outcome: &Outcome, metric: &str) -> f64 {
    let found = outcome.values.iter().find(|value| value.metric == metric);
    found.expect("the scenario takes this figure").value
}

fn is_sound<S: Scenario>() {
    for outcome in try_out::<S, Nothing>() {
        assert_eq!(outcome.faults, [""; 0], "{}", S::NAME);
        assert!(!outcome.stuck, "{}", S::NAME);
        assert!(!outcome.values.is_empty(), "{}", S::NAME);
        let mut values = outcome.values.iter();
        assert!(values.all(|value| value.value.is_finite()), "{}", S::NAME);
    }
}

/// Stalls take a while to be noticed; side by side they take no longer than one.
fn side_by_side(checks: &[fn()]) {
    thread::scope(|scope| {
        for check in checks {
            scope.spawn(check);
        }
    });
}

#[test]
fn a_sound_pool_has_no_faults_in_any_scenario() {
    is_sound::<Waiting>();
    is_sound::<CutShort>();
    is_sound::<Heir>();
    is_sound::<Herd>();
    is_sound::<Spike>();
    is_sound::<Churn>();
    is_sound::<Uneven>();
    is_sound::<First>();
    is_sound::<Many>();
}

#[test]
fn a_connection_lost_on_cancel_is_a_fault() {
    side_by_side(&[
        || assert_fault::<Waiting, LosesOnCancel>("lost capacity"),
        || assert_fault::<CutShort, LosesOnCancel>("lost capacity"),
        || assert_fault::<Heir, LosesOnCancel>("never served the next in line"),
    ]);
}

#[test]
fn a_connection_thrown_away_for_a_cancelled_check_is_counted() {
    let [_, sound] = &try_out::<CutShort, Nothing>()[..] else {
        panic!("two variants");
    };
    assert_eq!(figure(sound, "thrown away of 48"), 0.0);
    let [_, wasteful] = &try_out::<CutShort, ThrowsAway>()[..] else {
        panic!("two variants");
    };
    // Every other caller finds a new connection, which is not checked.
    assert!(figure(wasteful, "thrown away of 48") >= 16.0);
}

#[test]
fn connects_are_counted_as_they_happen() {
    let herd = try_out::<Herd, Nothing>();
    assert_eq!(figure(&herd[0], "opened"), 50.0);
    // The toy opens a connection for whoever finds none idle.
    let spike = try_out::<Spike, Nothing>();
    assert!(figure(&spike[0], "connects begun") >= 40.0);
    let churn = try_out::<Churn, Nothing>();
    assert_eq!(figure(&churn[0], "opened beyond need"), 0.0);
    let first = try_out::<First, Nothing>();
    assert_eq!(figure(&first[0], "opened"), 1000.0);
}

#[test]
fn waits_are_as_long_as_the_queue() {
    // Seven in eight tasks wait for holds of a millisecond and more to end.
    let uneven = try_out::<Uneven, Nothing>();
    let (p50, p99) = (figure(&uneven[0], "p50"), figure(&uneven[0], "p99"));
    assert!(p50 >= 5.0, "p50 {p50} ms");
    assert!((p50..=1000.0).contains(&p99), "p99 {p99} ms");
}

#[test]
fn one_connection_too_many_is_a_fault() {
    side_by_side(&[
        || assert_fault::<Herd, OneOver>("than its maximum"),
        || assert_fault::<Waiting, OneOver>("than its maximum"),
        || assert_fault::<Churn, OneOver>("than its maximum"),
        || assert_fault::<Uneven, OneOver>("than its maximum"),
        || assert_fault::<Heir, OneOver>("than its maximum"),
    ]);
}

#[test]
fn waiters_that_are_never_woken_are_a_fault() {
    side_by_side(&[
        || assert_fault::<Waiting, NeverWakes>("never served"),
        || assert_fault::<Herd, NeverWakes>("never served"),
        || assert_fault::<Churn, NeverWakes>("never served"),
        || assert_fault::<Uneven, NeverWakes>("never served"),
        || assert_fault::<Heir, NeverWakes>("never served the next in line"),
    ]);
}

#[test]
fn a_broken_connection_handed_out_again_is_a_fault() {
    assert_fault::<Churn, KeepsBroken>("had been discarded");
}

#[test]
fn a_place_lost_with_a_broken_connection_is_a_fault() {
    assert_fault::<Churn, LosesBroken>("lost capacity");
}

#[test]
fn callers_turned_away_early_are_a_fault() {
    side_by_side(&[
        || assert_fault::<Waiting, Refuses>("turned callers away"),
        || assert_fault::<Heir, Refuses>("turned callers away"),
        || assert_fault::<Herd, Refuses>("turned callers away"),
        || assert_fault::<Churn, Refuses>("turned callers away"),
        || assert_fault::<Uneven, Refuses>("turned callers away"),
    ]);
}

#[test]
fn a_panic_is_a_fault_and_the_run_goes_on() {
    side_by_side(&[
        || assert_fault::<Waiting, Panics>("meant to panic"),
        || assert_fault::<CutShort, Panics>("meant to panic"),
        || assert_fault::<Heir, Panics>("meant to panic"),
        || assert_fault::<Herd, Panics>("meant to panic"),
        || assert_fault::<Spike, Panics>("meant to panic"),
        || assert_fault::<Churn, Panics>("meant to panic"),
        || assert_fault::<Uneven, Panics>("meant to panic"),
        || assert_fault::<Many, Panics>("meant to panic"),
    ]);
}

#[test]
fn what_blocks_its_threads_is_a_fault_and_the_run_goes_on() {
    assert_fault::<Herd, Blocks>("stalled");
}
