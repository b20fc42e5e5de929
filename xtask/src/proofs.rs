//! Every written rule and the tests that hold it, in one table.
//!
//! Rules live in prose and tests in code; without a list that is checked, a renamed test leaves a
//! rule unproved and nobody sees it. The list is `proofs.toml`.

mod list;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use anyhow::Context;
use serde::Deserialize;

use crate::{
    exit_code,
    screen::{Screen, table},
    workspace::Workspace,
};

/// Where the rules are listed.
const TABLE: &str = "proofs.toml";

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only problems, no table.
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proofs {
    /// The ids that must have a rule.
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    rule: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    id: String,
    rule: String,
    /// Each `<package>::<test binary, or lib>::<path of the test>`.
    tests: Vec<String>,
}

/// Compares the list with the tests there are.
pub(crate) fn run(workspace: &Workspace, screen: Screen, args: &Args) -> anyhow::Result<ExitCode> {
    let path = workspace.root().join(TABLE);
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {TABLE}"))?;
    let proofs = parse(&text)?;
    let existing = list::existing_tests(workspace, screen)?;
    if !args.quiet {
        let mut rows = table(["id", "rule", "tests"]);
        for rule in &proofs.rule {
            rows.add_row([rule.id.as_str(), rule.rule.as_str(), &rule.tests.join("\n")]);
        }
        println!("{rows}");
    }
    let problems = problems(&proofs, &existing);
    for problem in &problems {
        println!("{problem}");
    }
    let named: usize = proofs.rule.iter().map(|rule| rule.tests.len()).sum();
    println!(
        "{} rules, {named} tests named, {} tests exist, {} problems",
        proofs.rule.len(),
        existing.len(),
        problems.len()
    );
    Ok(exit_code(problems.is_empty()))
}

fn parse(text: &str) -> anyhow::Result<Proofs> {
    toml::from_str(text).with_context(|| format!("{TABLE} is broken"))
}

/// What keeps the list from being a proof.
fn problems(proofs: &Proofs, existing: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in &proofs.rule {
        *seen.entry(&rule.id).or_default() += 1;
        if rule.tests.is_empty() {
            problems.push(format!(
                "{}: no test is named; write one and name it",
                rule.id
            ));
        }
        for test in rule.tests.iter().filter(|test| !existing.contains(*test)) {
            problems.push(missing(&rule.id, test, existing));
        }
    }
    for (id, times) in &seen {
        if *times > 1 {
            problems.push(format!("{id}: stands {times} times; one rule, one id"));
        }
    }
    for id in proofs
        .required
        .iter()
        .filter(|id| !seen.contains_key(id.as_str()))
    {
        problems.push(format!("{id}: required and without a [[rule]]"));
    }
    if proofs.rule.is_empty() {
        problems.push(format!("{TABLE} has no [[rule]]: it would prove nothing"));
    }
    problems
}

/// Names tests with the same last part, which is what a moved test leaves behind.
fn missing(id: &str, test: &str, existing: &BTreeSet<String>) -> String {
    let name = test.rsplit("::").next().unwrap_or(test);
    let similar: Vec<&str> = existing
        .iter()
        .filter(|other| other.rsplit("::").next() == Some(name))
        .map(String::as_str)
        .collect();
    if similar.is_empty() {
        format!("{id}: the test `{test}` does not exist")
    } else {
        format!(
            "{id}: the test `{test}` does not exist; is it {}?",
            similar.join(" or ")
        )
    }
}
