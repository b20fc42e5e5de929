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

use super::Plan;
use super::findings::Findings;
use super::harness::{Crew, capacity};
use crate::peers::backend::Backend;
use crate::peers::contestant::{Contestant, Setup};
use crate::record::Better;

const SIZE: usize = 8;
const TASKS: u64 = 64;
const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(20);
/// One hold of so many is long.
const ONE_IN: u8 = 20;

/// What one task has seen.
#[derive(Clone, Debug, Default)]
struct Tally {
    waits: Vec<Duration>,
    /// How long it held connections, up to the end of the trial.
    held: Duration,
    refused: usize,
}

/// Runs it.
pub async fn trial<C: Contestant>(plan: Plan) -> Findings {
    let backend = Backend::immediate();
    let setup = Setup {
        full: true,
        ..Setup::new(SIZE, Arc::clone(&backend))
    };
    let pool = C::build(&setup).await;
    let mut crew = Crew::new();
    let lasts = plan.millis(400, 200);
    let end = Instant::now() + lasts;
    for task in 0..TASKS {
        let rng = Rng::with_seed(plan.seed.wrapping_add(task));
        crew.spawn(work(pool.clone(), end, rng));
    }
    let ended = crew.join(lasts + plan.patience).await;

    let mut findings = Findings::default();
    ended.report(&mut findings);
    report(ended.results, lasts, &mut findings);
    let had = capacity(&pool, SIZE, plan.patience, &mut findings).await;
    findings.check_capacity(had, SIZE);
    findings.check_most_alive(&backend, SIZE);
    findings
}

fn report(tallies: Vec<Tally>, lasts: Duration, findings: &mut Findings) {
    let refused: usize = tallies.iter().map(|tally| tally.refused).sum();
    if refused > 0 {
        findings.fault(format!(
            "turned {refused} acquires away long before their deadline"
        ));
    }
    let held: Duration = tallies.iter().map(|tally| tally.held).sum();
    let share = held.as_secs_f64() / (lasts.as_secs_f64() * SIZE as f64);
    findings.note("share of ideal", "%", Better::Higher, share * 100.0);
    let mut waits: Vec<Duration> = tallies.into_iter().flat_map(|tally| tally.waits).collect();
    waits.sort_unstable();
    for (metric, percent) in [("p50", 50), ("p99", 99), ("max", 100)] {
        // The least wait that so many percent of all do not exceed.
        let rank = (waits.len() * percent).div_ceil(100);
        if let Some(wait) = rank.checked_sub(1).and_then(|index| waits.get(index)) {
            findings.took(metric, *wait);
        }
    }
    findings.waits = waits;
}

async fn work<C: Contestant>(pool: C, end: Instant, mut rng: Rng) -> Tally {
    let mut tally = Tally::default();
    while Instant::now() < end {
        let asked = Instant::now();
        let Some(mut lease) = pool.acquire().await else {
            tally.refused += 1;
            yield_now().await;
            continue;
        };
        let had = Instant::now();
        tally.waits.push(had - asked);
        C::conn(&mut lease).touch();
        let long = rng.u8(..ONE_IN) == 0;
        sleep(if long { LONG } else { SHORT }).await;
        drop(lease);
        let until = Instant::now().min(end);
        tally.held += until.saturating_duration_since(had);
    }
    tally
}
