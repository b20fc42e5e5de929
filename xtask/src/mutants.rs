//! Seeded breaks in the pool, each of which a named test must turn red for.
//!
//! The models of the queue have their own (`cargo xtask loom --mutants`). These are for the
//! promises to users: a test that stays green while its promise is broken on purpose tests nothing.

#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::{
    exit_code,
    harness::{self, Build, TestBinary},
    process::{self, End, Terms},
    screen::{Screen, seconds, table},
    workspace::Workspace,
};

/// Where the breaks are listed.
const TABLE: &str = "pool-facade/tests/breaks.toml";

/// Which and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only breaks whose test's name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Wall limit of one test in seconds. One that hangs under a break counts as red.
    #[arg(long, value_name = "S", default_value_t = 60)]
    limit: u64,
    /// How many tests at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakTable {
    #[serde(rename = "break", default)]
    breaks: Vec<Break>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Break {
    /// What `POOL_MUTANT` is set to.
    number: u32,
    /// The promise it breaks.
    promise: String,
    /// How it breaks it.
    bug: String,
    /// The test that must turn red.
    test: String,
    /// The test binary that the test is in; `lib` for the unit tests.
    binary: String,
    /// Texts of which the red output must contain one; any red will do when empty.
    #[serde(default)]
    expect: Vec<String>,
}

/// What became of one break.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Caught(&'static str),
    Survived,
    /// The test is no witness: it does not pass without the break.
    NotGreenBefore,
    /// It failed, with none of the expected texts.
    OtherFailure,
    Interrupted,
}

impl Outcome {
    fn text(&self) -> &'static str {
        match self {
            Self::Caught(how) => how,
            Self::Survived => "SURVIVED: the test stays green",
            Self::NotGreenBefore => "NO WITNESS: the test is red without the break",
            Self::OtherFailure => "SURVIVED: red, but without an expected text",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Builds the tests once and runs each break's test without the break and with it.
pub(crate) fn run(workspace: &Workspace, screen: Screen, args: &Args) -> anyhow::Result<ExitCode> {
    let path = workspace.root().join(TABLE);
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {TABLE}"))?;
    let mut breaks = parse(&text)?;
    if let Some(filter) = &args.filter {
        breaks.retain(|one| one.test.contains(filter.as_str()));
    }
    ensure!(!breaks.is_empty(), "no break has such a test");
    let progress = screen.progress(breaks.len());
    let build = Build {
        name: "mutants",
        arguments: &["--package", "pool-facade", "--all-features", "--tests"],
        flags: Some(("--cfg pool_mutant", "mutants")),
    };
    let binaries = build.run(workspace, &progress)?;
    let witnesses = witnesses(&binaries, &breaks)?;
    let limit = Duration::from_secs(args.limit);
    let outcomes = process::in_parallel(args.jobs, &witnesses, |witness| {
        let (outcome, took) = witness.hunt(workspace, limit)?;
        let one = witness.of;
        progress.done(&format!(
            "{} {}: {}, {took} s",
            one.number,
            one.bug,
            outcome.text()
        ));
        Ok((outcome, took))
    });
    drop(progress);
    let outcomes: Vec<_> = outcomes.into_iter().collect::<anyhow::Result<_>>()?;
    Ok(exit_code(show(&breaks, &outcomes)))
}

fn parse(text: &str) -> anyhow::Result<Vec<Break>> {
    let table: BreakTable = toml::from_str(text).with_context(|| format!("{TABLE} is broken"))?;
    ensure!(
        !table.breaks.is_empty(),
        "{TABLE} has no [[break]]: it would prove nothing"
    );
    let mut numbers: Vec<u32> = table.breaks.iter().map(|one| one.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    ensure!(
        numbers.len() == table.breaks.len(),
        "{TABLE}: a number is used twice"
    );
    Ok(table.breaks)
}

/// A break with the test that must see it.
#[derive(Debug)]
struct Witness<'a> {
    of: &'a Break,
    binary: &'a TestBinary,
    test: String,
}

fn witnesses<'a>(
    binaries: &'a [TestBinary],
    breaks: &'a [Break],
) -> anyhow::Result<Vec<Witness<'a>>> {
    let find = |of: &'a Break| {
        let binary = binaries
            .iter()
            .find(|binary| binary.name == of.binary)
            .with_context(|| {
                format!(
                    "break {}: pool-facade has no test binary `{}`",
                    of.number, of.binary
                )
            })?;
        let tests = binary.tests()?;
        let inside = of
            .test
            .strip_prefix(&format!("{}::", of.binary))
            .unwrap_or(&of.test);
        let test = harness::find(&tests, &of.test).or_else(|| harness::find(&tests, inside));
        let test = test.with_context(|| {
            format!(
                "break {}: `{}` has no test `{}`",
                of.number, of.binary, of.test
            )
        })?;
        Ok(Witness {
            of,
            binary,
            test: test.to_owned(),
        })
    };
    breaks.iter().map(find).collect()
}

impl Witness<'_> {
    fn hunt(&self, workspace: &Workspace, limit: Duration) -> anyhow::Result<(Outcome, String)> {
        let name = format!("{}.{}", self.of.number, self.test);
        let before = harness::test_log(workspace, "mutants", &format!("{name}.unbroken"))?;
        let (end, output, took) = self.once(None, limit, before)?;
        if end == End::Interrupted {
            return Ok((Outcome::Interrupted, took));
        }
        if !harness::one_passed(end, &output) {
            return Ok((Outcome::NotGreenBefore, took));
        }
        let log = harness::test_log(workspace, "mutants", &name)?;
        let (end, output, took) = self.once(Some(self.of.number), limit, log)?;
        Ok((self.of.judge(end, &output), took))
    }

    fn once(
        &self,
        number: Option<u32>,
        limit: Duration,
        log: PathBuf,
    ) -> anyhow::Result<(End, String, String)> {
        let mut command = self.binary.one_test(&self.test);
        if let Some(number) = number {
            command.env(harness::MUTANT, number.to_string());
        }
        let finished = process::run(command, Terms::new(&log, limit), || ())?;
        Ok((
            finished.end,
            harness::output_in(&log),
            seconds(finished.took),
        ))
    }
}

impl Break {
    /// What a run with the break says about the test.
    fn judge(&self, end: End, output: &str) -> Outcome {
        match end {
            End::Passed => Outcome::Survived,
            End::TimedOut => Outcome::Caught("test never ends"),
            End::Interrupted => Outcome::Interrupted,
            End::Failed(_) if self.expected(output) => Outcome::Caught("test fails"),
            End::Failed(_) => Outcome::OtherFailure,
        }
    }

    fn expected(&self, output: &str) -> bool {
        self.expect.is_empty()
            || self
                .expect
                .iter()
                .any(|text| output.contains(text.as_str()))
    }
}

fn show(breaks: &[Break], outcomes: &[(Outcome, String)]) -> bool {
    let mut rows = table([
        "number",
        "promise",
        "seeded break",
        "test",
        "outcome",
        "seconds",
    ]);
    for (one, (outcome, took)) in breaks.iter().zip(outcomes) {
        let number = one.number.to_string();
        rows.add_row([
            &number,
            &one.promise,
            &one.bug,
            &one.test,
            outcome.text(),
            took,
        ]);
    }
    println!("{rows}");
    let caught = outcomes
        .iter()
        .filter(|(outcome, _)| matches!(outcome, Outcome::Caught(_)));
    let (caught, all) = (caught.count(), breaks.len());
    println!("{caught} of {all} seeded breaks caught");
    if caught < all {
        println!("the output of each run is in target/xtask/mutants/");
    }
    caught == all
}
