//! Reading what cargo and test binaries print.

use super::*;

const ARTIFACT: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/pool-core#0.1.0","manifest_path":"/w/pool-core/Cargo.toml","target":{"kind":["KIND"],"crate_types":["bin"],"name":"loom","src_path":"/w/pool-core/tests/loom.rs","edition":"2024","doc":false,"doctest":false,"test":true},"profile":{"opt_level":"3","debuginfo":1,"debug_assertions":true,"overflow_checks":false,"test":TEST},"features":[],"filenames":["/t/loom-1"],"executable":EXE,"fresh":false}"#;

fn artifact(kind: &str, test: &str, executable: &str) -> String {
    ARTIFACT
        .replace("KIND", kind)
        .replace("TEST", test)
        .replace("EXE", executable)
}

#[test]
fn only_test_executables_are_taken_from_the_messages_of_cargo() {
    let messages = [
        r#"{"reason":"build-script-executed","package_id":"x","linked_libs":[],"linked_paths":[],"cfgs":[],"env":[],"out_dir":"/t"}"#.to_owned(),
        artifact("lib", "false", "null"),
        artifact("test", "true", r#""/t/loom-1""#),
        r#"{"reason":"build-finished","success":true}"#.to_owned(),
    ];
    let found = artifacts(messages.join("\n").as_bytes()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].executable.as_deref().unwrap(), "/t/loom-1");
    assert_eq!(binary_name(&found[0]), "loom");
}

#[test]
fn unit_tests_of_a_library_are_called_lib() {
    let found = artifacts(artifact("lib", "true", r#""/t/x""#).as_bytes()).unwrap();
    assert_eq!(binary_name(&found[0]), "lib");
}

#[test]
fn list_of_tests_leaves_benches_and_summaries_out() {
    let output = "a::b: test\nc: benchmark\nd: test\n\n2 tests, 1 benchmark\n";
    assert_eq!(parse_list(output), ["a::b", "d"]);
}

#[test]
fn test_is_found_by_its_path_or_by_an_unambiguous_end_of_it() {
    let tests = [
        "one::same".to_owned(),
        "two::same".to_owned(),
        "two::other".to_owned(),
    ];
    assert_eq!(find(&tests, "one::same"), Some("one::same"));
    assert_eq!(find(&tests, "other"), Some("two::other"));
    assert_eq!(find(&tests, "same"), None, "two tests end like this");
    assert_eq!(find(&tests, "ther"), None, "not a whole part of the path");
}

#[test]
fn process_in_which_no_test_ran_has_not_passed() {
    assert!(one_passed(
        End::Passed,
        "test result: ok. 1 passed; 0 failed"
    ));
    assert!(!one_passed(
        End::Passed,
        "test result: ok. 0 passed; 0 failed; 9 filtered out"
    ));
    assert!(!one_passed(End::TimedOut, "test result: ok. 1 passed"));
}

#[test]
fn command_line_is_no_part_of_what_a_test_printed() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::fs::write(&log, "$ POOL_MUTANT='1' two_owners\nrunning 1 test\n").unwrap();
    assert_eq!(output_in(&log), "running 1 test\n");
}
