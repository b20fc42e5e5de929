//! Medians, ranges and paired ratios.
//!
//! On a shared machine two minutes are never alike, so times of different rounds are not compared.
//! Rounds are interleaved: in each one all contestants run one after the other. A ratio is therefore
//! taken within a round, and what is shown is the median of these ratios with their range. A round in
//! which either side failed does not count; nor does one in which the workers of a parallel scenario
//! ran one after the other, which is a fact about the scheduler and not about a pool.

use crate::record::{Better, Record, Series};

/// The least overlap of the workers' running times with which a round counts; 2 is two workers that
/// ran side by side all the time.
pub const MIN_OVERLAP: f64 = 1.7;
/// The metric that says how far workers ran side by side.
pub const OVERLAP: &str = "overlap";

/// A median with its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The median; of an even number of values the mean of the middle two.
    pub median: f64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// How many values there are.
    pub counted: usize,
    /// How many there could have been.
    pub of: usize,
}

impl Summary {
    /// The summary of all values that exist; `None` if none does.
    #[must_use]
    pub fn of(values: &[Option<f64>]) -> Option<Self> {
        let mut known: Vec<f64> = values.iter().flatten().copied().collect();
        known.retain(|value| value.is_finite());
        known.sort_by(f64::total_cmp);
        let (min, max) = (*known.first()?, *known.last()?);
        let middle = known.len() / 2;
        let median = if known.len() % 2 == 1 {
            known[middle]
        } else {
            f64::midpoint(known[middle - 1], known[middle])
        };
        Some(Self {
            median,
            min,
            max,
            counted: known.len(),
            of: values.len(),
        })
    }

    /// Whether `value` lies within the range.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }
}

/// The scenario, its variant, and one of its metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spot<'r> {
    /// As in [`Series`].
    pub scenario: &'r str,
    /// As in [`Series`].
    pub variant: &'r str,
    /// As in [`Series`].
    pub metric: &'r str,
}

impl<'r> Spot<'r> {
    /// Where `series` was taken.
    #[must_use]
    pub fn of(series: &'r Series) -> Self {
        Self {
            scenario: &series.scenario,
            variant: &series.variant,
            metric: &series.metric,
        }
    }

    fn with_metric(self, metric: &'r str) -> Self {
        Self { metric, ..self }
    }
}

/// The series of `contestant` at `spot`.
#[must_use]
pub fn find<'r>(record: &'r Record, spot: Spot<'_>, contestant: &str) -> Option<&'r Series> {
    record.series.iter().find(|series| {
        series.metric == spot.metric
            && series.contestant == contestant
            && series.variant == spot.variant
            && series.scenario == spot.scenario
    })
}

/// The figure of `contestant` divided by that of `reference`, round by round; `None` if no round counts.
#[must_use]
pub fn paired(
    record: &Record,
    spot: Spot<'_>,
    contestant: &str,
    reference: &str,
) -> Option<Summary> {
    Summary::of(&ratios(record, spot, contestant, reference)?)
}

/// One ratio a round, `None` where the round does not count.
fn ratios(
    record: &Record,
    spot: Spot<'_>,
    contestant: &str,
    reference: &str,
) -> Option<Vec<Option<f64>>> {
    let ours = &find(record, spot, contestant)?.values;
    let theirs = &find(record, spot, reference)?.values;
    let overlap = spot.with_metric(OVERLAP);
    let parallel = record.series.iter().any(|series| {
        series.metric == OVERLAP
            && series.scenario == spot.scenario
            && series.variant == spot.variant
    });
    let side_by_side = |name: &str, round: usize| {
        find(record, overlap, name)
            .and_then(|series| *series.values.get(round)?)
            .is_some_and(|value| value >= MIN_OVERLAP)
    };
    let counts =
        |round| !parallel || (side_by_side(contestant, round) && side_by_side(reference, round));
    let ratio = |round: usize| {
        let (ours, theirs) = ((*ours.get(round)?)?, (*theirs.get(round)?)?);
        // A division by zero gives no number, which no summary counts.
        counts(round).then(|| ours / theirs)
    };
    Some((0..ours.len().max(theirs.len())).map(ratio).collect())
}

/// Whether `left` is better than `right`.
#[must_use]
pub fn is_better(better: Better, left: f64, right: f64) -> bool {
    match better {
        Better::Lower => left < right,
        Better::Higher => left > right,
        Better::Neither => false,
    }
}

/// How sure it is that one side is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lead {
    /// The median is better, and the ranges overlap: it may be noise.
    Median,
    /// Better in every round that counts, of which there are at least two.
    EveryRound,
    /// The worst round is better than the best one of the other side.
    Apart,
}

impl Lead {
    /// For people to read.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Median => "by median alone",
            Self::EveryRound => "in every round",
            Self::Apart => "ranges apart",
        }
    }
}

/// The lead of `leader` over `other` at `spot`; `None` if its median is not better.
#[must_use]
pub fn lead(record: &Record, spot: Spot<'_>, leader: &str, other: &str) -> Option<Lead> {
    let series = find(record, spot, leader)?;
    let better = series.better;
    let lead = Summary::of(&series.values)?;
    let rest = Summary::of(&find(record, spot, other)?.values)?;
    if !is_better(better, lead.median, rest.median) {
        return None;
    }
    let apart = match better {
        Better::Lower => lead.max < rest.min,
        Better::Higher => lead.min > rest.max,
        Better::Neither => false,
    };
    let every_round = || {
        paired(record, spot, leader, other).is_some_and(|ratio| {
            ratio.counted >= 2
                && is_better(better, ratio.min, 1.0)
                && is_better(better, ratio.max, 1.0)
        })
    };
    Some(if apart {
        Lead::Apart
    } else if every_round() {
        Lead::EveryRound
    } else {
        Lead::Median
    })
}
