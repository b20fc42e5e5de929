//! What a child may and may not do.

use super::*;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn output_of_a_child_and_its_command_line_are_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let terms = Terms::new(&log, Duration::from_secs(60));
    let finished = run(shell("echo out; echo err >&2"), terms, || ()).unwrap();
    assert_eq!(finished.end, End::Passed);
    let text = read_log(&log);
    assert!(text.starts_with("$ sh -c"), "{text}");
    assert!(
        text.contains("\nout\n") && text.contains("\nerr\n"),
        "{text}"
    );
}

#[test]
fn failing_child_is_failed_and_not_timed_out() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let finished = run(
        shell("exit 3"),
        Terms::new(&log, Duration::from_secs(60)),
        || (),
    )
    .unwrap();
    let End::Failed(status) = finished.end else {
        panic!("{finished:?}")
    };
    assert_eq!(status.code(), Some(3));
}

#[test]
fn child_past_its_limit_is_stopped_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // Were the inner sleep left alone, the outer shell would go on to print.
    let script = "sh -c 'sleep 600'; echo survived";
    let finished = run(shell(script), Terms::new(&log, Duration::ZERO), || ()).unwrap();
    assert_eq!(finished.end, End::TimedOut);
    assert!(finished.took < Duration::from_secs(60));
    assert!(!read_log(&log).contains("\nsurvived"));
}

#[test]
fn stdout_of_its_own_stays_out_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (log, out) = (folder.path().join("log"), folder.path().join("out"));
    let terms = Terms {
        stdout: Some(&out),
        ..Terms::new(&log, Duration::from_secs(60))
    };
    run(shell("echo o''ut; echo err >&2"), terms, || ()).unwrap();
    assert_eq!(read_log(&out), "out\n");
    assert!(!read_log(&log).contains("\nout\n"));
}

#[test]
fn last_line_skips_blank_ones() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::fs::write(&log, "one\ntwo\nthree\n\n").unwrap();
    assert_eq!(last_line(&log), "three");
    assert_eq!(last_lines(&log, 2), "three\n");
}

#[test]
fn results_of_parallel_work_keep_the_order_of_the_items() {
    let items: Vec<u32> = (0..100).collect();
    let doubled = in_parallel(4, &items, |item| item * 2);
    assert_eq!(
        doubled,
        items.iter().map(|item| item * 2).collect::<Vec<_>>()
    );
    assert!(in_parallel(2, &[] as &[u32], |item| *item).is_empty());
}
