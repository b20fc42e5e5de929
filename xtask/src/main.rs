//! The jobs of this workspace: `cargo xtask --help` lists them.
//!
//! Everything a contributor or the CI runs goes through here, so that both run the same thing.
//! This program knows no crate of the workspace as a library: it starts cargo and reads what comes
//! out. That keeps it building while the crates do not, which is when its report is needed most.
//!
//! One file per command. What several of them need is below: [`workspace`] (where things are),
//! [`process`] (running a child to its end, its limit or an interrupt), [`harness`] (building and
//! calling test binaries), [`screen`] (progress and tables).

mod bench;
mod counts;
mod demo;
mod edges;
mod harness;
mod interrupt;
mod loom;
mod mutants;
mod process;
mod proofs;
mod screen;
mod services;
mod test;
mod tidy;
mod tree;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{screen::Screen, workspace::Workspace};

/// The jobs of the pool's workspace.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Run the demo; arguments after `demo` (or after `demo --`) go to it as they are.
    Demo(demo::Args),
    /// Start, stop or look at the private servers that tests of adapters use.
    Services(services::Args),
    /// Run every check that makes a clone trustworthy, and end with one table.
    Test(test::Args),
    /// The same as `test`, with plain lines instead of progress bars.
    Ci(test::Args),
    /// Model-check the queue up to a bound; with `--mutants`, show that the models can fail.
    Loom(loom::Args),
    /// Show that the tests of the pool can fail: one seeded break after another.
    Mutants(mutants::Args),
    /// Hold every written rule against the tests that are named as its proof.
    Proofs(proofs::Args),
    /// Measure.
    Bench(bench::Args),
    /// Count the instructions and allocations of the pool's paths, and hold them against those stored.
    Counts(counts::Args),
    /// Check the edges between crates and the house rules on source files.
    Tidy(tidy::Args),
    /// Count the crates that `pool-core` brings into a user's build.
    Tree(tree::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.job) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(job: Job) -> anyhow::Result<ExitCode> {
    // The others hand over to a program that sees ctrl-c itself, and must not outlive a SIGTERM.
    if !matches!(job, Job::Demo(_) | Job::Services(_) | Job::Bench(_)) {
        interrupt::install()?;
    }
    let workspace = Workspace::find()?;
    let screen = Screen::detect();
    match job {
        Job::Demo(args) => demo::run(&workspace, &args),
        Job::Services(args) => services::run(&workspace, &args),
        Job::Test(args) => test::run(&workspace, screen, &args),
        Job::Ci(args) => test::run(&workspace, Screen::plain(), &args),
        Job::Loom(args) => loom::run(&workspace, screen, &args),
        Job::Mutants(args) => mutants::run(&workspace, screen, &args),
        Job::Proofs(args) => proofs::run(&workspace, screen, &args),
        Job::Bench(args) => bench::run(&workspace, &args),
        Job::Counts(args) => counts::run(&workspace, screen, &args),
        Job::Tidy(args) => tidy::run(&workspace, &args),
        Job::Tree(args) => tree::run(&workspace, &args),
    }
}

/// The exit code for "all went well" or not.
fn exit_code(well: bool) -> ExitCode {
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
