//! The rule, the file, and what is read from other programs.

use std::{cell::Cell, collections::BTreeMap};

use super::{
    judge::{Change, change, judge},
    measure::{Sample, per_operation},
    program::total,
    stored::{FILE, Limit},
    *,
};

const RUSTC: &str = "rustc 1.95.0 (59807616e 2026-04-14)
binary: rustc
commit-hash: 59807616e1fa2540724bfbac14d7976d7e4a3860
commit-date: 2026-04-14
host: x86_64-unknown-linux-gnu
release: 1.95.0
LLVM version: 22.1.2
";

fn here() -> Toolchain {
    Toolchain::parse(RUSTC).unwrap()
}

fn elsewhere() -> Toolchain {
    Toolchain {
        target: "aarch64-unknown-linux-gnu".to_owned(),
        ..here()
    }
}

fn counts(instructions: u64, allocations: f64) -> Counts {
    Counts {
        allocations: BTreeMap::from([("acquire".to_owned(), allocations)]),
        instructions: Ok(BTreeMap::from([("acquire".to_owned(), instructions)])),
    }
}

/// 1000 instructions and one allocation, accepted here.
fn stored() -> Stored {
    let mut stored = Stored::default();
    stored.accept(&here(), &counts(1000, 1.0));
    stored
}

fn limit(instructions: Option<u64>, allocations: Option<f64>) -> Limit {
    let reason = "it was promised".to_owned();
    Limit {
        instructions,
        allocations,
        reason,
    }
}

/// The weights of what is found, in order.
fn weights(stored: &Stored, toolchain: &Toolchain, counts: &Counts) -> Vec<Weight> {
    let judged = judge(stored, toolchain, counts);
    judged.findings.iter().map(|one| one.weight).collect()
}

#[test]
fn path_is_worse_or_better_by_more_than_5_instructions_and_more_than_3_percent() {
    let table = [
        (100, 105, Change::Within, "exactly 5 more"),
        (100, 106, Change::Worse, "6 more, 6 %"),
        (1000, 1006, Change::Within, "6 more, under 3 %"),
        (1000, 1030, Change::Within, "exactly 3 %"),
        (1000, 1031, Change::Worse, "just over 3 %"),
        (10, 14, Change::Within, "40 %, but 4"),
        (0, 6, Change::Worse, "from nothing"),
        (100, 95, Change::Within, "exactly 5 fewer"),
        (100, 94, Change::Better, "6 fewer"),
        (1000, 970, Change::Within, "exactly 3 % fewer"),
        (1000, 969, Change::Better, "just over 3 % fewer"),
        (100, 100, Change::Within, "the same"),
    ];
    for (before, after, expected, case) in table {
        assert_eq!(change(before, after), expected, "{case}");
    }
}

#[test]
fn worse_path_fails_with_before_after_difference_and_how_to_accept() {
    let judged = judge(&stored(), &here(), &counts(1050, 1.0));
    let text = judged.findings[0].to_string();
    assert_eq!(
        weights(&stored(), &here(), &counts(1050, 1.0)),
        [Weight::Fails]
    );
    let told = [
        "acquire: 1000 instructions before, 1050 now",
        "50 more (5.0 %)",
        "cargo xtask counts --accept",
    ];
    for part in told {
        assert!(text.contains(part), "{text}");
    }
    let line = last_line(false, &counts(1050, 1.0), &judged);
    assert!(line.ends_with("refused: acquire"), "{line}");
}

#[test]
fn better_path_is_told_and_does_not_fail() {
    assert_eq!(
        weights(&stored(), &here(), &counts(900, 1.0)),
        [Weight::Better]
    );
    assert_eq!(
        weights(&stored(), &here(), &counts(1000, 0.0)),
        [Weight::Better]
    );
}

#[test]
fn instructions_of_another_compiler_or_target_are_not_compared() {
    let other = Toolchain {
        compiler: "1.96.0 abc".to_owned(),
        ..here()
    };
    for toolchain in [elsewhere(), other] {
        let judged = judge(&stored(), &toolchain, &counts(9999, 1.0));
        assert_eq!(judged.findings, []);
        let line = last_line(false, &counts(9999, 1.0), &judged);
        let expected = format!("instructions not: none are stored for {toolchain}");
        assert!(line.contains(&expected), "{line}");
    }
}

#[test]
fn without_valgrind_the_reason_is_told_and_allocations_are_compared() {
    let uncounted = |allocations| Counts {
        instructions: Err("valgrind is not installed".to_owned()),
        ..counts(0, allocations)
    };
    let judged = judge(&stored(), &here(), &uncounted(1.0));
    assert_eq!(judged.findings, []);
    let line = last_line(false, &uncounted(1.0), &judged);
    assert!(
        line.contains("instructions not: valgrind is not installed"),
        "{line}"
    );
    assert_eq!(
        weights(&stored(), &here(), &uncounted(2.0)),
        [Weight::Fails]
    );
}

#[test]
fn any_rise_of_allocations_fails_whatever_the_compiler() {
    for toolchain in [here(), elsewhere()] {
        assert_eq!(
            weights(&stored(), &toolchain, &counts(1000, 1.001)),
            [Weight::Fails]
        );
        assert_eq!(weights(&stored(), &toolchain, &counts(1000, 1.0)), []);
    }
}

#[test]
fn limit_fails_whatever_was_accepted() {
    let mut stored = stored();
    stored
        .limits
        .insert("acquire".to_owned(), limit(Some(1000), Some(1.0)));
    assert_eq!(weights(&stored, &here(), &counts(1000, 1.0)), []);
    stored.accept(&here(), &counts(1001, 1.5));
    let findings = judge(&stored, &here(), &counts(1001, 1.5)).findings;
    assert_eq!(findings.len(), 2, "{findings:?}");
    for finding in findings {
        assert_eq!(finding.weight, Weight::Fails);
        assert!(finding.text.contains("it was promised"), "{finding}");
    }
}

