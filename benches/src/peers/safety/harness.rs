//! Running what is not trusted: every wait has an end, and who does not keep to it is named.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::peers::erased::{Boxed, Pool};
use crate::peers::scenario::Outcome;
use crate::peers::workers::{Crew, sample};

/// How long somebody who ought to be served at once may wait before it is a fault: long enough to tell
/// a stall from a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// How often a trial shows that its runtime is alive. Whether its tasks are is for the trial to tell.
const PULSE: Duration = Duration::from_millis(250);

/// Runs a trial on all cores. One whose contestant blocks the threads or panics is given up.
pub(super) fn run<F>(trial: F) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    Outcome::of(sample(Crew::full(), async move |beat| {
        let pulse = tokio::spawn(async move {
            loop {
                beat.tick();
                sleep(PULSE).await;
            }
        });
        let outcome = trial.await;
        pulse.abort();
        outcome
    }))
}

/// What a task that did not end well had to say.
fn panicked(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else {
        return "a task was cancelled from within".to_owned();
    };
    let said = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("something that is no text");
    format!("panicked: {said}")
}

/// Tasks of a trial, to be awaited together.
#[derive(Debug)]
pub(super) struct Tasks<T> {
    set: JoinSet<T>,
}

/// What became of [`Tasks`].
#[derive(Debug)]
pub(super) struct Ended<T> {
    /// What those that came to an end returned.
    pub(super) results: Vec<T>,
    /// How many did not, and were stopped.
    pub(super) stuck: usize,
    /// What the first of those said that panicked.
    pub(super) panic: Option<String>,
}

impl<T: Send + 'static> Tasks<T> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            set: JoinSet::new(),
        }
    }

    /// One more.
    pub(super) fn spawn(&mut self, task: impl Future<Output = T> + Send + 'static) {
        // Boxed, since tokio compiles all it does with tasks for each type of them.
        let task: Boxed<'static, T> = Box::pin(task);
        self.set.spawn(task);
    }

    /// Waits for all, `patience` at most, and stops those that have not come to an end then.
    pub(super) async fn join(mut self, patience: Duration) -> Ended<T> {
        let deadline = Instant::now() + patience;
        let mut ended = Ended {
            results: Vec::with_capacity(self.set.len()),
            stuck: 0,
            panic: None,
        };
        while let Ok(Some(next)) = timeout_at(deadline, self.set.join_next()).await {
            match next {
                Ok(result) => ended.results.push(result),
                Err(error) => ended.panic = ended.panic.or_else(|| Some(panicked(error))),
            }
        }
        ended.stuck = self.set.len();
        // Leaving takes a moment. One that blocks instead will be noticed by who watches the sample.
        let _ = timeout(PATIENCE, self.set.shutdown()).await;
        ended
    }
}

impl<T> Ended<T> {
    /// Whether all came to a good end.
    pub(super) fn is_well(&self) -> bool {
        self.stuck == 0 && self.panic.is_none()
    }

    /// Faults whoever is stuck or has panicked.
    pub(super) fn report(&self, outcome: &mut Outcome) {
        if self.stuck > 0 {
            outcome.stuck = true;
            outcome.fault("stalled: tasks that wait are never served");
        }
        if let Some(panic) = &self.panic {
            outcome.fault(panic.clone());
        }
    }

    /// The sum of a part of all results.
    pub(super) fn sum(&self, part: fn(&T) -> usize) -> usize {
        self.results.iter().map(part).sum()
    }
}

/// How many of `size` connections can be had at once by as many tasks.
pub(super) async fn capacity(pool: &Pool, size: usize, outcome: &mut Outcome) -> usize {
    let all_tried = Arc::new(Barrier::new(size));
    let mut tasks = Tasks::new();
    for _ in 0..size {
        let (pool, all_tried) = (pool.clone(), Arc::clone(&all_tried));
        tasks.spawn(async move {
            let lease = timeout(PATIENCE, pool.acquire()).await;
            all_tried.wait().await;
            let Ok(Some(lease)) = lease else {
                return false;
            };
            lease.release().await;
            true
        });
    }
    let ended = tasks.join(PATIENCE * 2).await;
    if let Some(panic) = &ended.panic {
        outcome.fault(panic.clone());
    }
    ended.results.into_iter().filter(|had| *had).count()
}
