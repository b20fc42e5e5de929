//! Choosing steps and adding up their outcomes.

use clap::ValueEnum;

use super::*;

fn args(only: &[Step], skip: &[Step]) -> Args {
    Args {
        only: only.to_vec(),
        skip: skip.to_vec(),
        list: false,
    }
}

#[test]
fn names_shown_are_the_names_taken_from_the_command_line() {
    assert_eq!(Step::ALL.len(), Step::value_variants().len());
    for step in Step::ALL {
        assert_eq!(Step::from_str(step.name(), false), Ok(step));
    }
}

#[test]
fn step_that_needs_servers_brings_them_along() {
    assert_eq!(
        args(&[Step::Tests], &[]).chosen(),
        [Step::Services, Step::Tests]
    );
    assert_eq!(args(&[Step::Fmt], &[]).chosen(), [Step::Fmt]);
    assert_eq!(
        args(&[Step::Tests], &[Step::Services]).chosen(),
        [Step::Tests]
    );
    assert_eq!(args(&[], &[]).chosen(), Step::ALL);
}

#[test]
fn run_passes_with_skipped_steps_and_fails_with_failed_or_missing_ones() {
    let row = |outcome| Row {
        step: Step::Fmt,
        outcome,
        took: Duration::ZERO,
    };
    let skipped = || row(Outcome::Skipped("not installed".to_owned()));
    assert!(summary(&[row(Outcome::Passed(String::new())), skipped()]));
    assert!(!summary(&[
        row(Outcome::Passed(String::new())),
        row(Outcome::Failed("x".to_owned()))
    ]));
    assert!(!summary(&[
        row(Outcome::Passed(String::new())),
        row(Outcome::NotRun)
    ]));
}
