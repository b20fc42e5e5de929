//! Rules on manifests and on the map of the house.

use super::Problem;
use crate::edges::Rule;

/// A dependency of one member on another; `to` is none for the mere existence of a member.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: Option<String>,
    pub(super) for_tests: bool,
}

/// Every edge is in the table.
pub(super) fn check_edges(rules: &[Rule], edges: &[Edge]) -> Vec<Problem> {
    edges
        .iter()
        .filter_map(|edge| check_edge(rules, edge))
        .collect()
}

fn check_edge(rules: &[Rule], edge: &Edge) -> Option<Problem> {
    let rule = rules.iter().find(|rule| rule.owner == edge.from);
    match (rule, &edge.to) {
        (None, None) => Some(Problem::new(
            &edge.from,
            "the table of edges has no row for this crate",
            "add one to xtask/src/edges.rs, with its reason, and a line to ARCHITECTURE.md",
        )),
        (Some(rule), Some(to)) => {
            let allowed = rule.normal.contains(to) || (edge.for_tests && rule.tests.contains(to));
            let kind = if edge.for_tests {
                "its tests depend"
            } else {
                "it depends"
            };
            (!allowed).then(|| {
                let what = format!("{kind} on {to}, but {}", rule.reason);
                Problem::new(&edge.from, what, rule.cure)
            })
        }
        (None, Some(_)) | (Some(_), None) => None,
    }
}

/// The manifest takes the workspace's lints.
pub(super) fn check_lints(place: &str, manifest: &str) -> Vec<Problem> {
    let taken = toml::from_str::<toml::Table>(manifest)
        .ok()
        .and_then(|table| table.get("lints")?.as_table()?.get("workspace")?.as_bool());
    if taken == Some(true) {
        return Vec::new();
    }
    let cure = "add `[lints]` with `workspace = true`";
    vec![Problem::new(
        place,
        "the crate does not take the lints of the workspace",
        cure,
    )]
}

/// The map names every member.
pub(super) fn check_map(names: &[&str], map: &str) -> Vec<Problem> {
    let absent = names.iter().filter(|name| !has_word(map, name));
    absent
        .map(|name| {
            let what = format!("the map does not name the crate {name}");
            Problem::new("ARCHITECTURE.md", what, "say there what the crate is for")
        })
        .collect()
}

/// Whether `word` stands in `text` and not only as a part of a longer name.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}
