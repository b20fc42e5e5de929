//! What was seen and decided, counted.

use crate::{ByReason, Strength};

/// What an [`Affinity`](crate::Affinity) has seen and decided since it was built. What a part in the
/// shadow decided is counted like anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AffinityStatistics {
    /// Sessions, and what ties them.
    pub sessions: SessionStatistics,
    /// Why connections were chosen.
    pub routing: RoutingStatistics,
    /// How connections were chosen by score.
    pub selection: SelectionStatistics,
    /// How even the load is.
    pub load: LoadStatistics,
}

/// Sessions, and what ties them to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStatistics {
    /// Sessions that are known now.
    pub sessions: u64,
    /// Of these, how many are tied how strongly now.
    pub(crate) by_strength: [u64; Strength::ALL.len()],
    /// Ties there are now.
    pub active: ByReason,
    /// Ties that were made.
    pub created: ByReason,
    /// Ties that were broken for load, or because the connection was gone or the session at home
    /// elsewhere.
    pub broken: ByReason,
    /// Leases of a tied session that were of its connection, by its strongest reason.
    pub hits: ByReason,
    /// Leases of a tied session that were of another.
    pub misses: ByReason,
    /// Sessions that were forgotten to make room for others.
    pub evicted: u64,
}

impl SessionStatistics {
    /// Sessions that are tied so strongly now.
    #[must_use]
    pub const fn with_strength(&self, strength: Strength) -> u64 {
        self.by_strength[strength as usize]
    }
}

/// Why connections were chosen, and what was found on those that were got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoutingStatistics {
    /// Chosen as the session is bound to it.
    pub bound: u64,
    /// Chosen as the session has much there.
    pub medium: u64,
    /// Chosen as the session had it last, for no other reason.
    pub last: u64,
    /// Chosen as it has the label and the statement.
    pub fitting: u64,
    /// Chosen as it is a home of the set of statements.
    pub home: u64,
    /// Chosen to become a home of the set.
    pub adopted: u64,
    /// Chosen as the best of those that were looked at.
    pub best: u64,
    /// Chosen though above the load bound, as all others were, or as no other had the label.
    pub above_bound: u64,
    /// Leases in which the statement to be run first was cached.
    pub statement_hits: u64,
    /// Leases in which it was not.
    pub statement_misses: u64,
    /// Leases of connections that had the label that was wanted.
    pub label_hits: u64,
    /// Leases of others.
    pub label_misses: u64,
}

/// How connections were chosen by score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SelectionStatistics {
    /// Chosen for the best score.
    pub scored: u64,
    /// Chosen as nobody had used it for long.
    pub explored: u64,
    /// Numbers that were refused, as they are no part of a whole.
    pub rejected: u64,
    /// Work of no known class that was told of.
    pub unclassified: u64,
}

/// How even the load is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LoadStatistics {
    /// Connections that were met lately.
    pub connections: u32,
    /// The mean of their loads, in leases of the last 250 or so of each.
    pub mean: f64,
    /// The highest, as a part of the mean: 1 is as much.
    pub highest: f64,
}

/// How one class of work does, on all connections together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStatistics {
    /// Pieces of work that succeeded.
    pub succeeded: u64,
    /// Pieces of work that failed.
    pub failed: u64,
    /// How long it takes in the mean, the latest counting most.
    pub mean: std::time::Duration,
    /// What one in twenty of the last few thousand took longer than, rounded up to half an octave.
    pub p95: std::time::Duration,
}

/// What is known of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConnectionStatistics {
    /// Its load, in leases of the last 250 or so.
    pub load: f64,
    /// Statements in its cache.
    pub cached: u32,
    /// Its health, as it was told; 1 if it was not.
    pub health: f64,
    /// Its age as a part of the oldest it may become, as it was told; 0 if it was not.
    pub age: f64,
    /// How well it does its work beside others at the same work, from 0 to 1: its rate of success for
    /// three fifths, its speed for two. `None` before the first.
    pub efficiency: Option<f64>,
}
