//! Measurements, and reports on them.
//!
//! This program measures nothing and knows no format: it starts criterion and the program `peers`,
//! and then hands what they left behind to the program `bench-report`, all of the crate `benches`.
//! Names and folders are checked before the run, so that nobody waits ten minutes for a typing error.
//! The program `claims` runs in model time and measures no machine: it shows its rows itself, and its
//! exit status is the verdict. The program `sessions` starts servers of its own and shows its record
//! itself; `show` makes other reports of it.

mod options;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use clap::Subcommand;

use self::options::{Choice, Claims, Output, Sessions};
use crate::{
    exit_code,
    workspace::{Workspace, cargo_here},
};

/// Which measurement.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// The criterion benches of single operations.
    Micro {
        /// A few samples each: to see that they run, not to compare numbers.
        #[arg(long)]
        quick: bool,
        /// Only benches whose name contains this.
        filter: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// This pool beside the pools of others and what the hardware allows.
    Peers {
        #[command(flatten)]
        choice: Choice,
        #[command(flatten)]
        output: Output,
    },
    /// What is claimed for the pool's policies, beside naive ones, in model time.
    Claims(Claims),
    /// A thousand clients on twenty connections of PostgreSQL: sessions beside PgBouncer.
    Sessions(Sessions),
    /// Micro and peers, in one report.
    All {
        #[command(flatten)]
        choice: Choice,
        #[command(flatten)]
        output: Output,
    },
    /// Report on a record that an earlier run has written; measures nothing.
    Show {
        /// The file that `--json` wrote.
        record: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

/// Measures and reports.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<ExitCode> {
    match &args.which {
        Which::Micro {
            quick,
            filter,
            output,
        } => Bench::new(workspace, None, output).micro(*quick, filter.as_deref()),
        Which::Peers { choice, output } => Bench::new(workspace, PEERS, output).peers(choice),
        Which::All { choice, output } => Bench::new(workspace, PEERS, output).all(choice),
        Which::Claims(claims) => alone(workspace, "claims", claims.for_claims()),
        Which::Sessions(sessions) => alone(workspace, "sessions", sessions.for_sessions()),
        Which::Show { record, output } => {
            let bench = Bench::new(workspace, None, output);
            let mut report = bench.report();
            report.arg(record);
            bench.succeeds(report)
        }
    }
}

/// A program that needs nobody to show what it found, built with the feature of its name.
fn alone(
    workspace: &Workspace,
    name: &'static str,
    options: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let output = Output::default();
    let bench = Bench::new(workspace, Some(name), &output);
    let mut program = bench.program(name);
    program.args(options);
    bench.succeeds(program)
}

/// The feature with the pools of others.
const PEERS: Option<&str> = Some("peers");

/// A run with what is to be made of it.
struct Bench<'a> {
    workspace: &'a Workspace,
    /// Built with this feature; then everything is, or all would be built twice.
    feature: Option<&'static str>,
    output: &'a Output,
}

impl<'a> Bench<'a> {
    fn new(workspace: &'a Workspace, feature: Option<&'static str>, output: &'a Output) -> Self {
        Self {
            workspace,
            feature,
            output,
        }
    }

    fn micro(&self, quick: bool, filter: Option<&str>) -> anyhow::Result<ExitCode> {
        self.check()?;
        self.build_criterion()?;
        let since = now();
        if !self.criterion(quick, filter)? {
            return Ok(ExitCode::FAILURE);
        }
        let mut report = self.report();
        self.add_samples(&mut report, since, quick);
        self.succeeds(report)
    }

    fn peers(&self, choice: &Choice) -> anyhow::Result<ExitCode> {
        if choice.list {
            return self.list();
        }
        self.check()?;
        let record = self.fresh_record()?;
        let well = self.contest(choice, &record)?;
        let mut report = self.report();
        report.arg(record);
        Ok(exit_code(start(&mut report)? && well))
    }

    fn all(&self, choice: &Choice) -> anyhow::Result<ExitCode> {
        if choice.list {
            return self.list();
        }
        self.check()?;
        self.build_criterion()?;
        let record = self.fresh_record()?;
        let well = self.contest(choice, &record)?;
        let since = now();
        let samples = self.criterion(choice.quick, None)?;
        let mut report = self.report();
        report.arg(record);
        if samples {
            self.add_samples(&mut report, since, choice.quick);
        }
        Ok(exit_code(start(&mut report)? && well && samples))
    }

