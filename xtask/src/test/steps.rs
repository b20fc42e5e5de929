//! The steps: what each shows and which commands do it.

use std::{env, process::Command};

use anyhow::Context;
use clap::ValueEnum;

use crate::workspace::Workspace;

/// A step, in the order in which they run: cheap and telling ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    Services,
    Fmt,
    Tidy,
    Clippy,
    NoDefault,
    Tests,
    DocTests,
    Docs,
    Tree,
    Counts,
    Loom,
    LoomMutants,
    Mutants,
    Proofs,
    Deny,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Plan {
    Run(Vec<Command>),
    Skip(String),
}

impl Step {
    /// All of them, in order.
    pub(super) const ALL: [Self; 15] = [
        Self::Services,
        Self::Fmt,
        Self::Tidy,
        Self::Clippy,
        Self::NoDefault,
        Self::Tests,
        Self::DocTests,
        Self::Docs,
        Self::Tree,
        Self::Counts,
        Self::Loom,
        Self::LoomMutants,
        Self::Mutants,
        Self::Proofs,
        Self::Deny,
    ];

    /// The name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::NoDefault => "no-default",
            Self::Tests => "tests",
            Self::DocTests => "doc-tests",
            Self::Docs => "docs",
            Self::Tree => "tree",
            Self::Counts => "counts",
            Self::Loom => "loom",
            Self::LoomMutants => "loom-mutants",
            Self::Mutants => "mutants",
            Self::Proofs => "proofs",
            Self::Deny => "deny",
        }
    }

    /// What it shows when it passes.
    pub(super) fn purpose(self) -> &'static str {
        match self {
            Self::Services => "a private PostgreSQL starts, and stops at the end",
            Self::Fmt => "the code is formatted",
            Self::Tidy => "edges between crates and house rules hold",
            Self::Clippy => "each crate by itself is free of warnings, with and without features",
            Self::NoDefault => "pool-core builds without a runtime",
            Self::Tests => "unit, property and conformance tests pass",
            Self::DocTests => "examples in the documentation compile and run",
            Self::Docs => "the documentation builds without warnings",
            Self::Tree => "pool-core brings few crates",
            Self::Counts => {
                "paths cost no more instructions (needs valgrind) and allocations than accepted"
            }
            Self::Loom => "the models of the queue are green up to a bound",
            Self::LoomMutants => "the models catch seeded bugs",
            Self::Mutants => "the tests of the promises catch seeded breaks",
            Self::Proofs => "every rule names tests that exist",
            Self::Deny => "licences and sources of dependencies are allowed (needs cargo-deny)",
        }
    }

    /// Whether its tests talk to a server.
    pub(super) fn needs_servers(self) -> bool {
        matches!(self, Self::Tests | Self::DocTests | Self::Mutants)
    }

    /// Whether the last line of its output says what came out, and belongs into the table: a step
    /// that passes all the same when it could not do everything.
    pub(super) fn tells(self) -> bool {
        self == Self::Counts
    }

    /// Its commands. `Services` has none: it is run by [`super::servers`].
    pub(super) fn plan(self, workspace: &Workspace) -> anyhow::Result<Plan> {
        let cargo = |line: &str| {
            let mut command = workspace.cargo();
            command.args(line.split_whitespace());
            command
        };
        let commands = match self {
            Self::Services => Vec::new(),
            Self::Fmt => vec![cargo("fmt --all --check")],
            Self::Clippy => clippy(workspace),
            Self::NoDefault => {
                vec![cargo(
                    "check --package pool-core --no-default-features --all-targets",
                )]
            }
            Self::Tests => vec![cargo(tests_line(nextest_is_installed(workspace)))],
            Self::DocTests => vec![cargo("test --doc --workspace --all-features")],
            Self::Docs => {
                let mut command = cargo("doc --workspace --no-deps --all-features");
                command.env("RUSTDOCFLAGS", "-D warnings");
                vec![command]
            }
            Self::Tidy => vec![own(&["tidy"])?],
            Self::Tree => vec![own(&["tree"])?],
            Self::Counts => vec![own(&["counts"])?],
            Self::Loom => vec![own(&["loom"])?],
            Self::LoomMutants => vec![own(&["loom", "--mutants"])?],
            Self::Mutants => vec![own(&["mutants"])?],
            Self::Proofs => vec![own(&["proofs"])?],
            Self::Deny if !is_installed(workspace, "deny") => {
                return Ok(Plan::Skip("cargo-deny is not installed".to_owned()));
            }
            Self::Deny => vec![cargo("deny --all-features check bans licenses sources")],
        };
        Ok(Plan::Run(commands))
    }
}

/// Each crate by itself: with the whole workspace, one crate's features would hide in another's.
fn clippy(workspace: &Workspace) -> Vec<Command> {
    let mut commands = Vec::new();
    for package in workspace.packages() {
        let variants: &[&[&str]] = if package.features.is_empty() {
            &[&[]]
        } else {
            &[&[], &["--all-features"]]
        };
        for features in variants {
            let mut command = workspace.cargo();
            command
                .args([
                    "clippy",
                    "--package",
                    package.name.as_str(),
                    "--all-targets",
                ])
                .args(*features)
                .args(["--", "-D", "warnings"]);
            commands.push(command);
        }
    }
    commands
}

fn tests_line(nextest: bool) -> &'static str {
    if nextest {
        "nextest run --workspace --all-features"
    } else {
        "test --workspace --all-features --lib --bins --tests --examples --no-fail-fast"
    }
}

/// This program again, so that every step is a command with a log.
fn own(arguments: &[&str]) -> anyhow::Result<Command> {
    let program = env::current_exe().context("cannot find the program of xtask")?;
    // A rebuild during the run replaces the file; Linux then calls the running one "deleted".
    let program = program
        .to_string_lossy()
        .trim_end_matches(" (deleted)")
        .to_owned();
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// Whether `cargo nextest` can be used.
pub(crate) fn nextest_is_installed(workspace: &Workspace) -> bool {
    is_installed(workspace, "nextest")
}

fn is_installed(workspace: &Workspace, subcommand: &str) -> bool {
    let output = workspace.cargo().args([subcommand, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}
