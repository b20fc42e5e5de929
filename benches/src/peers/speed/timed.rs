//! Connections in use for a time, as for a query: does a pool keep all of them busy, and who waits?

use std::time::Duration;

use super::crowd::{Crowd, Hold, Tally};
use super::heavy::latencies;
use crate::peers::contestant::{About, Contestant};
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const TASKS: usize = 256;
const SIZE: usize = 16;
/// The window: some seven laps of a fair queue, half as many in a quick run.
const WINDOW: Duration = Duration::from_millis(240);

/// 256 tasks on 16 connections, held for a while of real time.
#[derive(Debug)]
pub struct TimedHold;

impl Scenario for TimedHold {
    const NAME: &'static str = "timed hold";
    const TITLE: &'static str = "256 tasks on 16 connections, each held for 0.5 to 1.5 ms";

    fn variants() -> Vec<String> {
        vec![String::new()]
    }

    fn admits(about: &About, _variant: usize) -> bool {
        !about.lacks.waiting && !about.lacks.limit
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        let mut crowd = Crowd::yielding(TASKS, SIZE, round.time(WINDOW));
        crowd.hold = Hold::Sleep(Duration::from_micros(500), Duration::from_micros(1500));
        crowd.timed = 1;
        crowd.seed = round.seed;
        crowd.run::<C>(|tally, outcome| {
            outcome.value("share of ideal", "", Better::Higher, share_of_ideal(tally));
            latencies(tally, outcome);
        })
    }
}

/// Operations in the window by how many there would be if no connection were ever idle, each held for
/// as long as they were on average (timers are coarser than the holds asked for).
fn share_of_ideal(tally: &Tally) -> f64 {
    let operations: u64 = tally.shares.iter().sum();
    let each = tally.held.as_secs_f64() / tally.waits.len().max(1) as f64;
    operations as f64 * each / (SIZE as f64 * tally.window.as_secs_f64())
}
