//! On records made by hand: every figure in them is invented for its rule.

use super::*;
use crate::machine;
use crate::record::{Better, Contestant as Introduced, Run, Series, VERSION};

/// A record in which ours is `ours` times PgBouncer in every throughput, and `tail` times in every p99.
fn record(ours: f64, tail: f64) -> Record {
    let mut record = Record {
        version: VERSION,
        machine: machine::here(),
        run: Run {
            kind: "sessions".to_owned(),
            quick: false,
            rounds: 2,
            seconds: 1.0,
            began: 0,
            seed: 0,
        },
        contestants: Vec::new(),
        series: Vec::new(),
        distributions: Vec::new(),
        faults: Vec::new(),
    };
    introduce(&mut record, "ours", Group::Ours);
    introduce(&mut record, PgBouncer::NAME, Group::Peer);
    introduce(&mut record, "direct", Group::Limit);
    for place in [
        (STATELESS, READ_ONLY),
        (STATELESS, READ_WRITE),
        (STATEFUL, ""),
    ] {
        for (name, speed, wait) in [("ours", ours, tail), (PgBouncer::NAME, 1.0, 1.0)] {
            add(
                &mut record,
                place,
                name,
                THROUGHPUT,
                &[100.0 * speed, 200.0 * speed],
            );
            add(&mut record, place, name, P99, &[5.0 * wait, 50.0 * wait]);
        }
    }
    record
}

fn introduce(record: &mut Record, name: &str, group: Group) {
    record.contestants.push(Introduced {
        name: name.to_owned(),
        version: String::new(),
        group,
        remarks: Vec::new(),
    });
}

fn add(record: &mut Record, place: (&str, &str), name: &str, metric: &str, values: &[f64]) {
    let better = if metric == THROUGHPUT {
        Better::Higher
    } else {
        Better::Lower
    };
    record.series.push(Series {
        scenario: place.0.to_owned(),
        variant: place.1.to_owned(),
        contestant: name.to_owned(),
        metric: metric.to_owned(),
        unit: String::new(),
        better,
        values: values.iter().copied().map(Some).collect(),
    });
}

#[test]
fn ahead_is_more_throughput_and_a_shorter_tail() {
    assert!(all_ahead(&verdicts(&record(1.1, 0.9))));
    assert!(!all_ahead(&verdicts(&record(0.9, 0.9))));
    assert!(!all_ahead(&verdicts(&record(1.1, 1.1))));
    assert!(
        !all_ahead(&verdicts(&record(1.0, 1.0))),
        "a draw is no lead"
    );
}

#[test]
fn without_ours_there_is_no_verdict_and_nobody_is_ahead() {
    let mut record = record(1.1, 0.9);
    record.contestants.retain(|one| one.group != Group::Ours);
    assert!(verdicts(&record).is_empty());
    assert!(!all_ahead(&verdicts(&record)));
}

#[test]
fn without_state_the_variant_decides_in_which_the_limit_is_stiller() {
    let deciding = |read: [f64; 2], write: [f64; 2]| {
        let mut record = record(1.1, 0.9);
        add(
            &mut record,
            (STATELESS, READ_ONLY),
            "direct",
            THROUGHPUT,
            &read,
        );
        add(
            &mut record,
            (STATELESS, READ_WRITE),
            "direct",
            THROUGHPUT,
            &write,
        );
        let verdicts = verdicts(&record);
        let mut deciding = verdicts.iter().filter(|one| one.decides);
        let first = deciding.next().expect("one decides");
        assert_eq!(deciding.count(), 3, "its tail, and two with state");
        first.spot.variant.to_owned()
    };
    assert_eq!(deciding([100.0, 110.0], [10.0, 15.0]), READ_ONLY);
    assert_eq!(deciding([100.0, 200.0], [10.0, 15.0]), READ_WRITE);
}

#[test]
fn a_figure_that_is_missing_is_no_lead() {
    let mut record = record(1.1, 0.9);
    record.series.retain(|series| series.scenario != STATEFUL);
    assert!(!all_ahead(&verdicts(&record)));
    assert!(render(&record).contains("not measured"));
}
