//! Records of made-up answers, byte by byte.

use super::super::tests::{close, message, parse, query, ready, run, started};
use super::{Kind, NAME, PARAMETERS, REQUESTS, Record, STATEMENTS, Shared, Tag, UNANSWERED, VALUE};
use crate::watch::Status;
use crate::watch::stream::Reader;
use proptest::prelude::*;

/// A reader that records from here on.
fn recording() -> Reader {
    let mut reader = started();
    reader.record(1);
    reader
}

fn recorded(reader: &mut Reader) -> Record {
    let mut shared = Shared::new();
    shared.begin(1);
    let recorder = reader.findings.recorder.as_mut().unwrap();
    recorder.hand_over(&mut shared);
    shared.take()
}

fn done(tag: &str) -> Vec<u8> {
    message(b'C', &[tag.as_bytes(), b"\0"].concat())
}

fn parameter(name: &str, value: &str) -> Vec<u8> {
    message(
        b'S',
        &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat(),
    )
}

/// What a server says to one simple query.
fn answered(reader: &mut Reader, said: &[Vec<u8>]) -> Record {
    reader.wrote(&query("x"));
    reader.read(&[said.concat(), ready(b'I')].concat());
    recorded(reader)
}

#[test]
fn tags_are_told_apart_by_their_words() {
    for (tag, class) in [
        ("BEGIN", Tag::Begin),
        ("START TRANSACTION", Tag::Begin),
        ("COMMIT", Tag::Commit),
        ("COMMIT PREPARED", Tag::Other),
        ("ROLLBACK", Tag::Rollback),
        ("ROLLBACK PREPARED", Tag::Other),
        ("PREPARE TRANSACTION", Tag::Other),
        ("SAVEPOINT", Tag::Savepoint),
        ("RELEASE", Tag::Release),
        ("SET", Tag::Set),
        ("SET CONSTRAINTS", Tag::Other),
        ("RESET", Tag::Reset),
        ("SELECT 12345678901234567890", Tag::Select),
        ("SELECTION", Tag::Other),
        ("INSERT 0 1", Tag::Other),
    ] {
        let record = answered(&mut recording(), &[done(tag)]);
        assert_eq!(record.answers[0].tags, [class], "{tag}");
    }
}

#[test]
fn empty_and_suspended_statements_count_as_completed() {
    let said = [message(b'I', b""), message(b's', b""), done("SELECT 1")];
    let record = answered(&mut recording(), &said);
    assert_eq!(
        record.answers[0].tags,
        [Tag::Empty, Tag::Suspended, Tag::Select]
    );
}

#[test]
fn answers_to_what_was_sent_before_are_left_out() {
    let mut reader = started();
    reader.wrote(&query("SELECT 1"));
    reader.record(1);
    reader.wrote(&query("COMMIT"));
    reader.read(&[done("SELECT 1"), ready(b'T'), done("COMMIT")].concat());
    assert!(recorded(&mut reader).answers.is_empty());
    reader.read(&ready(b'I'));
    let record = recorded(&mut reader);
    assert_eq!(record.answers.len(), 1);
    assert_eq!(record.answers[0].tags, [Tag::Commit]);
}

#[test]
fn the_answer_to_a_close_is_left_out_wherever_it_stands() {
    let mut reader = recording();
    let sent = [close("a"), run("s"), close("b"), parse("t", "SELECT 1")].concat();
    reader.wrote(&[sent, message(b'S', b""), close("c")].concat());
    let run = [done("SELECT 1"), ready(b'T')].concat();
    let said = [ready(b'I'), run, ready(b'E'), ready(b'I'), ready(b'T')];
    reader.read(&said.concat());
    let record = recorded(&mut reader);
    let told: Vec<_> = record
        .answers
        .iter()
        .map(|answer| (answer.kind, answer.status))
        .collect();
    assert_eq!(
        told,
        [
            (Kind::Run, Status::Transaction),
            (Kind::Preparation, Status::Idle)
        ]
    );
}

#[test]
fn an_error_keeps_its_code_and_the_start_of_its_routine() {
    let routine = "r".repeat(3 * NAME);
    let body = format!("SFEHLER\0VERROR\0C0A000\0Msecret\0R{routine}\0\0");
    let record = answered(&mut recording(), &[message(b'E', body.as_bytes())]);
    let failure = record.answers[0].failure.as_ref().unwrap();
    assert_eq!(&failure.code, b"0A000");
    assert_eq!(failure.routine, routine[..NAME]);
}

