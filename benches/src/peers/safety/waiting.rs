//! Half of the callers leave while they wait.
//!
//! Eight connections, all open; 32 patient tasks that wait for as long as it takes, and 32 that leave
//! after some turns drawn by chance. Each departure is a chance to lose a wake-up or a connection:
//! one may have been handed over in the very moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::Plan;
use super::findings::{Findings, as_number};
use super::harness::{Crew, Ended, capacity};
use crate::peers::backend::Backend;
use crate::peers::contestant::{Contestant, Setup};
use crate::record::Better;

const SIZE: usize = 8;
/// Tasks of each kind.
const TASKS: u64 = 32;
/// Turns after which the last of the impatient leave.
const MOST_TURNS: u8 = 8;

/// What one task has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    served: usize,
    left: usize,
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
    let stop = Arc::new(AtomicBool::new(false));
    let mut crew = Crew::new();
    let began = Instant::now();
    for task in 0..TASKS {
        crew.spawn(patient(pool.clone(), Arc::clone(&stop)));
        let rng = Rng::with_seed(plan.seed.wrapping_add(task));
        crew.spawn(impatient(pool.clone(), Arc::clone(&stop), rng));
    }
    sleep(plan.millis(150, 60)).await;
    stop.store(true, Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f64();
    let ended = crew.join(plan.patience).await;

    let mut findings = Findings::default();
    report(&ended, seconds, &mut findings);
    let had = capacity(&pool, SIZE, plan.patience, &mut findings).await;
    findings.check_capacity(had, SIZE);
    findings.check_most_alive(&backend, SIZE);
    findings
}

fn report(ended: &Ended<Tally>, seconds: f64, findings: &mut Findings) {
    ended.report(findings);
    findings.count("stuck", Better::Lower, ended.stuck);
    let sum = |part: fn(&Tally) -> usize| ended.results.iter().map(part).sum::<usize>();
    let refused = sum(|tally| tally.refused);
    if refused > 0 {
        findings.fault(format!(
            "turned {refused} acquires away long before their deadline"
        ));
    }
    // What the stuck ones would have added is not known.
    if ended.is_well() {
        let served = as_number(sum(|tally| tally.served)) / seconds;
        findings.note("served", "1/s", Better::Higher, served);
        let left = as_number(sum(|tally| tally.left)) / seconds;
        findings.note("cancelled", "1/s", Better::Neither, left);
    }
}

async fn patient<C: Contestant>(pool: C, stop: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        use_once::<C>(pool.acquire().await, &mut tally).await;
    }
    tally
}

async fn impatient<C: Contestant>(pool: C, stop: Arc<AtomicBool>, mut rng: Rng) -> Tally {
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        let turns = rng.u8(..MOST_TURNS);
        tokio::select! {
            biased;
            lease = pool.acquire() => use_once::<C>(lease, &mut tally).await,
            () = several(turns) => tally.left += 1,
        }
    }
    tally
}

/// Passes after so many turns of the task.
async fn several(turns: u8) {
    for _ in 0..turns {
        yield_now().await;
    }
}

async fn use_once<C: Contestant>(lease: Option<C::Lease<'_>>, tally: &mut Tally) {
    let Some(mut lease) = lease else {
        tally.refused += 1;
        // A pool that refuses at once must not keep the others from running.
        return yield_now().await;
    };
    C::conn(&mut lease).touch();
    yield_now().await;
    tally.served += 1;
}
