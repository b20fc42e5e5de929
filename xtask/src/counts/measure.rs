//! Counting: every path, and what one operation of it costs.
//!
//! Each path runs in a process of its own with three numbers of rounds. What happens once cancels
//! out in the differences; that the two differences agree shows that the count is steady, and that
//! nothing grows with the rounds.

use std::{collections::BTreeMap, process::Command, thread};

use anyhow::{Context, ensure};

use super::program::{Path, Program};
use crate::{process, screen::Screen, workspace::Workspace};

/// How many rounds a path runs.
const ROUNDS: [u64; 3] = [5_000, 10_000, 15_000];
/// For how many cores the pool must be laid out: its idle set has a word per core.
const CORES: usize = 2;
/// By how many instructions two counts of one operation may differ, or by what part of it if that is
/// more: the pool's clock ticks in real time, and a long path meets more of its ticks. Far below what
/// the gate lets pass.
const STEADY: (f64, f64) = (1.0, 0.001);

/// The cost of one operation of each path, by its name.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// To three decimals.
    pub(super) allocations: BTreeMap<String, f64>,
    /// Or why they were not counted.
    pub(super) instructions: Result<BTreeMap<String, u64>, String>,
}

impl Counts {
    /// The instructions of a path, if they were counted.
    pub(super) fn instructions_of(&self, name: &str) -> Option<u64> {
        self.instructions.as_ref().ok()?.get(name).copied()
    }
}

/// Operations, and what was counted in the whole process meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) operations: u64,
    pub(super) counted: u64,
}

/// Builds, lists and counts.
pub(super) fn all(workspace: &Workspace, screen: Screen) -> anyhow::Result<(Vec<Path>, Counts)> {
    let program = Program::build(workspace, screen)?;
    let paths = program.paths()?;
    let allocations = allocations(&program, &paths)?;
    let instructions = match obstacle(&program, &paths)? {
        Some(reason) => Err(reason),
        None => Ok(instructions(&program, &paths, screen)?),
    };
    let counts = Counts {
        allocations,
        instructions,
    };
    Ok((paths, counts))
}

fn allocations(program: &Program<'_>, paths: &[Path]) -> anyhow::Result<BTreeMap<String, f64>> {
    let one = |path: &Path| {
        let cost = per_operation(&path.name, |rounds| {
            let done = program.run(&path.name, rounds)?;
            Ok(done.sample(done.allocations))
        })?;
        Ok((path.name.clone(), (cost * 1000.0).round() / 1000.0))
    };
    paths.iter().map(one).collect()
}

/// What keeps instructions from being counted, or from being comparable.
fn obstacle(program: &Program<'_>, paths: &[Path]) -> anyhow::Result<Option<String>> {
    let version = Command::new("valgrind").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        return Ok(Some("valgrind is not installed".to_owned()));
    }
    let first = paths.first().context("the program has no paths")?;
    let cores = program.run(&first.name, 1)?.cores;
    if cores != CORES {
        let reason = format!("the pool is laid out for {cores} cores here, not for {CORES}");
        return Ok(Some(reason));
    }
    // It has just run by itself: if it does not here, that is valgrind's affair.
    let tried = program.run_under_callgrind(&first.name, 1);
    Ok(tried
        .err()
        .map(|error| format!("valgrind is of no use: {error:#}")))
}

/// Several at a time: a count does not mind what else the machine does.
fn instructions(
    program: &Program<'_>,
    paths: &[Path],
    screen: Screen,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let progress = screen.progress(paths.len());
    let counted = process::in_parallel(jobs, paths, |path| {
        let count = |rounds| program.run_under_callgrind(&path.name, rounds);
        let cost = per_operation(&path.name, count)?;
        progress.done(&path.name);
        Ok((path.name.clone(), cost.round() as u64))
    });
    counted.into_iter().collect()
}

/// The cost of one operation, from the differences between runs.
pub(super) fn per_operation(
    name: &str,
    run: impl Fn(u64) -> anyhow::Result<Sample>,
) -> anyhow::Result<f64> {
    let [few, more, most] = ROUNDS;
    let (few, more, most) = (run(few)?, run(more)?, run(most)?);
    let (early, late) = (between(few, more), between(more, most));
    let (least, part) = STEADY;
    ensure!(
        (early - late).abs() <= least.max(late * part),
        "{name}: the count is not steady, {early:.2} and then {late:.2} per operation, so it cannot \
         be compared; something in it depends on time, chance or what went before"
    );
    Ok(between(few, most))
}

fn between(one: Sample, other: Sample) -> f64 {
    let counted = other.counted as f64 - one.counted as f64;
    counted / (other.operations as f64 - one.operations as f64)
}
