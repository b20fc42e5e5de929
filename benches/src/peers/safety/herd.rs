//! A thousand callers at once, and nothing is open.
//!
//! Fifty connections at most, 10 ms each to open. No caps on connects at a time, as most pools have
//! none: the question is whether a pool opens more than it may, leaves somebody standing, or takes
//! long over handing round what it has.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ENOUGH;
use super::checks::has_waiters;
use super::harness::{PATIENCE, Tasks, run};
use crate::peers::backend::Backend;
use crate::peers::contestant::{About, Contestant, Setup};
use crate::peers::erased::Entrant;
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const SIZE: usize = 50;
const TASKS: usize = 1000;
const CONNECT: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug)]
pub struct Herd;

impl Scenario for Herd {
    const NAME: &'static str = "herd";
    const TITLE: &'static str = "1,000 tasks come at once to an empty pool of 50";
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
    let setup = Setup {
        max_connecting: Some(SIZE),
        ..Setup::new(SIZE, Arc::clone(&backend))
    };
    let pool = entrant.build(&setup).await;
    let mut tasks = Tasks::new();
    let began = Instant::now();
    for _ in 0..TASKS {
        let pool = pool.clone();
        tasks.spawn(async move {
            let mut lease = pool.acquire().await?;
            let after = began.elapsed();
            lease.touch();
            lease.release().await;
            Some(after)
        });
    }
    let ended = tasks.join(PATIENCE).await;

    let mut outcome = Outcome::default();
    ended.report(&mut outcome);
    let served: Vec<Duration> = ended.results.iter().copied().flatten().collect();
    if let Some(last) = served.iter().max().filter(|_| served.len() == TASKS) {
        outcome.took("all served", *last);
    }
    if let Some(first) = served.iter().min() {
        outcome.took("first served", *first);
    }
    outcome.check_refused(ended.results.len() - served.len());
    report(&backend, &mut outcome);
    outcome
}

fn report(backend: &Backend, outcome: &mut Outcome) {
    outcome.count("opened", Better::Lower, backend.opened());
    outcome.count("most alive", Better::Neither, backend.most_alive());
    let connecting = backend.most_connecting();
    outcome.count("most connecting", Better::Neither, connecting);
    outcome.check_most(backend, SIZE);
}
