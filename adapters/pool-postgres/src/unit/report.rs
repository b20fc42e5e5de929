//! What became of a unit, by what the server said.

use super::{Effect, Frame, Sends};
use crate::exchange::Said;
use crate::watch::{Answer, Kind, Look, Record, Status, Tag, WireCounts};

/// A frame, as far as its requests matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Bare,
    After,
    /// With so many requests ahead of the operation.
    Whole(usize),
    /// The same.
    Opened(usize),
}

impl Shape {
    pub(super) fn of(frame: &Frame<'_>) -> Self {
        match frame {
            Frame::Bare => Self::Bare,
            Frame::After(_) => Self::After,
            Frame::Whole(opening) => Self::Whole(opening.requests()),
            Frame::Opened(opening) => Self::Opened(opening.requests()),
        }
    }

    const fn openings(self) -> usize {
        match self {
            Self::Bare => 0,
            Self::After => 1,
            Self::Whole(openings) | Self::Opened(openings) => openings,
        }
    }
}

/// What is known before anything is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) shape: Shape,
    pub(super) sends: Sends,
    pub(super) effect: Effect,
    /// The status before the unit.
    pub(super) before: Status,
}

/// What became of the transaction around an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was committed, the settings with it.
    Committed,
    /// It was rolled back, the settings with it.
    RolledBack,
    /// There was none of the unit's own, or the operation has ended it.
    NotOurs,
    /// The connection was lost while the answer to the COMMIT was outstanding: either.
    Unknown,
}

/// What the server said to the parts of a unit.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// To the BEGIN and the settings, as far as it was answered.
    pub(crate) opening: Vec<Answer>,
    /// To the operation, if it was sent and answered.
    pub(crate) operation: Option<Answer>,
    /// To the COMMIT, if there is one and it was answered.
    pub(crate) commit: Option<Answer>,
    /// [`Look::Settled`] with the status after the unit, or [`Look::Lost`].
    pub(crate) look: Look,
    /// More was said than is kept; see [`Record::overflow`].
    pub(crate) overflow: bool,
    /// The server itself has said that the session is over.
    pub(crate) farewell: bool,
    facts: Facts,
    operation_sent: bool,
    commit_sent: bool,
}

impl Report {
    pub(super) fn new(facts: Facts, said: Said) -> Self {
        let Said { look, record, sent } = said;
        let Record {
            answers,
            overflow,
            farewell,
            too_late,
        } = record;
        let mut answers = answers.into_iter().peekable();
        let opening = answers.by_ref().take(facts.shape.openings()).collect();
        let kind = match facts.sends {
            Sends::Query => Some(Kind::Query),
            Sends::Run => Some(Kind::Run),
            Sends::Nothing => None,
        };
        // An operation whose parameters cannot be encoded is not sent, and what is then found in its
        // place is the COMMIT, or a preparation.
        let operation = answers.next_if(|answer| Some(answer.kind) == kind);
        let commits = matches!(facts.shape, Shape::Whole(_));
        let commit = answers.next_if(|answer| commits && answer.kind == Kind::Query);
        let (operation_sent, commit_sent) = may_have_sent(&facts, &sent);
        Self {
            opening,
            operation,
            commit,
            look,
            overflow,
            farewell,
            facts,
            operation_sent: operation_sent && !too_late,
            commit_sent: commit_sent && !too_late,
        }
    }

    /// The transaction status after the unit; none if the connection is lost.
    pub(crate) const fn status(&self) -> Option<Status> {
        match self.look {
            Look::Settled(status) => Some(status),
            _ => None,
        }
    }

    /// Whether the connection was lost before all was answered.
    pub(crate) fn is_lost(&self) -> bool {
        self.look == Look::Lost
    }

    /// Whether the operation's answer came, whatever it was.
    pub(crate) const fn is_answered(&self) -> bool {
        self.operation.is_some()
    }

