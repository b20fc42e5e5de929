//! What a trial has found: figures, waits, faults.

use std::time::Duration;

use crate::peers::backend::Backend;
use crate::record::Better;

/// All that one trial of one contestant has found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What was measured; a figure that could not be taken is left out.
    pub figures: Vec<Figure>,
    /// How long single acquires took, where the scenario is about that.
    pub waits: Vec<Duration>,
    /// What a pool must not do but this one did.
    pub faults: Vec<Fault>,
}

/// Something that no pool may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In what of the scenario; empty if there is but one.
    pub variant: &'static str,
    /// A sentence about the contestant.
    pub what: String,
}

/// One number.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What of the scenario; empty if there is but one.
    pub variant: &'static str,
    /// What was measured.
    pub metric: &'static str,
    /// Its unit, empty for plain numbers.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// The number.
    pub value: f64,
}

impl Findings {
    /// Nothing but a fault.
    #[must_use]
    pub fn failed(fault: String) -> Self {
        Self {
            faults: vec![Fault {
                variant: "",
                what: fault,
            }],
            ..Self::default()
        }
    }

    /// Notes a figure.
    pub fn note(&mut self, metric: &'static str, unit: &'static str, better: Better, value: f64) {
        self.figures.push(Figure {
            variant: "",
            metric,
            unit,
            better,
            value,
        });
    }

    /// Notes how many there were of something.
    pub fn count(&mut self, metric: &'static str, better: Better, count: usize) {
        self.note(metric, "", better, as_number(count));
    }

    /// Notes how long something took, in milliseconds; less is better.
    pub fn took(&mut self, metric: &'static str, duration: Duration) {
        let millis = duration.as_secs_f64() * 1e3;
        self.note(metric, "ms", Better::Lower, millis);
    }

    /// Notes a fault, once.
    pub fn fault(&mut self, what: impl Into<String>) {
        let fault = Fault {
            variant: "",
            what: what.into(),
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Faults a pool that ever had more than `size` connections.
    pub fn check_most_alive(&mut self, backend: &Backend, size: usize) {
        let most = backend.most_alive();
        if most > size {
            self.fault(format!(
                "had {most} connections at a time; its maximum is {size}"
            ));
        }
    }

    /// Notes how many of `size` connections could not be had afterwards, though nobody held any.
    pub fn check_capacity(&mut self, had: usize, size: usize) {
        let lost = size.saturating_sub(had);
        self.count("capacity lost", Better::Lower, lost);
        if lost > 0 {
            self.fault(format!(
                "lost {lost} of {size} connections for good: nobody held one, and they could not be had"
            ));
        }
    }

    /// Faults a pool that left tasks waiting.
    pub fn check_stuck(&mut self, stuck: usize, of: usize) {
        if stuck > 0 {
            self.fault(format!("never served {stuck} of {of} tasks that waited"));
        }
    }

    /// Takes in what a variant of the scenario has found.
    pub fn add(&mut self, variant: &'static str, found: Self) {
        let figures = found.figures.into_iter();
        self.figures
            .extend(figures.map(|figure| Figure { variant, ..figure }));
        self.waits.extend(found.waits);
        let faults = found.faults.into_iter();
        self.faults
            .extend(faults.map(|fault| Fault { variant, ..fault }));
    }
}

/// A count as a number; counts here are far below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a trial are far below 2^53"
)]
#[must_use]
pub fn as_number(count: usize) -> f64 {
    count as f64
}