#[test]
fn limit_of_instructions_is_told_and_not_enforced_with_an_unknown_compiler() {
    let mut stored = stored();
    stored
        .limits
        .insert("acquire".to_owned(), limit(Some(10), None));
    assert_eq!(
        weights(&stored, &elsewhere(), &counts(1000, 1.0)),
        [Weight::Note]
    );
}

#[test]
fn path_that_is_stored_and_not_counted_or_counted_and_not_stored_fails() {
    let mut more = counts(1000, 1.0);
    more.allocations.insert("another".to_owned(), 0.0);
    assert_eq!(weights(&stored(), &here(), &more), [Weight::Fails]);
    let mut stored = stored();
    stored.allocations.insert("gone".to_owned(), 0.0);
    assert_eq!(
        weights(&stored, &here(), &counts(1000, 1.0)),
        [Weight::Fails]
    );
    let mut stored = self::stored();
    stored
        .limits
        .insert("misspelt".to_owned(), limit(Some(1), None));
    assert_eq!(
        weights(&stored, &here(), &counts(1000, 1.0)),
        [Weight::Fails]
    );
}

#[test]
fn accepting_replaces_the_entry_of_this_compiler_and_keeps_the_others_and_the_limits() {
    let mut stored = stored();
    stored
        .limits
        .insert("acquire".to_owned(), limit(Some(1), None));
    let before = stored.clone();
    stored.accept(&elsewhere(), &counts(7, 1.0));
    assert_eq!(stored.instructions.len(), 2);
    stored.accept(&elsewhere(), &counts(8, 1.0));
    assert_eq!(stored.instructions.len(), 2);
    assert_eq!(stored.accepted(&elsewhere()).unwrap().paths["acquire"], 8);
    assert_eq!(stored.accepted(&here()), before.accepted(&here()));
    assert_eq!(stored.limits, before.limits);
}

#[test]
fn accepting_without_valgrind_keeps_all_instructions() {
    let mut stored = stored();
    let uncounted = Counts {
        instructions: Err("valgrind is not installed".to_owned()),
        ..counts(0, 3.0)
    };
    stored.accept(&here(), &uncounted);
    assert_eq!(stored.allocations["acquire"], 3.0);
    assert_eq!(stored.accepted(&here()).unwrap().paths["acquire"], 1000);
}

#[test]
fn file_that_is_written_reads_the_same() {
    let mut stored = stored();
    stored.accept(&elsewhere(), &counts(7, 0.25));
    stored
        .limits
        .insert("acquire".to_owned(), limit(Some(1), None));
    stored
        .limits
        .insert("busy".to_owned(), limit(None, Some(0.5)));
    let text = stored.text().unwrap();
    assert!(text.starts_with("# What the paths"), "{text}");
    assert_eq!(Stored::parse(&text).unwrap(), stored);
    let broken = Stored::parse("[limit]").unwrap_err();
    assert!(broken.to_string().contains(FILE), "{broken}");
}

#[test]
fn total_of_a_profile_is_read_for_instructions_alone() {
    let profile = "# callgrind format\nversion: 1\nevents: Ir\nsummary: 41\nfn=(1) main\n0 41\n";
    assert_eq!(total(profile), Some(41));
    assert_eq!(total(&format!("{profile}\ntotals: 42\n")), Some(42));
    let caches = profile.replace("Ir", "Ir Dr Dw").replace("41", "40 2 1");
    assert_eq!(total(&caches), Some(40));
    assert_eq!(total(&profile.replace("Ir", "Ge Ir")), None);
    assert_eq!(total("events: Ir\n"), None);
}

#[test]
fn what_happens_once_cancels_out_of_the_cost_of_an_operation() {
    let run = |rounds| {
        Ok(Sample {
            operations: rounds,
            counted: 123_456 + 78 * rounds,
        })
    };
    assert_eq!(per_operation("acquire", run).unwrap(), 78.0);
}

#[test]
fn count_that_is_not_steady_is_refused() {
    let runs = Cell::new(0);
    let run = |rounds| {
        runs.set(runs.get() + 1);
        Ok(Sample {
            operations: rounds,
            counted: 78 * rounds + if runs.get() == 2 { 6_000 } else { 0 },
        })
    };
    let error = per_operation("acquire", run).unwrap_err().to_string();
    assert!(error.contains("79.20 and then 76.80"), "{error}");
}

#[test]
fn long_path_may_differ_by_a_thousandth() {
    let varying = |more| {
        let run = move |rounds| {
            Ok(Sample {
                operations: rounds,
                counted: 9_000 * rounds + if rounds == 15_000 { more } else { 0 },
            })
        };
        per_operation("renew", run)
    };
    assert_eq!(varying(40_000).unwrap(), 9004.0);
    varying(50_000).unwrap_err();
}

#[test]
fn compiler_is_told_by_release_and_commit() {
    assert_eq!(
        here().to_string(),
        "rustc 1.95.0 59807616e1fa2540724bfbac14d7976d7e4a3860 for x86_64-unknown-linux-gnu"
    );
    let unknown = RUSTC.replace("commit-hash", "other");
    assert_eq!(
        Toolchain::parse(&unknown).unwrap().compiler,
        "1.95.0 unknown"
    );
    assert_eq!(Toolchain::parse("rustc 1.95.0"), None);
}
