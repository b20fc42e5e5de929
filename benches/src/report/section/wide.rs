//! A scenario with many variants: a table for each metric, variants from left to right.

use super::{
    Panel, contestants, distinct, figure_cell, headline, in_scenario, names, order, ratio_to, scale,
};
use crate::{
    record::Record,
    report::{
        catalogue::limit,
        statistics::Spot,
        table::{Cell, Column, Table},
    },
};

/// One metric over all variants.
struct Wide<'a> {
    record: &'a Record,
    scenario: &'a str,
    metric: &'a str,
    variants: &'a [&'a str],
    /// From top to bottom.
    contestants: Vec<&'a str>,
}

/// The metric over all variants, and its ratio to the limit if it is the headline.
pub(super) fn panels(
    record: &Record,
    scenario: &str,
    metric: &str,
    variants: &[&str],
) -> Vec<Panel> {
    let of_metric = || in_scenario(record, scenario).filter(|series| series.metric == metric);
    let scale = scale(of_metric());
    let first = variants.first().copied().unwrap_or_default();
    let wide = Wide {
        record,
        scenario,
        metric,
        variants,
        contestants: rows(record, scenario, metric, first),
    };
    let figure = |spot: Spot<'_>, name: &str| figure_cell(record, spot, name, &scale);
    let mut panels = vec![wide.panel(metric.to_owned(), scale.unit, figure)];
    let is_headline = headline(record, scenario, first) == Some(metric);
    let first = Spot {
        scenario,
        variant: first,
        metric,
    };
    if let (true, Some(reference)) = (is_headline, limit(record, first)) {
        let ratio = |spot: Spot<'_>, name: &str| ratio_to(record, spot, name, reference);
        panels.push(wide.panel(format!("{metric} ÷ {reference}"), "", ratio));
    }
    panels
}

/// One order for all metrics, by the headline of the first variant.
fn rows<'r>(record: &'r Record, scenario: &str, metric: &str, first: &str) -> Vec<&'r str> {
    let of_metric = in_scenario(record, scenario).filter(|series| series.metric == metric);
    let takes_part = distinct(of_metric.map(|series| series.contestant.as_str()));
    let ranked = contestants(record, scenario, first).into_iter();
    let ranked = ranked.filter(|name| takes_part.contains(name));
    let mut rows = distinct(ranked.chain(takes_part.iter().copied()));
    rows.sort_by_key(|name| order(record, name));
    rows
}

impl Wide<'_> {
    fn panel(&self, heading: String, unit: &str, cell: impl Fn(Spot<'_>, &str) -> Cell) -> Panel {
        let mut columns = vec![Column::words("contestant")];
        let mut rows = names(self.record, self.scenario, &self.contestants);
        for variant in self.variants {
            let spot = Spot {
                scenario: self.scenario,
                variant,
                metric: self.metric,
            };
            columns.push(Column::figures(variant, unit));
            for (row, name) in rows.iter_mut().zip(&self.contestants) {
                row.cells.push(cell(spot, name));
            }
        }
        Panel {
            heading,
            table: Table { columns, rows }.without_empty_columns(),
        }
    }
}
