//! Callers that leave while their connection is being opened or checked.
//!
//! A connect takes 20 ms and the caller leaves after 10; the same with checks. What was begun for
//! them is lost, or it serves the next: a server does not mind finishing a login, but it does mind
//! doing it again, and a connection that was closed in the middle of a check has to be replaced.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::ENOUGH;
use super::checks::has_waiters;
use super::harness::{PATIENCE, Tasks, capacity, run};
use crate::peers::backend::Backend;
use crate::peers::contestant::{About, Contestant, Setup};
use crate::peers::erased::{Entrant, Pool};
use crate::peers::scenario::{Outcome, Round, Scenario};
use crate::record::Better;

const SIZE: usize = 8;
/// How long a connect or check takes.
const TAKES: Duration = Duration::from_millis(20);
/// When callers leave.
const LEAVE: Duration = Duration::from_millis(10);
/// Times that eight callers come and leave while connections are checked: 48 acquires.
const CHECKED: usize = 6;
/// The same for connects, in a row without a pause.
const CONNECTED: usize = 3;

/// See the module.
#[derive(Debug)]
pub struct CutShort;

/// The number of the variant in which a check is cut short, not a connect.
const CHECKING: usize = 1;

impl Scenario for CutShort {
    const NAME: &'static str = "cancel-early";
    const TITLE: &'static str = "callers leave after 10 of the 20 ms of a connect or check";
    const ENOUGH: usize = ENOUGH;

    fn variants() -> Vec<String> {
        vec!["connecting".to_owned(), "checking".to_owned()]
    }

    fn admits(about: &About, variant: usize) -> bool {
        let lacks = match variant {
            CHECKING => about.lacks.checking,
            _ => about.lacks.connecting,
        };
        has_waiters(about) && !lacks
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        let entrant = Entrant::of::<C>();
        match round.variant {
            CHECKING => run(checking(entrant)),
            _ => run(connecting(entrant)),
        }
    }
}

async fn connecting(entrant: Entrant) -> Outcome {
    let backend = Backend::slow(TAKES, Duration::ZERO);
    let setup = Setup::new(SIZE, Arc::clone(&backend));
    let pool = entrant.build(&setup).await;
    let mut outcome = Outcome::default();
    for _ in 0..CONNECTED {
        come_and_leave(&pool, &mut outcome).await;
    }
    let had = capacity(&pool, SIZE, &mut outcome).await;
    outcome.count("connects begun", Better::Lower, backend.begun());
    outcome.check_capacity(had, SIZE);
    outcome.count("most alive", Better::Neither, backend.most_alive());
    outcome.check_most(&backend, SIZE);
    outcome
}

async fn checking(entrant: Entrant) -> Outcome {
    let backend = Backend::slow(Duration::ZERO, TAKES);
    let setup = Setup {
        full: true,
        check: true,
        ..Setup::new(SIZE, Arc::clone(&backend))
    };
    let pool = entrant.build(&setup).await;
    let mut outcome = Outcome::default();
    for _ in 0..CHECKED {
        come_and_leave(&pool, &mut outcome).await;
        // Checks that go on in the background end, so that each caller is in one of its own.
        sleep(TAKES).await;
    }
    let had = capacity(&pool, SIZE, &mut outcome).await;
    let thrown_away = backend.opened().saturating_sub(SIZE);
    outcome.count("thrown away of 48", Better::Lower, thrown_away);
    outcome.check_capacity(had, SIZE);
    outcome.check_most(&backend, SIZE);
    outcome
}

/// As many callers as there may be connections; they all leave early.
async fn come_and_leave(pool: &Pool, outcome: &mut Outcome) {
    let mut tasks = Tasks::new();
    for _ in 0..SIZE {
        let pool = pool.clone();
        tasks.spawn(async move {
            tokio::select! {
                biased;
                // First, so that a machine that is late does not make callers stay.
                () = sleep(LEAVE) => {}
                Some(lease) = pool.acquire() => lease.release().await,
            }
        });
    }
    tasks.join(PATIENCE).await.report(outcome);
}
