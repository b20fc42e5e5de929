//! Counting the crates of a tree.

use super::*;

#[test]
fn crate_that_occurs_twice_counts_once_and_two_versions_count_twice() {
    let output =
        "pool-core v0.1.0 (/somewhere/pool-core)\nlibc v0.2.1\nlibc v0.2.1 (*)\n\nlibc v1.0.0\n";
    let crates = distinct(output);
    assert_eq!(crates.len(), 3, "{crates:?}");
    assert!(crates.contains("pool-core v0.1.0"));
}
