//! What a rollback takes back, and to where.
//!
//! `SET` in a transaction is undone by its rollback, `SET` after a savepoint by the rollback to that
//! savepoint, and the same goes for channels, temporary tables and cursors. Proxies that keep one map
//! for "the transaction" lose track at the first `ROLLBACK TO`; one that has lost track gives the next
//! session the wrong `work_mem`, or the wrong role.
//!
//! So each savepoint keeps the whole [`Scope`] that was before it. That is not dear: a scope is a few
//! addresses of immutable sets, and nothing is copied until it changes. There is no undo log that could
//! be replayed in the wrong order, and rolling back is an assignment.
//!
//! What is asked of the server matters less than what it did, so the methods follow PostgreSQL where
//! the two differ:
//!
//! | statement | where | what happens |
//! | --- | --- | --- |
//! | `BEGIN` | in a transaction | a warning; the modes that it gives count |
//! | `BEGIN` | in the transaction of a request | that one stays open; its rollback takes back what the request did before, too |
//! | `COMMIT` | in a transaction that failed | it is rolled back |
//! | `COMMIT`, `ROLLBACK` | in the transaction of a request | it ends there and then |
//! | `COMMIT`, `ROLLBACK` | in none | nothing, but for a warning |
//! | `SAVEPOINT a` | where there is an `a` | both are there; the later hides the earlier until it is released |
//! | `AND CHAIN` | after one that failed without a savepoint | the next has the session's default modes |
//! | `ROLLBACK TO a` | | `a` stays, and a transaction that had failed has not any more |
//! | `CLOSE` | before a rollback | stays closed: that is not taken back |
//!
//! A failed statement rolls back to the last savepoint at once: what is left of the transaction until
//! it is rolled back for good sees the settings of before, as the server reports them.
//!
//! Advisory locks, statements prepared by SQL and sequences know no transactions. They are not in here.

use std::sync::Arc;

use crate::names::{Names, Temporaries};
use crate::settings::Settings;
use crate::transaction::{Modes, TransactionStatus};

/// Everything about a session that a rollback takes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The settings that the session wants.
    pub wanted: Settings,
    /// The settings that its connection has.
    pub physical: Settings,
    /// The channels that it wants to hear.
    pub channels: Names,
    /// What exists on its connection only.
    pub temporary: Temporaries,
    /// The cursors that outlive their transaction.
    pub held: Names,
    /// The cursors that do not.
    pub cursors: Names,
}

/// There are more savepoints than are kept track of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a transaction with more than {} savepoints", Frames::MOST)]
pub struct TooManySavepoints;

/// A scope for each savepoint, one for the transaction, and one for what is committed.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    committed: Scope,
    open: Option<Box<Open>>,
}

#[derive(Clone, Debug)]
struct Open {
    current: Scope,
    savepoints: Vec<Savepoint>,
    modes: Modes,
    kind: Kind,
}

#[derive(Clone, Debug)]
struct Savepoint {
    name: Arc<str>,
    before: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Implicit,
    Active,
    Failed,
}

impl Open {
    /// What the next transaction has after `AND CHAIN`. PostgreSQL keeps its modes as settings, and a
    /// failure takes settings back to the last savepoint, or to before the transaction.
    fn modes_of_next(&self) -> Option<Modes> {
        match self.kind {
            Kind::Implicit => None,
            Kind::Failed if self.savepoints.is_empty() => Some(Modes::default()),
            Kind::Failed | Kind::Active => Some(self.modes),
        }
    }

    fn innermost(&self, name: &str) -> Option<usize> {
        let has_name = |savepoint: &Savepoint| *savepoint.name == *name;
        self.savepoints.iter().rposition(has_name)
    }

    fn scopes(&mut self) -> impl Iterator<Item = &mut Scope> {
        let before = self.savepoints.iter_mut();
        before
            .map(|savepoint| &mut savepoint.before)
            .chain([&mut self.current])
    }
}

impl Frames {
    /// The most savepoints of one transaction that are kept track of.
    pub const MOST: usize = 4096;

    /// In no transaction, with this scope.
    #[must_use]
    pub const fn new(committed: Scope) -> Self {
        Self {
            committed,
            open: None,
        }
    }

    /// What holds now.
    #[must_use]
    pub fn current(&self) -> &Scope {
        match &self.open {
            Some(open) => &open.current,
            None => &self.committed,
        }
    }

    /// What holds now, to change it: outside a transaction for good.
    pub fn current_mut(&mut self) -> &mut Scope {
        match &mut self.open {
            Some(open) => &mut open.current,
            None => &mut self.committed,
        }
    }

    /// What would hold if everything were rolled back.
    #[must_use]
    pub const fn committed(&self) -> &Scope {
        &self.committed
    }

    /// Whether there is a transaction that stays. The one of a request does not.
    #[must_use]
    pub fn status(&self) -> TransactionStatus {
        match self.kind() {
            None | Some(Kind::Implicit) => TransactionStatus::Idle,
            Some(Kind::Active) => TransactionStatus::Active,
            Some(Kind::Failed) => TransactionStatus::Failed,
        }
    }

    /// Whether there is one that ends with the request.
    #[must_use]
    pub fn is_implicit(&self) -> bool {
        self.kind() == Some(Kind::Implicit)
    }

