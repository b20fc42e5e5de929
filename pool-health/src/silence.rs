//! Silence, and when it means that a connection is dead.
//!
//! A time-out that is short enough to be of use is wrong about a healthy server several times a
//! day; one that is never wrong comes after the callers have given up. No single figure does both,
//! because pauses of a healthy server (a collection of garbage, a check-point, a lost packet) and
//! death look alike for the first few hundred milliseconds. So there are two steps, of which only the
//! second cannot be undone:
//!
//! ```text
//!        φ on the wait                    silent past the horizon
//!  Fine ──────────────▶ Suspect ─────────────────────────────────▶ Condemned
//!    ▲                     │            and the kind is known           │
//!    └───── heard of ──────┴──────────────── heard of ──────────────────┘ (too late: counted)
//! ```
//!
//! *Suspect*: nobody else gets the connection. That costs a healthy one no more than a check when it
//! comes back, or nothing if it is heard of before; so suspicion may be quick, and is: with replies
//! that take 6 ms it falls after some 140 ms. *Condemned*: closed. By then the silence has lasted for a
//! second more than its kind takes, or twice as long as suspicion needed, or twice the longest one
//! that turned out harmless lately.
//!
//! What a wait is held against is the [expectation](crate::expectation) of its kind. A kind that is
//! unknown, seldom or not told has none. Its connections become suspects after a long patience only,
//! so that a hung one is at least asked before its next use, and are never condemned for silence:
//! a query that sleeps for 5 s among those that take 5 ms is nobody's fault.

use std::time::Duration;

use pool_core::{Candidate, Place, Subject};

use crate::expectation::Expectations;
use crate::slots::Slots;
use pool_core::Problems;

mod limits;
mod phi;
mod punctuality;
mod watch;

use limits::Limits;
pub use phi::phi;
use punctuality::Punctuality;
pub(crate) use watch::Stage;
use watch::{Wait, Watch};

/// How the detector judges.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// φ of suspicion.
    pub(crate) phi: f64,
    /// What every wait may last longer than expected, whatever the spread.
    pub(crate) pause: Duration,
    /// The least deviation.
    pub(crate) floor: Duration,
    /// How much longer than expected the silence of the condemned has lasted.
    pub(crate) horizon: Duration,
    /// When a wait without expectation becomes suspicious.
    pub(crate) patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            phi: 5.0,
            pause: Duration::from_millis(50),
            floor: Duration::from_millis(20),
            horizon: Duration::from_secs(1),
            patience: Duration::from_secs(10),
        }
    }
}

impl Settings {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.within("phi", self.phi, 0.5..=100.0);
        let (floor, pause) = (self.floor, self.pause);
        problems.check(floor < Duration::from_millis(1), || {
            format!("deviation_floor {floor:?} is below 1 ms; no timer is as exact")
        });
        let (horizon, patience) = (self.horizon, self.patience);
        problems.check(pause > horizon, || {
            format!("pause {pause:?} is above confirm_horizon {horizon:?}; lower it")
        });
        problems.check(horizon.is_zero() || horizon > patience, || {
            format!(
                "confirm_horizon {horizon:?} is not between 0 and patience {patience:?}; change \
                 one of them"
            )
        });
    }
}

/// What the silence of a connection says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sign {
    /// It has become suspicious. Whether it was known what to expect.
    Suspected { known: bool },
    /// It has been suspected for so long that it may be given up.
    Ripe,
    /// It was suspected, or even condemned, and has been heard of.
    Heard { condemned: bool },
}

/// What was seen of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) sign: Option<Sign>,
    /// A reply: how many times as long as expected it took, if anything was expected.
    pub(crate) reply: Option<Option<f64>>,
    /// In what time the next sign may fall.
    pub(crate) next: Option<Duration>,
}

/// Listens to all connections.
#[derive(Debug)]
pub(crate) struct Silence {
    settings: Settings,
    /// φ in deviations.
    deviations: f64,
    expectations: Expectations,
    own: Punctuality,
    watches: Slots<Watch>,
    /// How much of the time since the last review we were awake.
    awake: Duration,
}

