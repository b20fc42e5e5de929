//! How strongly a session is tied to a connection, and why.

/// How strongly a session is tied to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// Not at all.
    #[default]
    None,
    /// It had it last. Given up where the connection is busier than others.
    Weak,
    /// It would be missed: many of its statements are there. Never broken, but it yields while the
    /// connection is above the load bound.
    Medium,
    /// It must not move now: there is a transaction.
    Strong,
    /// It must not move at all.
    Pinned,
}

impl Strength {
    /// All of them, weakest first.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Weak,
        Self::Medium,
        Self::Strong,
        Self::Pinned,
    ];

    /// Whether neither load nor anything else is a reason to go elsewhere.
    #[must_use]
    pub const fn binds(self) -> bool {
        matches!(self, Self::Strong | Self::Pinned)
    }
}

/// Why a session is tied to a connection. There may be several reasons at a time; the strongest
/// counts, and when it goes, the tie falls back to what the others make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It had this connection last. Noted by itself, Weak.
    LastUse,
    /// It left many statements in its cache. Noted by itself, Medium.
    StatementCache,
    /// Its settings are there.
    SessionState,
    /// Its temporary tables are there.
    TemporaryObjects,
    /// Its transaction is open there. Noted by
    /// [`mark_transaction_start`](crate::Affinity::mark_transaction_start), Strong.
    ActiveTransaction,
    /// Somebody said so.
    Manual,
}

impl Reason {
    /// All of them, in the order of [`ByReason`].
    pub const ALL: [Self; 6] = [
        Self::LastUse,
        Self::StatementCache,
        Self::SessionState,
        Self::TemporaryObjects,
        Self::ActiveTransaction,
        Self::Manual,
    ];
}

/// A count for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByReason([u64; Reason::ALL.len()]);

impl ByReason {
    /// Of this reason.
    #[must_use]
    pub const fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }

    /// Of all reasons together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) const fn add(&mut self, reason: Reason) {
        self.0[reason as usize] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }
}
