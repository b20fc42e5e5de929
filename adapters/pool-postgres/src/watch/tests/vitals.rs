//! What the stream tells of a connection's health.

use super::{close, message, parse, query, ready, run, started};
use crate::watch::stream::Reader;
use pool_core::{ErrorClass, Pulse, Vitals};
use pool_testkit::clock::ManualClock;
use std::sync::Arc;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Vital signs by a clock that stands still.
pub(super) fn counted() -> Vitals {
    let clock = Arc::new(ManualClock::new());
    let origin = pool_core::Clock::now(&*clock);
    Vitals::new(clock, origin)
}

/// A connection behind its startup whose vital signs are read.
struct Patient {
    reader: Reader,
    vitals: Vitals,
    clock: Arc<ManualClock>,
}

impl Patient {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let vitals = Vitals::new(Arc::clone(&clock) as _, pool_core::Clock::now(&*clock));
        let mut reader = started();
        reader.attend(vitals.clone());
        Self {
            reader,
            vitals,
            clock,
        }
    }

    fn later(&self) -> Duration {
        self.clock.advance(MILLISECOND);
        MILLISECOND
    }

    fn outstanding(&self) -> u32 {
        self.vitals.pulse().outstanding
    }

    /// The kind of a request that is then answered.
    fn kind_of(&mut self, request: &[u8]) -> u32 {
        self.reader.wrote(request);
        let Pulse {
            kind, outstanding, ..
        } = self.vitals.pulse();
        assert_eq!(outstanding, 1);
        self.reader.read(&ready(b'I'));
        assert_eq!(self.outstanding(), 0);
        assert_eq!(self.vitals.pulse().reply_kind, kind);
        kind
    }
}

#[test]
fn startup_is_no_request_outstanding() {
    let patient = Patient::new();
    let pulse = patient.vitals.pulse();
    assert_eq!((pulse.outstanding, pulse.answered), (0, 0));
}

#[test]
fn request_is_outstanding_until_its_reply_is_complete() {
    let mut patient = Patient::new();
    patient.later();
    patient.reader.wrote(&query("SELECT 1"));
    assert_eq!(patient.vitals.pulse().waiting_since, Some(MILLISECOND));
    patient.later();
    patient.reader.read(&message(b'D', b"row"));
    let pulse = patient.vitals.pulse();
    assert_eq!((pulse.outstanding, pulse.answered), (1, 0));
    assert_eq!(pulse.waiting_since, None, "there may be more to read");
    patient.reader.listens(true);
    let pulse = patient.vitals.pulse();
    assert_eq!(pulse.waiting_since, Some(2 * MILLISECOND));
    assert_eq!(pulse.heard, Some(2 * MILLISECOND));
    patient.later();
    patient.reader.read(&ready(b'I'));
    let pulse = patient.vitals.pulse();
    assert_eq!((pulse.outstanding, pulse.answered), (0, 1));
    assert_eq!(pulse.heard, Some(3 * MILLISECOND));
    assert_eq!(
        (pulse.reply_took, pulse.reply_silence),
        (2 * MILLISECOND, MILLISECOND)
    );
}

#[test]
fn server_is_not_silent_while_a_user_does_not_read_his_rows() {
    let mut patient = Patient::new();
    patient.reader.wrote(&query("SELECT * FROM large"));
    patient.reader.read(&message(b'D', b"row"));
    let silence = |patient: &Patient| patient.vitals.pulse().silence(9 * MILLISECOND);
    assert_eq!(
        silence(&patient),
        Duration::ZERO,
        "the driver does not read on"
    );
    patient.reader.listens(true);
    assert_eq!(silence(&patient), 9 * MILLISECOND);
    assert_eq!(patient.outstanding(), 1);
}