impl Silence {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            deviations: phi::deviations(settings.phi),
            expectations: Expectations::new(settings.floor),
            own: Punctuality::default(),
            watches: Slots::default(),
            awake: Duration::ZERO,
            settings,
        }
    }

    /// A review begins; there is usually one this often.
    pub(crate) fn begin(&mut self, now: Duration, usual: Duration) {
        self.awake = self.own.called(now, usual);
    }

    /// A review ends, and the next is wanted after this.
    pub(crate) fn end(&mut self, next: Option<Duration>) {
        self.own.asked(next);
    }

    /// Reviews that came too late.
    pub(crate) fn late(&self) -> u64 {
        self.own.late()
    }

    /// Looks at one connection; without `judging` it only learns.
    pub(crate) fn look(&mut self, now: Duration, subject: &Subject, judging: bool) -> Seen {
        let watch = self.watches.of(subject.connection);
        let news = watch.look(now, self.awake, &subject.pulse);
        let mut seen = Seen::default();
        if let Some(wait) = news.ended {
            seen.sign = end(watch, wait, now, &mut self.expectations);
        }
        if let Some((kind, silence)) = news.reply {
            let expected = self.expectations.of(now, kind);
            seen.reply = Some(expected.map(|expected| expected.ratio(silence)));
            self.expectations.learn(now, kind, silence);
        }
        // What is being checked or reset has a limit of its own.
        if judging && seen.sign.is_none() && subject.place != Place::Tended {
            self.judge(now, subject.connection, &mut seen);
        }
        seen
    }

    fn judge(&mut self, now: Duration, connection: Candidate, seen: &mut Seen) {
        let watch = self.watches.of(connection);
        let Some(wait) = watch.judged() else {
            return;
        };
        let expected = self.expectations.of(now, wait.kind);
        let stretch = self.own.stretch();
        let limits = Limits::new(&self.settings, self.deviations, expected, stretch);
        let silent = wait.silent.as_secs_f64();
        let limit = match watch.stage {
            Stage::Fine => limits.suspect,
            Stage::Suspect => limits.condemn,
            Stage::Condemned => f64::INFINITY,
        };
        if silent < limit {
            // A little more, or rounding would have us come a moment too soon.
            let rest = Duration::try_from_secs_f64(limit - silent).ok();
            seen.next = rest.map(|rest| rest.saturating_add(Duration::from_micros(1)));
        } else if watch.stage == Stage::Suspect {
            seen.sign = Some(Sign::Ripe);
        } else {
            watch.stage = Stage::Suspect;
            let known = expected.is_some();
            seen.sign = Some(Sign::Suspected { known });
        }
    }

    /// What is thought of a connection.
    pub(crate) fn stage(&self, connection: Candidate) -> Stage {
        let watch = self.watches.look(connection);
        watch.map_or(Stage::Fine, |watch| watch.stage)
    }

    /// Since when a connection has been silent.
    pub(crate) fn silent_since(&self, connection: Candidate) -> Option<Duration> {
        Some(self.watches.look(connection)?.wait?.since)
    }

    /// It is given up.
    pub(crate) fn condemn(&mut self, connection: Candidate) {
        self.watches.of(connection).stage = Stage::Condemned;
    }

    /// It passed a check. Returns whether it had been suspected.
    pub(crate) fn forgive(&mut self, connection: Candidate) -> bool {
        let Some(watch) = self.watches.known(connection) else {
            return false;
        };
        let suspected = watch.stage != Stage::Fine;
        watch.forgive();
        suspected
    }
}

/// Something came in after this wait.
fn end(watch: &mut Watch, wait: Wait, now: Duration, known: &mut Expectations) -> Option<Sign> {
    let before = std::mem::take(&mut watch.stage);
    if before == Stage::Fine {
        return None;
    }
    known.outlived(now, wait.kind, wait.silent);
    let condemned = before == Stage::Condemned;
    Some(Sign::Heard { condemned })
}
