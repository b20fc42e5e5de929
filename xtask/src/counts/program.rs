//! The program that has the paths: building it, and running one path by itself or under callgrind.

use std::{
    ffi::OsString,
    fs,
    io::BufReader,
    path::{Path as FilePath, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use cargo_metadata::Message;
use serde::Deserialize;

use super::measure::Sample;
use crate::{
    process::{self, End, Terms},
    screen::Screen,
    workspace::Workspace,
};

/// The wall limit of the build.
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);
/// The wall limit of one run. Under callgrind it takes about half a second.
const RUN_LIMIT: Duration = Duration::from_secs(60);
/// What is built.
const BUILD: &str = "build --profile counts --package pool-benches --bin counts \
                     --message-format json-render-diagnostics";

/// A path, as the program lists it.
#[derive(Debug, Deserialize)]
pub(super) struct Path {
    pub(super) name: String,
    /// One operation, in words.
    pub(super) what: String,
    /// The path that does the same without a pool.
    pub(super) harness: Option<String>,
}

/// What a run of the program prints.
#[derive(Debug, Deserialize)]
pub(super) struct Done {
    operations: u64,
    /// Of the whole process.
    pub(super) allocations: u64,
    /// How many cores the pool was laid out for.
    pub(super) cores: usize,
}

impl Done {
    /// The operations, with what was counted meanwhile.
    pub(super) fn sample(&self, counted: u64) -> Sample {
        Sample {
            operations: self.operations,
            counted,
        }
    }
}

/// The program, built.
#[derive(Debug)]
pub(super) struct Program<'a> {
    workspace: &'a Workspace,
    executable: PathBuf,
}

impl<'a> Program<'a> {
    /// Builds it with a profile of its own, whatever flags the environment has.
    pub(super) fn build(workspace: &'a Workspace, screen: Screen) -> anyhow::Result<Self> {
        let log = fresh_log(workspace, "build")?;
        let messages = log.with_extension("json");
        let mut command = workspace.cargo();
        command
            .args(BUILD.split_whitespace())
            .env("RUSTFLAGS", "")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET");
        let progress = screen.progress(1);
        progress.begin("building");
        let terms = Terms {
            stdout: Some(&messages),
            ..Terms::new(&log, BUILD_LIMIT)
        };
        let look = || progress.doing(format!("building: {}", process::last_line(&log)));
        let end = process::run(command, terms, look)?.end;
        ensure!(
            end == End::Passed,
            "the build failed ({end:?}):\n{}",
            process::last_lines(&log, 40)
        );
        let executable = executable_in(&messages)?;
        Ok(Self {
            workspace,
            executable,
        })
    }

    /// The paths it has.
    pub(super) fn paths(&self) -> anyhow::Result<Vec<Path>> {
        let output = Command::new(&self.executable)
            .output()
            .with_context(|| format!("cannot start {}", self.executable.display()))?;
        serde_json::from_slice(&output.stdout).context("the program lists its paths in another way")
    }

    /// Runs a path.
    pub(super) fn run(&self, path: &str, rounds: u64) -> anyhow::Result<Done> {
        let mut command = Command::new(&self.executable);
        command.arg(path).arg(rounds.to_string());
        let log = fresh_log(self.workspace, &format!("{path}-{rounds}"))?;
        finish(command, &log)
    }

    /// Runs a path and counts the instructions of the process.
    pub(super) fn run_under_callgrind(&self, path: &str, rounds: u64) -> anyhow::Result<Sample> {
        let log = fresh_log(self.workspace, &format!("{path}-{rounds}-callgrind"))?;
        let profile = log.with_extension("out");
        let mut profile_to = OsString::from("--callgrind-out-file=");
        profile_to.push(&profile);
        let mut command = Command::new("valgrind");
        command
            .env_remove("VALGRIND_OPTS")
            .arg("--tool=callgrind")
            .arg(profile_to)
            .arg(&self.executable)
            .args([path, &rounds.to_string()]);
        let done = finish(command, &log)?;
        let text = fs::read_to_string(&profile).context("callgrind left no profile")?;
        let counted = total(&text).context("callgrind's profile has no total of instructions")?;
        Ok(done.sample(counted))
    }
}

fn executable_in(messages: &FilePath) -> anyhow::Result<PathBuf> {
    let file = fs::File::open(messages).context("cannot read cargo's messages")?;
    for message in Message::parse_stream(BufReader::new(file)) {
        if let Message::CompilerArtifact(artifact) = message?
            && let Some(executable) = artifact.executable
        {
            return Ok(executable.into_std_path_buf());
        }
    }
    bail!("cargo named no program")
}

fn fresh_log(workspace: &Workspace, name: &str) -> anyhow::Result<PathBuf> {
    let log = workspace.log(&format!("counts/{name}"))?;
    fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
    Ok(log)
}

/// Runs to the end and reads what was printed.
fn finish(command: Command, log: &FilePath) -> anyhow::Result<Done> {
    let printed = log.with_extension("json");
    let terms = Terms {
        stdout: Some(&printed),
        ..Terms::new(log, RUN_LIMIT)
    };
    let end = process::run(command, terms, || ())?.end;
    ensure!(
        end == End::Passed,
        "it did not run well ({end:?}), see {}",
        log.display()
    );
    let text = fs::read_to_string(&printed).context("cannot read what the program printed")?;
    serde_json::from_str(&text).context("the program reports in another way")
}

/// The total of instructions in a profile of callgrind.
pub(super) fn total(profile: &str) -> Option<u64> {
    let field = |name: &str| {
        let mut lines = profile.lines();
        let line = lines.find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()
    };
    if field("events:")? != "Ir" {
        return None;
    }
    field("totals:").or_else(|| field("summary:"))?.parse().ok()
}
