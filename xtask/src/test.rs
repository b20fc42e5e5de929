//! Every check that makes a clone trustworthy, one after another, and one table at the end.
//!
//! A step is a few commands whose output goes to a log; the end of the log is shown when one
//! fails. The next step runs all the same: a newcomer wants the whole picture from one run.

mod servers;
mod steps;
#[cfg(test)]
mod tests;

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::ensure;

pub(crate) use self::steps::nextest_is_installed;
use self::{
    servers::Servers,
    steps::{Plan, Step},
};
use crate::{
    exit_code, interrupt,
    process::{self, End, Terms},
    screen::{Progress, Screen, seconds, table},
    services::URL_VARIABLE,
    workspace::Workspace,
};

/// The wall limit of one command. Far beyond the slowest on a slow machine; a hang must end.
const LIMIT: Duration = Duration::from_secs(60 * 60);
/// How much of a failed step's log is shown.
const SHOWN_LINES: usize = 40;

/// Which steps.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these steps (and the servers, when one of them needs them).
    #[arg(long, value_name = "STEP", num_args = 1.., value_delimiter = ',')]
    only: Vec<Step>,
    /// Leave these steps out.
    #[arg(long, value_name = "STEP", num_args = 1.., value_delimiter = ',')]
    skip: Vec<Step>,
    /// List the steps and run none.
    #[arg(long)]
    list: bool,
}

impl Args {
    fn chosen(&self) -> Vec<Step> {
        let named = |step: &Step| self.only.is_empty() || self.only.contains(step);
        let needed = |step: &Step| {
            *step == Step::Services && self.only.iter().any(|only| only.needs_servers())
        };
        let chosen = Step::ALL.iter().filter(|step| named(step) || needed(step));
        chosen
            .filter(|step| !self.skip.contains(step))
            .copied()
            .collect()
    }
}

/// How a step came out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// With what there is to say about it; mostly nothing.
    Passed(String),
    Failed(String),
    Skipped(String),
    NotRun,
}

impl Outcome {
    /// Whether this outcome lets the whole run pass.
    fn is_well(&self) -> bool {
        matches!(self, Self::Passed(_) | Self::Skipped(_))
    }

    fn word_and_note(&self) -> (&'static str, &str) {
        match self {
            Self::Passed(note) => ("passed", note),
            Self::Failed(note) => ("FAILED", note),
            Self::Skipped(note) => ("skipped", note),
            Self::NotRun => ("not run", "interrupted"),
        }
    }
}

/// A row of the last table.
#[derive(Debug)]
struct Row {
    step: Step,
    outcome: Outcome,
    took: Duration,
}

/// Runs the chosen steps.
pub(crate) fn run(workspace: &Workspace, screen: Screen, args: &Args) -> anyhow::Result<ExitCode> {
    if args.list {
        list();
        return Ok(ExitCode::SUCCESS);
    }
    let steps = args.chosen();
    ensure!(
        !steps.is_empty(),
        "no step is left: see `cargo xtask test --list`"
    );
    let progress = screen.progress(steps.len());
    let mut servers = Servers::new(workspace);
    let mut rows = Vec::new();
    for step in steps {
        let row = one_step(workspace, &progress, &mut servers, step);
        report(workspace, &progress, &row);
        rows.push(row);
    }
    if let Err(error) = servers.stop() {
        progress.say(&format!("the servers did not stop: {error:#}"));
        rows.push(Row {
            step: Step::Services,
            outcome: Outcome::Failed("did not stop; see `cargo xtask services down`".to_owned()),
            took: Duration::ZERO,
        });
    }
    drop(progress);
    Ok(exit_code(summary(&rows)))
}

fn list() {
    let mut rows = table(["step", "what it shows"]);
    for step in Step::ALL {
        rows.add_row([step.name(), step.purpose()]);
    }
    println!("{rows}");
}

fn one_step(
    workspace: &Workspace,
    progress: &Progress,
    servers: &mut Servers<'_>,
    step: Step,
) -> Row {
    let started = process::now();
    let outcome = if interrupt::requested() {
        Outcome::NotRun
    } else {
        progress.begin(step.name());
        let result = if step == Step::Services {
            servers.start(progress)
        } else {
            run_plan(workspace, progress, servers.url(), step)
        };
        result.unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")))
    };
    Row {
        step,
        outcome,
        took: started.elapsed(),
    }
}

/// Runs all commands of the step, whichever of them fail.
fn run_plan(
    workspace: &Workspace,
    progress: &Progress,
    url: Option<&str>,
    step: Step,
) -> anyhow::Result<Outcome> {
    let commands = match step.plan(workspace)? {
        Plan::Skip(reason) => return Ok(Outcome::Skipped(reason)),
        Plan::Run(commands) => commands,
    };
    let log = fresh_log(workspace, step)?;
    let (all, mut failures) = (commands.len(), Vec::new());
    for mut command in commands {
        if let Some(url) = url {
            command.env(URL_VARIABLE, url);
        }
        let look = || progress.doing(format!("{}: {}", step.name(), process::last_line(&log)));
        match process::run(command, Terms::new(&log, LIMIT), look)?.end {
            End::Passed => {}
            End::Failed(status) => failures.push(status.to_string()),
            End::TimedOut => failures.push(format!("stopped after {} s", LIMIT.as_secs())),
            End::Interrupted => return Ok(Outcome::Failed("interrupted".to_owned())),
        }
    }
    let told = || process::last_line(&log);
    Ok(match failures.first() {
        None if step.tells() => Outcome::Passed(told()),
        None => Outcome::Passed(String::new()),
        Some(_) if step.tells() => Outcome::Failed(told()),
        Some(first) if all == 1 => Outcome::Failed(first.clone()),
        Some(_) => Outcome::Failed(format!("{} of {all} commands", failures.len())),
    })
}

fn fresh_log(workspace: &Workspace, step: Step) -> anyhow::Result<std::path::PathBuf> {
    let log = workspace.log(&format!("step-{}", step.name()))?;
    std::fs::write(&log, "")?;
    Ok(log)
}

fn report(workspace: &Workspace, progress: &Progress, row: &Row) {
    let (word, note) = row.outcome.word_and_note();
    let colon = if note.is_empty() { "" } else { ": " };
    let name = row.step.name();
    progress.done(&format!(
        "{name} {word}{colon}{note} ({} s)",
        seconds(row.took)
    ));
    if matches!(row.outcome, Outcome::Failed(_))
        && let Ok(log) = workspace.log(&format!("step-{name}"))
    {
        progress.say(&shown_end(&log));
    }
}

fn shown_end(log: &Path) -> String {
    let end = process::last_lines(log, SHOWN_LINES);
    format!("----- the end of {}\n{end}\n-----", log.display())
}

fn summary(rows: &[Row]) -> bool {
    let mut lines = table(["step", "result", "seconds", ""]);
    for row in rows {
        let (word, note) = row.outcome.word_and_note();
        lines.add_row([row.step.name(), word, seconds(row.took).as_str(), note]);
    }
    println!("{lines}");
    let failed: Vec<&str> = rows
        .iter()
        .filter(|row| !row.outcome.is_well())
        .map(|row| row.step.name())
        .collect();
    if failed.is_empty() {
        println!("all {} steps well", rows.len());
    } else {
        println!("not well: {}; logs are in target/xtask/", failed.join(", "));
    }
    failed.is_empty()
}
