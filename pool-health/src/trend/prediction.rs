//! Replaces connections before they fail.
//!
//! A prediction is worth acting on when acting is cheap and being wrong is harmless: the successor is
//! opened first, within the pool's maximum, and few at a time. When many scores fall together the
//! fault is not in the connections, and new ones would not be better: that is told, and nothing is
//! replaced.

use std::time::Duration;

use pool_core::{Candidate, Order, Orders, Subject};

use super::{Trend, TrendConfig, Verdict};
use crate::confidence::to_float;
use crate::outbox::Outbox;
use crate::slots::Slots;
use crate::turnover::Turnover;
use crate::{ConfigError, Mode};
use pool_core::Problems;

/// The name of this part in findings.
const PART: &str = "trend";
/// Connections that were replaced are remembered for this long as signs of a common cause, and that
/// one is told of again after as long.
const TOGETHER: Duration = Duration::from_secs(300);

/// Watches the scores of all connections and replaces those that will fail. Made by
/// [`Prediction::builder`].
#[derive(Debug)]
pub struct Prediction {
    cfg: PredictionBuilder,
    watched: Slots<Watched>,
    turnover: Turnover,
    /// Connections that were replaced lately, and when; no more than their spacing lets through.
    replaced: Vec<(Candidate, Duration)>,
    /// When a common cause was told of last.
    told: Option<Duration>,
    counts: PredictionStatistics,
}

#[derive(Debug)]
struct Watched {
    trend: Trend,
    predicted: bool,
    replaced: bool,
}

/// What a [`Prediction`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PredictionStatistics {
    /// Connections that were predicted to fail; again if that was taken back in between.
    pub predicted: u64,
    /// Connections whose replacement was ordered, or would have been in the shadow.
    pub replaced: u64,
    /// Reviews in which many fell together, so that none were replaced.
    pub held_back: u64,
    /// Scores that were passed over: not a number, infinite, or late.
    pub rejected: u64,
}

impl Prediction {
    /// Starts from the defaults, switched off.
    #[must_use]
    pub fn builder() -> PredictionBuilder {
        PredictionBuilder {
            mode: Mode::Off,
            trend: TrendConfig::default(),
            at_a_time: 2,
            spacing: Duration::from_secs(10),
            common_share: 0.3,
        }
    }

    /// The score of a connection, as of `now`.
    pub fn observe(&mut self, now: Duration, connection: Candidate, score: f64) {
        if !self.cfg.mode.is_asked() || !self.watched.may_be_open(connection) {
            return;
        }
        let cfg = self.cfg.trend;
        let watched = self.watched.of_or(connection, || Watched::new(cfg));
        let before = watched.trend.rejected();
        watched.trend.push(now, score);
        self.counts.rejected += watched.trend.rejected() - before;
    }

    /// What becomes of a connection's score.
    #[must_use]
    pub fn verdict(&self, now: Duration, connection: Candidate) -> Verdict {
        let watched = self.watched.look(connection);
        watched.map_or(Verdict::Steady, |watched| watched.trend.verdict(now))
    }

    /// Orders the replacement of connections that will fail.
    pub fn review(&mut self, now: Duration, subjects: &[Subject], orders: &mut Orders) {
        if !self.cfg.mode.is_asked() {
            return;
        }
        self.watched.forget_all_but(subjects);
        let is_open = |one| self.watched.look(one).is_some();
        let time = self.turnover.settle(now, is_open);
        self.replaced.retain(|(_, at)| time - *at < TOGETHER);
        let mut out = Outbox::new(orders, PART, self.cfg.mode);
        let falling = self.falling(now, subjects);
        if falling.is_empty() {
            return;
        }
        if self.have_common_cause(falling.len(), subjects.len()) {
            self.tell_of_common_cause(time, &mut out);
            return;
        }
        for connection in falling {
            if self.turnover.has_room() && !self.turnover.includes(connection) {
                self.replace(time, connection, &mut out);
            }
        }
    }

    /// What it has done so far.
    #[must_use]
    pub const fn statistics(&self) -> PredictionStatistics {
        self.counts
    }

    pub(crate) const fn mode(&self) -> Mode {
        self.cfg.mode
    }

