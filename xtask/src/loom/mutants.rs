//! Seeded bugs in the queue, each of which a named model must catch.

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Context, bail, ensure};

use super::{
    Args, Bound, build, check, check_all, is_green, report,
    table::{Equivalent, Mutant, MutantTable},
    verdict,
};
use crate::{
    exit_code,
    harness::{self, TestBinary},
    process,
    screen::{Progress, Screen, seconds, table},
    workspace::Workspace,
};

/// Where the bugs are listed.
const TABLE: &str = "pool-core/tests/mutants.toml";
const FLAGS: &str = "--cfg pool_loom --cfg pool_mutant -C debug-assertions";

/// What became of one bug.
struct Hunt {
    model: String,
    caught_by: Option<String>,
    instead: &'static str,
    took: String,
}

/// First every model without a bug, then every bug.
pub(super) fn run(workspace: &Workspace, screen: Screen, args: &Args) -> anyhow::Result<ExitCode> {
    let path = workspace.root().join(TABLE);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {TABLE}"))?;
    let MutantTable {
        mutant: mut mutants,
        equivalent,
    } = MutantTable::parse(&text)?;
    mutants.retain(|mutant| mutant.model.names().iter().any(|model| args.wants(model)));
    ensure!(!mutants.is_empty(), "no seeded bug has such a model");
    let progress = screen.progress(0);
    let binary = build(workspace, &progress, FLAGS)?;
    drop(progress);
    let models = resolve(&binary.tests()?, &mutants)?;
    let bound = args.bound();

    let progress = screen.progress(models.len());
    let baseline = check_all(workspace, &progress, &binary, &models, bound, args.jobs)?;
    drop(progress);
    if !baseline.iter().all(is_green) {
        report(&models, &baseline, bound);
        bail!("a model fails without a seeded bug, so it cannot show that it catches one");
    }
    let progress = screen.progress(mutants.len());
    let hunts = hunt_all(workspace, &progress, &binary, &mutants, bound, args.jobs)?;
    drop(progress);
    Ok(exit_code(show(&mutants, &hunts, &equivalent, bound)))
}

/// The models that the table names, each once, by their full names.
fn resolve(tests: &[String], mutants: &[Mutant]) -> anyhow::Result<Vec<String>> {
    let mut models = BTreeSet::new();
    for mutant in mutants {
        for name in mutant.model.names() {
            let model = harness::find(tests, name).with_context(|| {
                format!(
                    "mutant {} names the model `{name}`, which does not exist",
                    mutant.number
                )
            })?;
            models.insert(model.to_owned());
        }
    }
    Ok(models.into_iter().collect())
}

fn hunt_all(
    workspace: &Workspace,
    progress: &Progress,
    binary: &TestBinary,
    mutants: &[Mutant],
    bound: Bound,
    jobs: usize,
) -> anyhow::Result<Vec<Hunt>> {
    let tests = binary.tests()?;
    progress.begin(&format!(
        "{} bugs, up to {} preemptions",
        mutants.len(),
        bound.preemptions
    ));
    let hunts = process::in_parallel(jobs, mutants, |mutant| {
        let hunt = hunt(workspace, binary, &tests, mutant, bound)?;
        let by = hunt.caught_by.as_deref().unwrap_or("NOT CAUGHT");
        progress.done(&format!(
            "{} {}: {by}, {} s",
            mutant.number, mutant.bug, hunt.took
        ));
        Ok(hunt)
    });
    hunts.into_iter().collect()
}

/// Runs the bug's models in turn until one catches it.
fn hunt(
    workspace: &Workspace,
    binary: &TestBinary,
    tests: &[String],
    mutant: &Mutant,
    bound: Bound,
) -> anyhow::Result<Hunt> {
    let mut last = None;
    for name in mutant.model.names() {
        let model = harness::find(tests, name).unwrap_or(name);
        let log = harness::test_log(
            workspace,
            "loom-mutants",
            &format!("{}.{model}", mutant.number),
        )?;
        let run = check(binary, model, bound, Some(mutant.number), &log)?;
        let hunt = Hunt {
            model: model.to_owned(),
            caught_by: mutant.caught_by(run.finished.end, &run.output),
            instead: verdict(&run),
            took: seconds(run.finished.took),
        };
        if hunt.caught_by.is_some() {
            return Ok(hunt);
        }
        last = Some(hunt);
    }
    last.with_context(|| format!("mutant {} names no model", mutant.number))
}

fn show(mutants: &[Mutant], hunts: &[Hunt], equivalent: &[Equivalent], bound: Bound) -> bool {
    let mut rows = table(["number", "seeded bug", "model", "caught by", "seconds"]);
    let mut survivors = 0;
    for (mutant, hunt) in mutants.iter().zip(hunts) {
        let by = hunt.caught_by.clone().unwrap_or_else(|| {
            survivors += 1;
            format!("NOT CAUGHT (the model: {})", hunt.instead)
        });
        let number = mutant.number.to_string();
        rows.add_row([&number, &mutant.bug, &hunt.model, &by, &hunt.took]);
    }
    println!("{rows}");
    for one in equivalent {
        println!("{}: {}\n    no bug: {}", one.number, one.bug, one.reason);
    }
    let (all, preemptions) = (mutants.len(), bound.preemptions);
    println!(
        "{} of {all} seeded bugs caught up to {preemptions} preemptions",
        all - survivors
    );
    if survivors > 0 {
        println!("the output of each run is in target/xtask/loom-mutants/");
    }
    survivors == 0
}
