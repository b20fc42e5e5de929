//! The demo of the facade, in a release build.

use std::process::ExitCode;

use anyhow::Context;

use crate::{
    exit_code,
    workspace::{Workspace, cargo_here},
};

/// Arguments for the demo, passed on unread.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the demo is given; `cargo xtask demo -- --help` shows what it takes.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Runs the demo in the user's folder, so that paths in its arguments mean what they say.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<ExitCode> {
    let status = cargo_here()
        .args(["run", "--release", "--quiet", "--package", "pool-facade"])
        .args([
            "--features",
            "sqlite,postgres",
            "--example",
            "demo",
            "--manifest-path",
        ])
        .arg(workspace.root().join("Cargo.toml"))
        .arg("--")
        .args(&args.args)
        .status()
        .context("cannot start cargo")?;
    Ok(exit_code(status.success()))
}
