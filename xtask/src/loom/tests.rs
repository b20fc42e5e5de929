//! Reading the table of bugs and loom's output.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use super::{table::MutantTable, *};

const TABLE: &str = r#"
[[mutant]]
number = 1
bug = "the putting CAS is relaxed"
model = "one_slot_two_users"
expect = ["two owners", "Causality violation"]

[[mutant]]
number = 2
bug = "no wake after a return"
model = ["return_wakes", "close_wakes"]
deadlock = true

[[equivalent]]
number = 12
bug = "acquire on a failed CAS"
reason = "the value is thrown away"
"#;

fn failed() -> End {
    End::Failed(ExitStatus::from_raw(101 << 8))
}

fn finished(end: End, output: &str) -> Run {
    let finished = Finished {
        end,
        took: Duration::from_secs(1),
    };
    Run {
        finished,
        output: output.to_owned(),
    }
}

#[test]
fn mutant_is_caught_only_by_an_expected_text_in_a_failed_run() {
    let table = MutantTable::parse(TABLE).unwrap();
    let bug = &table.mutant[0];
    let text = "panicked at 'two owners of slot 0'";
    assert_eq!(bug.caught_by(failed(), text).as_deref(), Some("two owners"));
    assert_eq!(
        bug.caught_by(failed(), "panicked at 'index out of bounds'"),
        None
    );
    assert_eq!(
        bug.caught_by(failed(), "deadlock; threads = []"),
        None,
        "not said in the table"
    );
    assert_eq!(bug.caught_by(End::TimedOut, text), None);
    assert_eq!(bug.caught_by(End::Passed, text), None);
}

#[test]
fn deadlock_catches_where_the_table_says_so() {
    let table = MutantTable::parse(TABLE).unwrap();
    let by = table.mutant[1].caught_by(failed(), "deadlock; threads = [(Id(0), Blocked)]");
    assert_eq!(by.as_deref(), Some("deadlock"));
    assert_eq!(
        table.mutant[1].model.names(),
        ["return_wakes", "close_wakes"]
    );
    assert_eq!(table.equivalent[0].reason, "the value is thrown away");
}

#[test]
fn table_that_could_let_a_bug_pass_for_caught_is_refused() {
    let broken = [
        ("", "has no [[mutant]]"),
        (
            "[[mutant]]\nnumber=1\nbug='b'\nmodel='m'",
            "how it is caught",
        ),
        (
            "[[mutant]]\nnumber=1\nbug='b'\nmodel='m'\nexpect=['']",
            "empty text",
        ),
        (
            "[[mutant]]\nnumber=1\nbug='b'\nmodel=[]\ndeadlock=true",
            "names no model",
        ),
        (
            "[[mutant]]\nnumber=1\nbug='b'\nmodel='m'\nexpects=['x']",
            "cannot be read",
        ),
    ];
    for (text, message) in broken {
        let error = MutantTable::parse(text).unwrap_err();
        assert!(format!("{error:#}").contains(message), "{text}: {error:#}");
    }
    let double = TABLE.replace("number = 12", "number = 1");
    assert!(
        MutantTable::parse(&double)
            .unwrap_err()
            .to_string()
            .contains("twice")
    );
}

#[test]
fn model_that_did_not_finish_or_did_not_run_is_not_green() {
    assert_eq!(
        verdict(&finished(
            End::Passed,
            "test result: ok. 1 passed; 0 failed"
        )),
        "green"
    );
    assert_eq!(
        verdict(&finished(
            End::Passed,
            "test result: ok. 0 passed; 0 failed"
        )),
        "not run"
    );
    assert_eq!(verdict(&finished(End::TimedOut, "")), "UNFINISHED");
    assert_eq!(
        verdict(&finished(failed(), "deadlock; threads = []")),
        "FAILED"
    );
}

#[test]
fn interleavings_of_all_explorations_in_a_model_are_added_up() {
    let output = " INFO loom::model: Completed in 12 iterations\n INFO loom::model: Completed in 30 iterations\n";
    assert_eq!(interleavings(output), Some(42));
    assert_eq!(
        interleavings("test result: ok. 1 passed; finished; Completed in time"),
        None
    );
}

#[test]
fn bound_follows_the_options() {
    let args = |deep, preemptions, mutants| Args {
        deep,
        preemptions,
        mutants,
        filter: None,
        limit: None,
        jobs: 2,
    };
    assert_eq!(args(false, None, false).bound().preemptions, 3);
    assert_eq!(args(true, None, false).bound().preemptions, 4);
    assert_eq!(args(false, None, true).bound().preemptions, 2);
    assert_eq!(args(false, Some(7), true).bound().preemptions, 7);
}
