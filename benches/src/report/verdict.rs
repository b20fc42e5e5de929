//! Where this pool stands, and where it does not stand first.
//!
//! Nobody chooses what is listed: it is worked out from every figure that has a good side. A peer that
//! did something wrong in a scenario is no match there, however fast it is; qp, for instance, is fast
//! because it forgets those who wait.

use super::{
    catalogue::{self, best_peer, is_faulty, limit},
    figure::Scale,
    section::{headline, measured, ratio_cell, ratio_to, variants},
    statistics::{Lead, Spot, Summary, find, is_better, lead, paired},
    table::{Cell, Column, Row, Table},
};
use crate::record::{Better, Group, Record};

/// A figure in which a peer is better than a contestant of ours.
#[derive(Clone, Debug)]
pub struct Win<'r> {
    /// Where.
    pub spot: Spot<'r>,
    /// The contestant of ours.
    pub ours: &'r str,
    /// The best of those peers.
    pub peer: &'r str,
    /// The others, best first.
    pub others: Vec<&'r str>,
    /// How sure it is.
    pub lead: Lead,
}

/// Every figure in which a peer's median is better, the doubtful ones included.
#[must_use]
pub fn behind(record: &Record) -> Vec<Win<'_>> {
    let ours = |name: &str| catalogue::group(record, name) == Group::Ours;
    let mut wins: Vec<Win<'_>> = record
        .series
        .iter()
        .filter(|series| series.better != Better::Neither && ours(&series.contestant))
        .filter_map(|series| win(record, Spot::of(series), &series.contestant))
        .collect();
    wins.sort_by_key(|win| std::cmp::Reverse(win.lead));
    wins
}

/// The win of peers over `ours` at `spot`; that with the surest lead stands for all.
fn win<'r>(record: &'r Record, spot: Spot<'r>, ours: &'r str) -> Option<Win<'r>> {
    let peers = record
        .contestants
        .iter()
        .filter(|one| one.group == Group::Peer && !is_faulty(record, spot.scenario, &one.name));
    let mut leads: Vec<(Lead, f64, &str)> = peers
        .filter_map(|peer| {
            let lead = lead(record, spot, &peer.name, ours)?;
            let median = Summary::of(&find(record, spot, &peer.name)?.values)?.median;
            Some((lead, median, peer.name.as_str()))
        })
        .collect();
    let better = find(record, spot, ours)?.better;
    leads.sort_by(|left, right| {
        let surer = right.0.cmp(&left.0);
        surer.then_with(|| {
            is_better(better, right.1, left.1).cmp(&is_better(better, left.1, right.1))
        })
    });
    let &(lead, _, peer) = leads.first()?;
    let others = leads[1..].iter().filter(|other| other.0 == lead);
    Some(Win {
        spot,
        ours,
        peer,
        others: others.map(|other| other.2).collect(),
        lead,
    })
}

