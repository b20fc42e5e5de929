//! House rules that no compiler checks.
//!
//! Each rule is a pure function from what is written to a list of problems, and each problem says
//! where it is, what rule it breaks and what usually cures it. The tests feed every rule something
//! that must fail.

mod manifests;
mod sources;
#[cfg(test)]
mod tests;

use std::{fmt, path::Path, process::ExitCode};

use anyhow::Context;
use cargo_metadata::DependencyKind;
use walkdir::WalkDir;

use self::manifests::Edge;
use crate::{edges::RULES, exit_code, workspace::Workspace};

/// `tidy` takes no options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    /// A file, with a line where there is one, or a crate.
    place: String,
    /// What is wrong.
    what: String,
    /// What usually helps.
    cure: String,
}

impl Problem {
    fn new(place: impl Into<String>, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
            cure: cure.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}: {}\n    cure: {}",
            self.place, self.what, self.cure
        )
    }
}

/// Checks every member of the workspace.
pub(crate) fn run(workspace: &Workspace, _: &Args) -> anyhow::Result<ExitCode> {
    let mut problems = manifests::check_edges(RULES, &edges(workspace));
    let names: Vec<&str> = workspace
        .packages()
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    let map = std::fs::read_to_string(workspace.root().join("ARCHITECTURE.md"));
    problems.extend(manifests::check_map(
        &names,
        map.as_deref().unwrap_or_default(),
    ));
    let mut files = 0;
    for package in workspace.packages() {
        let manifest = package.manifest_path.as_std_path();
        problems.extend(manifests::check_lints(
            &workspace.place(manifest),
            &read(manifest)?,
        ));
        let folder = manifest.parent().unwrap_or_else(|| workspace.root());
        files += check_folder(workspace, folder, &mut problems)?;
    }
    for problem in &problems {
        println!("{problem}");
    }
    println!(
        "{} crates, {files} source files, {} problems",
        names.len(),
        problems.len()
    );
    Ok(exit_code(problems.is_empty()))
}

/// The edges between members, with a member that has none as well.
fn edges(workspace: &Workspace) -> Vec<Edge> {
    let packages = workspace.packages();
    let member = |name: &str| packages.iter().any(|package| package.name.as_str() == name);
    let mut edges = Vec::new();
    for package in &packages {
        edges.push(Edge {
            from: package.name.to_string(),
            to: None,
            for_tests: false,
        });
        for dependency in package.dependencies.iter().filter(|one| member(&one.name)) {
            edges.push(Edge {
                from: package.name.to_string(),
                to: Some(dependency.name.clone()),
                for_tests: dependency.kind == DependencyKind::Development,
            });
        }
    }
    edges
}

fn check_folder(
    workspace: &Workspace,
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> anyhow::Result<usize> {
    let mut files = 0;
    let entries = WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            let build_output = name == "target" || name.starts_with("target-");
            entry.depth() == 0 || !(build_output || name.starts_with('.'))
        });
    for entry in entries {
        let entry = entry.context("cannot walk a crate's folder")?;
        let is_source = entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rs");
        if entry.file_type().is_file() && is_source {
            files += 1;
            let place = workspace.place(entry.path());
            problems.extend(sources::check(&place, &read(entry.path())?));
        }
    }
    Ok(files)
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
