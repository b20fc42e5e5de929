//! Measurements.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use crate::{exit_code, workspace::Workspace};

/// Which measurement.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// The criterion benches of the crate `benches`.
    Micro {
        /// A few samples each: to see that they run, not to compare numbers.
        #[arg(long)]
        quick: bool,
        /// Only benches whose name contains this.
        filter: Option<String>,
    },
}

/// Runs the measurement with cargo's and criterion's own output.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<ExitCode> {
    let Which::Micro { quick, filter } = &args.which;
    let mut command = workspace.cargo();
    // The pattern leaves the library's own test harness out, which knows no `--quick`.
    command.args(["bench", "--package", "pool-benches", "--bench", "*", "--"]);
    if *quick {
        command.arg("--quick");
    }
    command.args(filter);
    let status = command.status().context("cannot start cargo")?;
    Ok(exit_code(status.success()))
}