/// The wins that are more than noise, as a table; without rows if there is none.
#[must_use]
pub fn wins_table(record: &Record, wins: &[Win<'_>]) -> Table {
    let mut table = Table::new(vec![
        Column::words("scenario"),
        Column::words("figure"),
        Column::words("ours"),
        Column::figures("its median", ""),
        Column::words("peer"),
        Column::figures("its median", ""),
        Column::figures("ours ÷ peer", ""),
        Column::words("how sure"),
        Column::words("also better"),
    ]);
    for win in wins.iter().filter(|win| win.lead > Lead::Median) {
        table.rows.extend(win_row(record, win));
    }
    table.without_empty_columns()
}

fn win_row(record: &Record, win: &Win<'_>) -> Option<Row> {
    let ours = find(record, win.spot, win.ours)?;
    let mine = Summary::of(&ours.values)?;
    let theirs = Summary::of(&find(record, win.spot, win.peer)?.values)?;
    let scale = Scale::fitting(&ours.unit, mine.median.max(theirs.median));
    let with_unit = |figure: &Summary| {
        let cell = measured(&scale, figure);
        Cell::with(
            format!("{} {}", cell.main, scale.unit).trim_end(),
            cell.detail,
        )
    };
    let ratio = paired(record, win.spot, win.ours, win.peer);
    Some(Row {
        group: None,
        alarm: false,
        cells: vec![
            Cell::new(place(win.spot)),
            Cell::new(win.spot.metric),
            Cell::new(win.ours),
            with_unit(&mine),
            named(record, win.peer),
            with_unit(&theirs),
            ratio.map_or_else(Cell::default, |ratio| ratio_cell(&ratio)),
            Cell::new(win.lead.words()),
            Cell::new(win.others.join(", ")),
        ],
    })
}

/// Scenario and variant in one line.
#[must_use]
pub fn place(spot: Spot<'_>) -> String {
    if spot.variant.is_empty() {
        spot.scenario.to_owned()
    } else {
        format!("{}, {}", spot.scenario, spot.variant)
    }
}

/// The headline figures of every scenario: the first contestant of ours, which is the pool with its
/// defaults, beside the limit and the best peer. Other settings stand in the tables of the scenarios,
/// as does a sweep, which repeats its neighbours.
#[must_use]
pub fn standing(record: &Record) -> Table {
    let mut table = Table::new(vec![
        Column::words("scenario"),
        Column::words("figure"),
        Column::words("good is"),
        Column::figures("ours", ""),
        Column::figures("÷ limit", ""),
        Column::words("limit"),
        Column::figures("÷ best peer", ""),
        Column::words("best peer"),
    ]);
    let scenarios = catalogue::scenarios(record).into_iter();
    for scenario in scenarios.filter(|scenario| *scenario != catalogue::SWEEP) {
        for variant in variants(record, scenario) {
            for metric in summary_metrics(record, scenario, variant) {
                let spot = Spot {
                    scenario,
                    variant,
                    metric,
                };
                table.rows.extend(standing_row(record, spot));
            }
        }
    }
    table.without_empty_columns()
}

/// The headline of a variant, and what the catalogue wants to see beside it.
fn summary_metrics<'r>(record: &'r Record, scenario: &str, variant: &str) -> Vec<&'r str> {
    let also = catalogue::about(scenario).map_or(&[][..], |about| about.also);
    let exists = |metric: &&str| {
        record.series.iter().any(|series| {
            series.metric.as_str() == *metric
                && series.scenario == scenario
                && series.variant == variant
        })
    };
    let first = headline(record, scenario, variant);
    let also = also.iter().copied().filter(exists);
    first
        .into_iter()
        .chain(also.filter(|metric| Some(*metric) != first))
        .collect()
}

fn standing_row(record: &Record, spot: Spot<'_>) -> Option<Row> {
    let references = [limit(record, spot), best_peer(record, spot)];
    if references == [None, None] {
        return None;
    }
    let mut contestants = record.contestants.iter();
    let ours = contestants
        .find(|one| one.group == Group::Ours)?
        .name
        .as_str();
    let series = find(record, spot, ours)?;
    let figure = Summary::of(&series.values);
    let median = figure.map(|figure| {
        let scale = Scale::fitting(&series.unit, figure.median);
        Cell::with(scale.text(figure.median), scale.range(&figure))
    });
    let mut cells = vec![
        Cell::new(place(spot)),
        Cell::new(spot.metric),
        Cell::new(good(series.better)),
        median.unwrap_or_else(|| Cell::new("failed")),
    ];
    for reference in references {
        let ratio = reference.map(|reference| ratio_to(record, spot, ours, reference));
        cells.push(ratio.unwrap_or_default());
        cells.push(reference.map_or_else(Cell::default, |name| named(record, name)));
    }
    Some(Row {
        group: Some(Group::Ours),
        alarm: is_faulty(record, spot.scenario, ours),
        cells,
    })
}

/// The name of a contestant, with a note if it is not to be trusted.
fn named(record: &Record, name: &str) -> Cell {
    Cell::with(name, catalogue::faulty_elsewhere(record, name))
}

fn good(better: Better) -> &'static str {
    match better {
        Better::Lower => "less",
        Better::Higher => "more",
        Better::Neither => "",
    }
}

/// What went wrong, contestants of ours first.
#[must_use]
pub fn faults(record: &Record) -> Table {
    let mut table = Table::new(vec![
        Column::words("contestant"),
        Column::words("scenario"),
        Column::words("what happened"),
        Column::figures("rounds", ""),
    ]);
    let mut faults: Vec<_> = record.faults.iter().collect();
    faults.sort_by_key(|fault| catalogue::group(record, &fault.contestant) != Group::Ours);
    for fault in faults {
        let spot = Spot {
            scenario: &fault.scenario,
            variant: &fault.variant,
            metric: "",
        };
        table.rows.push(Row {
            group: Some(catalogue::group(record, &fault.contestant)),
            alarm: true,
            cells: vec![
                Cell::new(&fault.contestant),
                Cell::new(place(spot)),
                Cell::new(&fault.what),
                Cell::new(fault.rounds.to_string()),
            ],
        });
    }
    table
}

/// Whether a contestant of ours did something that it must not do.
#[must_use]
pub fn ours_is_faulty(record: &Record) -> bool {
    let mut faults = record.faults.iter();
    faults.any(|fault| catalogue::group(record, &fault.contestant) == Group::Ours)
}
