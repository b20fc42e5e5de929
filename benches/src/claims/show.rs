//! Rows for people: what was claimed, what the baseline did, what ours did.

use super::{
    judge::{Judged, JudgedLanding, JudgedTarget, ShownBound, Values, Verdict},
    row::Row,
    sound::Check,
};
use crate::report::{
    figure::{Scale, number, text},
    statistics::Summary,
    table::{Cell, Column, Table},
    terminal,
};

/// The whole report, for a terminal.
#[must_use]
pub fn render(checks: &[Check], rows: &[Judged]) -> String {
    let mut out = String::from("\nThe simulator beside theory\n");
    out.push_str(&terminal::table(&soundness(checks)));
    out.push_str("\nClaims (the worst seed counts; the median stands beside it)\n");
    out.push_str(&terminal::table(&claims(rows)));
    let beside = beside(rows);
    if !beside.rows.is_empty() {
        out.push_str("\nBeside: what it costs, and what else was seen (medians, and ranges over the seeds)\n");
        out.push_str(&terminal::table(&beside));
    }
    out
}

/// What rows there are.
#[must_use]
pub fn list(rows: &[&Row]) -> String {
    let mut table = Table::new(["row", "claim", "baseline"].map(Column::words).to_vec());
    for row in rows {
        table.push([row.id, row.claim, row.baseline].map(Cell::new).to_vec());
    }
    terminal::table(&table)
}

fn soundness(checks: &[Check]) -> Table {
    let mut columns = vec![Column::words("queue")];
    columns
        .extend(["had to wait", "mean wait", "L against λW"].map(|head| Column::figures(head, "")));
    columns.push(Column::words("verdict"));
    let mut table = Table::new(columns);
    for check in checks {
        let against =
            |found: f64, theory: f64| Cell::with(number(found), format!("({})", number(theory)));
        table.push(vec![
            Cell::new(format!(
                "{} servers, {} busy",
                check.servers,
                number(check.offered)
            )),
            against(check.waited, check.waited_in_theory),
            against(check.mean_wait, check.mean_wait_in_theory),
            Cell::new(format!("{:.3} %", check.law_error * 100.0)),
            Cell::new(if check.holds() { "agrees" } else { "DIFFERS" }),
        ]);
    }
    mark(&mut table, checks.iter().map(Check::holds));
    table
}

fn claims(rows: &[Judged]) -> Table {
    let mut columns = ["row", "claim", "figure"].map(Column::words).to_vec();
    let figures = ["baseline", "must be", "ours", "target", "stretch"];
    columns.extend(figures.map(|head| Column::figures(head, "")));
    columns.push(Column::words("verdict"));
    let mut table = Table::new(columns);
    let mut good = Vec::new();
    for row in rows {
        let landings = row.landings.iter().map(landing_cells);
        let targets = row.targets.iter().map(target_cells);
        for (index, (cells, well)) in landings.chain(targets).enumerate() {
            let first = |text: &str| Cell::new(if index == 0 { text } else { "" });
            let mut all = vec![first(row.id), first(row.claim)];
            all.extend(cells);
            all.push(first(word(row)));
            table.push(all);
            good.push(well && (index > 0 || row.verdict == Verdict::Pass));
        }
    }
    mark(&mut table, good.into_iter());
    table.without_empty_columns()
}

fn landing_cells(landing: &JudgedLanding) -> (Vec<Cell>, bool) {
    let values = &landing.values;
    let scale = Scale::fitting(values.unit, landing.at);
    let off = |value: f64| (value - landing.at).abs();
    let must = format!(
        "{} ± {} %",
        scale.text(landing.at),
        number(landing.within * 100.0)
    );
    let cells = vec![
        Cell::new(values.figure),
        worst_by(&values.baseline, &scale, off),
        Cell::new(must),
        Cell::default(),
        Cell::default(),
        Cell::default(),
    ];
    (cells, landing.landed)
}

fn target_cells(target: &JudgedTarget) -> (Vec<Cell>, bool) {
    let values = &target.values;
    let scale = match target.bound {
        ShownBound::AtMost(limit) | ShownBound::AtLeast(limit) => {
            Scale::fitting(values.unit, limit)
        }
        ShownBound::PartOfBaseline(_) => Scale::fitting(values.unit, median(&values.ours)),
    };
    let baseline_scale = Scale::fitting(values.unit, median(&values.baseline));
    let bound = |bound: ShownBound| match bound {
        ShownBound::AtMost(limit) => format!("≤ {}", text(limit, values.unit)),
        ShownBound::AtLeast(limit) => format!("≥ {}", text(limit, values.unit)),
        ShownBound::PartOfBaseline(part) => format!("−{} %", number((1.0 - part) * 100.0)),
    };
    let badness = |value: f64| match target.bound {
        ShownBound::AtLeast(_) => -value,
        ShownBound::AtMost(_) | ShownBound::PartOfBaseline(_) => value,
    };
    let cells = vec![
        Cell::new(values.figure),
        Cell::new(baseline_scale.text(median(&values.baseline))),
        Cell::default(),
        worst_by(&values.ours, &scale, badness),
        Cell::new(bound(target.bound)),
        Cell::new(target.stretch.map_or(String::new(), bound)),
    ];
    (cells, target.met)
}

fn beside(rows: &[Judged]) -> Table {
    let mut columns = ["row", "figure"].map(Column::words).to_vec();
    columns.extend(["baseline", "ours"].map(|head| Column::figures(head, "")));
    let mut table = Table::new(columns);
    for row in rows {
        for (index, values) in row.beside.iter().enumerate() {
            table.push(vec![
                Cell::new(if index == 0 { row.id } else { "" }),
                Cell::new(values.figure),
                ranged(&values.baseline, values),
                ranged(&values.ours, values),
            ]);
        }
    }
    table
}

/// The worst value, and the median.
fn worst_by(all: &[f64], scale: &Scale<'_>, badness: impl Fn(f64) -> f64) -> Cell {
    let worst = all
        .iter()
        .copied()
        .max_by(|a, b| badness(*a).total_cmp(&badness(*b)));
    let Some(worst) = worst else {
        return Cell::default();
    };
    Cell::with(
        scale.text(worst),
        format!("({})", scale.number(median(all))),
    )
}

fn ranged(all: &[f64], values: &Values) -> Cell {
    let known: Vec<Option<f64>> = all.iter().copied().map(Some).collect();
    let Some(summary) = Summary::of(&known) else {
        return Cell::default();
    };
    let scale = Scale::fitting(values.unit, summary.median);
    Cell::with(scale.text(summary.median), scale.range(&summary))
}

fn median(all: &[f64]) -> f64 {
    let known: Vec<Option<f64>> = all.iter().copied().map(Some).collect();
    Summary::of(&known).map_or(f64::NAN, |summary| summary.median)
}

/// What to call the outcome.
fn word(row: &Judged) -> &'static str {
    match (row.verdict, row.stretch) {
        (Verdict::Pass, true) => "pass, stretch too",
        (Verdict::Pass, false) => "pass",
        (Verdict::Missed, _) => "FAIL: missed",
        (Verdict::BaselineDrift, _) => "FAIL: baseline drift",
        (Verdict::Unsound, _) => "FAIL: unsound",
    }
}

fn mark(table: &mut Table, good: impl Iterator<Item = bool>) {
    for (row, good) in table.rows.iter_mut().zip(good) {
        row.alarm = !good;
    }
}
