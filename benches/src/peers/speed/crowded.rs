//! A few more tasks than connections, or many: `oversubscribed` for comparisons, `sweep` for the
//! curve of throughput against oversubscription.

use std::time::Duration;

use super::crowd::{Crowd, Tally};
use super::{WITHOUT, waits};
use crate::peers::contestant::{About, Contestant};
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

/// Connections.
const SIZE: usize = 8;
/// The window of a comparison, after a quarter of it to warm up.
const WINDOW: Duration = Duration::from_millis(32);
/// The window of a point of the curve.
const POINT: Duration = Duration::from_millis(16);

/// Tasks, whether they let others run after a return, and whether acquires have a deadline. 9 and 16
/// are the edge of waiting, where the state of a pool changes with nearly every operation.
const VARIANTS: [(usize, bool, bool); 7] = [
    (64, false, true),
    (64, true, true),
    (64, false, false),
    (9, false, true),
    (9, false, false),
    (16, false, true),
    (16, false, false),
];

/// The points of the curve.
const TASKS: [usize; 8] = [8, 9, 12, 16, 32, 64, 128, 512];

/// Tasks that outnumber the connections, by one or by eight times.
#[derive(Debug)]
pub struct Oversubscribed;

impl Scenario for Oversubscribed {
    const NAME: &'static str = "oversubscribed";
    const TITLE: &'static str = "tasks on 8 connections, hold = one yield";
    const ALIKE: bool = true;

    fn variants() -> Vec<String> {
        let name = |&(tasks, think, deadline): &(usize, bool, bool)| {
            let think = if think { ", think" } else { "" };
            let deadline = if deadline {
                String::new()
            } else {
                format!(", {WITHOUT}")
            };
            format!("{tasks} on {SIZE}{think}{deadline}")
        };
        VARIANTS.iter().map(name).collect()
    }

    fn admits(about: &About, _variant: usize) -> bool {
        !about.lacks.waiting
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        let (tasks, think, deadline) = VARIANTS[round.variant];
        let mut crowd = Crowd::yielding(tasks, SIZE, round.time(WINDOW));
        crowd.think = think;
        crowd.deadline = crowd.deadline.filter(|_| deadline);
        crowd.run::<C>(throughput)
    }
}

/// Throughput from as many tasks as connections to 64 times as many.
#[derive(Debug)]
pub struct Sweep;

impl Scenario for Sweep {
    const NAME: &'static str = "sweep";
    const TITLE: &'static str =
        "throughput against oversubscription, 8 connections, hold = one yield";
    const ALIKE: bool = true;

    fn variants() -> Vec<String> {
        TASKS
            .iter()
            .map(|tasks| format!("{tasks} on {SIZE}"))
            .collect()
    }

    fn admits(about: &About, _variant: usize) -> bool {
        waits(about)
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        let crowd = Crowd::yielding(TASKS[round.variant], SIZE, round.time(POINT));
        let mut outcome = crowd.run::<C>(throughput);
        // Points are too short for the shape of their latencies.
        outcome.latencies = None;
        outcome
    }
}

/// Records operations per second.
pub(super) fn throughput(tally: &Tally, outcome: &mut Outcome) {
    let operations: u64 = tally.shares.iter().sum();
    let rate = operations as f64 / tally.window.as_secs_f64();
    outcome.value("throughput", "ops/s", Better::Higher, rate);
}
