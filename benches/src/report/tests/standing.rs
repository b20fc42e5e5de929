//! Where this pool stands, and where a peer is better.

use super::{HEAVY, add, contestant, fault, record, throughput};
use crate::{
    record::{Better, Group, Record},
    report::{
        Report,
        catalogue::{best_peer, limit},
        section::{ranked, sections},
        statistics::Lead,
        verdict::{behind, ours_is_faulty},
    },
};

fn contest(ours: &[f64], swift: &[f64], calm: &[f64]) -> Record {
    let mut record = record();
    throughput(&mut record, "ours", ours);
    throughput(&mut record, "swift", swift);
    throughput(&mut record, "calm", calm);
    record
}

#[test]
fn a_peer_wins_where_its_ranges_are_apart_to_the_good() {
    let record = contest(&[5.0, 6.0, 7.0], &[8.0, 9.0, 10.0], &[1.0, 2.0, 3.0]);
    let wins = behind(&record);
    assert_eq!(wins.len(), 1);
    assert_eq!((wins[0].peer, wins[0].lead), ("swift", Lead::Apart));
    assert!(wins[0].others.is_empty());
    let report = Report::new(&record, None);
    assert_eq!(report.wins.rows.len(), 1);
}

#[test]
fn a_better_median_within_the_ranges_is_counted_and_not_listed() {
    let record = contest(&[5.0, 6.0, 9.0], &[4.0, 7.0, 8.0], &[1.0, 1.0, 1.0]);
    let report = Report::new(&record, None);
    assert_eq!(behind(&record)[0].lead, Lead::Median);
    assert!(report.wins.rows.is_empty());
    assert_eq!(
        report.wins_note,
        "In no figure is a correct peer better by more than noise. \
         In one more its median is better while the ranges overlap."
    );
}

#[test]
fn the_best_of_several_that_are_better_stands_first_and_the_others_are_named() {
    let record = contest(&[1.0, 1.0], &[3.0, 3.0], &[4.0, 4.0]);
    let wins = behind(&record);
    assert_eq!(
        (wins[0].peer, &wins[0].others[..]),
        ("calm", &["swift"][..])
    );
}

#[test]
fn less_is_better_where_the_series_says_so() {
    let mut record = record();
    add(&mut record, "ours", "p99", Better::Lower, &[Some(5.0)]);
    add(&mut record, "swift", "p99", Better::Lower, &[Some(4.0)]);
    add(
        &mut record,
        "ours",
        "overlap",
        Better::Neither,
        &[Some(1.0)],
    );
    add(
        &mut record,
        "swift",
        "overlap",
        Better::Neither,
        &[Some(2.0)],
    );
    let wins = behind(&record);
    assert_eq!(wins.len(), 1);
    assert_eq!(wins[0].spot.metric, "p99");
}

#[test]
fn a_peer_with_a_fault_in_the_scenario_is_no_match_there() {
    let mut record = contest(&[1.0], &[9.0], &[2.0]);
    record.faults.push(fault("swift", "heavy"));
    assert_eq!(best_peer(&record, HEAVY), Some("calm"));
    assert_eq!(behind(&record)[0].peer, "calm");
    record.faults[0].scenario = "free".to_owned();
    assert_eq!(best_peer(&record, HEAVY), Some("swift"));
}

#[test]
fn a_limit_is_never_a_peer_and_is_found_by_group_and_name() {
    let mut record = contest(&[1.0], &[2.0], &[3.0]);
    throughput(&mut record, "semaphore + queue", &[9.0]);
    assert_eq!(best_peer(&record, HEAVY), Some("calm"));
    assert_eq!(limit(&record, HEAVY), Some("semaphore + queue"));
    record.contestants[3] = contestant("semaphore + queue", Group::Peer);
    assert_eq!(limit(&record, HEAVY), None);
}

#[test]
fn rows_are_ours_then_peers_then_limits_and_the_best_first() {
    let mut record = contest(&[1.0], &[2.0], &[3.0]);
    throughput(&mut record, "semaphore + queue", &[9.0]);
    let names: Vec<&str> = ranked(&record, HEAVY)
        .into_iter()
        .map(|(series, _)| series.contestant.as_str())
        .collect();
    assert_eq!(names, ["ours", "calm", "swift", "semaphore + queue"]);
}

#[test]
fn a_contestant_that_failed_in_all_rounds_is_shown_as_failed_and_one_that_was_absent_as_nothing() {
    let mut record = contest(&[1.0], &[2.0], &[3.0]);
    add(&mut record, "ours", "jain", Better::Higher, &[Some(1.0)]);
    record.series[1].values = vec![None];
    let sections = sections(&record);
    let table = &sections[0].panels[0].table;
    let row = |name: &str| {
        let row = table.rows.iter().find(|row| row.cells[0].main == name);
        let cells = row.expect("it takes part").cells.iter();
        cells.map(|cell| cell.line()).collect::<Vec<_>>()
    };
    assert_eq!(row("swift"), ["swift", "failed", "no round counts", ""]);
    assert_eq!(row("ours")[..2], ["ours", "1"]);
}

#[test]
fn a_fault_of_ours_is_an_alarm_for_the_whole_run_and_one_of_a_peer_is_not() {
    let mut record = contest(&[1.0], &[2.0], &[3.0]);
    record.faults.push(fault("swift", "heavy"));
    assert!(!ours_is_faulty(&record));
    record.faults.push(fault("ours", "heavy"));
    assert!(ours_is_faulty(&record));
    let report = Report::new(&record, None);
    assert_eq!(report.faults.rows[0].cells[0].main, "ours");
}

#[test]
fn the_summary_is_of_the_first_settings_of_ours_and_leaves_the_sweep_to_its_own_table() {
    let mut record = contest(&[4.0], &[2.0], &[3.0]);
    record
        .contestants
        .push(contestant("ours, otherwise", Group::Ours));
    throughput(&mut record, "ours, otherwise", &[9.0]);
    throughput(&mut record, "semaphore + queue", &[8.0]);
    for index in 0..record.series.len() {
        let mut series = record.series[index].clone();
        "sweep".clone_into(&mut series.scenario);
        record.series.push(series);
    }
    let standing = Report::new(&record, None).standing;
    let rows: Vec<Vec<String>> = standing
        .rows
        .iter()
        .map(|row| row.cells.iter().map(|cell| cell.line()).collect())
        .collect();
    let row = [
        "heavy, 9 on 1",
        "throughput",
        "more",
        "4 ops/s",
        "0.50×",
        "semaphore + queue",
        "1.33×",
        "calm",
    ];
    assert_eq!(rows, [row]);
}
