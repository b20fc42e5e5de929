//! A circuit breaker that degrades before it opens.
//!
//! A server that fails takes its callers with it: each waits for its timeout, and each comes again.
//! A breaker stops asking. The usual one knows two states and one threshold, and so is wrong twice.
//! It acts on quotients, and five calls are enough for it to shut out a healthy server. And it
//! either lets all calls in or none: a server that fails seven calls in ten is shut, and the three
//! in ten that would have succeeded are lost with them. This one acts on what is *known*, and has a
//! state in between.
//!
//! ```text
//!             rate surely above degrade              rate surely above open
//!    ┌────────┐ ──────────────────▶ ┌──────────┐ ──────────────────────▶ ┌──────┐
//!    │ Closed │                     │ Degraded │                         │ Open │
//!    └────────┘ ◀────────────────── └──────────┘        a probe or        └──────┘
//!      ▲      rate surely below recover    ▲       nearly all fail again   ▲    │ its time is up, or
//!      │                                   │            ┌──────────┐ ──────┘    │ enough checks pass
//!      └───────────────────────────────────┴─────────── │ HalfOpen │ ◀──────────┘
//!                    the ramp is over                   └──────────┘
//! ```
//!
//! - *Surely above* asks the lower bound of the rate's interval ([`Bounds::wilson`](crate::Bounds::wilson)), *surely below*
//!   the upper one. To degrade and to recover, all calls of the window count. To open, it is enough
//!   that the latest of them were nearly all failures, few or many buckets of the window, so that a
//!   good past does not keep a dead server alive: 35 failures in a row show it.
//! - *Degraded* refuses the share `max(0, (calls − K·good) / (calls + 1))`, the formula of the book on
//!   site reliability, but over calls that were let in. The book counts those refused as well, which
//!   is right where refusing makes the server well. For one that fails some share whatever is asked,
//!   it feeds on itself: beyond a rate of `1 − 1/K` it ends in no calls at all, and takes minutes to
//!   come back. Slow replies degrade as well, with thresholds and a share of their own.
//! - *Open* lasts longer each time, up to a limit, and by chance. What checks of idle connections or
//!   administration bring back ([`Breaker::record_reserved`]) ends it sooner; as long as calls then
//!   fail all the same, it takes twice as many each time.
//! - *Half open* is two things. First a few probes and no more, however many ask; all failed: open
//!   again. From the first success on a ramp, a share of the calls that grows evenly, so that a server
//!   that has just come up is not met by all who wait for it. Probes that never come back are replaced
//!   after a while: nothing that a caller forgets can wedge it.
//!
//! A state machine without I/O: it is told the time, which may go backwards or leap, and what calls
//! came to, one by one or in batches. [`BreakerGate`] shares one between threads.

mod gate;
mod rules;
mod settings;
mod snapshot;
mod tally;
mod transition;
mod window;

use std::time::Duration;

use fastrand::Rng;

pub use self::gate::{BreakerGate, GateSnapshot};
use self::rules::Phase;
pub use self::settings::BreakerBuilder;
use self::settings::Settings;
pub use self::snapshot::BreakerSnapshot;
use self::snapshot::Counters;
pub(crate) use self::tally::last_lease;
pub use self::tally::{FailureClass, Tally};
use self::transition::Log;
pub use self::transition::{Circuit, Transition};
use self::window::Window;
use crate::monotone::Monotone;

/// The longest that a breaker may be set to stay open.
const MAX_OPEN_TIME: Duration = Duration::from_secs(300);

