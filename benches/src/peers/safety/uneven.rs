//! One hold in twenty is twenty times as long.
//!
//! Sixty-four tasks on eight connections hold theirs for 1 ms, or for 20 ms in one case of twenty,
//! drawn by chance that is the same for all contestants. (Shorter holds would be finer, but tokio's
//! timers are no finer than 1 ms.) The long holds make the queue grow and shrink; a pool that serves
//! in order passes that on evenly, one that lets newcomers in front has callers who wait out several.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::ENOUGH;
use super::checks::{as_number, has_waiters};
use super::harness::{PATIENCE, Tasks, capacity, run};
use crate::latency::latencies;
use crate::peers::backend::Backend;
use crate::peers::contestant::{About, Contestant, Setup};
use crate::peers::erased::{Entrant, Pool};
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const SIZE: usize = 8;
const TASKS: u64 = 64;
const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(20);
/// One hold of so many is long.
const ONE_IN: u8 = 20;
const LASTS: Duration = Duration::from_millis(400);

/// What one task has seen.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// In nanoseconds.
    waits: Vec<u64>,
    /// How long it held connections, up to the end of the trial.
    held: Duration,
    refused: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Uneven;

impl Scenario for Uneven {
    const NAME: &'static str = "uneven";
    const TITLE: &'static str =
        "64 tasks on 8 connections hold them for 1 ms, one in twenty for 20 ms";
    const ENOUGH: usize = ENOUGH;

    fn variants() -> Vec<String> {
        vec![String::new()]
    }

    fn admits(about: &About, _variant: usize) -> bool {
        has_waiters(about)
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        run(trial(Entrant::of::<C>(), *round))
    }
}

async fn trial(entrant: Entrant, round: Round) -> Outcome {
    let backend = Backend::immediate();
    let setup = Setup {
        full: true,
        ..Setup::new(SIZE, Arc::clone(&backend))
    };
    let pool = entrant.build(&setup).await;
    let mut tasks = Tasks::new();
    let lasts = round.time(LASTS);
    let end = Instant::now() + lasts;
    for task in 0..TASKS {
        let rng = Rng::with_seed(round.seed.wrapping_add(task));
        tasks.spawn(work(pool.clone(), end, rng));
    }
    let ended = tasks.join(lasts + PATIENCE).await;

    let mut outcome = Outcome::default();
    ended.report(&mut outcome);
    report(&ended.results, lasts, &mut outcome);
    let had = capacity(&pool, SIZE, &mut outcome).await;
    outcome.check_capacity(had, SIZE);
    outcome.check_most(&backend, SIZE);
    outcome
}

fn report(tallies: &[Tally], lasts: Duration, outcome: &mut Outcome) {
    let refused: usize = tallies.iter().map(|tally| tally.refused).sum();
    outcome.check_refused(refused);
    let held: Duration = tallies.iter().map(|tally| tally.held).sum();
    let share = held.as_secs_f64() / (lasts.as_secs_f64() * as_number(SIZE));
    outcome.value("share of ideal", "%", Better::Higher, share * 100.0);
    let waits = latencies(tallies.iter().flat_map(|tally| &tally.waits).copied());
    for (metric, quantile) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        let wait = Duration::from_nanos(waits.value_at_quantile(quantile));
        outcome.took(metric, wait);
    }
    outcome.latencies = Some(waits);
}

async fn work(pool: Pool, end: Instant, mut rng: Rng) -> Tally {
    let mut tally = Tally::default();
    while Instant::now() < end {
        let asked = Instant::now();
        let Some(mut lease) = pool.acquire().await else {
            tally.refused += 1;
            yield_now().await;
            continue;
        };
        let had = Instant::now();
        let wait = (had - asked).as_nanos();
        tally.waits.push(u64::try_from(wait).unwrap_or(u64::MAX));
        lease.touch();
        let long = rng.u8(..ONE_IN) == 0;
        sleep(if long { LONG } else { SHORT }).await;
        let until = Instant::now().min(end);
        lease.release().await;
        tally.held += until.saturating_duration_since(had);
    }
    tally
}
