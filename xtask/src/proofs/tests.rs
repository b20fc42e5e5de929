//! Holding rules against tests.

use super::{list::parse_nextest, *};

fn existing() -> BTreeSet<String> {
    [
        "pool-facade::builder::max_below_min_is_refused",
        "pool-core::lib::queue::tests::one_owner",
    ]
    .map(str::to_owned)
    .into()
}

fn found(text: &str) -> Vec<String> {
    problems(&parse(text).unwrap(), &existing())
}

const GOOD: &str = r#"
required = ["C01"]
[[rule]]
id = "C01"
rule = "max_size below min_size is refused"
tests = ["pool-facade::builder::max_below_min_is_refused"]
"#;

#[test]
fn rule_with_an_existing_test_has_no_problem() {
    assert_eq!(found(GOOD), [] as [String; 0]);
}

#[test]
fn rule_without_a_test_is_a_problem() {
    let text = GOOD.replace(
        r#"["pool-facade::builder::max_below_min_is_refused"]"#,
        "[]",
    );
    assert!(found(&text)[0].contains("C01: no test is named"));
}

#[test]
fn test_that_moved_is_a_problem_and_its_new_place_is_named() {
    let text = GOOD.replace("pool-facade::builder::", "pool-facade::config::");
    let problems = found(&text);
    assert!(
        problems[0].contains("does not exist; is it pool-facade::builder::"),
        "{problems:?}"
    );
}

#[test]
fn required_id_without_a_rule_and_double_ids_are_problems() {
    let text = GOOD.replace(r#"required = ["C01"]"#, r#"required = ["C01", "C02"]"#);
    assert_eq!(found(&text), ["C02: required and without a [[rule]]"]);
    let rule = &GOOD[GOOD.find("[[rule]]").unwrap()..];
    assert_eq!(
        found(&format!("{GOOD}{rule}")),
        ["C01: stands 2 times; one rule, one id"]
    );
}

#[test]
fn empty_list_proves_nothing() {
    assert!(found("")[0].contains("has no [[rule]]"));
}

#[test]
fn list_of_nextest_is_read_with_lib_for_unit_tests() {
    let json = r#"{"rust-build-meta":{},"test-count":2,"rust-suites":{
        "pool-core":{"package-name":"pool-core","binary-id":"pool-core","binary-name":"pool_core",
            "kind":"lib","testcases":{"queue::tests::one_owner":{"ignored":false}}},
        "pool-facade::builder":{"package-name":"pool-facade","binary-name":"builder",
            "kind":"test","testcases":{"max_below_min_is_refused":{"ignored":false}}}}}"#;
    assert_eq!(parse_nextest(json).unwrap(), existing());
}
