//! Who comes, and what they will do: drawn when they come, so that no policy changes it.

use std::time::Duration;

use pool_testkit::simulation::{Chance, Spread};

/// Half of a hundred connections, at 49 ms a lease.
const BETWEEN: Spread = Spread::Exponential {
    mean: Duration::from_micros(980),
};
/// The most queries of a lease, and the fewest.
const MOST: usize = 7;
const FEWEST: usize = 4;
/// Kinds of queries, and what the quickest takes in the median; the next takes that much more.
const KINDS: u32 = 8;
const QUICKEST: Duration = Duration::from_micros(1_240);
/// How far the times of one kind are spread.
const SIGMA: f64 = 0.3;
const THINKS: Spread = Spread::Exponential {
    mean: Duration::from_micros(2_800),
};
/// How often a query meets a pause, and how long its reply takes then.
const PAUSES: f64 = 1.0 / 168.35;
const PAUSE: Spread = Spread::LogNormal {
    median: Duration::from_millis(80),
    sigma: 1.0,
};

/// Somebody who wants a connection.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// When they came.
    pub(super) came: Duration,
    /// What they will do with it, in order.
    pub(super) steps: Vec<Step>,
}

/// A query, and the time until the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// What kind of query.
    pub(super) kind: u32,
    /// How long its reply takes.
    pub(super) takes: Duration,
    /// Whether that is a pause.
    pub(super) pause: bool,
    /// How long its user thinks about the reply.
    pub(super) thinks: Duration,
}

/// All that comes.
#[derive(Debug)]
pub(super) struct Traffic {
    arrivals: Chance,
    work: Chance,
    pauses: Chance,
}

impl Traffic {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            arrivals: Chance::new(seed, "arrivals"),
            work: Chance::new(seed, "work"),
            pauses: Chance::new(seed, "pauses"),
        }
    }

    /// When the next comes, from now.
    pub(super) fn next(&mut self) -> Duration {
        self.arrivals.draw(BETWEEN)
    }

    /// Somebody who comes now.
    pub(super) fn request(&mut self, now: Duration) -> Request {
        let count = FEWEST + self.work.below(MOST - FEWEST + 1);
        Request {
            came: now,
            steps: (0..count).map(|_| self.step()).collect(),
        }
    }

    fn step(&mut self) -> Step {
        let kind = 1 + u32::try_from(self.work.below(KINDS as usize)).unwrap_or(0);
        let usual = Spread::LogNormal {
            median: QUICKEST * kind,
            sigma: SIGMA,
        };
        let takes = self.work.draw(usual);
        let thinks = self.work.draw(THINKS);
        let pause = self.pauses.happens(PAUSES);
        let paused = self.pauses.draw(PAUSE);
        Step {
            kind,
            takes: if pause { paused } else { takes },
            pause,
            thinks,
        }
    }
}
