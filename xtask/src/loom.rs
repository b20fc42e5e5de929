//! Model checking of the queue, and the proof that the models can fail.
//!
//! Loom tries every interleaving of a small model that switches threads unasked at most so many
//! times. What it finds green is green *up to that bound*, which is why every line of output that
//! claims something names the bound. A model that did not finish within its wall limit has shown
//! nothing, and counts as failed.

mod mutants;
mod table;
#[cfg(test)]
mod tests;

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, ensure};

use crate::{
    exit_code,
    harness::{self, Build, TestBinary},
    process::{self, End, Finished, Terms},
    screen::{Progress, Screen, seconds, table},
    workspace::Workspace,
};

/// Branches within one execution before loom calls the model too large.
const MAX_BRANCHES: &str = "20000";

/// How far and which.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One preemption more: 4 instead of 3. Expect it to take many times longer.
    #[arg(long)]
    deep: bool,
    /// The bound itself [default: 3; with --deep 4; with --mutants 2].
    #[arg(long, value_name = "N", conflicts_with = "deep")]
    preemptions: Option<u32>,
    /// Seed bugs one after another and show that a model catches each.
    #[arg(long)]
    mutants: bool,
    /// Only models (with --mutants: only bugs of models) whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Wall limit of one model in seconds [default: 300; with --deep 1800].
    #[arg(long, value_name = "S")]
    limit: Option<u64>,
    /// How many models at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

impl Args {
    fn bound(&self) -> Bound {
        let preemptions = match (self.preemptions, self.deep, self.mutants) {
            (Some(given), _, _) => given,
            (None, true, _) => 4,
            (None, false, true) => 2,
            (None, false, false) => 3,
        };
        let limit = self.limit.unwrap_or(if self.deep { 1800 } else { 300 });
        Bound {
            preemptions,
            limit: Duration::from_secs(limit),
        }
    }

    fn wants(&self, model: &str) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|text| model.contains(text.as_str()))
    }
}

/// How far a model is explored.
#[derive(Debug, Clone, Copy)]
struct Bound {
    preemptions: u32,
    limit: Duration,
}

/// Checks the models, or the models' ability to fail.
pub(crate) fn run(workspace: &Workspace, screen: Screen, args: &Args) -> anyhow::Result<ExitCode> {
    if args.mutants {
        return mutants::run(workspace, screen, args);
    }
    let progress = screen.progress(0);
    let binary = build(workspace, &progress, "--cfg pool_loom -C debug-assertions")?;
    drop(progress);
    let models: Vec<String> = binary
        .tests()?
        .into_iter()
        .filter(|model| args.wants(model))
        .collect();
    ensure!(
        !models.is_empty(),
        "no model matches: `--filter` is part of a test's name"
    );
    let bound = args.bound();
    let progress = screen.progress(models.len());
    let runs = check_all(workspace, &progress, &binary, &models, bound, args.jobs)?;
    drop(progress);
    Ok(exit_code(report(&models, &runs, bound)))
}

/// Builds the test `loom` of `pool-core` with these flags.
fn build(workspace: &Workspace, progress: &Progress, flags: &str) -> anyhow::Result<TestBinary> {
    let build = Build {
        name: "loom",
        arguments: &[
            "--release",
            "--package",
            "pool-core",
            "--no-default-features",
            "--test",
            "loom",
        ],
        flags: Some((flags, "loom")),
    };
    let binaries = build.run(workspace, progress)?;
    binaries
        .into_iter()
        .find(|binary| binary.name == "loom")
        .context("cargo built no test called `loom`: it is pool-core/tests/loom.rs")
}

/// One run of one model.
#[derive(Debug)]
struct Run {
    finished: Finished,
    output: String,
}

fn check_all(
    workspace: &Workspace,
    progress: &Progress,
    binary: &TestBinary,
    models: &[String],
    bound: Bound,
    jobs: usize,
) -> anyhow::Result<Vec<Run>> {
    progress.begin(&format!(
        "{} models, up to {} preemptions",
        models.len(),
        bound.preemptions
    ));
    let runs = process::in_parallel(jobs, models, |model| {
        let log = harness::test_log(workspace, "loom", model)?;
        let run = check(binary, model, bound, None, &log)?;
        let result = verdict(&run);
        progress.done(&format!(
            "{model}: {result}, {} s",
            seconds(run.finished.took)
        ));
        Ok(run)
    });
    runs.into_iter().collect()
}

/// Runs one model in a process of its own, with a seeded bug or without.
fn check(
    binary: &TestBinary,
    model: &str,
    bound: Bound,
    mutant: Option<u32>,
    log: &Path,
) -> anyhow::Result<Run> {
    let mut command = binary.one_test(model);
    command
        .env("LOOM_MAX_PREEMPTIONS", bound.preemptions.to_string())
        .env("LOOM_MAX_BRANCHES", MAX_BRANCHES)
        .env("LOOM_LOG", "loom::model=info")
        .env("NO_COLOR", "1");
    // Each of these would end a model early and leave it looking explored.
    for early in [
        "LOOM_MAX_DURATION",
        "LOOM_MAX_PERMUTATIONS",
        "LOOM_CHECKPOINT_FILE",
    ] {
        command.env_remove(early);
    }
    if let Some(number) = mutant {
        command.env(harness::MUTANT, number.to_string());
    }
    let finished = process::run(command, Terms::new(log, bound.limit), || ())?;
    Ok(Run {
        finished,
        output: harness::output_in(log),
    })
}

fn is_green(run: &Run) -> bool {
    harness::one_passed(run.finished.end, &run.output)
}

fn verdict(run: &Run) -> &'static str {
    match run.finished.end {
        _ if is_green(run) => "green",
        End::Passed => "not run",
        End::Failed(_) => "FAILED",
        End::TimedOut => "UNFINISHED",
        End::Interrupted => "interrupted",
    }
}

/// How many interleavings loom says it tried; none for a test that is no model.
fn interleavings(output: &str) -> Option<u64> {
    let counts = output.split("Completed in ").skip(1).filter_map(|rest| {
        let (number, rest) = rest.split_once(' ')?;
        rest.starts_with("iterations")
            .then(|| number.parse::<u64>().ok())?
    });
    counts.reduce(|sum, count| sum + count)
}

fn report(models: &[String], runs: &[Run], bound: Bound) -> bool {
    let mut rows = table(["model", "result", "interleavings", "seconds"]);
    for (model, run) in models.iter().zip(runs) {
        let tried = interleavings(&run.output).map_or_else(|| "-".to_owned(), |n| n.to_string());
        let took = seconds(run.finished.took);
        rows.add_row([model.as_str(), verdict(run), tried.as_str(), took.as_str()]);
    }
    println!("{rows}");
    let failed = runs.iter().filter(|run| !is_green(run)).count();
    show_failures(models, runs);
    let limit = bound.limit.as_secs();
    if failed == 0 {
        println!(
            "{} models green up to {} preemptions",
            models.len(),
            bound.preemptions
        );
    } else {
        println!(
            "{failed} of {} models not green up to {} preemptions within {limit} s each; \
             logs: target/xtask/loom/",
            models.len(),
            bound.preemptions
        );
    }
    failed == 0
}

fn show_failures(models: &[String], runs: &[Run]) {
    for (model, run) in models.iter().zip(runs) {
        if matches!(run.finished.end, End::Failed(_)) {
            let lines: Vec<&str> = run.output.lines().collect();
            let end = &lines[lines.len().saturating_sub(15)..];
            println!("--- {model}\n{}", end.join("\n"));
        }
    }
}
