//! Runs what the chosen rows need, each trial once, side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::row::{Contender, Experiment, Outcome, Row, Trial};
use crate::progress::Progress;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rows with these ids; all if there are none.
    pub rows: Vec<String>,
    /// How many seeds: 1, 2, …
    pub seeds: u64,
    /// Put the baselines in the place of the pool's policies.
    pub sabotage: bool,
    /// How much of each model's full length, in percent.
    pub percent: u32,
}

/// A row that was asked for names none that exists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no row `{id}`; there are {}", known.join(", "))]
pub struct UnknownRow {
    id: String,
    known: Vec<&'static str>,
}

/// The figures of one row: for each seed what ours did and what the baseline did.
#[derive(Clone, Debug)]
pub struct Runs {
    /// The row.
    pub row: &'static Row,
    /// In the order of seeds.
    pub pairs: Vec<Pair>,
}

/// Two runs in the same world.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Of all chance.
    pub seed: u64,
    /// The pool's policy; the baseline under sabotage.
    pub ours: Outcome,
    /// The baseline.
    pub baseline: Outcome,
}

/// A row with the model it is read from.
type Chosen = (usize, &'static Row);
/// Which model, and how it is run.
type Key = (usize, Trial);

/// Runs all that is needed.
///
/// # Errors
///
/// When a row is asked for that does not exist.
pub fn run(
    experiments: &[Box<dyn Experiment>],
    plan: &Plan,
) -> Result<(Vec<Runs>, u64), UnknownRow> {
    let chosen = choose(experiments, &plan.rows)?;
    let keys: BTreeSet<Key> = chosen.iter().flat_map(|one| plan.keys(*one)).collect();
    let outcomes = run_all(experiments, keys.into_iter().collect());
    let events = outcomes.values().map(|outcome| outcome.events).sum();
    let runs = chosen.into_iter().map(|(model, row)| Runs {
        row,
        pairs: (1..=plan.seeds)
            .map(|seed| Pair {
                seed,
                ours: outcomes[&(model, plan.trial(plan.ours(row), seed))].clone(),
                baseline: outcomes[&(model, plan.trial(Contender::Baseline(row.baseline), seed))]
                    .clone(),
            })
            .collect(),
    });
    Ok((runs.collect(), events))
}

impl Plan {
    fn trial(&self, contender: Contender, seed: u64) -> Trial {
        Trial {
            contender,
            seed,
            percent: self.percent,
        }
    }

    /// Who runs in our place.
    fn ours(&self, row: &Row) -> Contender {
        if self.sabotage {
            Contender::Baseline(row.baseline)
        } else {
            Contender::Ours
        }
    }

    fn keys(&self, (model, row): Chosen) -> Vec<Key> {
        let both = [self.ours(row), Contender::Baseline(row.baseline)];
        let keys = |seed| both.map(|contender| (model, self.trial(contender, seed)));
        (1..=self.seeds).flat_map(keys).collect()
    }
}

fn choose(experiments: &[Box<dyn Experiment>], ids: &[String]) -> Result<Vec<Chosen>, UnknownRow> {
    let all: Vec<Chosen> = (experiments.iter().enumerate())
        .flat_map(|(model, one)| one.rows().iter().map(move |row| (model, row)))
        .collect();
    let known = |id: &String| all.iter().any(|(_, row)| row.id.eq_ignore_ascii_case(id));
    if let Some(id) = ids.iter().find(|id| !known(id)) {
        return Err(UnknownRow {
            id: id.clone(),
            known: all.iter().map(|(_, row)| row.id).collect(),
        });
    }
    let wanted = |row: &Row| ids.is_empty() || ids.iter().any(|id| row.id.eq_ignore_ascii_case(id));
    Ok(all.into_iter().filter(|(_, row)| wanted(row)).collect())
}

/// Each trial once, as many at a time as there are processors.
fn run_all(experiments: &[Box<dyn Experiment>], keys: Vec<Key>) -> BTreeMap<Key, Outcome> {
    let progress = Mutex::new(Progress::of(keys.len()));
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some(&(model, trial)) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
            let experiment = &experiments[model];
            let ids: Vec<&str> = experiment.rows().iter().map(|row| row.id).collect();
            let who = match trial.contender {
                Contender::Ours => "ours",
                Contender::Baseline(name) => name,
            };
            let what = format!("{}, {who}, seed {}", ids.join(" "), trial.seed);
            locked(&progress).doing(&what);
            let began = Instant::now();
            let outcome = experiment.run(trial);
            locked(&outcomes).insert((model, trial), outcome);
            let progress = locked(&progress);
            progress.done();
            progress.part(&what, began.elapsed());
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers.min(keys.len()) {
            scope.spawn(work);
        }
    });
    outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A worker that panics ends the run; what the others have is not looked at.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
