//! What is known of the transaction that a session is in.

use std::sync::Arc;
use std::time::Instant;

/// How far a transaction is kept from what others do at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Sees what others have not committed, where the server allows that at all.
    ReadUncommitted,
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// All statements see what was committed before the first.
    RepeatableRead,
    /// As if transactions ran one after the other.
    Serializable,
}

/// What a transaction may do to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Change them.
    ReadWrite,
    /// Read them.
    ReadOnly,
}

/// What a transaction is begun with. `None` leaves it to the session's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Modes {
    /// How far it is kept from others.
    pub isolation: Option<Isolation>,
    /// What it may do.
    pub access: Option<Access>,
    /// Whether a serializable, read-only one may wait at its begin for a moment in which it disturbs
    /// nobody.
    pub deferrable: Option<bool>,
}

impl Modes {
    /// These, and where they say nothing, what `others` say.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            isolation: self.isolation.or(others.isolation),
            access: self.access.or(others.access),
            deferrable: self.deferrable.or(others.deferrable),
        }
    }
}

/// Where a session stands between two operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionStatus {
    /// In no transaction.
    #[default]
    Idle,
    /// In one that stays until it is ended.
    Active,
    /// In one that has failed, and does nothing more until it is rolled back.
    Failed,
}

/// The transaction that a session is in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransactionContext {
    /// Whether it has failed.
    pub status: TransactionStatus,
    /// What it was begun with.
    pub modes: Modes,
    /// The savepoints that can be rolled back to, the oldest first. Names may occur more than once.
    pub savepoints: Vec<Arc<str>>,
    /// When it began: when the session did, not the server, which learns of it later.
    pub since: Instant,
    /// Operations that were run in it; a text of several statements is one.
    pub statements: u64,
}
