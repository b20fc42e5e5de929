//! Two runs beside each other.

use super::{record, throughput};
use crate::{
    record::{Better, Record},
    report::{
        compare::{Change, Comparison, change},
        statistics::Summary,
    },
};

fn summary(min: f64, median: f64, max: f64) -> Summary {
    Summary::of(&[Some(min), Some(median), Some(max)]).expect("there are values")
}

#[test]
fn only_what_lies_outside_both_ranges_has_changed() {
    let change = |before, after| change(Better::Lower, &before, &after);
    let before = summary(10.0, 12.0, 14.0);
    assert_eq!(change(before, summary(14.5, 16.0, 18.0)), Change::Worse);
    assert_eq!(change(before, summary(5.0, 6.0, 7.0)), Change::Better);
    assert_eq!(change(before, summary(11.0, 13.0, 20.0)), Change::Same);
    // Ranges may touch: what counts is where the medians lie.
    assert_eq!(change(before, summary(13.0, 16.0, 18.0)), Change::Worse);
    // One run was so noisy that the other lies within it.
    assert_eq!(change(before, summary(5.0, 40.0, 90.0)), Change::Same);
}

#[test]
fn a_figure_without_a_good_side_is_neither_better_nor_worse() {
    let (before, after) = (summary(1.0, 1.0, 1.0), summary(2.0, 2.0, 2.0));
    assert_eq!(change(Better::Neither, &before, &after), Change::Other);
    assert_eq!(change(Better::Higher, &before, &after), Change::Better);
}

fn run(values: &[f64]) -> Record {
    let mut record = record();
    throughput(&mut record, "ours", values);
    record
}

#[test]
fn another_machine_or_compiler_or_peer_is_said() {
    let (before, mut after) = (run(&[1.0]), run(&[1.0]));
    assert!(Comparison::new("x", &before, &after).cautions.is_empty());
    after.machine.compiler = "rustc 2".to_owned();
    after.machine.cores = 64;
    after.run.quick = true;
    after.contestants[1].version = "2.0.0".to_owned();
    let cautions = Comparison::new("x", &before, &after).cautions;
    assert_eq!(
        cautions,
        [
            "The number of cores differs: it was 2 and is 64.",
            "The compiler differs: it was rustc 1 and is rustc 2.",
            "The length of the run differs: it was full and is quick.",
            "The version of swift differs: it was 1.0.0 and is 2.0.0.",
        ]
    );
}

#[test]
fn series_of_one_run_only_and_those_in_another_unit_are_counted_and_not_compared() {
    let (before, mut after) = (run(&[1.0]), run(&[2.0]));
    throughput(&mut after, "swift", &[3.0]);
    let comparison = Comparison::new("x", &before, &after);
    assert_eq!((comparison.pairs.len(), comparison.unmatched), (1, 1));
    assert_eq!(comparison.changed().rows.len(), 1);
    after.series[0].unit = "1/s".to_owned();
    let comparison = Comparison::new("x", &before, &after);
    assert_eq!((comparison.pairs.len(), comparison.unmatched), (0, 3));
}