    /// Whether the operation ran although its opening had failed. That takes a cancel request that
    /// hits the BEGIN itself. It has then run without a transaction, and perhaps without the
    /// settings.
    pub(crate) fn ran_unframed(&self) -> bool {
        let refused = self.opening.iter().any(|answer| answer.failure.is_some());
        // An empty text is answered well even in a transaction that has failed.
        let ran = self.operation.as_ref().is_some_and(|answer| {
            answer.failure.is_none() && answer.tags.iter().any(|tag| *tag != Tag::Empty)
        });
        refused && ran
    }

    /// Whether what the opening has set is in force behind the unit, and so was for whatever was sent
    /// behind it.
    pub(crate) fn is_in_force(&self) -> bool {
        let refused = self.opening.iter().any(|answer| answer.failure.is_some());
        let is_whole = matches!(self.facts.shape, Shape::Whole(_));
        !refused && (!is_whole || self.end() == End::Committed)
    }

    /// What became of the unit's own transaction.
    pub(crate) fn end(&self) -> End {
        if !matches!(self.facts.shape, Shape::Whole(_)) {
            return End::NotOurs;
        }
        let ahead = self.operation.as_ref().or(self.opening.last());
        let status = ahead.map_or(Status::Unknown, |answer| answer.status);
        match &self.commit {
            // A COMMIT outside of a transaction is answered with COMMIT too.
            Some(_) if status == Status::Idle => End::NotOurs,
            Some(answer) if answer.tags.contains(&Tag::Commit) => End::Committed,
            Some(_) => End::RolledBack,
            None if status == Status::Idle && self.is_answered() => End::NotOurs,
            None if status == Status::Failed || !self.commit_sent => End::RolledBack,
            // The server does one request after the other, and said goodbye at an earlier one.
            None if self.farewell && self.operation_sent && !self.is_answered() => End::RolledBack,
            None => End::Unknown,
        }
    }

    /// Whether it is certain that nothing of what the operation did lasts, so that it may be run
    /// again: it was not sent, or failed as a whole, or its transaction has come to nothing, or it
    /// only reads.
    ///
    /// Of a connection that is lost before the BEGIN is answered it is taken for granted that the
    /// BEGIN succeeded; see the [module](super) for how it could not.
    pub(crate) fn is_undone(&self) -> bool {
        if !self.operation_sent || self.facts.effect == Effect::Reads {
            return true;
        }
        if self.ran_unframed() {
            return false;
        }
        match self.facts.shape {
            Shape::Whole(_) => self.end() == End::RolledBack,
            Shape::Opened(_) => self.is_undone_in_transaction(),
            Shape::Bare | Shape::After if self.facts.before == Status::Idle => {
                self.has_failed() && self.facts.effect == Effect::Writes
            }
            Shape::Bare | Shape::After => self.is_undone_in_transaction(),
        }
    }

    /// The operation is in a transaction that it does not end: that dies with the connection, and
    /// lasts for nothing once it has failed.
    fn is_undone_in_transaction(&self) -> bool {
        let known = self.facts.before != Status::Unknown;
        let failed = self.status() == Some(Status::Failed);
        self.facts.effect == Effect::Writes && known && (self.is_lost() || failed)
    }

    fn has_failed(&self) -> bool {
        self.operation
            .as_ref()
            .is_some_and(|answer| answer.failure.is_some())
    }
}

/// Whether the operation, and the COMMIT, may have reached the server.
fn may_have_sent(facts: &Facts, sent: &WireCounts) -> (bool, bool) {
    let openings = facts.shape.openings() as u64;
    let (operation, queries) = match facts.sends {
        Sends::Query => (sent.queries > openings, openings + 1),
        Sends::Run => (sent.executes > 0, openings),
        Sends::Nothing => (false, openings),
    };
    let commits = matches!(facts.shape, Shape::Whole(_));
    (operation, commits && sent.queries > queries)
}

#[cfg(test)]
mod tests;
