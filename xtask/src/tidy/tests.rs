//! Every rule is given something that must fail, and something like it that must not.

use super::{
    manifests::{check_edges, check_lints, check_map},
    *,
};

fn edge(from: &str, to: &str, for_tests: bool) -> Edge {
    Edge {
        from: from.to_owned(),
        to: Some(to.to_owned()),
        for_tests,
    }
}

fn edge_problems(from: &str, to: &str, for_tests: bool) -> Vec<Problem> {
    check_edges(RULES, &[edge(from, to, for_tests)])
}

fn source(place: &str, text: &str) -> Vec<String> {
    let text = format!("//! A module.\n{text}");
    sources::check(place, &text)
        .into_iter()
        .map(|problem| problem.to_string())
        .collect()
}

#[test]
fn forbidden_edge_is_named_with_its_rule_and_its_cure() {
    let problems = edge_problems("pool-core", "pool-testkit", true);
    let text = problems[0].to_string();
    assert!(
        text.contains("pool-core: its tests depend on pool-testkit"),
        "{text}"
    );
    assert!(
        text.contains("rests on nothing here") && text.contains("cure: put a trait"),
        "{text}"
    );
}

#[test]
fn edges_follow_the_table() {
    let allowed = [
        ("pool-health", "pool-core", false),
        ("pool-health", "pool-testkit", true),
        ("pool-sqlite", "pool-multiplex", false),
        ("pool-admin", "pool-metrics", false),
        ("pool-facade", "pool-sqlite", false),
        ("pool-facade", "pool-testkit", true),
        ("pool-benches", "pool-facade", false),
        ("pool-testkit", "pool-core", false),
    ];
    for (from, to, for_tests) in allowed {
        assert_eq!(edge_problems(from, to, for_tests), [], "{from} -> {to}");
    }
    let forbidden = [
        ("pool-health", "pool-sizing", false),
        ("pool-health", "pool-testkit", false),
        ("pool-sqlite", "pool-postgres", true),
        ("pool-testkit", "pool-facade", true),
        ("pool-facade", "pool-testkit", false),
        ("pool-facade", "pool-benches", true),
        ("xtask", "pool-core", false),
        ("pool-benches", "xtask", false),
    ];
    for (from, to, for_tests) in forbidden {
        assert_eq!(
            edge_problems(from, to, for_tests).len(),
            1,
            "{from} -> {to}"
        );
    }
}

#[test]
fn crate_without_a_row_is_a_problem() {
    let stranger = Edge {
        from: "pool-strange".to_owned(),
        to: None,
        for_tests: false,
    };
    let problems = check_edges(RULES, &[stranger, edge("pool-strange", "pool-core", false)]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].what.contains("no row"));
}

#[test]
fn manifest_without_the_lints_of_the_workspace_is_a_problem() {
    assert_eq!(
        check_lints("x/Cargo.toml", "[lints]\nworkspace = true\n"),
        []
    );
    for manifest in [
        "",
        "[lints]\nworkspace = false\n",
        "# [lints]\n# workspace = true\n",
    ] {
        assert_eq!(check_lints("x/Cargo.toml", manifest).len(), 1, "{manifest}");
    }
}

#[test]
fn map_names_a_crate_only_by_its_whole_name() {
    assert_eq!(check_map(&["pool-core"], "- `pool-core`: the heart"), []);
    assert_eq!(
        check_map(&["pool-core"], "- `pool-core-extra` and my-pool-core").len(),
        1
    );
    assert_eq!(check_map(&["pool-core", "xtask"], "").len(), 2);
}

#[test]
fn module_below_src_needs_its_documentation_first() {
    let bare = sources::check("pool-core/src/x.rs", "use std::fmt;\n//! Late.\n");
    assert!(bare[0].what.contains("no documentation"));
    assert_eq!(
        sources::check("pool-core/tests/x.rs", "use std::fmt;\n"),
        []
    );
}

#[test]
fn file_over_the_limit_is_a_problem() {
    assert_eq!(source("a/tests/x.rs", &"\n".repeat(599)), [] as [String; 0]);
    assert_eq!(source("a/tests/x.rs", &"\n".repeat(600)).len(), 1);
}

#[test]
fn leftovers_are_found_in_code_and_not_in_strings() {
    for bad in [
        "fn f() { dbg!(1); }",
        "fn f() { todo!() }",
        "#[test] #[ignore = \"slow\"] fn f() {}",
    ] {
        assert_eq!(source("a/tests/x.rs", bad).len(), 1, "{bad}");
    }
    let conditional = "#[cfg_attr(miri, ignore)] fn f() {}";
    assert_eq!(source("a/tests/x.rs", conditional).len(), 1);
    let good = "/// Not dbg!(x), todo!() or #[ignore].\nconst A: &str = \"dbg!( todo!( #[ignore\";";
    assert_eq!(source("a/tests/x.rs", good), [] as [String; 0]);
}

#[test]
fn promises_are_found_in_comments_with_their_line() {
    let problems = source("a/src/x.rs", concat!("// TO", "DO: later\n"));
    assert!(problems[0].starts_with("a/src/x.rs:2: "), "{problems:?}");
    assert_eq!(
        source("a/src/x.rs", concat!("// the FIX", "METHOD\n")),
        [] as [String; 0]
    );
}

#[test]
fn unsafe_is_allowed_in_the_queue_alone() {
    let text = "fn f() { unsafe { g() } }";
    assert_eq!(
        source("pool-core/src/queue/slot.rs", text),
        [] as [String; 0]
    );
    assert_eq!(source("pool-core/src/pool.rs", text).len(), 1);
    assert_eq!(source("pool-core/tests/x.rs", text).len(), 1);
    let mentioned = "#![forbid(unsafe_code)] // no unsafe\nconst A: &str = \"unsafe\";";
    assert_eq!(
        source("pool-core/src/pool.rs", mentioned),
        [] as [String; 0]
    );
}

#[test]
fn queue_reaches_atomics_through_its_shim_alone() {
    let direct = [
        "use std::sync::atomic::AtomicU64;",
        "use core::sync::atomic::{AtomicU64, Ordering};",
        "use std::sync::{Arc, atomic::AtomicU64};",
        "use std::{fmt, sync::atomic::AtomicU64};",
        "fn f(a: &loom::sync::atomic::AtomicU64) {}",
    ];
    for text in direct {
        assert_eq!(
            source("pool-core/src/queue/slot.rs", text).len(),
            1,
            "{text}"
        );
        assert_eq!(
            source("pool-core/src/queue/sync.rs", text),
            [] as [String; 0],
            "{text}"
        );
        assert_eq!(
            source("pool-core/src/pool.rs", text),
            [] as [String; 0],
            "{text}"
        );
    }
    let shimmed = "use super::sync::{AtomicU64, Ordering}; use crate::queue::sync::atomic::X;";
    assert_eq!(
        source("pool-core/src/queue/slot.rs", shimmed),
        [] as [String; 0]
    );
}

#[test]
fn file_that_is_no_rust_is_a_problem() {
    assert!(source("a/src/x.rs", "fn f( {")[0].contains("no Rust"));
}
