//! When a connection is old.
//!
//! Connections are replaced from time to time although nothing is wrong with them: servers behind a
//! balancer come and go, memory leaks, credentials turn. What is old depends on who asks, so there
//! are three measures ([`AgeingPolicy`]): time, uses, and time that runs faster for a connection with
//! errors.
//!
//! Three things keep this from doing harm. Limits differ from connection to connection, by up to a
//! tenth, so that those opened together do not end together. Few are replaced at a time, the most
//! overdue first, and the successor is opened before the old one is closed. And it is told in
//! advance, once per connection, so that who wonders about reconnects finds the reason in the log.
//!
//! A pool has a `max_lifetime` of its own. Both hold, and so does the earlier of them: this part is
//! for other measures than time, for a mode to try it out in, and for few at a time.
//!
//! An old connection goes on being lent until the review after its last use, which is 50 ms away in
//! a busy pool and a second in one that was quiet, until its turn has come, and until its successor
//! is there: two reviews for each `at_a_time` that are old together, and a connect. Within that time
//! it may be used any number of times.
//!
//! ```
//! use std::time::Duration;
//! use pool_core::Orders;
//! use pool_health::{Ageing, AgeingPolicy, Mode};
//!
//! let mut ageing = Ageing::builder()
//!     .mode(Mode::On)
//!     .policy(AgeingPolicy::UsageBased { max_borrows: 1000 })
//!     .build()?;
//! let mut orders = Orders::default();
//! ageing.review(Duration::from_secs(60), &[], &mut orders);
//! assert!(orders.orders().is_empty());
//! # Ok::<(), pool_health::ConfigError>(())
//! ```

mod config;

use std::time::Duration;

use pool_core::{Candidate, Order, Orders, Subject};

pub use config::{AgeingBuilder, AgeingPolicy};

use crate::Mode;
use crate::confidence::to_float;
use crate::evidence::{Evidence, own_errors};
use crate::outbox::Outbox;
use crate::slots::Slots;
use crate::turnover::Turnover;

/// The name of this part in findings.
const PART: &str = "ageing";
/// However many errors a connection had, it is given this part of its lifetime: a server that fails
/// everybody must not have the pool do nothing but reconnect.
const LEAST_LIFE: f64 = 0.1;

/// Replaces connections that are old. Made by [`Ageing::builder`].
#[derive(Debug)]
pub struct Ageing {
    cfg: AgeingBuilder,
    told: Slots<Told>,
    turnover: Turnover,
    counts: AgeingStatistics,
}

/// What has been told of a connection.
#[derive(Debug, Default)]
struct Told {
    soon: bool,
    old: bool,
}

/// What an [`Ageing`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgeingStatistics {
    /// Connections that were told to be nearly old.
    pub warned: u64,
    /// Connections whose replacement was ordered, or would have been in the shadow.
    pub replaced: u64,
    /// Connections that are old and wait for their turn, as of the last review.
    pub waiting: u64,
}

impl Ageing {
    /// Starts from the defaults, switched off.
    #[must_use]
    pub fn builder() -> AgeingBuilder {
        AgeingBuilder::new()
    }

    pub(crate) fn new(cfg: AgeingBuilder) -> Self {
        Self {
            cfg,
            told: Slots::default(),
            turnover: Turnover::new(cfg.at_a_time, Duration::ZERO),
            counts: AgeingStatistics::default(),
        }
    }

    /// How much of its life a connection has had: 1 when it is old. Never falls as time passes, and
    /// is the greater the more errors there were.
    #[must_use]
    pub fn age(&self, now: Duration, subject: &Subject) -> f64 {
        let lived = now.saturating_sub(subject.opened).as_secs_f64();
        let age = match self.cfg.policy {
            AgeingPolicy::TimeBased { max_lifetime } => lived / max_lifetime.as_secs_f64(),
            AgeingPolicy::UsageBased { max_borrows } => {
                to_float(subject.uses) / to_float(max_borrows)
            }
            AgeingPolicy::Adaptive {
                base_lifetime,
                error_threshold,
            } => {
                let evidence = Evidence::new(subject.uses, u64::from(own_errors(subject)));
                let haste = evidence.least() / error_threshold;
                lived / base_lifetime.as_secs_f64() * haste.clamp(1.0, 1.0 / LEAST_LIFE)
            }
        };
        age / (1.0 - self.cfg.jitter_of(subject.connection))
    }

    /// Orders the replacement of connections that are old, and tells of those that will be.
    pub fn review(&mut self, now: Duration, subjects: &[Subject], orders: &mut Orders) {
        if !self.cfg.mode.is_asked() {
            return;
        }
        self.told.forget_all_but(subjects);
        let is_open = |one| self.told.look(one).is_some();
        self.turnover.settle(now, is_open);
        let mut out = Outbox::new(orders, PART, self.cfg.mode);
        self.counts.waiting = 0;
        for connection in self.old(now, subjects, &mut out) {
            self.replace(connection, &mut out);
        }
    }

    /// What it has done so far.
    #[must_use]
    pub const fn statistics(&self) -> AgeingStatistics {
        self.counts
    }

    pub(crate) const fn mode(&self) -> Mode {
        self.cfg.mode
    }

    /// Those that are old, the most urgent first. Tells of those that will be.
    fn old(&mut self, now: Duration, subjects: &[Subject], out: &mut Outbox<'_>) -> Vec<Candidate> {
        let mut old = Vec::new();
        for subject in subjects {
            let age = self.age(now, subject);
            let told = self.told.of(subject.connection);
            if age >= 1.0 {
                old.push((told.old, age, subject.connection));
            } else if age >= self.cfg.warn_at && !std::mem::replace(&mut told.soon, true) {
                self.counts.warned += 1;
                out.remark(Some(subject.connection), "it is nearly old");
            }
        }
        // Those that were ordered before and are still here, as they are leased, come last: they
        // must not keep the others waiting.
        old.sort_by(|(one_ordered, one_age, _), (other_ordered, other_age, _)| {
            let order = one_ordered.cmp(other_ordered);
            order.then(other_age.total_cmp(one_age))
        });
        old.into_iter()
            .map(|(_, _, connection)| connection)
            .collect()
    }

    fn replace(&mut self, connection: Candidate, out: &mut Outbox<'_>) {
        if self.turnover.includes(connection) {
            return;
        }
        if !self.turnover.has_room() {
            self.counts.waiting += 1;
            return;
        }
        self.turnover.begin(connection);
        out.order(Order::Replace(connection));
        if !std::mem::replace(&mut self.told.of(connection).old, true) {
            self.counts.replaced += 1;
            out.tell(Some(connection), "it is old");
        }
    }
}
