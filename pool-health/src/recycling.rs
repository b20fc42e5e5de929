//! What happens to a connection between two leases.
//!
//! Most connections are returned as they were lent, and go on to the next caller as they are: fast.
//! One that has had errors may carry something along that a light reset does not take away, so it
//! is worth a full one; and one that is old besides is not worth even that. [`RecyclingPolicy`] says
//! which of these is chosen for all, or has it chosen for each connection by itself.
//!
//! Chosen by itself means: *degraded* is a connection whose rate of errors is certainly above the
//! threshold, old errors fading with a half-life of five minutes, or whose score is low. It counts as
//! healthy again when what is certain is less than half the threshold, the score is well above, and
//! half a minute has passed: in between nothing changes, so a connection at the limit does not flap.
//!
//! ```
//! use std::time::Duration;
//! use pool_core::Orders;
//! use pool_health::{Mode, Recycler, RecyclingPolicy};
//!
//! let mut recycler = Recycler::builder()
//!     .mode(Mode::On)
//!     .policy(RecyclingPolicy::Adaptive)
//!     .build()?;
//! recycler.review(Duration::from_secs(60), &[], &mut Orders::default());
//! # Ok::<(), pool_health::ConfigError>(())
//! ```

mod config;

use std::time::Duration;

use pool_core::{Candidate, Order, Orders, Recycling, Subject};

pub use config::{RecyclerBuilder, RecyclingPolicy};

use crate::Mode;
use crate::evidence::{Evidence, own_errors};
use crate::monotone::Monotone;
use crate::outbox::Outbox;
use crate::slots::Slots;

/// The name of this part in findings.
const PART: &str = "recycling";
/// After this time an error counts half.
const HALF_LIFE: Duration = Duration::from_secs(300);
/// A connection that was degraded stays so for this long.
const DWELL: Duration = Duration::from_secs(30);

/// Chooses how connections are recycled. Made by [`Recycler::builder`].
#[derive(Debug)]
pub struct Recycler {
    cfg: RecyclerBuilder,
    watched: Slots<Watched>,
    time: Monotone,
    counts: RecyclingStatistics,
}

#[derive(Debug, Default)]
struct Watched {
    /// What the pool was told last; at first what it does untold.
    chosen: Recycling,
    evidence: Evidence,
    /// Uses and errors that the evidence has, and since when it has been fading.
    uses: u64,
    errors: u32,
    looked: Option<Duration>,
    score: Option<f64>,
    /// Since when it is degraded.
    degraded: Option<Duration>,
}

/// What a [`Recycler`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecyclingStatistics {
    /// Changes to `Fast`.
    pub fast: u64,
    /// Changes to `Checked`.
    pub checked: u64,
    /// Changes to `Replace`.
    pub replace: u64,
}

impl Recycler {
    /// Starts from the defaults, switched off.
    #[must_use]
    pub fn builder() -> RecyclerBuilder {
        RecyclerBuilder::new()
    }

    pub(crate) fn new(cfg: RecyclerBuilder) -> Self {
        Self {
            cfg,
            watched: Slots::default(),
            time: Monotone::default(),
            counts: RecyclingStatistics::default(),
        }
    }

    /// The score of a connection, between 0 and 1; anything else is passed over.
    pub fn observe(&mut self, connection: Candidate, score: f64) {
        if self.cfg.mode.is_asked()
            && (0.0..=1.0).contains(&score)
            && self.watched.may_be_open(connection)
        {
            self.watched.of(connection).score = Some(score);
        }
    }

    /// Orders another way of recycling for connections that deserve it.
    pub fn review(&mut self, now: Duration, subjects: &[Subject], orders: &mut Orders) {
        if !self.cfg.mode.is_asked() {
            return;
        }
        let time = self.time.advance(now);
        self.watched.forget_all_but(subjects);
        let mut out = Outbox::new(orders, PART, self.cfg.mode);
        for subject in subjects {
            let is_old = now.saturating_sub(subject.opened) >= self.cfg.old_after;
            let watched = self.watched.of(subject.connection);
            watched.look(time, subject);
            let choice = match self.cfg.policy {
                RecyclingPolicy::Fast => Recycling::Fast,
                RecyclingPolicy::Checked => Recycling::Checked,
                RecyclingPolicy::Replace => Recycling::Replace,
                RecyclingPolicy::Adaptive => watched.choose(time, is_old, &self.cfg),
            };
            if std::mem::replace(&mut watched.chosen, choice) != choice {
                self.counts.count(choice);
                out.order(Order::Recycle(subject.connection, choice));
                out.tell(Some(subject.connection), text_of(choice));
            }
        }
    }

    /// What it has done so far.
    #[must_use]
    pub const fn statistics(&self) -> RecyclingStatistics {
        self.counts
    }

    pub(crate) const fn mode(&self) -> Mode {
        self.cfg.mode
    }
}

const fn text_of(choice: Recycling) -> &'static str {
    match choice {
        Recycling::Checked => "each of its leases ends in a full reset",
        Recycling::Replace => "its next lease is its last",
        _ => "its leases end without a round trip",
    }
}

impl Watched {
    /// Takes what happened since the last look into account.
    fn look(&mut self, now: Duration, subject: &Subject) {
        let passed = now.saturating_sub(self.looked.unwrap_or(now));
        let weight = (-passed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        let errors = own_errors(subject);
        let fresh = Evidence::new(
            subject.uses.saturating_sub(self.uses),
            u64::from(errors.saturating_sub(self.errors)),
        );
        self.evidence = self.evidence.faded_plus(weight, fresh);
        (self.uses, self.errors, self.looked) = (subject.uses, errors, Some(now));
    }

    fn choose(&mut self, now: Duration, is_old: bool, cfg: &RecyclerBuilder) -> Recycling {
        match self.degraded {
            None if self.is_degraded(cfg) => self.degraded = Some(now),
            Some(since) if self.is_healthy(cfg) && now - since >= DWELL => {
                self.degraded = None;
            }
            _ => {}
        }
        match self.degraded {
            None => Recycling::Fast,
            Some(_) if is_old => Recycling::Replace,
            Some(_) => Recycling::Checked,
        }
    }

    fn is_degraded(&self, cfg: &RecyclerBuilder) -> bool {
        let low = self.score.is_some_and(|score| score < cfg.low_score);
        low || self.evidence.least() > cfg.error_threshold
    }

    /// More than not degraded: what lies between changes nothing.
    fn is_healthy(&self, cfg: &RecyclerBuilder) -> bool {
        let high = self.score.is_none_or(|score| score >= cfg.high_score);
        high && self.evidence.least() < cfg.error_threshold / 2.0
    }
}

impl RecyclingStatistics {
    const fn count(&mut self, choice: Recycling) {
        match choice {
            Recycling::Checked => self.checked += 1,
            Recycling::Replace => self.replace += 1,
            _ => self.fast += 1,
        }
    }
}
