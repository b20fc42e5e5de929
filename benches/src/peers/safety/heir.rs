//! The first in line leaves; when is the next one served?
//!
//! One connection at most. A asks for it and causes a connect (or a check) of 20 ms; B asks next and
//! waits. After 10 ms A leaves. What was begun may go on for B, which is then served 10 ms later; or
//! it starts over; or nobody tells B that its turn has come.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ENOUGH;
use super::checks::has_waiters;
use super::harness::{PATIENCE, Tasks, run};
use crate::peers::backend::Backend;
use crate::peers::contestant::{About, Contestant, Setup};
use crate::peers::erased::{Entrant, Pool};
use crate::peers::scenario::{Outcome, Round, Scenario};

/// How long a connect or check takes.
const TAKES: Duration = Duration::from_millis(20);
/// When A leaves.
const LEAVE: Duration = Duration::from_millis(10);
/// What became of B.
#[derive(Debug)]
enum Next {
    /// Served so long after A had left.
    Served(Duration),
    /// Sent away.
    Refused,
    /// A was served before it could leave, so there is nothing to tell.
    Moot,
}

/// See the module.
#[derive(Debug)]
pub struct Heir;

/// The number of the variant in which a check is cut short, not a connect.
const CHECKING: usize = 1;

impl Scenario for Heir {
    const NAME: &'static str = "next-in-line";
    const TITLE: &'static str =
        "when the next is served after the first has left in a connect or check of 20 ms";
    const ENOUGH: usize = ENOUGH;

    fn variants() -> Vec<String> {
        vec!["connecting".to_owned(), "checking".to_owned()]
    }

    fn admits(about: &About, variant: usize) -> bool {
        let lacks = about.lacks;
        has_waiters(about) && !lacks.connecting && !(variant == CHECKING && lacks.checking)
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        let checking = round.variant == CHECKING;
        // A connection that is thrown away for having been asked costs a connect.
        let backend = Backend::slow(TAKES, if checking { TAKES } else { Duration::ZERO });
        let setup = Setup {
            full: checking,
            check: checking,
            ..Setup::new(1, backend)
        };
        run(trial(Entrant::of::<C>(), setup))
    }
}

async fn trial(entrant: Entrant, setup: Setup) -> Outcome {
    let pool = entrant.build(&setup).await;
    let mut tasks = Tasks::new();
    tasks.spawn(first_leaves(pool));
    let ended = tasks.join(PATIENCE).await;

    let mut outcome = Outcome::default();
    match ended.results.first() {
        Some(Next::Served(after)) => outcome.took("next served after", *after),
        Some(Next::Refused) => outcome.check_refused(1),
        Some(Next::Moot) | None => {}
    }
    if ended.stuck > 0 {
        outcome.stuck = true;
        outcome.fault("never served the next in line after the first had left");
    }
    if let Some(panic) = ended.panic {
        outcome.fault(panic);
    }
    outcome.check_most(&setup.backend, setup.size);
    outcome
}

/// A and B, polled by one task, so that nothing but the pool decides what happens in between.
async fn first_leaves(pool: Pool) -> Next {
    let leave = sleep(LEAVE);
    let mut first = pool.acquire();
    let mut second = pool.acquire();
    if poll_once(&mut first).await.is_ready() {
        return Next::Moot;
    }
    let mut served = poll_once(&mut second).await;
    tokio::select! {
        biased;
        () = leave => {}
        _ = &mut first => return Next::Moot,
    }
    drop(first);
    let left = Instant::now();
    if served.is_pending() {
        served = Poll::Ready(second.await);
    }
    let after = left.elapsed();
    let Poll::Ready(Some(lease)) = served else {
        return Next::Refused;
    };
    lease.release().await;
    Next::Served(after)
}

/// One look at a future.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}