/// A state machine that says which calls may be made to a server that fails. Its states are those of
/// [`Circuit`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_health::{Breaker, Circuit, Decision, FailureClass, Tally};
///
/// let mut breaker = Breaker::builder().seed(7).build()?;
/// let second = Duration::from_secs;
/// breaker.record(second(1), &Tally::successes(500));
/// breaker.record(second(2), &Tally::successes(0).and(FailureClass::Refused, 40));
/// assert_eq!(breaker.circuit(), Circuit::Open);
/// assert!(matches!(breaker.admit(second(2)), Decision::Refuse { .. }));
/// // A second later a few are let in, and as soon as one has succeeded more and more.
/// assert_eq!(breaker.admit(second(3)), Decision::Enter);
/// breaker.record(second(3), &Tally::successes(1));
/// assert_eq!(breaker.circuit(), Circuit::HalfOpen);
/// breaker.record(second(13), &Tally::successes(50));
/// assert_eq!(breaker.circuit(), Circuit::Closed);
/// # Ok::<(), pool_health::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: Settings,
    phase: Phase,
    window: Window,
    time: Monotone,
    chance: Rng,
    /// How often it opened since it last recovered.
    opened: u32,
    /// How often calls failed after checks had passed, since it last recovered.
    misled: u32,
    /// Checks that passed since it opened, or since one failed.
    passed: u64,
    /// Counts beginnings of `Open` and of `HalfOpen`: results of calls from before say nothing of now.
    epoch: u32,
    log: Log,
    counters: Counters,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may; what it comes to must be recorded, or [`Breaker::abandon`] be called.
    Enter,
    /// It may not.
    Refuse {
        /// When asking again may help, from now.
        retry_after: Duration,
    },
}

impl Breaker {
    /// Above which time a reply is slow.
    pub(crate) const fn slow_above(&self) -> Option<Duration> {
        self.settings.slow_above
    }

    /// The way to a breaker, with defaults that are explained there.
    pub fn builder() -> BreakerBuilder {
        BreakerBuilder::default()
    }

    fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            phase: Phase::Closed,
            window: Window::new(settings.window),
            time: Monotone::default(),
            chance: Rng::with_seed(seed),
            opened: 0,
            misled: 0,
            passed: 0,
            epoch: 0,
            log: Log::default(),
            counters: Counters::default(),
        }
    }

    /// Whether a call may be made now. Checks and administration need not ask.
    pub fn admit(&mut self, now: Duration) -> Decision {
        self.advance(now);
        let enters = match &mut self.phase {
            Phase::Probing { left, .. } => {
                let probe = left.checked_sub(1);
                *left = probe.unwrap_or(0);
                probe.is_some()
            }
            _ => {
                let share = self.share();
                share >= 1.0 || self.chance.f64() < share
            }
        };
        if enters {
            self.counters.admitted += 1;
            return Decision::Enter;
        }
        self.counters.refused += 1;
        let retry_after = self.retry_after();
        Decision::Refuse { retry_after }
    }

    /// Notes that a call that was let in came to nothing that says anything, as when it was
    /// cancelled: if it was a probe, another may take its place. To leave this out costs time, no
    /// more.
    pub fn abandon(&mut self) {
        let most = self.settings.probes;
        if let Phase::Probing { left, .. } = &mut self.phase {
            *left = left.saturating_add(1).min(most);
        }
    }

    /// Notes what calls came to that ended since the last time. While open they decide nothing: these
    /// are calls from before.
    pub fn record(&mut self, now: Duration, results: &Tally) {
        self.advance(now);
        self.counters.results.add(results);
        let counting = results.counting(&self.settings.counts);
        self.window.add(&counting);
        self.judge(&counting);
    }

    /// Notes how one call ended, and how long it took.
    pub fn record_one(&mut self, now: Duration, took: Duration, ended: Result<(), FailureClass>) {
        self.record(now, &Tally::one(self.class_of(took, ended)));
    }

    /// Notes what checks and administration came to, which go on while the breaker is open. It is
    /// half open as soon as one has passed; if calls then failed all the same, as two have, then four.
    pub fn record_reserved(&mut self, now: Duration, results: &Tally) {
        self.record(now, results);
        if !matches!(self.phase, Phase::Open { .. }) {
            return;
        }
        let counting = results.counting(&self.settings.counts);
        if counting.failures() > 0 {
            self.passed = 0;
            return;
        }
        self.passed = self.passed.saturating_add(counting.replies());
        if self.passed >= 1 << self.misled {
            self.probe(true);
        }
    }

    /// A result with slowness taken into account.
    pub(crate) fn class_of(
        &self,
        took: Duration,
        ended: Result<(), FailureClass>,
    ) -> Result<(), FailureClass> {
        match (ended, self.settings.slow_above) {
            (Ok(()), Some(limit)) if took > limit => Err(FailureClass::Slow),
            _ => ended,
        }
    }

    /// Does what is due by now, as every method that is told the time does.
    pub fn advance(&mut self, now: Duration) {
        let now = self.time.advance(now);
        self.window.roll(now);
        match self.phase {
            Phase::Open { until } if now >= until => self.probe(false),
            Phase::Probing { again, early, .. } if now >= again => self.grant(early),
            Phase::Ramp { since, .. } if now.saturating_sub(since) >= self.settings.ramp => {
                self.recover();
            }
            _ => {}
        }
    }

    /// In how long the next thing is due: the end of the open time, more of the ramp, older calls.
    /// `None` while closed.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let now = self.time.now();
        match self.phase {
            Phase::Closed => None,
            Phase::Degraded { .. } => Some(self.window.width()),
            Phase::Open { until } => Some(until.saturating_sub(now)),
            Phase::Probing { again, .. } => Some(again.saturating_sub(now)),
            // In steps of a hundredth.
            Phase::Ramp { .. } => Some((self.settings.ramp / 100).max(Duration::from_millis(1))),
        }
    }

    /// Its state, by the time last told.
    #[must_use]
    pub const fn circuit(&self) -> Circuit {
        match self.phase {
            Phase::Closed => Circuit::Closed,
            Phase::Degraded { .. } => Circuit::Degraded,
            Phase::Open { .. } => Circuit::Open,
            Phase::Probing { .. } | Phase::Ramp { .. } => Circuit::HalfOpen,
        }
    }

    /// The share of calls that are let in, from 0 to 1; 0 while only probes are. By the time last told.
    #[must_use]
    pub fn share(&self) -> f64 {
        match self.phase {
            Phase::Closed => 1.0,
            Phase::Open { .. } | Phase::Probing { .. } => 0.0,
            Phase::Degraded { slow: true, .. } => self.settings.slow_share.min(self.worthwhile()),
            Phase::Degraded { slow: false, .. } => self.worthwhile(),
            Phase::Ramp { since, .. } => self.ramped(since).min(self.worthwhile()),
        }
    }

    /// When asking again may help, from the time last told.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        // Where chance decides, the next may be luckier; not at once, though.
        let soon = self.window.width().min(Duration::from_secs(1));
        match self.phase {
            Phase::Open { .. } | Phase::Probing { .. } => self.next_due().unwrap_or(soon),
            _ => soon,
        }
    }

    /// The last transitions, 32 at most, the oldest first.
    pub fn transitions(&self) -> impl Iterator<Item = &Transition> {
        self.log.since(0)
    }

    /// Counts how often what was let in before ceased to say anything.
    const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Takes all probes that there are to give away; `None` if it is not the time for probes.
    fn take_probes(&mut self) -> Option<u32> {
        match &mut self.phase {
            Phase::Probing { left, .. } => Some(std::mem::take(left)),
            _ => None,
        }
    }

    /// A number to begin other chance with.
    fn chance_seed(&self) -> u64 {
        self.chance.clone().u64(..)
    }

    /// Whether probes are let in, and nobody else.
    const fn is_probing(&self) -> bool {
        matches!(self.phase, Phase::Probing { .. })
    }

    /// Whether something has failed within the window, or all is not well.
    fn is_watching(&self) -> bool {
        let nothing = |sum: Tally| sum.failures() == 0 && sum.of(FailureClass::Slow) == 0;
        !matches!(self.phase, Phase::Closed) || !nothing(self.window.sum())
    }
}
