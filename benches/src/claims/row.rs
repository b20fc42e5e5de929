//! What a row is, and what is measured for it.

/// A claim that can be tested.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Unique and short: `H1`.
    pub id: &'static str,
    /// What is claimed.
    pub claim: &'static str,
    /// The naive policy that it is claimed over.
    pub baseline: &'static str,
    /// Where the baseline must land.
    pub lands: &'static [Landing],
    /// What the real policy must reach; all of it.
    pub targets: &'static [Target],
    /// The other figures to show: what it costs, above all.
    pub beside: &'static [&'static str],
}

/// Where a baseline must land for the workload to be the one that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Landing {
    /// The name of a figure.
    pub figure: &'static str,
    /// In the unit of the figure.
    pub at: f64,
    /// By which part of that it may be off.
    pub within: f64,
}

/// What the real policy must reach.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of a figure.
    pub figure: &'static str,
    /// What passes.
    pub bound: Bound,
    /// What would be better still, if such a thing is stated.
    pub stretch: Option<Bound>,
}

/// A limit of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Bound {
    /// At most this, in the unit of the figure.
    AtMost(f64),
    /// At least this, in the unit of the figure.
    AtLeast(f64),
    /// At most this part of what the baseline has under the same seed.
    PartOfBaseline(f64),
}

impl Bound {
    /// Whether `ours` keeps it; nothing that is no number does.
    #[must_use]
    pub fn holds(self, ours: f64, baseline: f64) -> bool {
        match self {
            Self::AtMost(limit) => ours <= limit,
            Self::AtLeast(limit) => ours >= limit,
            Self::PartOfBaseline(part) => ours <= baseline * part,
        }
    }
}

/// A model, and the rows that are read from a run of it.
pub trait Experiment: Send + Sync {
    /// The rows.
    fn rows(&self) -> &'static [Row];

    /// Runs it. The outcome is a function of the trial.
    fn run(&self, trial: Trial) -> Outcome;
}

/// One run to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trial {
    /// Whose policy.
    pub contender: Contender,
    /// Of all chance.
    pub seed: u64,
    /// How much of the full length, in percent: less for a look.
    pub percent: u32,
}

impl Trial {
    /// This part of `whole`, rounded up.
    #[must_use]
    pub fn part_of(&self, whole: u64) -> u64 {
        (whole * u64::from(self.percent)).div_ceil(100)
    }
}

/// Whose policy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// The pool's.
    Ours,
    /// The naive one of this name.
    Baseline(&'static str),
}

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Figures, in the order in which they are shown.
    pub figures: Vec<Figure>,
    /// Events of the model.
    pub events: u64,
    /// By which part the law of Little was off; `None` where nobody stays.
    pub law_error: Option<f64>,
}

/// One figure.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Unique within a run.
    pub name: &'static str,
    /// As the reports know them: `ns`, `%`, empty for plain numbers.
    pub unit: &'static str,
    /// The value.
    pub value: f64,
    /// It was measured on this machine, and is no function of the trial.
    pub measured: bool,
}

impl Outcome {
    /// Adds a figure.
    pub fn push(&mut self, name: &'static str, unit: &'static str, value: f64) {
        self.figures.push(Figure {
            name,
            unit,
            value,
            measured: false,
        });
    }

    /// Adds a figure that the trial alone does not decide.
    pub fn measured(&mut self, name: &'static str, unit: &'static str, value: f64) {
        self.figures.push(Figure {
            name,
            unit,
            value,
            measured: true,
        });
    }

    /// Adds a time, given in seconds.
    pub fn time(&mut self, name: &'static str, seconds: f64) {
        self.push(name, "ns", seconds * 1e9);
    }

    /// Adds a part of a whole, as percent; 0 of nothing.
    pub fn share(&mut self, name: &'static str, part: f64, whole: f64) {
        let share = if whole > 0.0 { part / whole } else { 0.0 };
        self.push(name, "%", share * 100.0);
    }

    /// The figure of this name.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}
