//! A hundred tasks for each connection: throughput, and who waits how long.

use std::time::Duration;

use super::crowd::{Crowd, Tally};
use super::crowded::throughput;
use super::{DEADLINE, WITHOUT, waits};
use crate::peers::contestant::{About, Contestant};
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const TASKS: usize = 10_000;
const SIZE: usize = 100;
/// The window: some 100,000 operations of a good pool.
const WINDOW: Duration = Duration::from_millis(100);

/// 10,000 tasks on 100 connections.
#[derive(Debug)]
pub struct Heavy;

impl Scenario for Heavy {
    const NAME: &'static str = "heavy";
    const TITLE: &'static str = "10,000 tasks on 100 connections, hold = one yield";
    const ALIKE: bool = true;

    fn variants() -> Vec<String> {
        let name = format!("{TASKS} on {SIZE}");
        vec![name.clone(), format!("{name}, {WITHOUT}")]
    }

    fn admits(about: &About, _variant: usize) -> bool {
        waits(about)
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        let mut crowd = Crowd::yielding(TASKS, SIZE, round.time(WINDOW));
        crowd.deadline = (round.variant == 0).then_some(DEADLINE);
        crowd.run::<C>(|tally, outcome| {
            throughput(tally, outcome);
            if tally.limited {
                latencies(tally, outcome);
            }
        })
    }
}

/// Records the usual quantiles of the acquires.
pub(super) fn latencies(tally: &Tally, outcome: &mut Outcome) {
    let waits = &tally.waits;
    if waits.is_empty() {
        return;
    }
    let at = |quantile| waits.value_at_quantile(quantile) as f64;
    for (metric, value) in [
        ("p50", at(0.5)),
        ("p99", at(0.99)),
        ("p99.9", at(0.999)),
        ("max", waits.max() as f64),
    ] {
        outcome.value(metric, "ns", Better::Lower, value);
    }
    outcome.value("p99/p50", "", Better::Lower, at(0.99) / at(0.5));
}
