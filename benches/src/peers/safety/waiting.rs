//! Half of the callers leave while they wait.
//!
//! Eight connections, all open; 32 patient tasks that wait for as long as it takes, and 32 that leave
//! after some turns drawn by chance. Each departure is a chance to lose a wake-up or a connection:
//! one may have been handed over in the very moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::ENOUGH;
use super::checks::{as_number, has_waiters};
use super::harness::{Ended, PATIENCE, Tasks, capacity, run};
use crate::peers::backend::Backend;
use crate::peers::contestant::{About, Contestant, Setup};
use crate::peers::erased::{Boxed, Pool};
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const SIZE: usize = 8;
/// Tasks of each kind.
const TASKS: u64 = 32;
/// Turns after which the last of the impatient leave.
const MOST_TURNS: u8 = 8;
const LASTS: Duration = Duration::from_millis(150);

/// What one task has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    served: usize,
    left: usize,
    refused: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Waiting;

impl Scenario for Waiting {
    const NAME: &'static str = "cancel-waiting";
    const TITLE: &'static str = "32 of 64 tasks on 8 connections leave while they wait";
    const ENOUGH: usize = ENOUGH;

    fn variants() -> Vec<String> {
        vec![String::new()]
    }

    fn admits(about: &About, _variant: usize) -> bool {
        has_waiters(about)
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        run(trial(AtWork::start::<C>, *round))
    }
}

/// Callers at work, and what they work on. They do little else than ask, and how often they are served
/// is a figure: so what they do is compiled for each contestant, unlike all around it.
struct AtWork {
    pool: Pool,
    tasks: Tasks<Tally>,
    began: Instant,
}

/// [`AtWork::start`] for one contestant.
type Start = for<'a> fn(&'a Setup, &'a Arc<AtomicBool>, u64) -> Boxed<'a, AtWork>;

impl AtWork {
    fn start<'a, C: Contestant>(
        setup: &'a Setup,
        stop: &'a Arc<AtomicBool>,
        seed: u64,
    ) -> Boxed<'a, Self> {
        Box::pin(async move {
            let pool = C::build(setup).await;
            let mut tasks = Tasks::new();
            let began = Instant::now();
            for task in 0..TASKS {
                tasks.spawn(patient(pool.clone(), Arc::clone(stop)));
                let rng = Rng::with_seed(seed.wrapping_add(task));
                tasks.spawn(impatient(pool.clone(), Arc::clone(stop), rng));
            }
            let pool = Pool::of(pool);
            Self { pool, tasks, began }
        })
    }
}

async fn trial(start: Start, round: Round) -> Outcome {
    let backend = Backend::immediate();
    let setup = Setup {
        full: true,
        ..Setup::new(SIZE, Arc::clone(&backend))
    };
    let stop = Arc::new(AtomicBool::new(false));
    let AtWork { pool, tasks, began } = start(&setup, &stop, round.seed).await;
    sleep(round.time(LASTS)).await;
    stop.store(true, Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f64();
    let ended = tasks.join(PATIENCE).await;

    let mut outcome = Outcome::default();
    report(&ended, seconds, &mut outcome);
    let had = capacity(&pool, SIZE, &mut outcome).await;
    outcome.check_capacity(had, SIZE);
    outcome.check_most(&backend, SIZE);
    outcome
}

fn report(ended: &Ended<Tally>, seconds: f64, outcome: &mut Outcome) {
    ended.report(outcome);
    outcome.check_refused(ended.sum(|tally| tally.refused));
    // What the stuck ones would have added is not known.
    if ended.is_well() {
        let served = as_number(ended.sum(|tally| tally.served)) / seconds;
        outcome.value("served", "1/s", Better::Higher, served);
        let left = as_number(ended.sum(|tally| tally.left)) / seconds;
        outcome.value("cancelled", "1/s", Better::Neither, left);
    }
    outcome.count("stuck", Better::Lower, ended.stuck);
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
    C::touch(&mut lease);
    yield_now().await;
    C::release(lease).await;
    tally.served += 1;
}
