//! The tests there are: from nextest when it is installed, else from the test binaries themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    harness::Build,
    process::{self, End, Terms},
    screen::{Progress, Screen},
    test::nextest_is_installed,
    workspace::Workspace,
};

/// The wall limit of building and listing.
const LIMIT: Duration = Duration::from_secs(45 * 60);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Nextest {
    rust_suites: BTreeMap<String, Suite>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Suite {
    package_name: String,
    binary_name: String,
    kind: String,
    testcases: BTreeMap<String, IgnoredAny>,
}

/// Every test of the workspace as `<package>::<test binary, or lib>::<path>`.
pub(super) fn existing_tests(
    workspace: &Workspace,
    screen: Screen,
) -> anyhow::Result<BTreeSet<String>> {
    let progress = screen.progress(0);
    if nextest_is_installed(workspace) {
        from_nextest(workspace, &progress)
    } else {
        from_binaries(workspace, &progress)
    }
}

fn from_nextest(workspace: &Workspace, progress: &Progress) -> anyhow::Result<BTreeSet<String>> {
    let log = workspace.log("tests-list")?;
    let json = log.with_extension("json");
    let mut command = workspace.cargo();
    command.args([
        "nextest",
        "list",
        "--workspace",
        "--all-features",
        "--message-format",
        "json",
    ]);
    progress.begin("listing the tests");
    let terms = Terms {
        stdout: Some(&json),
        ..Terms::new(&log, LIMIT)
    };
    let finished = process::run(command, terms, || progress.doing(process::last_line(&log)))?;
    if finished.end != End::Passed {
        bail!(
            "the tests do not build ({:?}):\n{}",
            finished.end,
            process::last_lines(&log, 40)
        );
    }
    read_nextest(&json)
}

fn read_nextest(json: &Path) -> anyhow::Result<BTreeSet<String>> {
    let text =
        std::fs::read_to_string(json).with_context(|| format!("cannot read {}", json.display()))?;
    parse_nextest(&text)
}

/// The tests in nextest's own list.
pub(super) fn parse_nextest(json: &str) -> anyhow::Result<BTreeSet<String>> {
    let list: Nextest = serde_json::from_str(json).context("cannot read nextest's list")?;
    let mut tests = BTreeSet::new();
    for suite in list.rust_suites.into_values() {
        let library = matches!(suite.kind.as_str(), "lib" | "proc-macro");
        let binary = if library { "lib" } else { &suite.binary_name };
        for test in suite.testcases.keys() {
            tests.insert(format!("{}::{binary}::{test}", suite.package_name));
        }
    }
    Ok(tests)
}

fn from_binaries(workspace: &Workspace, progress: &Progress) -> anyhow::Result<BTreeSet<String>> {
    let build = Build {
        name: "tests-list",
        arguments: &[
            "--workspace",
            "--all-features",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
        ],
        flags: None,
    };
    let mut tests = BTreeSet::new();
    for binary in build.run(workspace, progress)? {
        for test in binary.tests()? {
            tests.insert(format!("{}::{}::{test}", binary.package, binary.name));
        }
    }
    Ok(tests)
}
