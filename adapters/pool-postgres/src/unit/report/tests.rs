//! Reports of answers that a server seldom gives.

use super::{End, Facts, Report, Shape};
use crate::exchange::Said;
use crate::unit::{Effect, Sends};
use crate::watch::{Answer, Failure, Kind, Look, Record, Status, Tag, WireCounts};

fn answer(kind: Kind, tags: &[Tag], status: Status) -> Answer {
    Answer {
        kind,
        tags: tags.to_vec(),
        status,
        ..Answer::default()
    }
}

fn failed(kind: Kind, code: &[u8; 5], status: Status) -> Answer {
    Answer {
        failure: Some(Failure {
            code: *code,
            routine: String::new(),
        }),
        ..answer(kind, &[], status)
    }
}

fn begun() -> Answer {
    answer(Kind::Query, &[Tag::Begin, Tag::Select], Status::Transaction)
}

fn ran(status: Status) -> Answer {
    answer(Kind::Run, &[Tag::Other], status)
}

const WHOLE: Facts = Facts {
    shape: Shape::Whole(1),
    sends: Sends::Run,
    effect: Effect::Writes,
    before: Status::Idle,
};

/// All of a whole unit was sent, and this was answered.
fn said(answers: &[Answer], look: Look) -> Said {
    Said {
        look,
        record: Record {
            answers: answers.to_vec(),
            ..Record::default()
        },
        sent: WireCounts {
            queries: 2,
            executes: 1,
            ..WireCounts::default()
        },
    }
}

fn lost(answers: &[Answer]) -> Report {
    Report::new(WHOLE, said(answers, Look::Lost))
}

#[test]
fn begin_that_was_cancelled_is_seen_by_an_operation_that_ran() {
    let cancelled = failed(Kind::Query, b"57014", Status::Idle);
    let warned = answer(Kind::Query, &[Tag::Commit], Status::Idle);
    let answers = [cancelled, ran(Status::Idle), warned];
    let report = Report::new(WHOLE, said(&answers, Look::Settled(Status::Idle)));
    assert!(report.ran_unframed() && !report.is_undone());
    assert_eq!(report.end(), End::NotOurs, "the COMMIT committed nothing");
}

#[test]
fn unit_that_is_lost_is_unknown_only_while_the_commit_may_have_run() {
    assert_eq!(lost(&[]).end(), End::Unknown);
    assert_eq!(lost(&[begun()]).end(), End::Unknown);
    let report = lost(&[begun(), ran(Status::Transaction)]);
    assert_eq!(report.end(), End::Unknown);
    assert!(!report.is_undone());

    let answers = [begun(), failed(Kind::Run, b"22012", Status::Failed)];
    assert_eq!(lost(&answers).end(), End::RolledBack);
    assert!(lost(&answers).is_undone());
    let refused = failed(Kind::Query, b"22023", Status::Failed);
    assert_eq!(lost(&[refused]).end(), End::RolledBack);
    let committed = answer(Kind::Query, &[Tag::Commit], Status::Idle);
    let report = lost(&[begun(), ran(Status::Transaction), committed]);
    assert_eq!(report.end(), End::Committed);
}

#[test]
fn farewell_says_that_what_was_behind_it_did_not_run() {
    let after = |answers: &[Answer]| {
        let mut said = said(answers, Look::Lost);
        said.record.farewell = true;
        Report::new(WHOLE, said)
    };
    assert!(after(&[]).is_undone());
    assert!(after(&[begun()]).is_undone());
    // The COMMIT was begun: the server may have gone while it waited for a standby.
    assert_eq!(
        after(&[begun(), ran(Status::Transaction)]).end(),
        End::Unknown
    );
}

#[test]
fn what_was_not_sent_is_undone() {
    let mut unsent = said(&[], Look::Lost);
    unsent.sent.executes = 0;
    assert!(Report::new(WHOLE, unsent).is_undone());
    let mut without_commit = said(&[begun()], Look::Lost);
    without_commit.sent.queries = 1;
    let report = Report::new(WHOLE, without_commit);
    assert_eq!(report.end(), End::RolledBack);
    assert!(report.is_undone());
}

#[test]
fn loss_without_a_frame_depends_on_the_transaction_and_the_effect() {
    for (before, effect, is_undone) in [
        (Status::Idle, Effect::Reads, true),
        (Status::Idle, Effect::Writes, false),
        (Status::Idle, Effect::Ends, false),
        (Status::Transaction, Effect::Writes, true),
        (Status::Transaction, Effect::Ends, false),
        (Status::Unknown, Effect::Writes, false),
    ] {
        let facts = Facts {
            shape: Shape::Bare,
            effect,
            before,
            ..WHOLE
        };
        let report = Report::new(facts, said(&[], Look::Lost));
        assert_eq!(report.is_undone(), is_undone, "{before:?} {effect:?}");
    }
}

#[test]
fn failed_statement_without_a_transaction_is_undone_unless_it_works_in_several() {
    let answers = [failed(Kind::Run, b"22012", Status::Idle)];
    for (effect, is_undone) in [(Effect::Writes, true), (Effect::Ends, false)] {
        let facts = Facts {
            shape: Shape::Bare,
            effect,
            ..WHOLE
        };
        let report = Report::new(facts, said(&answers, Look::Settled(Status::Idle)));
        assert_eq!(report.is_undone(), is_undone);
    }
}

#[test]
fn questions_of_the_driver_behind_the_unit_are_not_taken_for_its_parts() {
    let committed = answer(Kind::Query, &[Tag::Commit], Status::Idle);
    let prepared = answer(Kind::Preparation, &[], Status::Idle);
    let answers = [begun(), committed, prepared, ran(Status::Idle)];
    let report = Report::new(WHOLE, said(&answers, Look::Settled(Status::Idle)));
    assert!(report.operation.is_none(), "its parameters were refused");
    assert_eq!(report.end(), End::Committed);
}
