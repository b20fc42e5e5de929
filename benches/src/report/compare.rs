//! Two runs beside each other.
//!
//! Runs of different days share no rounds, so nothing can be paired: the ratio is one of medians. A
//! figure counts as changed only if each median lies outside the range of the other run; everything
//! else is within what rounds of one run differ by. On another machine or compiler even that says
//! nothing about the code, which is why the differences of the two are named first.

use super::{
    catalogue,
    figure::{Scale, times},
    section::measured,
    statistics::{Spot, Summary, find, is_better},
    table::{Cell, Column, Row, Table},
    verdict::place,
};
use crate::record::{Better, Group, Machine, Record, Series};

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The medians lie within each other's range, or one of them does.
    Same,
    /// Outside both ranges, to the good.
    Better,
    /// Outside both ranges, to the bad.
    Worse,
    /// Outside both ranges, of a figure that has no good side.
    Other,
}

impl Change {
    /// For people to read; empty if nothing changed.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Other => "changed",
        }
    }
}

/// One figure in both runs.
#[derive(Clone, Debug)]
pub struct Pair<'r> {
    /// The series of the newer run.
    pub series: &'r Series,
    /// In the older run.
    pub before: Summary,
    /// In the newer run.
    pub after: Summary,
    /// What became of it.
    pub change: Change,
}

/// A comparison of two records.
#[derive(Clone, Debug)]
pub struct Comparison<'r> {
    /// The name of the older one.
    pub name: String,
    /// Why differences may say nothing about the code.
    pub cautions: Vec<String>,
    /// Every figure that both have, in the order of the newer one.
    pub pairs: Vec<Pair<'r>>,
    /// Series that only one of the two has.
    pub unmatched: usize,
    record: &'r Record,
}

/// What became of a figure that was `before` and is `after`.
#[must_use]
pub fn change(better: Better, before: &Summary, after: &Summary) -> Change {
    if before.holds(after.median) || after.holds(before.median) {
        Change::Same
    } else if better == Better::Neither {
        Change::Other
    } else if is_better(better, after.median, before.median) {
        Change::Better
    } else {
        Change::Worse
    }
}

impl<'r> Comparison<'r> {
    /// Compares `after` with the record `before` that was saved as `name`.
    #[must_use]
    pub fn new(name: &str, before: &Record, after: &'r Record) -> Self {
        let pair = |series: &'r Series| {
            let older = find(before, Spot::of(series), &series.contestant)?;
            if older.unit != series.unit {
                return None;
            }
            let (old, new) = (Summary::of(&older.values)?, Summary::of(&series.values)?);
            Some(Pair {
                series,
                before: old,
                after: new,
                change: change(series.better, &old, &new),
            })
        };
        let pairs: Vec<Pair<'_>> = after.series.iter().filter_map(pair).collect();
        Self {
            name: name.to_owned(),
            cautions: cautions(before, after),
            unmatched: before.series.len() + after.series.len() - 2 * pairs.len(),
            pairs,
            record: after,
        }
    }

    /// The figures that changed.
    #[must_use]
    pub fn changed(&self) -> Table {
        self.table(|pair| pair.change != Change::Same)
    }

    /// All figures of this pool that have a good side.
    #[must_use]
    pub fn ours(&self) -> Table {
        self.table(|pair| self.group(pair) == Group::Ours && pair.series.better != Better::Neither)
    }

    /// All figures.
    #[must_use]
    pub fn all(&self) -> Table {
        self.table(|_| true)
    }

    /// How many figures changed, in a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |change| {
            self.pairs
                .iter()
                .filter(|pair| pair.change == change)
                .count()
        };
        format!(
            "Of {} figures that both runs have, {} got better, {} worse, {} changed otherwise; \
             {} series are in one of the two only.",
            self.pairs.len(),
            count(Change::Better),
            count(Change::Worse),
            count(Change::Other),
            self.unmatched,
        )
    }

    fn group(&self, pair: &Pair<'_>) -> Group {
        catalogue::group(self.record, &pair.series.contestant)
    }

    fn table(&self, wanted: impl Fn(&Pair<'_>) -> bool) -> Table {
        let mut table = Table::new(vec![
            Column::words("scenario"),
            Column::words("contestant"),
            Column::words("figure"),
            Column::figures("before", ""),
            Column::figures("now", ""),
            Column::figures("now ÷ before", ""),
            Column::words("changed"),
        ]);
        let pairs = self.pairs.iter().filter(|pair| wanted(pair));
        table.rows = pairs.map(|pair| self.row(pair)).collect();
        table
    }

    fn row(&self, pair: &Pair<'_>) -> Row {
        let series = pair.series;
        let scale = Scale::fitting(&series.unit, pair.before.median.max(pair.after.median));
        let with_unit = |figure: &Summary| {
            let cell = measured(&scale, figure);
            Cell::with(
                format!("{} {}", cell.main, scale.unit).trim_end(),
                cell.detail,
            )
        };
        let ratio = pair.after.median / pair.before.median;
        let ratio = if ratio.is_finite() {
            times(ratio)
        } else {
            String::new()
        };
        Row {
            group: Some(self.group(pair)),
            alarm: pair.change == Change::Worse,
            cells: vec![
                Cell::new(place(Spot::of(series))),
                Cell::new(&series.contestant),
                Cell::new(&series.metric),
                with_unit(&pair.before),
                with_unit(&pair.after),
                Cell::new(ratio),
                Cell::new(pair.change.words()),
            ],
        }
    }
}

/// What differs between two runs beside the code.
fn cautions(before: &Record, after: &Record) -> Vec<String> {
    let (old, new) = (&before.machine, &after.machine);
    let memory = |machine: &Machine| format!("{:.0} GiB", machine.memory as f64 / 1_073_741_824.0);
    let quick = |record: &Record| if record.run.quick { "quick" } else { "full" };
    let facts = [
        ("processor", old.cpu.clone(), new.cpu.clone()),
        (
            "number of cores",
            old.cores.to_string(),
            new.cores.to_string(),
        ),
        ("memory", memory(old), memory(new)),
        ("system", old.system.clone(), new.system.clone()),
        ("compiler", old.compiler.clone(), new.compiler.clone()),
        ("target", old.target.clone(), new.target.clone()),
        (
            "length of the run",
            quick(before).to_owned(),
            quick(after).to_owned(),
        ),
    ];
    let mut cautions: Vec<String> = facts
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(what, old, new)| format!("The {what} differs: it was {old} and is {new}."))
        .collect();
    cautions.extend(versions(before, after));
    cautions
}

/// Contestants of others whose version is not the same in both runs.
fn versions(before: &Record, after: &Record) -> Vec<String> {
    let others = after
        .contestants
        .iter()
        .filter(|one| one.group != Group::Ours);
    others
        .filter_map(|new| {
            let old = catalogue::contestant(before, &new.name)?;
            (old.version != new.version).then(|| {
                let (name, was, is) = (&new.name, &old.version, &new.version);
                format!("The version of {name} differs: it was {was} and is {is}.")
            })
        })
        .collect()
}