    /// Those that fall, the soonest to fail first.
    fn falling(&mut self, now: Duration, subjects: &[Subject]) -> Vec<Candidate> {
        let mut falling = Vec::new();
        for subject in subjects {
            let Some(watched) = self.watched.known(subject.connection) else {
                continue;
            };
            let verdict = watched.trend.verdict(now);
            let before = std::mem::replace(&mut watched.predicted, verdict != Verdict::Steady);
            if let Verdict::Falling { reaches_in, .. } = verdict {
                self.counts.predicted += u64::from(!before);
                falling.push((reaches_in, subject.connection));
            }
        }
        falling.sort_by_key(|(reaches_in, connection)| (*reaches_in, connection.slot));
        falling.into_iter().map(|(_, one)| one).collect()
    }

    /// Whether so many fall, or fell within minutes, that it cannot be the connections. One is never
    /// many: there is nothing to compare it with, and replacing it is cheap.
    fn have_common_cause(&self, falling: usize, open: usize) -> bool {
        let gone = |(one, _): &&(Candidate, Duration)| self.watched.look(*one).is_none();
        let together = falling + self.replaced.iter().filter(gone).count();
        together > 1 && to_float(together as u64) > self.cfg.common_share * to_float(open as u64)
    }

    fn tell_of_common_cause(&mut self, time: Duration, out: &mut Outbox<'_>) {
        self.counts.held_back += 1;
        if self.told.is_some_and(|at| time - at < TOGETHER) {
            return;
        }
        self.told = Some(time);
        out.remark(None, "many scores fall together: it is not the connections");
    }

    /// Orders one to be replaced. An order that is repeated, as nothing came of the first, is neither
    /// counted nor told of again.
    fn replace(&mut self, time: Duration, connection: Candidate, out: &mut Outbox<'_>) {
        self.turnover.begin(connection);
        out.order(Order::Replace(connection));
        let Some(watched) = self.watched.known(connection) else {
            return;
        };
        if !std::mem::replace(&mut watched.replaced, true) {
            self.counts.replaced += 1;
            self.replaced.push((connection, time));
            out.tell(Some(connection), "its score falls and will be bad soon");
        }
    }
}

impl Watched {
    const fn new(cfg: TrendConfig) -> Self {
        Self {
            trend: Trend::new(cfg),
            predicted: false,
            replaced: false,
        }
    }
}

/// Builds a [`Prediction`].
#[derive(Clone, Copy, Debug)]
pub struct PredictionBuilder {
    mode: Mode,
    trend: TrendConfig,
    at_a_time: usize,
    spacing: Duration,
    common_share: f64,
}

impl PredictionBuilder {
    /// Whether it acts. Default off.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// What counts as a trend.
    #[must_use]
    pub const fn trend(mut self, trend: TrendConfig) -> Self {
        self.trend = trend;
        self
    }

    /// How many replacements may be under way, 1 to 64. Default 2: predictions leave minutes, so
    /// there is no hurry that would justify more connects beside those that callers wait for.
    #[must_use]
    pub const fn at_a_time(mut self, most: usize) -> Self {
        self.at_a_time = most;
        self
    }

    /// The least time between two replacements, a second at least. Default 10 s: twice the usual
    /// time between two scores, so that a common cause shows before much has been replaced for it.
    #[must_use]
    pub const fn spacing(mut self, spacing: Duration) -> Self {
        self.spacing = spacing;
        self
    }

    /// Above which share of all connections that fall within five minutes the cause is taken to be a
    /// common one; above 0, up to 1. Default 0.3: chance alone does not make three of ten sick.
    #[must_use]
    pub const fn common_share(mut self, share: f64) -> Self {
        self.common_share = share;
        self
    }

    /// The part, or everything that is wrong with its settings.
    ///
    /// # Errors
    ///
    /// Says which settings cannot be.
    pub fn build(self) -> Result<Prediction, ConfigError> {
        let mut problems = Problems::of("prediction");
        problems.within("at_a_time", self.at_a_time, 1..=64);
        problems.time("spacing", self.spacing);
        problems.check(self.spacing < Duration::from_secs(1), || {
            format!("spacing {:?} is below 1s; lengthen it", self.spacing)
        });
        problems.share("common_share", self.common_share);
        problems.result()?;
        Ok(Prediction {
            cfg: self,
            watched: Slots::default(),
            turnover: Turnover::new(self.at_a_time, self.spacing),
            replaced: Vec::new(),
            told: None,
            counts: PredictionStatistics::default(),
        })
    }
}
