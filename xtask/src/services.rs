//! Private servers for tests: started and stopped by the program `pool-services` of the testkit.

#[cfg(test)]
mod tests;

use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::ValueEnum;

use crate::{exit_code, workspace::Workspace};

/// The variable that tests find the server's address in.
pub(crate) const URL_VARIABLE: &str = "POOL_POSTGRES_URL";

/// What to do with the servers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Start a private PostgreSQL and print its address.
    Up,
    /// Stop it and remove its files.
    Down,
    /// Say whether it runs.
    Status,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Status => "status",
        }
    }
}

/// Passes the wish on.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<ExitCode> {
    let status = command(workspace, args.what)
        .status()
        .context("cannot start cargo")?;
    Ok(exit_code(status.success()))
}

/// The command that does it.
pub(crate) fn command(workspace: &Workspace, what: What) -> Command {
    let mut command = workspace.cargo();
    command
        .args([
            "run",
            "--quiet",
            "--package",
            "pool-testkit",
            "--features",
            "services",
        ])
        .args(["--bin", "pool-services", "--", what.word()]);
    command
}

/// The address in what `up` printed: the last word that is one, whatever stands around it.
pub(crate) fn address(output: &str) -> Option<String> {
    let edge = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
    for scheme in ["postgres://", "postgresql://"] {
        if let Some(start) = output.rfind(scheme) {
            let rest = &output[start..];
            let end = rest.find(edge).unwrap_or(rest.len());
            return Some(rest[..end].to_owned());
        }
    }
    None
}
