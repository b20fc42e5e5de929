//! What a contestant did in one round of a scenario.

use std::fmt::Display;

use hdrhistogram::Histogram;

use crate::record::Better;

/// One figure.
#[derive(Clone, Debug)]
pub struct Value {
    /// As in [`Series::metric`](crate::record::Series::metric).
    pub metric: &'static str,
    /// As in [`Series::unit`](crate::record::Series::unit).
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// The figure.
    pub value: f64,
}

/// What came of a round.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The figures; the one that matters most first.
    pub values: Vec<Value>,
    /// What a contestant must not do; without figures that change from round to round.
    pub faults: Vec<String>,
    /// Latencies in nanoseconds, where the scenario takes them.
    pub latencies: Option<Histogram<u64>>,
    /// Whether the contestant got stuck, so that more rounds would only wait.
    pub stuck: bool,
}

impl Outcome {
    /// What came of a sample that may have stalled.
    #[must_use]
    pub fn of(sample: Result<Self, impl Display>) -> Self {
        sample.unwrap_or_else(|stall| Self {
            faults: vec![stall.to_string()],
            stuck: true,
            ..Self::default()
        })
    }

    /// Adds a figure.
    pub fn value(&mut self, metric: &'static str, unit: &'static str, better: Better, value: f64) {
        self.values.push(Value {
            metric,
            unit,
            better,
            value,
        });
    }

    /// Adds faults.
    pub fn faults(&mut self, faults: impl IntoIterator<Item = String>) {
        self.faults.extend(faults);
    }
}
