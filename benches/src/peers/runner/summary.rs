//! A record in a few lines, for people who cannot wait for the report.

use crate::record::{Record, Series};

/// One line for each variant of each scenario: the medians of its first figure, in the order of
/// tables; then one for each fault.
#[must_use]
pub fn summary(record: &Record) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut last: Option<&Series> = None;
    for series in &record.series {
        let begins = last.is_none_or(|last| {
            (&last.scenario, &last.variant) != (&series.scenario, &series.variant)
        });
        if begins {
            lines.push(line(record, series));
            last = Some(series);
        }
    }
    for fault in &record.faults {
        let place = place(&fault.scenario, &fault.variant);
        let rounds = fault.rounds;
        lines.push(format!(
            "FAULT {place}: {}: {} ({rounds} rounds)",
            fault.contestant, fault.what
        ));
    }
    lines.join("\n")
}

fn place(scenario: &str, variant: &str) -> String {
    let separator = if variant.is_empty() { "" } else { ", " };
    format!("{scenario}{separator}{variant}")
}

/// The line that `first` begins.
fn line(record: &Record, first: &Series) -> String {
    let beside = |series: &&Series| {
        (&series.scenario, &series.variant, &series.metric)
            == (&first.scenario, &first.variant, &first.metric)
    };
    let figures: Vec<String> = record
        .series
        .iter()
        .filter(beside)
        .map(|series| match median(&series.values) {
            Some(median) => format!("{} {}", series.contestant, short(median)),
            None => format!("{} -", series.contestant),
        })
        .collect();
    let unit = if first.unit.is_empty() { "" } else { " in " };
    let place = place(&first.scenario, &first.variant);
    format!(
        "{place}: {}{unit}{}: {}",
        first.metric,
        first.unit,
        figures.join(", ")
    )
}

/// The median of the rounds that have a value.
fn median(values: &[Option<f64>]) -> Option<f64> {
    let mut values: Vec<f64> = values.iter().copied().flatten().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Three digits or so.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 1e6 => format!("{:.2}M", value / 1e6),
        large if large >= 1e4 => format!("{:.0}k", value / 1e3),
        middle if middle >= 100.0 => format!("{value:.0}"),
        small if small >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_of_the_rounds_there_were() {
        assert_eq!(median(&[Some(3.0), None, Some(1.0), Some(2.0)]), Some(2.0));
        assert_eq!(median(&[None]), None);
    }

    #[test]
    fn figures_are_short() {
        let figures = [0.123, 12.34, 123.4, 12_345.0, 1_234_567.0].map(short);
        assert_eq!(figures, ["0.12", "12.3", "123", "12k", "1.23M"]);
    }
}
