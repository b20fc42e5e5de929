//! Plans of warm-ups, and what follows from how they end.

use std::time::Duration;

use pool_health::{Cold, WarmUp, WarmUpFailure, Warmth};

use crate::subjects::connection;

const FAILURES: [WarmUpFailure; 4] = [
    WarmUpFailure::TimedOut,
    WarmUpFailure::Execute(0),
    WarmUpFailure::Prepare(0),
    WarmUpFailure::Broken,
];

#[test]
fn a_plan_keeps_the_order_of_its_statements() {
    let plan = WarmUp::builder()
        .execute("SET a = 1")
        .prepare("SELECT 2")
        .execute("SET b = 2")
        .prepare("SELECT 1")
        .build()
        .expect("it can be");
    assert_eq!(
        plan.executes().collect::<Vec<_>>(),
        ["SET a = 1", "SET b = 2"]
    );
    assert_eq!(
        plan.prepares().collect::<Vec<_>>(),
        ["SELECT 2", "SELECT 1"]
    );
    assert_eq!(plan.limit(), Duration::from_secs(5));
    assert!(!plan.is_empty());
}

#[test]
fn nothing_to_do_is_a_plan_too() {
    assert!(WarmUp::builder().build().expect("it can be").is_empty());
}

#[test]
fn settings_that_cannot_be_are_told_all_at_once() {
    let error = WarmUp::builder()
        .execute(" \n")
        .execute("SELECT 1")
        .execute("SELECT '\0'")
        .prepare("")
        .prepare("x".repeat(64 * 1024 + 1))
        .prepare("SELECT 1")
        .prepare("SELECT 1")
        .limit(Duration::ZERO)
        .build()
        .expect_err("none of it can be");
    let begin = |text: &String| text.split(';').next().map(str::to_owned);
    let problems: Vec<_> = error.problems().iter().filter_map(begin).collect();
    assert_eq!(
        problems,
        [
            "statement 1 is empty",
            "statement 3 has a NUL byte, which ends a text on the wire",
            "prepare 1 is empty",
            "prepare 2 has 65537 bytes",
            "prepare 4 is there twice",
            "limit is 0",
        ]
    );
}

#[test]
fn a_plan_is_bounded() {
    let fill = |count: usize| {
        let add = |plan: pool_health::WarmUpBuilder, index| plan.prepare(format!("SELECT {index}"));
        (0..count).fold(WarmUp::builder(), add).build()
    };
    assert!(fill(256).is_ok());
    let error = fill(257).expect_err("one too many");
    assert!(
        error.to_string().contains("257 statements to prepare"),
        "{error}"
    );
}

#[test]
fn a_failure_closes_or_keeps_as_the_plan_says_but_what_is_broken_is_closed() {
    for (cold, follows) in [(Cold::Close, Warmth::Closed), (Cold::Keep, Warmth::Kept)] {
        let plan = WarmUp::builder()
            .on_failure(cold)
            .build()
            .expect("it can be");
        assert_eq!(plan.judge(Ok(())), Warmth::Warm);
        for failure in FAILURES {
            let broken = failure == WarmUpFailure::Broken;
            let follows = if broken { Warmth::Closed } else { follows };
            assert_eq!(plan.judge(Err(failure)), follows, "{cold:?} {failure:?}");
        }
    }
}

#[test]
fn a_connection_that_is_kept_cold_is_told_of() {
    let plan = WarmUp::builder()
        .on_failure(Cold::Keep)
        .build()
        .expect("it can be");
    let mut texts = Vec::new();
    for failure in FAILURES {
        let finding = plan.finding(connection(3, 4), failure);
        assert_eq!(
            (finding.part, finding.connection),
            ("warm_up", Some(connection(3, 4)))
        );
        assert_eq!(finding.acted, failure == WarmUpFailure::Broken);
        texts.push(finding.text);
    }
    texts.dedup();
    assert_eq!(texts.len(), 4, "each says something else");
}
