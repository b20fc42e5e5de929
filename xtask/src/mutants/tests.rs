//! Reading the table of breaks and judging a run.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use super::*;

const TABLE: &str = r#"
[[break]]
number = 101
promise = "P1"
bug = "two leases of one slot"
test = "promises::one_owner"
binary = "promises"

[[break]]
number = 102
promise = "P4"
bug = "no deadline"
test = "every_wait_ends"
binary = "promises"
expect = ["waited for ever"]
"#;

fn failed() -> End {
    End::Failed(ExitStatus::from_raw(101 << 8))
}

#[test]
fn break_is_caught_by_a_failure_or_a_hang_and_by_nothing_else() {
    let breaks = parse(TABLE).unwrap();
    assert_eq!(
        breaks[0].judge(failed(), "anything"),
        Outcome::Caught("test fails")
    );
    assert_eq!(
        breaks[0].judge(End::TimedOut, ""),
        Outcome::Caught("test never ends")
    );
    assert_eq!(breaks[0].judge(End::Passed, ""), Outcome::Survived);
    assert_eq!(breaks[0].judge(End::Interrupted, ""), Outcome::Interrupted);
}

#[test]
fn failure_without_the_expected_text_is_a_survivor() {
    let breaks = parse(TABLE).unwrap();
    assert_eq!(
        breaks[1].judge(failed(), "index out of bounds"),
        Outcome::OtherFailure
    );
    assert_eq!(
        breaks[1].judge(failed(), "waited for ever"),
        Outcome::Caught("test fails")
    );
}

#[test]
fn empty_table_and_double_numbers_are_refused() {
    assert!(parse("").unwrap_err().to_string().contains("no [[break]]"));
    let double = TABLE.replace("102", "101");
    assert!(parse(&double).unwrap_err().to_string().contains("twice"));
}

#[test]
fn break_with_an_unknown_binary_is_an_error_and_not_a_catch() {
    let breaks = parse(TABLE).unwrap();
    let error = witnesses(&[], &breaks).unwrap_err();
    assert!(
        error.to_string().contains("no test binary `promises`"),
        "{error}"
    );
}
