//! Connections that break in the hands of their users.
//!
//! Sixteen tasks on eight connections; after every tenth use the far end hangs up and the lease is
//! discarded, in the way that the pool offers. A connect takes 1 ms. A pool needs one connect for each
//! broken connection, must not hand a dead one out again, and has to keep waiters in mind for whom no
//! connection will ever be returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::ENOUGH;
use super::checks::{as_number, has_waiters};
use super::harness::{Ended, PATIENCE, Tasks, capacity, run};
use crate::peers::backend::Backend;
use crate::peers::contestant::{About, Contestant, Setup};
use crate::peers::erased::{Entrant, Pool};
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const SIZE: usize = 8;
const TASKS: usize = 16;
const CONNECT: Duration = Duration::from_millis(1);
/// Every so many-th use of a task ends with a broken connection.
const EVERY: usize = 10;
const LASTS: Duration = Duration::from_millis(200);

/// What one task has seen.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    served: usize,
    discarded: usize,
    dead: usize,
    refused: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Churn;

impl Scenario for Churn {
    const NAME: &'static str = "churn";
    const TITLE: &'static str =
        "16 tasks on 8 connections, of which one breaks after every tenth use";
    const ENOUGH: usize = ENOUGH;

    fn variants() -> Vec<String> {
        vec![String::new()]
    }

    fn admits(about: &About, _variant: usize) -> bool {
        let lacks = about.lacks;
        has_waiters(about) && !lacks.connecting && !lacks.discarding
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        run(trial(Entrant::of::<C>(), *round))
    }
}

async fn trial(entrant: Entrant, round: Round) -> Outcome {
    let backend = Backend::slow(CONNECT, Duration::ZERO);
    let setup = Setup {
        full: true,
        ..Setup::new(SIZE, Arc::clone(&backend))
    };
    let pool = entrant.build(&setup).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Tasks::new();
    let before = backend.opened();
    let began = Instant::now();
    for task in 0..TASKS {
        tasks.spawn(work(pool.clone(), Arc::clone(&stop), task));
    }
    sleep(round.time(LASTS)).await;
    stop.store(true, Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f64();
    let ended = tasks.join(PATIENCE).await;

    let mut outcome = Outcome::default();
    // Also waits for what is still being replaced.
    let had = capacity(&pool, SIZE, &mut outcome).await;
    report(&ended, seconds, backend.opened() - before, &mut outcome);
    outcome.check_capacity(had, SIZE);
    outcome.check_most(&backend, SIZE);
    outcome
}

fn report(ended: &Ended<Tally>, seconds: f64, opened: usize, outcome: &mut Outcome) {
    ended.report(outcome);
    if ended.results.iter().any(|tally| tally.dead > 0) {
        outcome.fault("handed out connections again that had been discarded as broken");
    }
    outcome.check_refused(ended.sum(|tally| tally.refused));
    // What the stuck ones would have added is not known.
    if ended.is_well() {
        let served = as_number(ended.sum(|tally| tally.served)) / seconds;
        outcome.value("served", "1/s", Better::Higher, served);
        let needed = ended.sum(|tally| tally.discarded);
        let beyond = as_number(opened) - as_number(needed);
        outcome.value("opened beyond need", "", Better::Lower, beyond);
    }
}

async fn work(pool: Pool, stop: Arc<AtomicBool>, task: usize) -> Tally {
    let mut tally = Tally::default();
    // Tasks begin at different places, so that they do not all discard at once.
    let mut turn = task;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let Some(mut lease) = pool.acquire().await else {
            tally.refused += 1;
            yield_now().await;
            continue;
        };
        let dead = lease.conn().is_broken();
        lease.touch();
        yield_now().await;
        tally.served += 1;
        tally.dead += usize::from(dead);
        if turn.is_multiple_of(EVERY) && !dead {
            lease.conn().break_off();
            lease.discard();
            tally.discarded += 1;
        } else {
            lease.release().await;
        }
    }
    tally
}
