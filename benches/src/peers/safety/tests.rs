//! The scenarios find what is wrong with a pool, and only that.

use std::time::{Duration, Instant};

use super::findings::Findings;
use super::harness::bounded;
use super::toys::{
    Blocks, Flaw, KeepsBroken, LosesBroken, LosesOnCancel, NeverWakes, Nothing, OneOver, Panics,
    Refuses, ThrowsAway, Toy,
};
use super::{Plan, Scenario};

/// Short, as toys are; still long enough for a machine that is busy.
fn plan() -> Plan {
    Plan {
        patience: Duration::from_millis(500),
        ..Plan::new(true, 1)
    }
}

fn try_out<F: Flaw>(scenario: Scenario) -> Findings {
    scenario.run::<Toy<F>>(plan())
}

#[track_caller]
fn figure(findings: &Findings, variant: &str, metric: &str) -> f64 {
    let mut figures = findings.figures.iter();
    let found = figures.find(|figure| figure.variant == variant && figure.metric == metric);
    found.expect("the scenario takes this figure").value
}

#[track_caller]
fn assert_fault<F: Flaw>(scenario: Scenario, expected: &str) {
    let faults = try_out::<F>(scenario).faults;
    assert!(
        faults.iter().any(|fault| fault.what.contains(expected)),
        "{scenario:?} says {faults:?}, not {expected:?}"
    );
}

#[test]
fn a_sound_pool_has_no_faults_in_any_scenario() {
    // Not impatient here: only a stall is a fault, and this machine may be busy.
    let plan = Plan::new(true, 1);
    for scenario in Scenario::ALL {
        let findings = scenario.run::<Toy<Nothing>>(plan);
        assert_eq!(findings.faults, [], "{scenario:?}");
        assert!(!findings.figures.is_empty(), "{scenario:?}");
        assert!(
            findings
                .figures
                .iter()
                .all(|figure| figure.value.is_finite()),
            "{scenario:?}: {:?}",
            findings.figures
        );
    }
}

#[test]
fn a_connection_lost_on_cancel_is_a_fault() {
    assert_fault::<LosesOnCancel>(Scenario::Waiting, "lost");
    assert_fault::<LosesOnCancel>(Scenario::CutShort, "lost 8 of 8");
    assert_fault::<LosesOnCancel>(Scenario::Heir, "left the next in line");
}

#[test]
fn a_connection_thrown_away_for_a_cancelled_check_is_counted() {
    let thrown_away = |findings| figure(&findings, "checking", "thrown away of 48");
    let sound = try_out::<Nothing>(Scenario::CutShort);
    assert_eq!(thrown_away(sound), 0.0);
    let wasteful = try_out::<ThrowsAway>(Scenario::CutShort);
    // Every other caller finds a new connection, which is not checked.
    assert!(thrown_away(wasteful) >= 16.0);
}

#[test]
fn connects_are_counted_as_they_happen() {
    let herd = try_out::<Nothing>(Scenario::Herd);
    assert_eq!(figure(&herd, "", "opened"), 50.0);
    // The toy opens a connection for whoever finds none idle.
    let spike = try_out::<Nothing>(Scenario::Spike);
    assert!(figure(&spike, "", "connects begun") >= 40.0);
    let churn = try_out::<Nothing>(Scenario::Churn);
    assert_eq!(figure(&churn, "", "opened beyond need"), 0.0);
    let many = try_out::<Nothing>(Scenario::Many);
    assert_eq!(figure(&many, "", "opened by one acquire each"), 1000.0);
}

#[test]
fn one_connection_too_many_is_a_fault() {
    assert_fault::<OneOver>(Scenario::Herd, "its maximum is 50");
    for scenario in [Scenario::Waiting, Scenario::Churn, Scenario::Uneven] {
        assert_fault::<OneOver>(scenario, "its maximum is 8");
    }
}

#[test]
fn waiters_that_are_never_woken_are_a_fault() {
    for scenario in [
        Scenario::Waiting,
        Scenario::Herd,
        Scenario::Churn,
        Scenario::Uneven,
    ] {
        assert_fault::<NeverWakes>(scenario, "never served");
    }
    assert_fault::<NeverWakes>(Scenario::Heir, "left the next in line");
}

#[test]
fn a_broken_connection_handed_out_again_is_a_fault() {
    assert_fault::<KeepsBroken>(Scenario::Churn, "that had been discarded");
}

#[test]
fn a_place_lost_with_a_broken_connection_is_a_fault() {
    assert_fault::<LosesBroken>(Scenario::Churn, "lost 8 of 8");
}

#[test]
fn callers_turned_away_early_are_a_fault() {
    for scenario in [
        Scenario::Waiting,
        Scenario::Herd,
        Scenario::Churn,
        Scenario::Uneven,
    ] {
        assert_fault::<Refuses>(scenario, "turned");
    }
}

#[test]
fn a_panic_is_a_fault_and_the_run_goes_on() {
    for scenario in Scenario::ALL {
        assert_fault::<Panics>(scenario, "meant to panic");
    }
}

#[test]
fn what_blocks_its_threads_is_left_behind_after_the_limit() {
    let began = Instant::now();
    let limit = Duration::from_millis(200);
    let findings = bounded(limit, super::herd::trial::<Toy<Blocks>>(plan()));
    assert!(findings.faults[0].what.contains("blocks or spins"));
    assert!(began.elapsed() < Duration::from_secs(2));
}
