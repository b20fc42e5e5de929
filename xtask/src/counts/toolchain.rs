//! Which compiler the counts are of, and for which target.

use std::{env, fmt, process::Command};

use anyhow::{Context, ensure};

use crate::workspace::Workspace;

/// What an instruction count is true for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toolchain {
    /// Release and commit: two nightlies share a release.
    pub(super) compiler: String,
    /// The triple.
    pub(super) target: String,
}

impl Toolchain {
    /// The one that cargo uses in this workspace.
    pub(super) fn of(workspace: &Workspace) -> anyhow::Result<Self> {
        let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .arg("-vV")
            .current_dir(workspace.root())
            .output()
            .context("cannot start rustc")?;
        ensure!(output.status.success(), "`rustc -vV` failed");
        Self::parse(&String::from_utf8_lossy(&output.stdout))
            .context("`rustc -vV` names no release or no host")
    }

    /// Reads what `rustc -vV` prints.
    pub(super) fn parse(output: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = output.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        // A compiler built from an unknown commit still has a release.
        let commit = field("commit-hash").unwrap_or("unknown");
        Some(Self {
            compiler: format!("{} {commit}", field("release")?),
            target: field("host")?.to_owned(),
        })
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "rustc {} for {}", self.compiler, self.target)
    }
}
