//! How much `pool-core` brings into a user's build.
//!
//! A core that others build on must stay small; the number only ever creeps up when nobody counts.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Context, ensure};

use crate::{exit_code, workspace::Workspace};

/// The crate that is counted.
const PACKAGE: &str = "pool-core";

/// Limits for the count.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The most crates allowed, the counted one included. 25 by default: tokio with its `rt` and
    /// `time` features, and room for a few small ones beside it.
    #[arg(long, default_value_t = 25)]
    limit: usize,
}

/// Counts and compares.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<ExitCode> {
    let output = workspace
        .cargo()
        .args([
            "tree",
            "--package",
            PACKAGE,
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "cargo tree failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let crates = distinct(&String::from_utf8_lossy(&output.stdout));
    for name in &crates {
        println!("{name}");
    }
    let well = crates.len() <= args.limit;
    let word = if well { "within" } else { "over" };
    println!(
        "{PACKAGE}: {} crates, {word} the limit of {}",
        crates.len(),
        args.limit
    );
    Ok(exit_code(well))
}

/// The crates in the output of `cargo tree`, each once: name and version.
fn distinct(output: &str) -> BTreeSet<String> {
    let name_and_version = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    };
    output.lines().filter_map(name_and_version).collect()
}
