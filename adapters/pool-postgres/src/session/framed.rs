//! An operation that has run in its frame: what came of it, and what follows.

use super::aftermath;
use super::effects::{Aftermath, follow, is_block, outlive, touches_objects};
use super::operation::{Got, Parameters, Reply, Staying};
use super::run::{Ran, Run};
use crate::error::Error;
use crate::settings::Settings;
use crate::sql::{Marks, Script};
use crate::unit::{End, Outcome, Part, Report};
use crate::watch::{Answer, Status, Tag};
use pool_multiplex::{Done, Effect as Follows, Failed, Failure, PinReason, TransactionStatus};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::WrongType;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bare,
    After,
    Whole,
    Opened,
}

/// An operation that has run in its frame.
pub(super) struct Framed<'a, T> {
    pub(super) run: Run<'a>,
    pub(super) holds: bool,
    pub(super) settled: bool,
    pub(super) status: Option<TransactionStatus>,
    pub(super) effects: Vec<Follows>,
    pub(super) prepared: Option<Result<tokio_postgres::Statement, tokio_postgres::Error>>,
    pub(super) answer: Option<Answer>,
    /// What it did has been rolled back.
    pub(super) undone: bool,
    pub(super) result: Result<T, Failed<Error>>,
}

impl<'a, T> Framed<'a, T> {
    pub(super) fn new(run: Run<'a>, shape: Shape, outcome: Outcome<T>) -> Self {
        let Outcome {
            result,
            prepared,
            report,
            ..
        } = outcome;
        let status = report.status().and_then(status_of);
        let opened = report.opening.iter().all(|answer| answer.failure.is_none());
        let mut openings = report.opening.iter();
        let settled = openings.any(|answer| answer.tags.contains(&Tag::Commit));
        let holds = settled
            || opened
                && match shape {
                    Shape::Bare | Shape::After => true,
                    Shape::Opened => status.is_some(),
                    Shape::Whole => report.end() == End::Committed,
                };
        let result = outcome_of(result, &report);
        let mut effects = Vec::new();
        if let Err(failed) = &result
            && failed.failure == Failure::Prelude
            && is_of_connection(&failed.error)
        {
            effects.push(Follows::Taint("what keeps another's settings out"));
        }
        let has_failed = status == Some(TransactionStatus::Failed);
        if !opened && (shape == Shape::Opened || has_failed) {
            effects.push(Follows::Failed);
        }
        let undone = shape == Shape::Whole && report.end() != End::Committed;
        let answer = report.operation.filter(|_| opened);
        let status = status.filter(|_| !report.overflow);
        Self {
            run,
            holds,
            settled,
            status,
            effects,
            prepared,
            answer,
            undone,
            result,
        }
    }

    /// Says what the operation did, and reads back what that does not tell.
    pub(super) async fn follow(
        mut self,
        script: &Script,
        text: &str,
        parameters: Parameters<'_>,
    ) -> Self {
        let Some(answer) = self.answer.take() else {
            return self;
        };
        let is_quiet = self.undone || answer.failure.is_none();
        if script.is_plain() && is_quiet && !touches_objects(script, text) {
            return self;
        }
        let mut followed = match self.undone {
            true => outlive(script),
            false => follow(script, text, parameters, &answer),
        };
        self.count_again(&mut followed.aftermath);
        let created = |effect: &Follows| matches!(effect, Follows::CreateTemporary { .. });
        if followed.aftermath.pins || followed.effects.iter().any(created) {
            self.run.conn.stay().changed_temporary_names();
        }
        if self.run.stay.keeps_last_value && script.marks.has(Marks::SEQUENCE_MOVED) {
            self.effects.push(Follows::Pin(PinReason::LastValue));
        }
        self.run.end_roles(&mut followed.effects);
        let repairs = self.repairs(script, &followed.effects);
        self.effects.extend(followed.effects);
        if followed.local_names {
            self.run.conn.stay().has_local_names();
        }
        let can_ask = matches!(
            self.status,
            Some(TransactionStatus::Idle | TransactionStatus::Active)
        );
        if can_ask {
            self.repair(repairs).await;
            self.read_back(followed.aftermath).await;
        } else if script.statements.iter().any(|one| is_block(&one.kind)) {
            // No rollback gives a lock back. It is counted at the end of the transaction.
            self.effects.push(Follows::Pin(PinReason::AdvisoryLock));
        }
        self.run.end_roles(&mut self.effects);
        self
    }

    /// What the server has counted is counted anew where it may have changed without a word.
    fn count_again(&self, aftermath: &mut Aftermath) {
        let Staying {
            has_locks,
            has_counted,
            ..
        } = self.run.stay;
        aftermath.pins |= aftermath.ends && (has_locks || has_counted);
        aftermath.pins |= aftermath.closes && has_counted;
    }

