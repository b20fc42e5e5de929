//! A thousand small pools, all used for the first time at the same moment.
//!
//! So it is when a service with a database for each customer has been restarted. A connect takes 10 ms;
//! what is above that is what a pool needs to get going, a thousand times on a few cores.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::checks::has_waiters;
use super::harness::{PATIENCE, Tasks, run};
use crate::peers::backend::Backend;
use crate::peers::contestant::{About, Contestant, Setup};
use crate::peers::erased::{Entrant, Pool};
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const POOLS: usize = 1000;
const SIZE: usize = 2;
const CONNECT: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug)]
pub struct First;

impl Scenario for First {
    const NAME: &'static str = "first-acquire";
    const TITLE: &'static str = "one acquire in each of 1,000 pools of 2 at once, the first";

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
    let mut outcome = Outcome::default();
    let Fleet { pools, backends } = Fleet::build(entrant).await;
    if let Some(took) = use_each(&pools, &mut outcome).await {
        outcome.took("all served", took);
    }
    let opened: usize = backends.iter().map(|backend| backend.opened()).sum();
    outcome.count("opened", Better::Lower, opened);
    for backend in &backends {
        outcome.check_most(backend, SIZE);
    }
    outcome
}

/// Many small pools, each with a far end of its own.
pub(super) struct Fleet {
    pub(super) pools: Vec<Pool>,
    pub(super) backends: Vec<Arc<Backend>>,
}

impl Fleet {
    pub(super) async fn build(entrant: Entrant) -> Self {
        let backends: Vec<Arc<Backend>> = (0..POOLS)
            .map(|_| Backend::slow(CONNECT, Duration::ZERO))
            .collect();
        let mut pools = Vec::with_capacity(POOLS);
        for backend in &backends {
            let setup = Setup::new(SIZE, Arc::clone(backend));
            pools.push(entrant.build(&setup).await);
        }
        Self { pools, backends }
    }
}

/// One acquire in each pool, all at once; says how long they took if all went well.
pub(super) async fn use_each(pools: &[Pool], outcome: &mut Outcome) -> Option<Duration> {
    let mut tasks = Tasks::new();
    let began = Instant::now();
    for pool in pools {
        let pool = pool.clone();
        tasks.spawn(async move {
            let Some(lease) = pool.acquire().await else {
                return false;
            };
            lease.release().await;
            true
        });
    }
    let ended = tasks.join(PATIENCE).await;
    let took = began.elapsed();
    ended.report(outcome);
    let refused = ended.results.iter().filter(|served| !**served).count();
    outcome.check_refused(refused);
    (refused == 0 && ended.is_well()).then_some(took)
}