    /// Whether there is one of either kind.
    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// What the transaction was begun with; the default outside one.
    #[must_use]
    pub fn modes(&self) -> Modes {
        self.open
            .as_ref()
            .map(|open| open.modes)
            .unwrap_or_default()
    }

    /// The names of the savepoints, the oldest first.
    pub fn savepoints(&self) -> impl Iterator<Item = &Arc<str>> {
        let savepoints = self.open.iter().flat_map(|open| &open.savepoints);
        savepoints.map(|savepoint| &savepoint.name)
    }

    /// A request began that is a transaction of its own, unless there is one.
    pub fn begin_implicit(&mut self) {
        if self.open.is_none() {
            self.open(Kind::Implicit, Modes::default());
        }
    }

    /// The request ended well. A transaction that stays is not touched.
    pub fn commit_implicit(&mut self) {
        if self.is_implicit() {
            self.commit(false);
        }
    }

    /// A transaction was begun that stays, or the request's made one. In one that stays already, only
    /// the modes are taken over.
    pub fn begin(&mut self, modes: Modes) {
        match &mut self.open {
            None => self.open(Kind::Active, modes),
            Some(open) => {
                open.modes = modes.or(open.modes);
                if open.kind == Kind::Implicit {
                    open.kind = Kind::Active;
                }
            }
        }
    }

    /// It was committed, or rolled back if it had failed. With `chain` the next has begun.
    pub fn commit(&mut self, chain: bool) {
        let Some(open) = self.open.take() else {
            return;
        };
        let next = open.modes_of_next();
        if open.kind != Kind::Failed {
            self.committed = open.current;
            self.committed.temporary.commit();
            self.committed.cursors.clear();
        }
        self.chain(next.filter(|_| chain));
    }

    /// It was rolled back. With `chain` the next has begun.
    pub fn rollback(&mut self, chain: bool) {
        let open = self.open.take();
        let next = open.and_then(|open| open.modes_of_next());
        self.chain(next.filter(|_| chain));
    }

    fn chain(&mut self, next: Option<Modes>) {
        if let Some(modes) = next {
            self.open(Kind::Active, modes);
        }
    }

    /// A statement failed. The transaction of a request is over; one that stays has failed.
    pub fn fail(&mut self) {
        if self.is_implicit() {
            self.open = None;
        }
        let Some(open) = &mut self.open else { return };
        let last = open.savepoints.last().map(|savepoint| &savepoint.before);
        open.current = last.unwrap_or(&self.committed).clone();
        open.kind = Kind::Failed;
    }

    /// A savepoint was set. Nothing happens outside a transaction that stays: servers refuse it.
    ///
    /// # Errors
    ///
    /// There are [`MOST`](Self::MOST) already, and this one is not kept track of: until the end of the
    /// transaction, rolling back to a savepoint may give what is not so.
    pub fn savepoint(&mut self, name: impl Into<Arc<str>>) -> Result<(), TooManySavepoints> {
        let Some(open) = self.active() else {
            return Ok(());
        };
        if open.savepoints.len() >= Self::MOST {
            return Err(TooManySavepoints);
        }
        open.savepoints.push(Savepoint {
            name: name.into(),
            before: open.current.clone(),
        });
        Ok(())
    }

    /// A savepoint was let go, with those after it. Tells whether there is one of this name.
    pub fn release(&mut self, name: &str) -> bool {
        let Some(open) = self.active() else {
            return false;
        };
        let at = open.innermost(name);
        if let Some(at) = at {
            open.savepoints.truncate(at);
        }
        at.is_some()
    }

    /// What came after a savepoint was rolled back. Tells whether there is one of this name.
    pub fn rollback_to(&mut self, name: &str) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        let Some(at) = open.innermost(name) else {
            return false;
        };
        open.current = open.savepoints[at].before.clone();
        open.savepoints.truncate(at + 1);
        open.kind = Kind::Active;
        true
    }

    /// A cursor was closed, or all were. No rollback opens it again.
    pub fn close_cursor(&mut self, name: Option<&str>) {
        let open = self.open.iter_mut().flat_map(|open| open.scopes());
        for scope in open.chain([&mut self.committed]) {
            for cursors in [&mut scope.held, &mut scope.cursors] {
                match name {
                    Some(name) => drop(cursors.remove(name)),
                    None => cursors.clear(),
                }
            }
        }
    }

    /// The session has come to a connection with these settings, which no rollback takes back.
    pub(crate) fn arrive(&mut self, physical: &Settings) {
        let open = self.open.iter_mut().flat_map(|open| open.scopes());
        for scope in open.chain([&mut self.committed]) {
            scope.physical = physical.clone();
        }
    }

    /// The connection is gone, and with it the transaction and everything that was there only.
    pub fn abandon(&mut self) {
        self.open = None;
        let scope = &mut self.committed;
        scope.physical = Settings::default();
        scope.temporary.clear();
        scope.held.clear();
        scope.cursors.clear();
    }

    fn open(&mut self, kind: Kind, modes: Modes) {
        self.open = Some(Box::new(Open {
            current: self.committed.clone(),
            savepoints: Vec::new(),
            modes,
            kind,
        }));
    }

    fn kind(&self) -> Option<Kind> {
        self.open.as_ref().map(|open| open.kind)
    }

    fn active(&mut self) -> Option<&mut Open> {
        let open = self.open.as_deref_mut()?;
        (open.kind == Kind::Active).then_some(open)
    }
}

#[cfg(test)]
mod tests;
