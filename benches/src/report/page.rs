//! The report as one page: no script, no network, light and dark.

use askama::Template;

use super::{
    Report, catalogue,
    compare::Comparison,
    error::Error,
    markdown::{HOW_TO_READ, STANDING, kind},
    plot::{bars::bars, distribution::distributions, sweep::sweep},
    section::{headline, is_wide, variants},
    statistics::Spot,
    table::Row,
};
use crate::record::{Contestant, Group, Record};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'r> {
    report: &'r Report<'r>,
    how_to_read: &'static [&'static str],
    standing: &'static str,
    chapters: Vec<Chapter<'r>>,
    comparison: Option<&'r Comparison<'r>>,
}

impl Page<'_> {
    /// The class of a row.
    fn row_class(&self, row: &Row) -> &'static str {
        match (row.alarm, row.group) {
            (true, Some(Group::Ours)) => "alarm ours",
            (true, _) => "alarm",
            (false, Some(group)) => kind(group),
            (false, None) => "",
        }
    }

    /// The word for the group of a contestant.
    fn kind(&self, one: &Contestant) -> &'static str {
        kind(one.group)
    }
}

/// A scenario on the page.
struct Chapter<'r> {
    anchor: String,
    title: &'r str,
    measures: &'r str,
    /// Pictures, as SVG that the templates have escaped.
    plots: Vec<String>,
    panels: &'r [super::section::Panel],
}

/// The whole page.
///
/// # Errors
/// When a template cannot be filled in.
pub fn render(report: &Report<'_>) -> Result<String, Error> {
    let mut chapters = Vec::new();
    for (index, section) in report.sections.iter().enumerate() {
        chapters.push(Chapter {
            anchor: format!("scenario-{index}"),
            title: section.title,
            measures: section.measures,
            plots: plots(report.record, section.scenario)?,
            panels: &section.panels,
        });
    }
    let page = Page {
        report,
        how_to_read: HOW_TO_READ,
        standing: STANDING,
        chapters,
        comparison: report.comparison.as_ref(),
    };
    Ok(page.render()?)
}

/// The pictures of a scenario: a curve if its variants are loads, else bars of the headline of each
/// variant; and distributions where there are some. Of many variants only the first is drawn.
fn plots(record: &Record, scenario: &str) -> Result<Vec<String>, Error> {
    if scenario == catalogue::MICRO {
        return Ok(Vec::new());
    }
    let variants = variants(record, scenario);
    let first = variants.first().copied().unwrap_or_default();
    let Some(metric) = headline(record, scenario, first) else {
        return Ok(Vec::new());
    };
    let mut plots: Vec<String> = sweep(record, scenario, metric)?.into_iter().collect();
    let is_sweep = !plots.is_empty();
    let drawn = if is_wide(record, scenario) {
        1
    } else {
        variants.len()
    };
    for variant in variants.into_iter().take(drawn) {
        if !is_sweep && let Some(metric) = headline(record, scenario, variant) {
            let spot = Spot {
                scenario,
                variant,
                metric,
            };
            plots.extend(bars(record, spot)?);
        }
        plots.extend(distributions(record, scenario, variant)?);
    }
    Ok(plots)
}
