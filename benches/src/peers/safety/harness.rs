//! Running what is not trusted: every wait has an end, and who does not keep to it is named.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use super::findings::Findings;
use crate::peers::contestant::Contestant;

/// Threads of a trial's runtime: the least that is parallel.
const WORKERS: usize = 2;

/// How long a runtime may take to end; what blocks it for longer is left behind.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs `trial` on a runtime of its own for no longer than `limit`, and turns whatever goes wrong
/// into a fault.
///
/// A contestant that blocks the threads of the runtime stops its timers as well, so the limit is kept
/// from outside.
pub fn bounded<F>(limit: Duration, trial: F) -> Findings
where
    F: Future<Output = Findings> + Send + 'static,
{
    let (tell, told) = mpsc::channel();
    let spawned = thread::Builder::new()
        .name("trial".to_owned())
        .spawn(move || {
            let findings = on_runtime(trial)
                .unwrap_or_else(|error| Findings::failed(format!("no runtime: {error}")));
            // Nobody listens any more if the limit has passed.
            let _ = tell.send(findings);
        });
    if let Err(error) = spawned {
        return Findings::failed(format!("no thread to run on: {error}"));
    }
    told.recv_timeout(limit).unwrap_or_else(|_| {
        let seconds = limit.as_secs_f64();
        Findings::failed(format!(
            "came to no end within {seconds:.0} s: it blocks or spins instead of waiting"
        ))
    })
}

fn on_runtime<F>(trial: F) -> io::Result<Findings>
where
    F: Future<Output = Findings> + Send + 'static,
{
    let runtime = runtime()?;
    // As a task of its own, so that a panic comes back as a result.
    let findings = runtime
        .block_on(runtime.spawn(trial))
        .unwrap_or_else(|error| Findings::failed(panicked(error)));
    runtime.shutdown_timeout(FAREWELL);
    Ok(findings)
}

/// A runtime as trials use it.
fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_time()
        .build()
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
pub struct Crew<T> {
    tasks: JoinSet<T>,
}

/// What became of a [`Crew`].
#[derive(Debug)]
pub struct Ended<T> {
    /// What those that came to an end returned.
    pub results: Vec<T>,
    /// How many did not, and were stopped.
    pub stuck: usize,
    /// What those said that panicked.
    pub panics: Vec<String>,
}

impl<T: Send + 'static> Crew<T> {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
        }
    }

    /// One more.
    pub fn spawn(&mut self, task: impl Future<Output = T> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits for everybody, `patience` at most, and stops those who have not come to an end then.
    pub async fn join(mut self, patience: Duration) -> Ended<T> {
        let deadline = Instant::now() + patience;
        let mut ended = Ended {
            results: Vec::with_capacity(self.tasks.len()),
            stuck: 0,
            panics: Vec::new(),
        };
        while let Ok(Some(next)) = timeout_at(deadline, self.tasks.join_next()).await {
            match next {
                Ok(result) => ended.results.push(result),
                Err(error) => ended.panics.push(panicked(error)),
            }
        }
        ended.stuck = self.tasks.len();
        // Leaving takes a moment; who blocks instead is left to the limit of the trial.
        let _ = timeout(patience, self.tasks.shutdown()).await;
        ended
    }
}

impl<T: Send + 'static> Default for Crew<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Ended<T> {
    /// Whether everybody came to a good end.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.stuck == 0 && self.panics.is_empty()
    }

    /// Faults whoever is stuck or has panicked.
    pub fn report(&self, findings: &mut Findings) {
        let all = self.results.len() + self.stuck + self.panics.len();
        findings.check_stuck(self.stuck, all);
        if let Some(first) = self.panics.first() {
            findings.fault(first.clone());
        }
    }
}

/// How many of `size` connections can be had at once by as many tasks, each of which waits for
/// `patience` at most.
pub async fn capacity<C: Contestant>(
    pool: &C,
    size: usize,
    patience: Duration,
    findings: &mut Findings,
) -> usize {
    let all_tried = Arc::new(Barrier::new(size));
    let mut crew = Crew::new();
    for _ in 0..size {
        let (pool, all_tried) = (pool.clone(), Arc::clone(&all_tried));
        crew.spawn(async move {
            let lease = timeout(patience, pool.acquire()).await;
            let had = matches!(lease, Ok(Some(_)));
            all_tried.wait().await;
            drop(lease);
            had
        });
    }
    let ended = crew.join(patience * 2).await;
    if let Some(panic) = ended.panics.first() {
        findings.fault(panic.clone());
    }
    ended.results.into_iter().filter(|had| *had).count()
}
