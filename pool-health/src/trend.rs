//! Scores that fall, and when they will be bad.
//!
//! A detector says that a connection is broken; by then somebody has been hurt. Many a connection
//! breaks slowly: a server process that swells, a route that loses more packets by the minute. Its
//! score falls for minutes before it is bad, and within these another connection can be opened in
//! peace.
//!
//! A *score* is made elsewhere, from 0 for useless to 1 for as good as it gets: the smoothed share of
//! requests that succeed, weighed together with the ratio of the usual latency to the present one. It
//! is noisy, and what it says twice in a row has much in common. A line laid through the last samples
//! nearly always slopes; with thousands of connections looked at every few seconds, some will slope
//! down a lot by chance alone. A slope below zero with an R² of .6 over 8 samples, the textbook's
//! answer, turns up in nearly every healthy connection within 20 minutes. So a score counts as falling
//! ([`Verdict::Falling`]) when all of these hold, a few looks in a row:
//!
//! | condition | keeps out |
//! | --- | --- |
//! | it has fallen by a good part of the scale | falls that do not matter |
//! | the threshold is reached soon | falls that may well turn |
//! | the slope is many standard errors, counted with what successive samples have in common | noise, white or not |
//! | it falls even when one sudden step is allowed for | steps, which are a detector's, and falls that have ended |
//!
//! A score should be smoothed over no more than about three samples: smoothing makes a ramp of a
//! step, and more of it makes the ramp as long as a trend.
//!
//! Lines of 16 to 64 samples are tried, as a fast fall must be seen in a short one and a slow fall
//! can be seen only in a long one. Slopes are per second, so samples may come as they like and be
//! missing. A sample costs one pass over at most 64 others, a verdict nothing; a series takes 600
//! bytes.
//!
//! ```
//! use std::time::Duration;
//! use pool_health::{Trend, TrendConfig, Verdict};
//!
//! let mut trend = Trend::new(TrendConfig::default());
//! for step in 0..30 {
//!     let wobble = if step % 2 == 0 { 0.01 } else { -0.01 };
//!     let score = 0.9 - 0.01 * step as f64 + wobble;
//!     trend.push(Duration::from_secs(5 * step), score);
//! }
//! let Verdict::Falling { reaches_in, .. } = trend.verdict(Duration::from_secs(145)) else {
//!     panic!("it falls");
//! };
//! assert!((45..65).contains(&reaches_in.as_secs()), "{reaches_in:?}");
//! ```

mod config;
mod history;
mod line;
mod prediction;

use std::time::Duration;

pub use config::{TrendBuilder, TrendConfig};
pub use prediction::{Prediction, PredictionBuilder, PredictionStatistics};

use history::History;
use line::Line;

/// The scores of one connection, and whether they fall.
///
/// Times count from any origin, the same for all calls. One that lies back by no more than the window
/// is passed over; one further back means that the clock was set, and the series starts again.
#[derive(Clone, Debug)]
pub struct Trend {
    cfg: TrendConfig,
    history: History,
    /// The time of the newest sample, and how many it stands for.
    newest: Duration,
    merged: f64,
    /// For how many looks in a row the other of falling and steady has been seen.
    against: u32,
    /// The line it falls on, and when that was laid.
    falling: Option<(Duration, Line)>,
    rejected: u64,
}

/// What becomes of a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing that can be said.
    Steady,
    /// It falls, and will be bad.
    Falling {
        /// By how much it falls per second; above 0.
        per_second: f64,
        /// How many standard errors that is away from nothing.
        significance: f64,
        /// When it reaches the threshold; zero when it has.
        reaches_in: Duration,
    },
}

impl Trend {
    /// A series without samples.
    #[must_use]
    pub const fn new(cfg: TrendConfig) -> Self {
        Self {
            cfg,
            history: History::new(),
            newest: Duration::ZERO,
            merged: 0.0,
            against: 0,
            falling: None,
            rejected: 0,
        }
    }

    /// One more score, of `now`. Below 0 and above 1 count as 0 and 1.
    pub fn push(&mut self, now: Duration, score: f64) {
        if !score.is_finite() {
            self.rejected = self.rejected.saturating_add(1);
            return;
        }
        let score = score.clamp(0.0, 1.0);
        if self.history.len() > 0 && now.abs_diff(self.newest) > self.cfg.window() {
            self.forget();
        }
        let Some(gap) = self.gap(now) else {
            self.rejected = self.rejected.saturating_add(1);
            return;
        };
        if self.history.len() > 0 && gap < self.cfg.spacing() {
            self.history.merge(self.merged, score);
            self.merged += 1.0;
            return;
        }
        self.history.push(gap, score);
        (self.newest, self.merged) = (now, 1.0);
        self.look();
    }

    /// What becomes of the score, as of `now`.
    #[must_use]
    pub fn verdict(&self, now: Duration) -> Verdict {
        let Some((laid, line)) = self.falling else {
            return Verdict::Steady;
        };
        if now.saturating_sub(self.newest) > self.cfg.window() {
            return Verdict::Steady;
        }
        let since = now.saturating_sub(laid);
        let left = (line.level - self.cfg.threshold()) / line.per_second - since.as_secs_f64();
        Verdict::Falling {
            per_second: line.per_second,
            significance: line.significance,
            reaches_in: Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(Duration::MAX),
        }
    }

    /// How many samples were passed over: not a number, infinite, or older than the last.
    #[must_use]
    pub const fn rejected(&self) -> u64 {
        self.rejected
    }

    /// The time since the last sample; `None` when that is later. No time before the first.
    fn gap(&self, now: Duration) -> Option<Duration> {
        match self.history.len() {
            0 => Some(Duration::ZERO),
            _ => now.checked_sub(self.newest),
        }
    }

    const fn forget(&mut self) {
        self.history.clear();
        self.falling = None;
        self.against = 0;
    }

    /// Takes the newest sample into account.
    fn look(&mut self) {
        let line = line::find(&self.history, &self.cfg.demands());
        let changes = line.is_some() != self.falling.is_some();
        self.against = if changes { self.against + 1 } else { 0 };
        if !changes || self.against >= self.cfg.looks() {
            self.against = 0;
            self.falling = line.map(|line| (self.newest, line));
        }
    }
}
