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

use pool_core::{Candidate, Finding, Order, Orders, Recycling, Subject};

pub use config::{RecyclerBuilder, RecyclingPolicy};

use crate::Mode;
use crate::evidence::{Evidence, own_errors};
use crate::per_slot::PerSlot;

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
    slots: PerSlot<Watched>,
    stats: RecyclingStats,
}

#[derive(Debug)]
struct Watched {
    /// What the pool was told last; at first what it does untold.
    chosen: Recycling,
    evidence: Evidence,
    /// Uses and errors that the evidence has, and since when it has been fading.
    uses: u64,
    errors: u32,
    looked: Option<Duration>,
    score: Option<f32>,
    /// Since when it is degraded.
    degraded: Option<Duration>,
}

/// What a [`Recycler`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecyclingStats {
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

    pub(crate) const fn new(cfg: RecyclerBuilder) -> Self {
        Self {
            cfg,
            slots: PerSlot::new(),
            stats: RecyclingStats {
                fast: 0,
                checked: 0,
                replace: 0,
            },
        }
    }

    /// The score of a connection, between 0 and 1; anything else is passed over.
    pub fn observe(&mut self, connection: Candidate, score: f32) {
        if self.cfg.mode.is_asked()
            && (0.0..=1.0).contains(&score)
            && let Some(watched) = self.slots.entry(connection, Watched::new)
        {
            watched.score = Some(score);
        }
    }

    /// Orders another way of recycling for connections that deserve it.
    pub fn review(&mut self, now: Duration, subjects: &[Subject], orders: &mut Orders) {
        if !self.cfg.mode.is_asked() {
            return;
        }
        self.slots.keep(subjects, Watched::new);
        for subject in subjects {
            let Some(watched) = self.slots.of_mut(subject.connection) else {
                continue;
            };
            watched.look(now, subject);
            let choice = match self.cfg.policy {
                RecyclingPolicy::Fast => Recycling::Fast,
                RecyclingPolicy::Checked => Recycling::Checked,
                RecyclingPolicy::Replace => Recycling::Replace,
                RecyclingPolicy::Adaptive => watched.choose(now, subject, &self.cfg),
            };
            if std::mem::replace(&mut watched.chosen, choice) != choice {
                self.stats.count(choice);
                tell(self.cfg.mode, subject.connection, choice, orders);
            }
        }
    }

    /// What it has done so far.
    #[must_use]
    pub const fn stats(&self) -> RecyclingStats {
        self.stats
    }
}

fn tell(mode: Mode, connection: Candidate, choice: Recycling, orders: &mut Orders) {
    let acted = mode.acts();
    if acted {
        orders.push(Order::Recycle(connection, choice));
    }
    orders.tell(Finding {
        connection: Some(connection),
        part: PART,
        text: match choice {
            Recycling::Checked => "each of its leases ends in a full reset",
            Recycling::Replace => "its next lease is its last",
            _ => "its leases end without a round trip",
        },
        acted,
    });
}

impl Watched {
    fn new() -> Self {
        Self {
            chosen: Recycling::default(),
            evidence: Evidence::default(),
            uses: 0,
            errors: 0,
            looked: None,
            score: None,
            degraded: None,
        }
    }

    /// Takes what happened since the last look into account.
    fn look(&mut self, now: Duration, subject: &Subject) {
        let passed = now.saturating_sub(self.looked.unwrap_or(now));
        let weight = (-passed.as_secs_f32() / HALF_LIFE.as_secs_f32()).exp2();
        let errors = own_errors(subject);
        let fresh = Evidence::new(
            subject.uses.saturating_sub(self.uses),
            u64::from(errors.saturating_sub(self.errors)),
        );
        self.evidence = self.evidence.faded(weight).plus(fresh);
        (self.uses, self.errors, self.looked) = (subject.uses, errors, Some(now));
    }

    fn choose(&mut self, now: Duration, subject: &Subject, cfg: &RecyclerBuilder) -> Recycling {
        match self.degraded {
            None if self.is_degraded(cfg) => self.degraded = Some(now),
            Some(since) if self.is_healthy(cfg) && now.abs_diff(since) >= DWELL => {
                self.degraded = None;
            }
            _ => {}
        }
        let is_old = now.saturating_sub(subject.opened) >= cfg.old_after;
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

impl RecyclingStats {
    const fn count(&mut self, choice: Recycling) {
        match choice {
            Recycling::Checked => self.checked += 1,
            Recycling::Replace => self.replace += 1,
            _ => self.fast += 1,
        }
    }
}
