//! All that is known of a session, and what each effect does to it.
//!
//! A session is nothing but this while it holds no connection, which is nearly always: ten thousand of
//! them are ten thousand of these. So it holds addresses of what others hold as well, and memory of its
//! own for what differs only.
//!
//! Two sets of settings are kept apart throughout. What the session *wants* outlives every connection;
//! what its connection *has* goes with it. A statement changes both, a value that is set while there is
//! no connection the first, a replay the second. Both are taken back by a rollback, each to its own
//! value: a replay that was part of a transaction is gone with it, while the wish is still there.
//!
//! Nothing here fails. An effect that does not fit what is known, such as a rollback to a savepoint that
//! nobody set, means that the server did what was not understood; the session goes on, and the connection
//! is [tainted](State::taint).

use std::sync::Arc;
use std::time::Instant;

use crate::frames::{Frames, Scope};
use crate::interner::Interner;
use crate::names::Names;
use crate::pins::{PinReason, Pins};
use crate::settings::Settings;
use crate::statements::SessionStatements;
use crate::tags::Tags;
use crate::transaction::{TransactionContext, TransactionStatus};

mod effects;

/// A session, without its connection.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) interner: Interner,
    pub(crate) baseline: Settings,
    pub(crate) frames: Frames,
    pub(crate) statements: SessionStatements,
    pub(crate) tags: Tags,
    /// Reasons that no rollback takes back.
    pub(crate) kept: Pins,
    pub(crate) taint: Option<&'static str>,
    pub(crate) since: Option<Instant>,
    pub(crate) run: u64,
}

impl State {
    /// A session that wants what it is reset to, the `baseline`, and keeps at most so many statements.
    #[must_use]
    pub fn new(interner: Interner, baseline: Settings, statement_capacity: usize) -> Self {
        let scope = Scope {
            wanted: baseline.clone(),
            ..Scope::default()
        };
        Self {
            interner,
            baseline,
            frames: Frames::new(scope),
            statements: SessionStatements::new(statement_capacity),
            tags: Tags::new(),
            kept: Pins::NONE,
            taint: None,
            since: None,
            run: 0,
        }
    }

    /// What a rollback takes back, and to where.
    #[must_use]
    pub const fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The same, to change it. Transactions begin and end by [`apply`](Self::apply), which also knows
    /// since when there is one.
    pub const fn frames_mut(&mut self) -> &mut Frames {
        &mut self.frames
    }

    /// The interner of its settings.
    #[must_use]
    pub const fn interner(&self) -> &Interner {
        &self.interner
    }

    /// The settings that the session began with, and that a reset gives it back.
    #[must_use]
    pub const fn baseline(&self) -> &Settings {
        &self.baseline
    }

    /// The settings that the session wants now.
    #[must_use]
    pub fn wanted(&self) -> &Settings {
        &self.frames.current().wanted
    }

    /// The settings that its connection has now; the empty set without one.
    #[must_use]
    pub fn physical(&self) -> &Settings {
        &self.frames.current().physical
    }

    /// The session has come to a connection that has these. A transaction that it is in begins there.
    pub fn arrive(&mut self, physical: &Settings) {
        self.frames.arrive(physical);
    }

    /// The session wants these and no others from now on.
    pub(crate) fn want_all(&mut self, wanted: Settings) {
        self.frames.current_mut().wanted = wanted;
    }

    /// The connection has these: they were replayed. In a transaction, its
    /// rollback takes that back.
    pub fn set_physical(&mut self, settings: Settings) {
        self.frames.current_mut().physical = settings;
    }

    /// The session wants this from now on, and its connection does not have it yet. Tells whether it is
    /// so: not, if the setting is a new one and there are [`Settings::MOST`].
    pub fn want(&mut self, name: impl AsRef<str>, value: impl AsRef<str> + Into<Arc<str>>) -> bool {
        let wanted = self.interner.with(self.wanted(), name, value);
        let fits = wanted.len() <= Settings::MOST;
        if fits {
            self.frames.current_mut().wanted = wanted;
        }
        fits
    }

    /// The session wants what it began with, for one setting, and its connection may not have that yet.
    pub fn unwant(&mut self, name: &str) {
        let wanted = match self.baseline.get(name) {
            Some(value) => self.interner.with(self.wanted(), name, Arc::clone(value)),
            None => self.interner.without(self.wanted(), name),
        };
        self.frames.current_mut().wanted = wanted;
    }

    /// Why its connection must be closed when the session leaves it, if it must.
    #[must_use]
    pub const fn taint(&self) -> Option<&'static str> {
        self.taint
    }

    /// Why the session cannot leave its connection now: all reasons.
    #[must_use]
    pub fn pins(&self) -> Pins {
        let scope = self.frames.current();
        let reasons = [
            (
                PinReason::Transaction,
                self.frames.status() != TransactionStatus::Idle,
            ),
            (PinReason::TemporaryObject, !scope.temporary.is_empty()),
            (PinReason::HeldCursor, !scope.held.is_empty()),
        ];
        let hold = reasons.into_iter().filter(|(_, holds)| *holds);
        self.kept.union(hold.map(|(reason, _)| reason).collect())
    }

    /// The transaction that it is in, if it is in one that stays.
    #[must_use]
    pub fn transaction(&self) -> Option<TransactionContext> {
        let status = self.frames.status();
        if status == TransactionStatus::Idle {
            return None;
        }
        Some(TransactionContext {
            status,
            modes: self.frames.modes(),
            savepoints: self.frames.savepoints().cloned().collect(),
            since: self.since?,
            statements: self.run,
        })
    }

    /// A statement is run: its transaction has one more.
    pub const fn count_statement(&mut self) {
        self.run = self.run.saturating_add(1);
    }

    /// The statements that it used last.
    #[must_use]
    pub const fn statements(&self) -> &SessionStatements {
        &self.statements
    }

    /// The same, to change it.
    pub const fn statements_mut(&mut self) -> &mut SessionStatements {
        &mut self.statements
    }

    /// What it says of itself.
    #[must_use]
    pub const fn tags(&self) -> &Tags {
        &self.tags
    }

    /// The same, to change it.
    pub const fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    /// The cursors that are open, and whether they outlive their transaction.
    pub fn cursors(&self) -> impl Iterator<Item = (&Arc<str>, bool)> {
        let scope = self.frames.current();
        let held = scope.held.iter().map(|name| (name, true));
        held.chain(scope.cursors.iter().map(|name| (name, false)))
    }

    /// The channels that it hears: those that it wanted to hear when it last committed.
    #[must_use]
    pub const fn channels(&self) -> &Names {
        &self.frames.committed().channels
    }

    /// The connection is gone, and with it the transaction, what was on it, and what was wrong with it.
    pub fn lost(&mut self) {
        self.frames.abandon();
        self.kept = Pins::NONE;
        self.taint = None;
        self.since = None;
        self.run = 0;
    }

    /// The session leaves its connection. Returns the settings that it leaves on it.
    pub fn left(&mut self) -> Settings {
        let physical = self.physical().clone();
        self.lost();
        physical
    }
}

#[cfg(test)]
mod tests;
