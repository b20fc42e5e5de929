//! The tables of a scenario.
//!
//! A scenario has a table for each variant: contestants from top to bottom (this pool, then peers,
//! then limits, each best first), metrics from left to right, and for the headline metric how the
//! contestant stands to the limit and to the best peer. A scenario with many variants, such as a
//! sweep, has a table for each metric instead, with the variants from left to right.

mod wide;

use super::{
    catalogue::{self, best_peer, group, limit},
    figure::{Scale, times, times_range},
    statistics::{OVERLAP, Spot, Summary, find, is_better, paired},
    table::{Cell, Column, Row, Table},
};
use crate::record::{Better, Group, Record, Series};

/// More variants than this are columns of one table.
const MOST_TABLES: usize = 4;

/// A scenario with its tables.
#[derive(Clone, Debug)]
pub struct Section<'r> {
    /// As in the record.
    pub scenario: &'r str,
    /// For headings.
    pub title: &'r str,
    /// What is measured; empty for a scenario that nobody has described.
    pub measures: &'r str,
    /// Its tables, in order.
    pub panels: Vec<Panel>,
}

/// One table of a scenario.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The variant, or the metric where variants are columns; empty if there is but one.
    pub heading: String,
    /// The figures.
    pub table: Table,
}

/// The sections of a record.
#[must_use]
pub fn sections(record: &Record) -> Vec<Section<'_>> {
    let section = |scenario| Section {
        scenario,
        title: catalogue::title(scenario),
        measures: catalogue::about(scenario).map_or("", |about| about.measures),
        panels: panels(record, scenario),
    };
    let scenarios = catalogue::scenarios(record);
    scenarios.into_iter().map(section).collect()
}

fn panels(record: &Record, scenario: &str) -> Vec<Panel> {
    let variants = variants(record, scenario);
    if scenario == catalogue::MICRO {
        return vec![operations(record, scenario)];
    }
    if is_wide(record, scenario) {
        // Whether rounds count is to be seen in the ratios.
        let metrics = metrics(record, scenario, None);
        let metrics = metrics.iter().filter(|metric| **metric != OVERLAP);
        return metrics
            .flat_map(|metric| wide::panels(record, scenario, metric, &variants))
            .collect();
    }
    variants
        .iter()
        .map(|variant| one_variant(record, scenario, variant))
        .collect()
}

/// The variants of a scenario, in the order of the record.
#[must_use]
pub fn variants<'r>(record: &'r Record, scenario: &str) -> Vec<&'r str> {
    distinct(in_scenario(record, scenario).map(|series| series.variant.as_str()))
}

/// The metric to look at first in a variant of a scenario: the first that has a good side.
#[must_use]
pub fn headline<'r>(record: &'r Record, scenario: &str, variant: &str) -> Option<&'r str> {
    let mut series = in_scenario(record, scenario).filter(|series| series.variant == variant);
    let first = series.find(|series| series.better != Better::Neither)?;
    Some(&first.metric)
}

/// Whether a scenario has so many variants that they are columns of one table.
#[must_use]
pub fn is_wide(record: &Record, scenario: &str) -> bool {
    variants(record, scenario).len() > MOST_TABLES
}

fn metrics<'r>(record: &'r Record, scenario: &str, variant: Option<&str>) -> Vec<&'r str> {
    let wanted = |series: &&Series| variant.is_none_or(|variant| series.variant == variant);
    let mut found = distinct(
        in_scenario(record, scenario)
            .filter(wanted)
            .map(|series| series.metric.as_str()),
    );
    // Whether a round counts is said after what was measured.
    found.sort_by_key(|metric| *metric == OVERLAP);
    found
}

fn in_scenario<'r>(record: &'r Record, scenario: &str) -> impl Iterator<Item = &'r Series> {
    record
        .series
        .iter()
        .filter(move |series| series.scenario == scenario)
}

fn distinct<'r>(items: impl Iterator<Item = &'r str>) -> Vec<&'r str> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// Contestants with a figure at `spot`: this pool, peers, limits; each group best first.
#[must_use]
pub fn ranked<'r>(record: &'r Record, spot: Spot<'_>) -> Vec<(&'r Series, Option<Summary>)> {
    let mut found: Vec<(&Series, Option<Summary>)> = in_scenario(record, spot.scenario)
        .filter(|series| series.variant == spot.variant && series.metric == spot.metric)
        .map(|series| (series, Summary::of(&series.values)))
        .collect();
    found.sort_by(|(left, left_figure), (right, right_figure)| {
        let groups = order(record, &left.contestant).cmp(&order(record, &right.contestant));
        groups.then_with(|| match (left_figure, right_figure) {
            (Some(a), Some(b)) if is_better(left.better, a.median, b.median) => {
                std::cmp::Ordering::Less
            }
            (Some(a), Some(b)) if is_better(left.better, b.median, a.median) => {
                std::cmp::Ordering::Greater
            }
            (a, b) => b.is_some().cmp(&a.is_some()),
        })
    });
    found
}

fn order(record: &Record, contestant: &str) -> usize {
    match group(record, contestant) {
        Group::Ours => 0,
        Group::Peer => 1,
        Group::Limit => 2,
    }
}

