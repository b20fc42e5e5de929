//! A burst that is over before a connect is.
//!
//! Five connections of fifty are open and a small load goes on; then fifty requests come at once, each
//! with 2 ms of work, while a connect takes 150 ms. The five carry the burst in about 20 ms (30, as
//! tokio's timers round up), so each connect that is begun comes too late to help and costs the
//! server a login. Pools run with their own defaults here: how they grow is the question.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::ENOUGH;
use super::checks::has_waiters;
use super::harness::{PATIENCE, Tasks, capacity, run};
use crate::peers::backend::Backend;
use crate::peers::contestant::{About, Contestant, Setup};
use crate::peers::erased::{Entrant, Pool};
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const SIZE: usize = 50;
/// Connections that are open when the burst comes.
const OPEN: usize = 5;
const CONNECT: Duration = Duration::from_millis(150);
/// Tasks of the load that goes on all the time, each using a connection half of it.
const STEADY: usize = 2;
/// Work of a request of the steady load, and the pause after it.
const STEADY_HOLD: Duration = Duration::from_millis(1);
const BURST: usize = 50;
/// Work of a request of the burst.
const HOLD: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Debug)]
pub struct Spike;

impl Scenario for Spike {
    const NAME: &'static str = "spike";
    const TITLE: &'static str =
        "50 short requests at once, 5 connections open, a connect takes 150 ms";
    const ENOUGH: usize = ENOUGH;

    fn variants() -> Vec<String> {
        vec![String::new()]
    }

    fn admits(about: &About, _variant: usize) -> bool {
        has_waiters(about) && !about.lacks.connecting
    }

    fn run<C: Contestant>(_round: &Round) -> Outcome {
        run(trial(Entrant::of::<C>()))
    }
}

async fn trial(entrant: Entrant) -> Outcome {
    let backend = Backend::slow(CONNECT, Duration::ZERO);
    let setup = Setup::new(SIZE, Arc::clone(&backend));
    let pool = entrant.build(&setup).await;
    let mut outcome = Outcome::default();
    if capacity(&pool, OPEN, &mut outcome).await < OPEN {
        outcome.fault("did not open a connection for each of five tasks");
        return outcome;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = Tasks::new();
    for _ in 0..STEADY {
        load.spawn(steady(pool.clone(), Arc::clone(&stop)));
    }
    sleep(STEADY_HOLD * 20).await;
    burst(&pool, &backend, &mut outcome).await;
    stop.store(true, Ordering::Relaxed);
    load.join(PATIENCE).await.report(&mut outcome);
    outcome.check_most(&backend, SIZE);
    outcome
}

async fn burst(pool: &Pool, backend: &Backend, outcome: &mut Outcome) {
    let before = backend.begun();
    let mut tasks = Tasks::new();
    let began = Instant::now();
    for _ in 0..BURST {
        tasks.spawn(request(pool.clone()));
    }
    let ended = tasks.join(PATIENCE).await;
    let took = began.elapsed();
    let begun = backend.begun() - before;
    ended.report(outcome);
    outcome.count("connects begun", Better::Lower, begun);
    let refused = ended.results.iter().filter(|served| !**served).count();
    outcome.check_refused(refused);
    if refused == 0 && ended.is_well() {
        outcome.took("all served", took);
    }
}

async fn request(pool: Pool) -> bool {
    let Some(mut lease) = pool.acquire().await else {
        return false;
    };
    lease.touch();
    sleep(HOLD).await;
    lease.release().await;
    true
}

async fn steady(pool: Pool, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        // One that waits for longer than a connect takes is the burst's business to tell.
        let lease = timeout(CONNECT * 2, pool.acquire()).await;
        sleep(STEADY_HOLD).await;
        if let Ok(Some(lease)) = lease {
            lease.release().await;
        }
        sleep(STEADY_HOLD).await;
    }
}
