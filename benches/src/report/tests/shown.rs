//! How things look: numbers, and texts that must not become markup.

use super::{contestant, fault, record, throughput};
use crate::{
    record::{Distribution, Group, Record, SESSIONS},
    report::{
        Report,
        facts::date,
        figure, markdown, page,
        plot::{
            distribution::distributions,
            sweep::{oversubscription, sweep},
        },
        terminal,
    },
};

/// Ends a cell, a row and an element, and begins a script.
const HOSTILE: &str = "<script>alert(1)</script>|\"'&*\n";

fn hostile() -> Record {
    let mut record = record();
    record.machine.cpu = HOSTILE.to_owned();
    record.contestants.push(contestant(HOSTILE, Group::Peer));
    record.contestants[4].remarks.push(HOSTILE.to_owned());
    throughput(&mut record, "ours", &[1.0]);
    throughput(&mut record, HOSTILE, &[2.0]);
    record.faults.push(fault(HOSTILE, HOSTILE));
    for (index, load) in ["1 on 1", "2 on 1", "3 on 1", "4 on 1"].iter().enumerate() {
        for name in ["ours", HOSTILE] {
            throughput(&mut record, name, &[index as f64]);
            let series = record.series.last_mut().expect("one was added");
            series.scenario = HOSTILE.to_owned();
            series.variant = (*load).to_owned();
        }
    }
    record.distributions.push(Distribution {
        scenario: "heavy".to_owned(),
        variant: "9 on 1".to_owned(),
        contestant: HOSTILE.to_owned(),
        unit: "ns".to_owned(),
        quantiles: vec![(0.0, 0.0), (0.5, 10.0), (1.0, 20.0)],
    });
    record
}

#[test]
fn no_text_of_a_record_becomes_markup_on_the_page() {
    let record = hostile();
    let page = page::render(&Report::new(&record, Some(("old", &record)))).expect("it renders");
    assert!(!page.contains("<script"), "a script got through");
    assert!(page.contains("&#60;script&#62;"));
    assert!(
        !page.contains("http://") || !page.contains("src="),
        "something is loaded"
    );
    // Both pictures are there, and are escaped as the page is.
    assert_eq!(page.matches("id=\"sweep-").count(), 2);
    assert_eq!(page.matches("id=\"distribution-").count(), 2);
}

#[test]
fn no_text_of_a_record_breaks_a_table_or_becomes_markup_in_markdown() {
    let record = hostile();
    let text = markdown::render(&Report::new(&record, None));
    assert!(!text.contains("<script"), "a script got through");
    let rows = |line: &&str| line.starts_with('|') && line.contains("alert");
    for row in text.lines().filter(rows) {
        assert!(row.ends_with(" |"), "a row was broken: {row}");
        assert!(
            !row.replace("\\|", "").contains(")&lt;/script>|"),
            "a cell was ended: {row}"
        );
    }
    assert!(text.contains("(1)&lt;/script>\\|"));
}

#[test]
fn the_three_reports_say_the_same_figures() {
    let mut record = record();
    throughput(&mut record, "ours", &[1234.0, 1200.0, 1300.0]);
    throughput(&mut record, "swift", &[617.0, 600.0, 650.0]);
    let report = Report::new(&record, None);
    let page = page::render(&report).expect("it renders");
    for text in [terminal::render(&report), markdown::render(&report), page] {
        for figure in ["1234", "617", "[600..650]", "2.00×"] {
            assert!(text.contains(figure), "{figure} is missing in {text}");
        }
    }
}

#[test]
fn a_record_without_figures_is_reported_on() {
    let record = record();
    let report = Report::new(&record, None);
    let page = page::render(&report).expect("it renders");
    assert!(page.contains("No fault was seen"));
    assert!(markdown::render(&report).contains("None was seen"));
}

/// Each file says how to repeat its own run.
#[test]
fn a_run_of_sessions_is_introduced_as_what_it_is() {
    let mut record = record();
    let pools = markdown::render(&Report::new(&record, None));
    record.run.kind = format!("{SESSIONS}, 10 clients on 2 connections");
    let sessions = markdown::render(&Report::new(&record, None));
    assert!(pools.contains("cargo xtask bench peers") && !pools.contains("bench sessions"));
    assert!(sessions.contains("cargo xtask bench sessions") && !sessions.contains("bench peers"));
}

#[test]
fn every_picture_names_and_describes_itself_and_ids_are_unique() {
    let record = hostile();
    let page = page::render(&Report::new(&record, None)).expect("it renders");
    let mut ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands twice");
    for label in page.split("aria-labelledby=\"").skip(1) {
        let named = label.split('"').next().unwrap_or_default();
        for id in named.split(' ') {
            assert!(ids.contains(&id), "{id} is missing");
        }
    }
}

#[test]
fn pictures_are_left_out_where_there_is_nothing_to_draw() {
    let record = record();
    let nothing = |picture: Result<Option<String>, _>| matches!(picture, Ok(None));
    assert!(nothing(distributions(&record, "heavy", "")));
    assert!(nothing(sweep(&record, "sweep", "throughput")));
}

#[test]
fn loads_are_read_from_variants_that_say_nothing_else() {
    assert_eq!(oversubscription("64 on 8"), Some(8.0));
    assert_eq!(oversubscription("10000 on 100"), Some(100.0));
    for other in ["64 on 8, no deadline", "64 on 0", "on 8", "checking", ""] {
        assert_eq!(oversubscription(other), None, "{other}");
    }
}

#[test]
fn figures_have_three_digits_and_a_unit_that_fits() {
    let cases = [
        (30.54, "ns", "30.5 ns"),
        (1_137_000.0, "ops/s", "1.14 Mops/s"),
        (14_755_000.0, "ns", "14.8 ms"),
        (2048.0, "B", "2 KiB"),
        (50.0, "", "50"),
        (0.987, "", "0.987"),
        (0.0, "ns", "0 ns"),
        (22.3, "ms", "22.3 ms"),
        (1500.0, "ns/op", "1.50 µs/op"),
    ];
    for (value, unit, text) in cases {
        assert_eq!(figure::text(value, unit), text);
    }
    assert_eq!(figure::number(220_963.4), "220\u{202f}963");
    assert_eq!(figure::number(-12_345.0), "-12\u{202f}345");
    assert_eq!(figure::number(0.000_001_5), "1.50e-6");
}

#[test]
fn a_column_has_one_unit_which_fits_its_median() {
    let scale = figure::Scale::for_all("ns", [0.0, 700.0, 14e6, 15e6, 220e6]);
    assert_eq!(scale.unit, "ms");
    assert_eq!(scale.number(700.0), "0.0007");
}

#[test]
fn moments_are_in_utc_and_absurd_ones_are_left_out() {
    assert_eq!(date(1_795_262_659), "2026-11-21T12:04:19Z");
    assert_eq!(date(u64::MAX), "");
}
