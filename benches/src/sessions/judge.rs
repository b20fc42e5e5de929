//! Whether sessions are ahead of PgBouncer.
//!
//! A verdict is on a ratio taken within each round, since rounds are interleaved: its median decides, its
//! range stands beside. Without state there are two kinds of transactions, and the verdict is on the one
//! whose figures are less noisy; to keep that choice out of the contestants' hands it is made by the
//! limit alone, whose throughput says how still the machine was. Both are shown.

use super::contestant::Contestant;
use super::contestants::{Ours, PgBouncer};
use super::turn::{P99, THROUGHPUT};
use super::work::{READ_ONLY, READ_WRITE, STATEFUL, STATELESS};
use crate::record::{Group, Record};
use crate::report::section::ratio_cell;
use crate::report::statistics::{Spot, Summary, find, is_better, paired};
use crate::report::table::{Cell, Column, Table};
use crate::report::terminal;

/// What was found of one figure.
#[derive(Clone, Debug)]
pub struct Verdict<'r> {
    /// Where.
    pub spot: Spot<'r>,
    /// Ours divided by PgBouncer's, round by round; none where either has no figure.
    pub ratio: Option<Summary>,
    /// Whether ours has the better median ratio.
    pub ahead: bool,
    /// Whether the run's verdict rests on it.
    pub decides: bool,
}

/// Every figure that may decide; none if sessions of ours did not take part beside PgBouncer.
#[must_use]
pub fn verdicts(record: &Record) -> Vec<Verdict<'_>> {
    let mut contestants = record.contestants.iter();
    let Some(ours) = contestants.find(|one| one.name == Ours::NAME) else {
        return Vec::new();
    };
    let stiller = stiller(record);
    let places = [
        (STATELESS, READ_ONLY, stiller == READ_ONLY),
        (STATELESS, READ_WRITE, stiller == READ_WRITE),
        (STATEFUL, "", true),
    ];
    let figures = places
        .into_iter()
        .flat_map(|place| [(place, THROUGHPUT), (place, P99)]);
    figures
        .map(|((scenario, variant, decides), metric)| {
            let spot = Spot {
                scenario,
                variant,
                metric,
            };
            let ratio = paired(record, spot, &ours.name, PgBouncer::NAME);
            let better = find(record, spot, &ours.name).map(|series| series.better);
            let ahead = ratio
                .zip(better)
                .is_some_and(|(ratio, better)| is_better(better, ratio.median, 1.0));
            Verdict {
                spot,
                ratio,
                ahead,
                decides,
            }
        })
        .collect()
}

/// Whether ours is ahead in all that decides; not if it took no part.
#[must_use]
pub fn all_ahead(verdicts: &[Verdict<'_>]) -> bool {
    let mut deciding = verdicts.iter().filter(|one| one.decides).peekable();
    deciding.peek().is_some() && deciding.all(|one| one.ahead)
}

/// The variant without state in which the limit's throughput varies least; with no limit to tell, the
/// first.
fn stiller(record: &Record) -> &'static str {
    let noise = |variant| noise(record, variant);
    match (noise(READ_ONLY), noise(READ_WRITE)) {
        (Some(read), Some(write)) if write < read => READ_WRITE,
        (None, Some(_)) => READ_WRITE,
        _ => READ_ONLY,
    }
}

/// How far the limit's throughput varies from round to round, as a part of its median.
fn noise(record: &Record, variant: &str) -> Option<f64> {
    let spot = Spot {
        scenario: STATELESS,
        variant,
        metric: THROUGHPUT,
    };
    let mut contestants = record.contestants.iter();
    let limit = contestants.find(|one| one.group == Group::Limit)?;
    let summary = Summary::of(&find(record, spot, &limit.name)?.values)?;
    Some((summary.max - summary.min) / summary.median)
}

/// The verdicts for a terminal.
#[must_use]
pub fn render(record: &Record) -> String {
    let verdicts = verdicts(record);
    if verdicts.is_empty() {
        return "verdict: sessions did not meet PgBouncer, so there is none".to_owned();
    }
    let mut table = Table::new(vec![
        Column::words("scenario"),
        Column::words("figure"),
        Column::figures("ours ÷ pgbouncer", ""),
        Column::words("verdict"),
    ]);
    for verdict in &verdicts {
        let place = [verdict.spot.scenario, verdict.spot.variant];
        let place: Vec<&str> = place.into_iter().filter(|part| !part.is_empty()).collect();
        table.push(vec![
            Cell::new(place.join(", ")),
            Cell::new(verdict.spot.metric),
            verdict
                .ratio
                .as_ref()
                .map_or_else(Cell::default, ratio_cell),
            Cell::new(word(verdict)),
        ]);
    }
    for (row, verdict) in table.rows.iter_mut().zip(&verdicts) {
        row.alarm = verdict.decides && !verdict.ahead;
    }
    let end = if all_ahead(&verdicts) {
        "verdict: ours is ahead in all that decides"
    } else {
        "verdict: ours is NOT ahead in all that decides"
    };
    format!("{}{end}", terminal::table(&table))
}

const fn word(verdict: &Verdict<'_>) -> &'static str {
    match (verdict.ratio.is_some(), verdict.ahead, verdict.decides) {
        (false, ..) => "not measured",
        (true, true, true) => "ahead",
        (true, false, true) => "BEHIND",
        (true, true, false) => "ahead (does not decide: noisier)",
        (true, false, false) => "behind (does not decide: noisier)",
    }
}

#[cfg(test)]
mod tests;
