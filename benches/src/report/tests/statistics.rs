//! Medians, ranges, paired ratios.

use super::{HEAVY, add, record, throughput};
use crate::{
    record::Better,
    report::statistics::{Lead, OVERLAP, Summary, lead, paired},
};

#[test]
fn a_median_of_an_even_number_lies_between_the_middle_two() {
    let summary = Summary::of(&[Some(4.0), None, Some(1.0), Some(3.0), Some(100.0)]);
    let summary = summary.expect("there are values");
    assert_eq!(
        (summary.median, summary.min, summary.max),
        (3.5, 1.0, 100.0)
    );
    assert_eq!((summary.counted, summary.of), (4, 5));
}

#[test]
fn nothing_measured_is_no_figure_and_what_is_no_number_is_left_out() {
    assert_eq!(Summary::of(&[]), None);
    assert_eq!(
        Summary::of(&[None, Some(f64::NAN), Some(f64::INFINITY)]),
        None
    );
}

#[test]
fn a_ratio_is_taken_within_a_round_and_not_between_medians() {
    let mut record = record();
    throughput(&mut record, "ours", &[20.0, 300.0, 1000.0]);
    throughput(&mut record, "swift", &[10.0, 100.0, 4000.0]);
    let ratio = paired(&record, HEAVY, "ours", "swift").expect("all rounds count");
    // The medians, 300 and 100, would say 3.
    assert_eq!((ratio.median, ratio.min, ratio.max), (2.0, 0.25, 3.0));
}

#[test]
fn a_round_in_which_either_side_failed_does_not_count() {
    let mut record = record();
    let values = [Some(8.0), None, Some(6.0), Some(9.0)];
    add(&mut record, "ours", "throughput", Better::Higher, &values);
    let values = [Some(2.0), Some(1.0), None];
    add(&mut record, "swift", "throughput", Better::Higher, &values);
    let ratio = paired(&record, HEAVY, "ours", "swift").expect("one round counts");
    assert_eq!((ratio.median, ratio.counted, ratio.of), (4.0, 1, 4));
}

#[test]
fn a_round_whose_workers_did_not_run_side_by_side_on_both_sides_does_not_count() {
    let mut record = record();
    throughput(&mut record, "ours", &[2.0, 40.0, 6.0, 8.0]);
    throughput(&mut record, "swift", &[1.0, 1.0, 1.0, 2.0]);
    let overlap = [Some(1.7), Some(2.0), Some(1.69), Some(1.9)];
    add(&mut record, "ours", OVERLAP, Better::Neither, &overlap);
    let overlap = [Some(2.0), Some(1.2), Some(2.0), Some(1.8)];
    add(&mut record, "swift", OVERLAP, Better::Neither, &overlap);
    let ratio = paired(&record, HEAVY, "ours", "swift").expect("two rounds count");
    assert_eq!(
        (ratio.median, ratio.max, ratio.counted, ratio.of),
        (3.0, 4.0, 2, 4)
    );
}

#[test]
fn where_others_tell_their_overlap_who_tells_none_has_no_round_that_counts() {
    let mut record = record();
    throughput(&mut record, "ours", &[2.0]);
    throughput(&mut record, "swift", &[1.0]);
    add(&mut record, "ours", OVERLAP, Better::Neither, &[Some(2.0)]);
    assert_eq!(paired(&record, HEAVY, "ours", "swift"), None);
}

#[test]
fn nothing_is_divided_by_zero() {
    let mut record = record();
    throughput(&mut record, "ours", &[2.0, 3.0]);
    throughput(&mut record, "swift", &[0.0, 1.0]);
    let ratio = paired(&record, HEAVY, "ours", "swift").expect("one round counts");
    assert_eq!((ratio.max, ratio.counted), (3.0, 1));
}

#[test]
fn a_lead_is_as_sure_as_ranges_and_rounds_say() {
    let lead_of = |left: &[f64], right: &[f64]| {
        let mut record = record();
        throughput(&mut record, "ours", left);
        throughput(&mut record, "swift", right);
        lead(&record, HEAVY, "ours", "swift")
    };
    assert_eq!(lead_of(&[5.0, 6.0], &[3.0, 4.0]), Some(Lead::Apart));
    assert_eq!(lead_of(&[2.0, 20.0], &[1.0, 10.0]), Some(Lead::EveryRound));
    assert_eq!(lead_of(&[2.0, 20.0], &[3.0, 10.0]), Some(Lead::Median));
    assert_eq!(lead_of(&[2.0, 20.0], &[2.0, 20.0]), None);
    assert_eq!(lead_of(&[1.0], &[2.0]), None);
}

#[test]
fn ranges_are_apart_on_the_good_side_alone() {
    let lead_of = |left: &[f64], right: &[f64]| {
        let mut record = record();
        for (name, values) in [("ours", left), ("swift", right)] {
            let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
            add(&mut record, name, "throughput", Better::Lower, &values);
        }
        lead(&record, HEAVY, "ours", "swift")
    };
    assert_eq!(lead_of(&[3.0, 4.0], &[5.0, 6.0]), Some(Lead::Apart));
    assert_eq!(lead_of(&[9.0, 1.0], &[8.0, 4.0]), Some(Lead::Median));
    assert_eq!(lead_of(&[5.0, 6.0], &[3.0, 4.0]), None);
}

#[test]
fn one_round_that_counts_is_not_every_round() {
    let mut record = record();
    add(
        &mut record,
        "ours",
        "throughput",
        Better::Higher,
        &[Some(5.0), None, Some(2.0)],
    );
    add(
        &mut record,
        "swift",
        "throughput",
        Better::Higher,
        &[Some(3.0), Some(1.0), None],
    );
    assert_eq!(lead(&record, HEAVY, "ours", "swift"), Some(Lead::Median));
}