#[test]
fn a_code_of_another_length_is_none() {
    let record = answered(&mut recording(), &[message(b'E', b"C0A0000\0\0")]);
    // Five bytes are kept of it, and that is one code too many: no server sends such.
    assert_eq!(&record.answers[0].failure.as_ref().unwrap().code, b"0A000");
    let record = answered(&mut recording(), &[message(b'E', b"C0A\0\0")]);
    assert_eq!(record.answers[0].failure.as_ref().unwrap().code, [0; 5]);
}

#[test]
fn values_that_are_too_long_are_left_out_and_said_to_be() {
    let said = [
        parameter("a", &"v".repeat(VALUE)),
        parameter("b", &"v".repeat(VALUE + 1)),
        parameter(&"n".repeat(NAME + 1), "v"),
        parameter("c", "w"),
    ];
    let answer = answered(&mut recording(), &said).answers.remove(0);
    let told: Vec<_> = answer
        .parameters
        .iter()
        .map(|parameter| {
            (
                &parameter.name[..],
                parameter.value.as_ref().map(String::len),
            )
        })
        .collect();
    assert_eq!(told, [("a", Some(VALUE)), ("b", None), ("c", Some(1))]);
    assert!(answer.parameters_overflow);
}

#[test]
fn more_parameters_than_are_kept_overflow() {
    let said = vec![parameter("a", "v"); PARAMETERS + 1];
    let answer = answered(&mut recording(), &said).answers.remove(0);
    assert_eq!(answer.parameters.len(), PARAMETERS);
    assert!(answer.parameters_overflow);
}

#[test]
fn more_requests_than_are_kept_overflow() {
    let mut reader = recording();
    for _ in 0..REQUESTS {
        reader.wrote(&query("x"));
        reader.read(&ready(b'I'));
    }
    assert!(!recorded(&mut reader).overflow);
    reader.wrote(&query("x"));
    reader.read(&ready(b'I'));
    let record = recorded(&mut reader);
    assert!(record.overflow && record.answers.is_empty());
}

#[test]
fn more_statements_than_are_kept_overflow() {
    let record = answered(&mut recording(), &vec![done("SET"); STATEMENTS + 1]);
    assert_eq!(record.answers[0].tags.len(), STATEMENTS);
    assert!(record.overflow);
}

#[test]
fn more_unanswered_requests_than_are_told_apart_end_the_record() {
    let mut reader = recording();
    for _ in 0..=UNANSWERED {
        reader.wrote(&close("s"));
    }
    reader.wrote(&query("x"));
    for _ in 0..=UNANSWERED + 1 {
        reader.read(&ready(b'I'));
    }
    let record = recorded(&mut reader);
    assert!(record.overflow && record.answers.is_empty());
}

#[test]
fn a_farewell_is_recorded_ahead_of_any_answer() {
    let mut reader = recording();
    reader.wrote(&query("x"));
    reader.read(&message(b'E', b"SFATAL\0VFATAL\0C57P01\0\0"));
    let record = recorded(&mut reader);
    assert!(record.farewell && !record.too_late && record.answers.is_empty());
    reader.record(1);
    reader.wrote(&query("y"));
    let record = recorded(&mut reader);
    assert!(record.farewell && record.too_late);
}

#[test]
fn a_record_under_an_old_number_is_not_taken() {
    let mut reader = recording();
    reader.wrote(&query("x"));
    reader.read(&ready(b'I'));
    let mut shared = Shared::new();
    shared.begin(2);
    let recorder = reader.findings.recorder.as_mut().unwrap();
    recorder.hand_over(&mut shared);
    assert_eq!(shared.take(), Record::default());
    assert!(!recorder.has_news());
}

proptest! {
    /// The server's bytes may be cut anywhere.
    #[test]
    fn a_record_does_not_depend_on_how_the_bytes_were_cut(
        sizes in prop::collection::vec(1usize..9, 1..6),
    ) {
        let error = message(b'E', b"SERROR\0VERROR\0C22012\0Rint4div\0\0");
        let said = [done("SET"), parameter("TimeZone", "UTC"), error, ready(b'E')].concat();
        let mut whole = recording();
        whole.wrote(&query("x"));
        whole.read(&said);
        let mut cut = recording();
        cut.wrote(&query("x"));
        super::super::tests::chunked(&said, &sizes, |chunk| cut.read(chunk));
        let record = recorded(&mut whole);
        prop_assert_eq!(record.answers[0].parameters.len(), 1);
        prop_assert!(record.answers[0].failure.is_some());
        prop_assert_eq!(recorded(&mut cut), record);
    }

    /// Whatever arrives, recording it does not panic.
    #[test]
    fn recorded_garbage_is_survived(inn in prop::collection::vec(any::<u8>(), 1..200)) {
        let mut reader = recording();
        reader.wrote(&query("x"));
        reader.read(&inn);
        let _ = recorded(&mut reader);
    }
}