/// All contestants of a variant: those with the headline first, ranked by it.
fn contestants<'r>(record: &'r Record, scenario: &str, variant: &str) -> Vec<&'r str> {
    let by_headline = headline(record, scenario, variant).map(|metric| Spot {
        scenario,
        variant,
        metric,
    });
    let ranked = by_headline.map_or_else(Vec::new, |spot| ranked(record, spot));
    let ranked = ranked
        .into_iter()
        .map(|(series, _)| series.contestant.as_str());
    let others = in_scenario(record, scenario)
        .filter(|series| series.variant == variant)
        .map(|series| series.contestant.as_str());
    let mut all = distinct(ranked.chain(others));
    all.sort_by_key(|name| order(record, name));
    all
}

fn one_variant(record: &Record, scenario: &str, variant: &str) -> Panel {
    let metrics = metrics(record, scenario, Some(variant));
    let contestants = contestants(record, scenario, variant);
    let spot = |metric| Spot {
        scenario,
        variant,
        metric,
    };
    let mut columns = vec![Column::words("contestant")];
    let mut rows = names(record, scenario, &contestants);
    for metric in &metrics {
        add_metric(record, spot(metric), &contestants, &mut columns, &mut rows);
        if headline(record, scenario, variant) == Some(metric) {
            add_ratios(record, spot(metric), &contestants, &mut columns, &mut rows);
        }
    }
    Panel {
        heading: variant.to_owned(),
        table: Table { columns, rows }.without_empty_columns(),
    }
}

fn names(record: &Record, scenario: &str, contestants: &[&str]) -> Vec<Row> {
    let row = |name: &&str| {
        let alarm = catalogue::is_faulty(record, scenario, name);
        let detail = if alarm { "fault" } else { "" };
        Row {
            group: Some(group(record, name)),
            alarm,
            cells: vec![Cell::with(*name, detail)],
        }
    };
    contestants.iter().map(row).collect()
}

fn add_metric(
    record: &Record,
    spot: Spot<'_>,
    contestants: &[&str],
    columns: &mut Vec<Column>,
    rows: &mut [Row],
) {
    let series = contestants
        .iter()
        .filter_map(|name| find(record, spot, name));
    let scale = scale(series);
    columns.push(Column::figures(spot.metric, scale.unit));
    for (row, name) in rows.iter_mut().zip(contestants) {
        row.cells.push(figure_cell(record, spot, name, &scale));
    }
}

/// The scale that fits the medians of all these series.
fn scale<'r>(series: impl Iterator<Item = &'r Series>) -> Scale<'r> {
    let mut unit = "";
    let mut medians = Vec::new();
    for one in series {
        unit = &one.unit;
        medians.extend(Summary::of(&one.values).map(|figure| figure.median));
    }
    Scale::for_all(unit, medians)
}

/// The figure of a contestant; empty if it did not take part.
fn figure_cell(record: &Record, spot: Spot<'_>, name: &str, scale: &Scale<'_>) -> Cell {
    let figure = find(record, spot, name).map(|series| Summary::of(&series.values));
    match figure {
        Some(Some(figure)) => measured(scale, &figure),
        Some(None) => Cell::new("failed"),
        None => Cell::default(),
    }
}

/// A median with its range, and with the number of rounds where some failed.
#[must_use]
pub fn measured(scale: &Scale<'_>, figure: &Summary) -> Cell {
    let mut detail = scale.range(figure);
    if figure.counted < figure.of {
        if !detail.is_empty() {
            detail.push_str(", ");
        }
        detail.push_str(&format!("{} of {}", figure.counted, figure.of));
    }
    Cell::with(scale.number(figure.median), detail)
}

/// A paired ratio with its range, and with the number of rounds that count where not all do.
#[must_use]
pub fn ratio_cell(ratio: &Summary) -> Cell {
    let range = times_range(ratio);
    let rounds = (ratio.counted < ratio.of).then(|| format!("{} of {}", ratio.counted, ratio.of));
    let parts = [Some(range), rounds];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    Cell::with(times(ratio.median), parts.join(", "))
}

fn add_ratios(
    record: &Record,
    spot: Spot<'_>,
    contestants: &[&str],
    columns: &mut Vec<Column>,
    rows: &mut [Row],
) {
    let references = [limit(record, spot), best_peer(record, spot)];
    for reference in references.into_iter().flatten() {
        columns.push(Column::figures(&format!("÷ {reference}"), ""));
        for (row, contestant) in rows.iter_mut().zip(contestants) {
            row.cells
                .push(ratio_to(record, spot, contestant, reference));
        }
    }
}

/// The paired ratio of a contestant to a reference; empty if it did not take part.
#[must_use]
pub fn ratio_to(record: &Record, spot: Spot<'_>, contestant: &str, reference: &str) -> Cell {
    if contestant == reference {
        return Cell::new("1");
    }
    if find(record, spot, contestant).is_none() {
        return Cell::default();
    }
    let ratio = paired(record, spot, contestant, reference);
    ratio.map_or_else(|| Cell::new("no round counts"), |ratio| ratio_cell(&ratio))
}

/// Operations from top to bottom, for a scenario with one contestant.
fn operations(record: &Record, scenario: &str) -> Panel {
    let mut table = Table::new(vec![
        Column::words("operation"),
        Column::figures("median", ""),
        Column::figures("range of samples", ""),
        Column::figures("samples", ""),
    ]);
    for series in in_scenario(record, scenario) {
        let Some(figure) = Summary::of(&series.values) else {
            continue;
        };
        let scale = Scale::fitting(&series.unit, figure.median);
        table.push(vec![
            Cell::new(&series.variant),
            Cell::new(scale.text(figure.median)),
            Cell::new(scale.range(&figure)),
            Cell::new(figure.counted.to_string()),
        ]);
    }
    Panel {
        heading: String::new(),
        table,
    }
}