    /// What a script has reset to the server's value, and a warm-up had set.
    fn repairs(&mut self, script: &Script, effects: &[Follows]) -> Vec<(String, String)> {
        let baseline = self.run.conn.baseline().to_vec();
        let reset = baseline
            .into_iter()
            .filter(|(name, _)| is_reset(effects, name));
        let reset: Vec<_> = reset.collect();
        let moves = |effect: &Follows| {
            matches!(
                effect,
                Follows::Rollback { .. } | Follows::RollbackTo(_) | Follows::Savepoint(_)
            )
        };
        if !reset.is_empty() && !script.is_single() && effects.iter().any(moves) {
            self.effects
                .push(Follows::Taint("a reset and a rollback in one text"));
        }
        reset
    }

    async fn repair(&mut self, settings: Vec<(String, String)>) {
        let mut text = Settings::new();
        let written = settings
            .iter()
            .try_for_each(|(name, value)| text.set_or_role(name, value));
        if text.is_empty() {
            return;
        }
        let conn = self.run.conn;
        let done = written.is_ok() && conn.run(text.as_sql()).await.is_ok();
        if !done || conn.answered().await.is_err() {
            self.status = None;
        }
    }

    async fn read_back(&mut self, mut aftermath: Aftermath) {
        if aftermath.all_settings && self.status == Some(TransactionStatus::Active) {
            // What ends with the transaction cannot be told from what does not.
            self.effects.push(Follows::Taint(
                "a block or procedure in a transaction, which may have changed settings",
            ));
            aftermath.all_settings = false;
        }
        if aftermath.is_nothing() {
            return;
        }
        let conn = self.run.conn;
        match aftermath::read(conn, &aftermath, &self.run.prelude.wants).await {
            Ok(effects) => {
                if aftermath.all_settings {
                    self.forget_made_up(&effects).await;
                }
                self.effects.extend(effects);
            }
            Err(_) => self.status = None,
        }
        if conn.answered().await.is_err() {
            self.status = None;
        }
    }

    async fn forget_made_up(&mut self, read: &[Follows]) {
        let conn = self.run.conn;
        let done = match aftermath::without_made_up(read, conn.baseline()) {
            Ok(text) => conn.run(&text).await.is_ok(),
            Err(_) => false,
        };
        if !done {
            self.effects.push(Follows::Taint(
                "settings of a block that cannot be set again",
            ));
        }
    }

    pub(super) fn conclude(self, got: impl FnOnce(T) -> Got) -> Ran {
        let mut done = match self.result {
            Ok(value) => Done::ok(Reply(got(value)), TransactionStatus::Idle),
            Err(Failed { error, failure }) => Done::failed(error, failure),
        };
        done.holds = self.holds;
        done.settled = self.settled;
        done.effects = self.effects;
        done.status = self.status;
        done
    }
}

/// Whether the last that effects did to a setting is a reset.
fn is_reset(effects: &[Follows], setting: &str) -> bool {
    let last = effects.iter().rev().find_map(|effect| match effect {
        Follows::Set { name, .. } => name.eq_ignore_ascii_case(setting).then_some(false),
        Follows::Reset(name) => name.eq_ignore_ascii_case(setting).then_some(true),
        Follows::ResetAllBut(_) => Some(true),
        _ => None,
    });
    last == Some(true)
}

/// What the first error means, if there was one.
fn outcome_of<T>(
    result: Result<T, (Part, tokio_postgres::Error)>,
    report: &Report,
) -> Result<T, Failed<Error>> {
    let (part, error) = match result {
        Ok(_) if report.end() == End::RolledBack => {
            return Err(Failed {
                error: Error::RolledBack,
                failure: Failure::Operation,
            });
        }
        Ok(value) => return Ok(value),
        Err(failed) => failed,
    };
    let failure = match part {
        _ if report.ran_unframed() => Failure::Unknown,
        _ if report.is_lost() && report.is_undone() => Failure::Lost,
        _ if report.is_lost() => Failure::Unknown,
        Part::Opening => Failure::Prelude,
        Part::Operation | Part::Commit => Failure::Operation,
    };
    Err(Failed {
        error: Error::Query(error),
        failure,
    })
}

/// Whether settings were refused for what another has left on the connection, and would be taken on
/// another one: a timeout, or buffers that temporary tables were in.
pub(super) fn is_of_connection(error: &Error) -> bool {
    is_of_temp_buffers(error)
        || matches!(error, Error::Query(error) if error.code() == Some(&SqlState::QUERY_CANCELED))
}

/// Whether `temp_buffers` was refused, which the server does where temporary tables have been.
pub(super) fn is_of_temp_buffers(error: &Error) -> bool {
    let Error::Query(error) = error else {
        return false;
    };
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::INVALID_PARAMETER_VALUE
            && error.message().contains("temp_buffers")
    })
}

/// Whether a parameter is not of the type that the statement had when it was prepared.
pub(super) fn is_of_another_type(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.is::<WrongType>())
}

pub(super) const fn status_of(status: Status) -> Option<TransactionStatus> {
    match status {
        Status::Unknown => None,
        Status::Idle => Some(TransactionStatus::Idle),
        Status::Transaction => Some(TransactionStatus::Active),
        Status::Failed => Some(TransactionStatus::Failed),
    }
}
