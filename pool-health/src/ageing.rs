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

use pool_core::{Finding, Order, Orders, Subject};

pub use config::{AgeingBuilder, AgeingPolicy};

use crate::evidence::{Evidence, own_errors};
use crate::per_slot::PerSlot;
use crate::turnover::Turnover;

/// The name of this part in findings.
const PART: &str = "ageing";
/// However many errors a connection had, it is given this part of its lifetime: a server that fails
/// everybody must not have the pool do nothing but reconnect.
const LEAST_LIFE: f32 = 0.1;

/// Replaces connections that are old. Made by [`Ageing::builder`].
#[derive(Debug)]
pub struct Ageing {
    cfg: AgeingBuilder,
    slots: PerSlot<Told>,
    turnover: Turnover,
    stats: AgeingStats,
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
pub struct AgeingStats {
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
            slots: PerSlot::new(),
            turnover: Turnover::new(cfg.at_a_time, Duration::ZERO),
            stats: AgeingStats::default(),
        }
    }

    /// How much of its life a connection has had: 1 when it is old. Never falls as time passes, and
    /// is the greater the more errors there were.
    #[must_use]
    pub fn age(&self, now: Duration, subject: &Subject) -> f32 {
        let lived = now.saturating_sub(subject.opened).as_secs_f32();
        let age = match self.cfg.policy {
            AgeingPolicy::TimeBased { max_lifetime } => lived / max_lifetime.as_secs_f32(),
            AgeingPolicy::UsageBased { max_borrows } => part(subject.uses, max_borrows),
            AgeingPolicy::Adaptive {
                base_lifetime,
                error_threshold,
            } => {
                let haste = evidence(subject).least() / error_threshold;
                lived / base_lifetime.as_secs_f32() * haste.clamp(1.0, 1.0 / LEAST_LIFE)
            }
        };
        age / (1.0 - self.cfg.jitter_of(subject.connection))
    }

    /// Orders the replacement of connections that are old, and tells of those that will be.
    pub fn review(&mut self, now: Duration, subjects: &[Subject], orders: &mut Orders) {
        if !self.cfg.mode.is_asked() {
            return;
        }
        self.slots.keep(subjects, Told::default);
        self.turnover.settle(now, |one| self.slots.knows(one));
        let mut old = Vec::new();
        for subject in subjects {
            let age = self.age(now, subject);
            if age >= 1.0 {
                old.push((age, subject));
            } else if age >= self.cfg.warn_at {
                self.warn(subject, orders);
            }
        }
        // Those that were ordered before and are still here, as they are leased, come last: they
        // must not keep the others waiting.
        let ordered = |subject: &Subject| {
            self.slots
                .of(subject.connection)
                .is_some_and(|told| told.old)
        };
        old.sort_by(|(one_age, one), (other_age, other)| {
            let order = ordered(one).cmp(&ordered(other));
            order.then(other_age.total_cmp(one_age))
        });
        self.stats.waiting = 0;
        for (_, subject) in old {
            if !self.turnover.includes(subject.connection) {
                self.replace(now, subject, orders);
            }
        }
    }

    /// What it has done so far.
    #[must_use]
    pub const fn stats(&self) -> AgeingStats {
        self.stats
    }

    fn warn(&mut self, subject: &Subject, orders: &mut Orders) {
        let Some(told) = self.slots.of_mut(subject.connection) else {
            return;
        };
        if !std::mem::replace(&mut told.soon, true) {
            self.stats.warned += 1;
            orders.tell(Finding {
                connection: Some(subject.connection),
                part: PART,
                text: "it is nearly old",
                acted: false,
            });
        }
    }

    fn replace(&mut self, now: Duration, subject: &Subject, orders: &mut Orders) {
        if !self.turnover.has_room(now) {
            self.stats.waiting += 1;
            return;
        }
        self.turnover.begin(now, subject.connection);
        let acts = self.cfg.mode.acts();
        if acts {
            orders.push(Order::Replace(subject.connection));
        }
        let Some(told) = self.slots.of_mut(subject.connection) else {
            return;
        };
        if !std::mem::replace(&mut told.old, true) {
            self.stats.replaced += 1;
            orders.tell(Finding {
                connection: Some(subject.connection),
                part: PART,
                text: "it is old",
                acted: acts,
            });
        }
    }
}

fn evidence(subject: &Subject) -> Evidence {
    Evidence::new(subject.uses, u64::from(own_errors(subject)))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a ratio, exactly 1 for equal numbers"
)]
fn part(uses: u64, most: u64) -> f32 {
    (uses as f64 / most as f64) as f32
}