    /// Prints what `peers` can be told to do.
    fn list(&self) -> anyhow::Result<ExitCode> {
        let mut peers = self.program("peers");
        peers.arg("--list");
        self.succeeds(peers)
    }

    /// Builds what is needed, and looks at names and folders.
    fn check(&self) -> anyhow::Result<()> {
        let mut build = self.workspace.cargo();
        build.args(["build", "--release", "--package", "pool-benches"]);
        build.args(["--bin", "bench-report"]);
        if let Some(feature) = self.feature {
            build.args(["--features", feature, "--bin", feature]);
        }
        anyhow::ensure!(start(&mut build)?, "the benches cannot be built: see above");
        let mut report = self.report();
        report.arg("--check");
        anyhow::ensure!(start(&mut report)?, "nothing was measured");
        Ok(())
    }

    /// Builds the benches, so that the time of a run is that of measuring.
    fn build_criterion(&self) -> anyhow::Result<()> {
        let well = start(self.cargo_bench().arg("--no-run"))?;
        anyhow::ensure!(well, "the benches cannot be built: see above");
        Ok(())
    }

    /// Criterion, with its own output.
    fn criterion(&self, quick: bool, filter: Option<&str>) -> anyhow::Result<bool> {
        let mut command = self.cargo_bench();
        command.env("CRITERION_HOME", self.samples()).arg("--");
        if quick {
            command.arg("--quick");
        }
        command.args(filter);
        start(&mut command)
    }

    fn cargo_bench(&self) -> Command {
        let mut command = self.workspace.cargo();
        // The pattern leaves the library's own test harness out, which knows no `--quick`.
        command.args(["bench", "--package", "pool-benches", "--bench", "*"]);
        if let Some(feature) = self.feature {
            command.args(["--features", feature]);
        }
        command
    }

    /// The program `peers`; whether all went well, and in any case a record, or an error.
    fn contest(&self, choice: &Choice, record: &Path) -> anyhow::Result<bool> {
        let mut peers = self.program("peers");
        peers.arg("--json").arg(record).args(choice.for_peers());
        let well = start(&mut peers)?;
        anyhow::ensure!(record.is_file(), "the run left no record behind: see above");
        Ok(well)
    }

    /// The report with its outputs.
    fn report(&self) -> Command {
        let mut command = self.program("bench-report");
        command.arg("--saved").arg(self.folder());
        command.args(self.output.for_report());
        command
    }

    /// Samples that criterion has taken since then belong to the report.
    fn add_samples(&self, report: &mut Command, since: u64, quick: bool) {
        report.arg("--criterion").arg(self.samples());
        report.args(["--since", &since.to_string()]);
        if quick {
            report.arg("--quick");
        }
    }

    /// A program of the benches, in the user's folder, so that paths mean what they say.
    fn program(&self, name: &str) -> Command {
        let mut command = cargo_here();
        command
            .args(["run", "--release", "--quiet", "--package", "pool-benches"])
            .args(["--bin", name, "--manifest-path"])
            .arg(self.workspace.root().join("Cargo.toml"));
        if let Some(feature) = self.feature {
            command.args(["--features", feature]);
        }
        command.arg("--");
        command
    }

    fn succeeds(&self, mut command: Command) -> anyhow::Result<ExitCode> {
        Ok(exit_code(start(&mut command)?))
    }

    /// Where records are kept.
    fn folder(&self) -> PathBuf {
        self.workspace.target().join("bench")
    }

    /// Where criterion keeps its samples.
    fn samples(&self) -> PathBuf {
        self.workspace.target().join("criterion")
    }

    /// The place of the record of this run; that of an earlier one is removed, so that a run that
    /// comes to nothing is not reported on with older figures.
    fn fresh_record(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder().join("run");
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let record = folder.join("latest.json");
        if record.exists() {
            fs::remove_file(&record)
                .with_context(|| format!("cannot remove {}", record.display()))?;
        }
        Ok(record)
    }
}

fn start(command: &mut Command) -> anyhow::Result<bool> {
    let status = command.status().context("cannot start cargo")?;
    Ok(status.success())
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
