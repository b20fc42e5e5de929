//! What the figures of a row amount to.

use serde::Serialize;

use super::{
    row::{Bound, Landing, Outcome, Target},
    run::{Pair, Runs},
};

/// By which part the law of Little may be off before a model counts as broken.
pub const LAW: f64 = 0.01;

/// What is to be said of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every target was met under every seed, on a workload on which the baseline landed.
    Pass,
    /// A target was missed.
    Missed,
    /// The baseline did not land where it must: this is not the workload that was meant.
    BaselineDrift,
    /// The model broke the law of Little, or a figure is missing: nothing can be said.
    Unsound,
}

/// A row and what is to be said of it.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// As in the row.
    pub id: &'static str,
    /// As in the row.
    pub claim: &'static str,
    /// The name of the baseline.
    pub baseline: &'static str,
    /// What it amounts to.
    pub verdict: Verdict,
    /// The stretch of every target that has one was met too.
    pub stretch: bool,
    /// Where the baseline landed.
    pub landings: Vec<JudgedLanding>,
    /// What was reached.
    pub targets: Vec<JudgedTarget>,
    /// What else was measured.
    pub beside: Vec<Values>,
}

/// A figure under each seed.
#[derive(Clone, Debug, Serialize)]
pub struct Values {
    /// Its name.
    pub figure: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Ours, in the order of seeds; not a number where there is none.
    pub ours: Vec<f64>,
    /// The baseline's.
    pub baseline: Vec<f64>,
}

/// Where a baseline landed.
#[derive(Clone, Debug, Serialize)]
pub struct JudgedLanding {
    /// Where it must.
    pub at: f64,
    /// By which part it may be off.
    pub within: f64,
    /// Whether it did, under every seed.
    pub landed: bool,
    /// The figure.
    pub values: Values,
}

/// What was reached.
#[derive(Clone, Debug, Serialize)]
pub struct JudgedTarget {
    /// What passes: a limit in the figure's unit, or a part of the baseline.
    pub bound: ShownBound,
    /// What would be better still.
    pub stretch: Option<ShownBound>,
    /// Whether the bound held under every seed.
    pub met: bool,
    /// Whether the stretch did; true where there is none.
    pub stretched: bool,
    /// The figure.
    pub values: Values,
}

/// A bound as it is written to a file.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownBound {
    /// In the figure's unit.
    AtMost(f64),
    /// In the figure's unit.
    AtLeast(f64),
    /// 1 is as much as the baseline.
    PartOfBaseline(f64),
}

/// Judges one row.
#[must_use]
pub fn judge(runs: &Runs) -> Judged {
    let row = runs.row;
    let landings: Vec<_> = row.lands.iter().map(|one| landing(one, runs)).collect();
    let targets: Vec<_> = row.targets.iter().map(|one| target(one, runs)).collect();
    let beside: Vec<_> = row.beside.iter().map(|name| values(name, runs)).collect();
    let all = (landings.iter().map(|one| &one.values))
        .chain(targets.iter().map(|one| &one.values))
        .chain(&beside);
    let verdict = if !runs.pairs.iter().all(lawful) || !all.into_iter().all(Values::complete) {
        Verdict::Unsound
    } else if !landings.iter().all(|one| one.landed) {
        Verdict::BaselineDrift
    } else if !targets.iter().all(|one| one.met) {
        Verdict::Missed
    } else {
        Verdict::Pass
    };
    Judged {
        id: row.id,
        claim: row.claim,
        baseline: row.baseline,
        verdict,
        stretch: verdict == Verdict::Pass && targets.iter().all(|one| one.stretched),
        landings,
        targets,
        beside,
    }
}

fn lawful(pair: &Pair) -> bool {
    let keeps = |run: &Outcome| run.law_error.is_none_or(|error| error <= LAW);
    keeps(&pair.ours) && keeps(&pair.baseline)
}

fn landing(landing: &Landing, runs: &Runs) -> JudgedLanding {
    let values = values(landing.figure, runs);
    let off = |value: &f64| (value - landing.at).abs() / landing.at;
    JudgedLanding {
        at: landing.at,
        within: landing.within,
        landed: values
            .baseline
            .iter()
            .all(|value| off(value) <= landing.within),
        values,
    }
}

fn target(target: &Target, runs: &Runs) -> JudgedTarget {
    let values = values(target.figure, runs);
    let holds = |bound: Bound| {
        let mut pairs = values.ours.iter().zip(&values.baseline);
        pairs.all(|(ours, baseline)| bound.holds(*ours, *baseline))
    };
    JudgedTarget {
        bound: target.bound.into(),
        stretch: target.stretch.map(ShownBound::from),
        met: holds(target.bound),
        stretched: target.stretch.is_none_or(holds),
        values,
    }
}

fn values(name: &'static str, runs: &Runs) -> Values {
    let value = |run: &Outcome| run.figure(name).map_or(f64::NAN, |figure| figure.value);
    let mut outcomes = runs
        .pairs
        .iter()
        .flat_map(|pair| [&pair.ours, &pair.baseline]);
    Values {
        figure: name,
        unit: outcomes
            .find_map(|run| run.figure(name))
            .map_or("", |figure| figure.unit),
        ours: runs.pairs.iter().map(|pair| value(&pair.ours)).collect(),
        baseline: runs
            .pairs
            .iter()
            .map(|pair| value(&pair.baseline))
            .collect(),
    }
}

impl Values {
    /// Whether each is a number.
    fn complete(&self) -> bool {
        self.ours
            .iter()
            .chain(&self.baseline)
            .all(|value| value.is_finite())
    }
}

impl From<Bound> for ShownBound {
    fn from(bound: Bound) -> Self {
        match bound {
            Bound::AtMost(limit) => Self::AtMost(limit),
            Bound::AtLeast(limit) => Self::AtLeast(limit),
            Bound::PartOfBaseline(part) => Self::PartOfBaseline(part),
        }
    }
}
