//! Test binaries: building them with cargo, and calling one test of one of them.
//!
//! Seeded bugs and models are run one test per process, because a deadlock that loom finds, a
//! poisoned static or an endless loop must not take the next test with it.

#[cfg(test)]
mod tests;

use std::{
    io::BufRead,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use cargo_metadata::{Artifact, Message, TargetKind};

use crate::{
    process::{self, End, Terms},
    screen::Progress,
    workspace::Workspace,
};

/// The wall limit of a build.
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

/// One test executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestBinary {
    /// The package it belongs to.
    pub(crate) package: String,
    /// `lib` for the library's own tests, else the name of the test or program.
    pub(crate) name: String,
    /// The executable.
    pub(crate) executable: PathBuf,
    /// The folder that tests of the package are run in.
    pub(crate) folder: PathBuf,
}

/// What to build.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    /// The name of its logs.
    pub(crate) name: &'a str,
    /// What follows `cargo test`.
    pub(crate) arguments: &'a [&'a str],
    /// Flags in place of the user's own, with a target folder of their own below cargo's.
    pub(crate) flags: Option<(&'a str, &'a str)>,
}

impl Build<'_> {
    /// Builds and returns the executables; an error shows the end of the compiler's output.
    pub(crate) fn run(
        &self,
        workspace: &Workspace,
        progress: &Progress,
    ) -> anyhow::Result<Vec<TestBinary>> {
        let log = workspace.log(self.name)?;
        let messages = log.with_extension("json");
        let _ = std::fs::remove_file(&log);
        progress.begin(&format!("building the tests of {}", self.name));
        let terms = Terms {
            stdout: Some(&messages),
            ..Terms::new(&log, BUILD_LIMIT)
        };
        let look = || {
            progress.doing(format!(
                "building {}: {}",
                self.name,
                process::last_line(&log)
            ))
        };
        let finished = process::run(self.command(workspace), terms, look)?;
        if finished.end != End::Passed {
            bail!(
                "the build failed ({:?}):\n{}",
                finished.end,
                process::last_lines(&log, 40)
            );
        }
        let file = std::fs::File::open(&messages)
            .with_context(|| format!("cannot read {}", messages.display()))?;
        let artifacts = artifacts(std::io::BufReader::new(file))?;
        Ok(artifacts
            .into_iter()
            .filter_map(|artifact| binary(workspace, artifact))
            .collect())
    }

    fn command(&self, workspace: &Workspace) -> Command {
        let mut command = workspace.cargo();
        command.arg("test").args(self.arguments);
        command.args(["--no-run", "--message-format", "json-render-diagnostics"]);
        if let Some((flags, folder)) = self.flags {
            command
                .env("RUSTFLAGS", flags)
                .env_remove("CARGO_ENCODED_RUSTFLAGS")
                .env("CARGO_INCREMENTAL", "0");
            command
                .arg("--target-dir")
                .arg(workspace.target().join(folder));
        }
        command
    }
}

/// The test executables among cargo's messages.
fn artifacts(messages: impl BufRead) -> anyhow::Result<Vec<Artifact>> {
    let mut found = Vec::new();
    for message in Message::parse_stream(messages) {
        if let Message::CompilerArtifact(artifact) =
            message.context("cannot read cargo's messages")?
            && artifact.profile.test
            && artifact.executable.is_some()
        {
            found.push(artifact);
        }
    }
    Ok(found)
}

fn binary(workspace: &Workspace, artifact: Artifact) -> Option<TestBinary> {
    let packages = workspace.packages();
    let package = packages
        .iter()
        .find(|package| package.id == artifact.package_id)?;
    Some(TestBinary {
        package: package.name.to_string(),
        name: binary_name(&artifact),
        executable: artifact.executable?.into_std_path_buf(),
        folder: package.manifest_path.parent()?.as_std_path().to_path_buf(),
    })
}

fn binary_name(artifact: &Artifact) -> String {
    let program = [
        TargetKind::Test,
        TargetKind::Bin,
        TargetKind::Example,
        TargetKind::Bench,
    ];
    if artifact
        .target
        .kind
        .iter()
        .any(|kind| program.contains(kind))
    {
        artifact.target.name.clone()
    } else {
        "lib".to_owned()
    }
}

impl TestBinary {
    /// The names of its tests.
    pub(crate) fn tests(&self) -> anyhow::Result<Vec<String>> {
        let output = self
            .command()
            .args(["--list", "--format", "terse"])
            .output()
            .with_context(|| format!("cannot start {}", self.executable.display()))?;
        ensure!(
            output.status.success(),
            "{} cannot list its tests: {}",
            self.executable.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(parse_list(&String::from_utf8_lossy(&output.stdout)))
    }

    /// One test, output shown, in a process of its own.
    pub(crate) fn one_test(&self, name: &str) -> Command {
        let mut command = self.command();
        command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
        command
    }

    /// In the folder and with the variable that `cargo test` gives a test.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder);
        command.env_remove(MUTANT);
        command
    }
}

/// The variable that switches a seeded bug on.
pub(crate) const MUTANT: &str = "POOL_MUTANT";

/// Whether `output` is that of a test process in which exactly one test ran, and passed.
pub(crate) fn one_passed(end: End, output: &str) -> bool {
    end == End::Passed && output.contains("test result: ok. 1 passed")
}

/// The tests in what a test binary prints for `--list --format terse`.
pub(crate) fn parse_list(output: &str) -> Vec<String> {
    output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

/// The test that `wanted` names: its whole path, or the last part of it when only one has it.
pub(crate) fn find<'a>(tests: &'a [String], wanted: &str) -> Option<&'a str> {
    if let Some(exact) = tests.iter().find(|test| *test == wanted) {
        return Some(exact);
    }
    let mut ending = tests.iter().filter(|test| {
        test.strip_suffix(wanted)
            .is_some_and(|before| before.ends_with("::"))
    });
    match (ending.next(), ending.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// A fresh log for one run of one test.
pub(crate) fn test_log(workspace: &Workspace, folder: &str, name: &str) -> anyhow::Result<PathBuf> {
    let file = name.replace("::", ".");
    let log = workspace.log(&format!("{folder}/{file}"))?;
    remove(&log);
    Ok(log)
}

/// What a test printed: its log without the command line, which would match what it names.
pub(crate) fn output_in(log: &Path) -> String {
    let text = process::read_log(log);
    match text.split_once('\n') {
        Some((command, output)) if command.starts_with("$ ") => output.to_owned(),
        _ => text,
    }
}

fn remove(log: &Path) {
    // It is missing the first time, and an old line in it does no harm.
    let _ = std::fs::remove_file(log);
}
