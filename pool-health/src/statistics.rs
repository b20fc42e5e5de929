//! What the policy of health did, counted.

use crate::{AgeingStatistics, GateSnapshot, PredictionStatistics, RecyclingStatistics};

/// What an [`AdaptiveHealth`](crate::AdaptiveHealth) has seen and decided since it was built.
/// Decisions of a part in shadow mode are counted like any other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HealthStatistics {
    /// Connections open at the last review.
    pub active_connections: u64,
    /// Of these, how many nobody got before they had passed a check.
    pub quarantined_connections: u64,
    /// Checks that ended, whoever asked for them.
    pub checks_performed: u64,
    /// Of these, how many failed.
    pub checks_failed: u64,
    /// Checks ordered because the interval of a connection had passed.
    pub checks_ordered: u64,
    /// Reviews in which such checks were ordered.
    pub batches: u64,
    /// Connections whose turn to be checked was passed over, as only a sample is checked.
    pub checks_sampled_out: u64,
    /// Connections suspected for their silence.
    pub suspected: u64,
    /// Connections suspected for an error of theirs.
    pub errors: u64,
    /// Suspected connections that were heard of again.
    pub released: u64,
    /// Suspected connections that turned out well: heard of again, or passed a check.
    pub false_suspicions: u64,
    /// Connections given up for their silence.
    pub condemned: u64,
    /// Of these, how many were heard of before they were closed.
    pub wrongly_condemned: u64,
    /// Connections that would have been given up, had not too many been suspected or given up
    /// already.
    pub withheld: u64,
    /// Times when all others were suspected for what had happened to some.
    pub sweeps: u64,
    /// Times when all connections were given up for what had happened to some.
    pub flushes: u64,
    /// Reviews that came too late, through no fault of any connection.
    pub late_reviews: u64,
    /// What was predicted, and done about it.
    pub prediction: PredictionStatistics,
    /// Connections that were old.
    pub ageing: AgeingStatistics,
    /// Changes of how connections are recycled.
    pub recycling: RecyclingStatistics,
    /// How the breaker stands; `None` if there is none.
    pub breaker: Option<GateSnapshot>,
}