#[test]
fn pause_of_a_user_who_then_reads_on_is_no_silence_of_the_server() {
    let row = message(b'D', b"row");
    let end = ready(b'I');
    let rests = [
        vec![row.clone(), end.clone()],
        vec![end.clone()],
        vec![[row, end].concat()],
    ];
    for rest in rests {
        let mut patient = Patient::new();
        patient.reader.wrote(&query("SELECT * FROM large"));
        patient.later();
        patient.reader.read(&message(b'D', b"row"));
        patient.clock.advance(60_000 * MILLISECOND);
        for bytes in &rest {
            patient.reader.read(bytes);
        }
        assert_eq!(patient.outstanding(), 0);
        let silence = patient.vitals.pulse().reply_silence;
        assert_eq!(silence, MILLISECOND, "{} reads", rest.len());
    }
}

#[test]
fn server_that_has_nothing_more_for_a_user_who_reads_on_is_silent_from_then() {
    let mut patient = Patient::new();
    patient.reader.wrote(&query("SELECT * FROM large"));
    patient.reader.read(&message(b'D', b"row"));
    patient.clock.advance(60 * MILLISECOND);
    patient.reader.listens(true);
    let since = patient.vitals.pulse().waiting_since;
    assert_eq!(since, Some(60 * MILLISECOND));
    patient.later();
    patient.reader.read(&ready(b'I'));
    assert_eq!(patient.vitals.pulse().reply_silence, MILLISECOND);
}

#[test]
fn same_text_is_of_one_kind_and_another_of_another() {
    let mut patient = Patient::new();
    let one = patient.kind_of(&query("SELECT 1"));
    let other = patient.kind_of(&query("SELECT 2"));
    assert!(one != 0 && other != 0 && one != other);
    assert_eq!(patient.kind_of(&query("SELECT 1")), one);
    // FNV-1a, folded: stable beyond the process.
    assert_eq!(one, 2_054_487_864);
}

#[test]
fn prepared_statement_is_of_its_texts_kind_whenever_it_runs() {
    let mut patient = Patient::new();
    let text = patient.kind_of(&query("SELECT 1"));
    let sync = message(b'S', b"");
    let preparing = patient.kind_of(&[parse("s1", "SELECT 1"), sync.clone()].concat());
    assert!(
        preparing != 0 && preparing != text,
        "to prepare is not to run"
    );
    assert_eq!(
        patient.kind_of(&[parse("s2", "SELECT 2"), sync].concat()),
        preparing
    );
    assert_eq!(patient.kind_of(&run("s1")), text);
    assert_ne!(patient.kind_of(&run("s2")), text);
    let unnamed = [parse("", "SELECT 1"), run("")].concat();
    assert_eq!(patient.kind_of(&unnamed), text);
}

#[test]
fn statement_that_is_not_known_is_of_no_kind() {
    let mut patient = Patient::new();
    assert_eq!(patient.kind_of(&run("s9")), 0);
    patient
        .reader
        .wrote(&[parse("s1", "SELECT 1"), close("s1")].concat());
    patient.reader.read(&ready(b'I'));
    assert_eq!(patient.kind_of(&run("s1")), 0);
}

#[test]
fn kinds_of_more_statements_than_remembered_are_unknown() {
    let mut patient = Patient::new();
    let sync = message(b'S', b"");
    for number in 0..1100 {
        let name = format!("s{number}");
        patient.kind_of(&[parse(&name, "SELECT 1"), sync.clone()].concat());
    }
    assert_ne!(patient.kind_of(&run("s1000")), 0);
    assert_eq!(patient.kind_of(&run("s1099")), 0);
}

#[test]
fn requests_in_one_sync_count_as_one() {
    let mut patient = Patient::new();
    let batch = run("s1");
    let without_sync = &batch[..batch.len() - message(b'S', b"").len()];
    patient.reader.wrote(&[without_sync, &batch].concat());
    assert_eq!(patient.outstanding(), 1);
    patient.reader.read(&ready(b'I'));
    assert_eq!(patient.outstanding(), 0);
}

#[test]
fn closing_a_statement_is_no_request_and_its_answer_no_answer() {
    let mut patient = Patient::new();
    patient.reader.wrote(&close("s1"));
    assert_eq!(patient.outstanding(), 0);
    patient.reader.wrote(&run("s2"));
    patient.reader.read(&ready(b'I'));
    assert_eq!(patient.outstanding(), 1, "that answered the Close");
    patient.reader.read(&ready(b'I'));
    assert_eq!(patient.outstanding(), 0);
}

