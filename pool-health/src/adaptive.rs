//! The policy that puts the parts together.
//!
//! Each part decides one thing and knows nothing of a pool: how long replies take, whether a silence
//! is too long, whom to check, what several connections have in common. What they share is the
//! review, in this order, so that each sees what those before it found:
//!
//! ```text
//!  subjects ─▶ suspicion ─▶ endpoint ─▶ schedule ─▶ further parts ─▶ orders
//!                  └──────── scores ───────┴──────────────┘
//! ```
//!
//! One lock guards all of it. It is taken by the pool's driver for a review, and by what runs in the
//! background when a check, a connect or a close has ended, never where a connection is taken or
//! given back.
//!
//! A review looks at each connection once and hashes nothing. It is wanted often only while
//! something is owed or was a moment ago, once a second while a check is due some time or a
//! connection is out that might be used, and never otherwise.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::{
    Builder, Candidate, CloseReason, ErrorClass, HealthPolicy, Manager, Orders, Subject,
};

use crate::{BreakerGate, HealthStatistics};

mod builder;
mod inner;
mod part;
mod parts;
mod suspicion;
mod witness;

pub use builder::AdaptiveHealthBuilder;
use inner::Inner;
pub use part::{Part, Round};

/// Looks after the connections of one pool.
///
/// ```
/// use std::time::Duration;
///
/// use pool_health::{AdaptiveHealth, Mode};
///
/// let health = AdaptiveHealth::builder()
///     .oltp()
///     .endpoint(Mode::Shadow)
///     .confirm_horizon(Duration::from_secs(2))
///     .build()?;
/// assert_eq!(health.statistics().checks_performed, 0);
/// # Ok::<_, pool_health::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct AdaptiveHealth {
    inner: Mutex<Inner>,
    gate: Option<Arc<BreakerGate>>,
    /// How long a check may take.
    check_limit: Duration,
    max_checks: usize,
}

impl AdaptiveHealth {
    /// Settings to begin with.
    #[must_use]
    pub fn builder() -> AdaptiveHealthBuilder {
        AdaptiveHealthBuilder::default()
    }

    /// What was seen and decided so far.
    #[must_use]
    pub fn statistics(&self) -> HealthStatistics {
        self.lock().statistics()
    }

    /// Its breaker, if it has one.
    #[must_use]
    pub fn breaker(&self) -> Option<&BreakerGate> {
        self.gate.as_deref()
    }

    /// Has a pool that is being built ask this policy, and its breaker as the pool's admission. One
    /// policy looks after one pool. With all parts off, the pool is left as it is.
    pub fn attach<M: Manager>(self: &Arc<Self>, builder: Builder<M>) -> Builder<M> {
        if !self.lock().is_asked() {
            return builder;
        }
        let builder = builder.health(Arc::clone(self) as _);
        match &self.gate {
            Some(gate) => builder.admission(Arc::clone(gate) as _),
            None => builder,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // After a panic of a part, the others are as good as before.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthPolicy for AdaptiveHealth {
    fn review(&self, now: Duration, subjects: &[Subject], orders: &mut Orders) -> Option<Duration> {
        self.lock().review(now, subjects, orders)
    }

    fn max_checks(&self) -> usize {
        self.max_checks
    }

    fn check_limit(&self) -> Option<Duration> {
        Some(self.check_limit)
    }

    fn checked(&self, now: Duration, connection: Candidate, took: Duration, passed: bool) {
        self.lock().checked(now, connection, took, passed);
    }

    fn connected(&self, now: Duration, took: Duration, outcome: Result<Candidate, ErrorClass>) {
        self.lock().connected(now, took, outcome);
    }

    fn closed(&self, now: Duration, last: &Subject, reason: CloseReason) {
        self.lock().closed(now, last, reason);
    }
}