#[test]
fn closing_many_statements_leaves_nothing_outstanding() {
    let mut patient = Patient::new();
    for _ in 0..200 {
        patient.reader.wrote(&close("s1"));
    }
    for _ in 0..200 {
        patient.reader.read(&ready(b'I'));
    }
    assert_eq!(patient.outstanding(), 0);
    assert_ne!(patient.kind_of(&query("SELECT 1")), 0);
}

#[test]
fn pipeline_is_outstanding_until_its_last_answer() {
    let mut patient = Patient::new();
    for _ in 0..3 {
        patient.reader.wrote(&run("s1"));
    }
    for left in [2, 1, 0] {
        patient.reader.read(&ready(b'I'));
        assert_eq!(patient.outstanding(), left);
    }
}

#[test]
fn request_that_is_not_taken_whole_is_outstanding() {
    for request in [query("SELECT 1"), run("s1"), parse("s1", "SELECT 1")] {
        for taken in 5..request.len() {
            let mut patient = Patient::new();
            patient.reader.wrote(&request[..taken]);
            assert_eq!(patient.outstanding(), 1, "{taken} bytes of {request:?}");
            patient.reader.wrote(&request[taken..]);
            assert_eq!(patient.outstanding(), 1, "and once");
        }
    }
}

#[test]
fn copy_from_the_client_owes_nothing_while_the_client_sends() {
    let mut patient = Patient::new();
    patient.reader.wrote(&run("copy"));
    assert_eq!(patient.outstanding(), 1);
    patient.reader.read(&message(b'G', b"\0\0\0"));
    patient.reader.wrote(&message(b'd', b"1\n"));
    assert_eq!(patient.outstanding(), 0);
    patient
        .reader
        .wrote(&[message(b'c', b""), message(b'S', b"")].concat());
    assert_eq!(patient.outstanding(), 1);
    patient.reader.read(&ready(b'I'));
    assert_eq!(patient.outstanding(), 0);
}

#[test]
fn errors_are_told_by_class() {
    let mut patient = Patient::new();
    for (code, severity, class) in [
        ("42P01", "ERROR", ErrorClass::Harmless),
        ("57P02", "FATAL", ErrorClass::Endpoint),
        ("57P01", "FATAL", ErrorClass::Connection),
        ("57P04", "FATAL", ErrorClass::Permanent),
        ("XX000", "FATAL", ErrorClass::Connection),
    ] {
        let before = patient.vitals.pulse().errors.of(class);
        let body = format!("SSCHWERWIEGEND\0V{severity}\0C{code}\0Mnot now\0\0");
        patient.reader.read(&message(b'E', body.as_bytes()));
        let now = patient.vitals.pulse().errors.of(class);
        assert_eq!(now, before + 1, "{code}");
    }
}

#[test]
fn stream_that_ends_is_one_error_unless_it_was_said_or_wanted() {
    let lost = |patient: &Patient| patient.vitals.pulse().errors.of(ErrorClass::Connection);
    let mut patient = Patient::new();
    patient.reader.read(&[]);
    patient.reader.read(&[]);
    assert_eq!(lost(&patient), 1);

    let mut patient = Patient::new();
    let farewell = b"SFATAL\0VFATAL\0C57P01\0\0";
    patient.reader.read(&message(b'E', farewell));
    patient.reader.read(&[]);
    assert_eq!(lost(&patient), 1, "the farewell");

    let mut patient = Patient::new();
    patient.reader.wrote(&message(b'X', b""));
    patient.reader.read(&[]);
    assert_eq!(lost(&patient), 0);
}

#[test]
fn nothing_is_kept_for_vital_signs_that_nobody_reads() {
    let mut reader = started();
    reader.attend(Vitals::deaf());
    reader.wrote(&query("SELECT 1"));
    assert!(reader.findings.signs.is_none());
}
