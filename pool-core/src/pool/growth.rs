//! How many connects to run at a time while connections circulate.
//!
//! An empty pool opens as many as it may at once, since nobody can be served otherwise. While leases
//! circulate, a waiter is usually served by a return long before a connect ends: fifty requests of
//! 2 ms on five connections are done in 20 ms, when a connect takes 150 ms. So one connect is
//! started, and one more per connect time, as long as the queue would drain more slowly than a
//! connect takes. What takes the place of a connection that was closed while requests waited is no
//! growth, and not paced so.
//!
//! A connect that takes several times as long as usual may never end (a lost packet, a dead proxy):
//! waiters stop counting on it and get another one meanwhile, so that it costs one of the places
//! for connects and not everybody's time.

use std::time::Duration;

/// Decides the number of connects at a time. Pure: it is told the time and the facts.
#[derive(Debug)]
pub(crate) struct Growth {
    /// Moving average of how long connects took, in milliseconds; unknown before the first.
    connect_time: Option<f64>,
    at_once: usize,
    /// When the last decision fell, and how many hand-offs there had been.
    decided: Option<(u64, u64)>,
    /// The connects under way, and when they began: a few at a time.
    under_way: Vec<(u64, u64)>,
    /// How many of them were overdue when that was last said.
    overdue: usize,
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) waiting: usize,
    pub(crate) connecting: usize,
    /// Hand-offs so far.
    pub(crate) served: u64,
    /// More connections may be opened.
    pub(crate) room: bool,
}

/// Assumed before the first connect has ended.
const FIRST_GUESS: f64 = 100.0;
/// Connect times after which a connect counts as overdue, and the least time, in milliseconds.
const PATIENCE: (f64, f64) = (4.0, 1000.0);
/// Weight of the newest connect time.
const WEIGHT: f64 = 0.3;

impl Growth {
    pub(crate) const fn new() -> Self {
        Self {
            connect_time: None,
            at_once: 1,
            decided: None,
            under_way: Vec::new(),
            overdue: 0,
        }
    }

    /// Notes that a connect has begun.
    pub(crate) fn began(&mut self, connection: u64, now: u64) {
        self.under_way.push((connection, now));
    }

    /// Notes that a connect has ended, however.
    pub(crate) fn ended(&mut self, connection: u64) {
        self.under_way.retain(|(other, _)| *other != connection);
    }

    /// How many connects take so long that nobody should count on them, if that is another number
    /// than the one said before.
    pub(crate) fn overdue_changed(&mut self, now: u64) -> Option<usize> {
        let overdue = self.count_overdue(now);
        let before = std::mem::replace(&mut self.overdue, overdue);
        (overdue != before).then_some(overdue)
    }

    fn count_overdue(&self, now: u64) -> usize {
        let (times, least) = PATIENCE;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive time, cut off by the cast if it is absurd"
        )]
        let patience = (self.connect_time() * times).max(least) as u64;
        let begun = self.under_way.iter().map(|(_, begun)| *begun);
        begun
            .filter(|begun| now.saturating_sub(*begun) >= patience)
            .count()
    }

    /// Notes how long a connect took.
    pub(crate) fn connected(&mut self, took: Duration) {
        let took = took.as_secs_f64() * 1000.0;
        let before = self.connect_time.unwrap_or(took);
        self.connect_time = Some(before + WEIGHT * (took - before));
    }

    fn connect_time(&self) -> f64 {
        self.connect_time.unwrap_or(FIRST_GUESS)
    }

    /// How long to wait between decisions, in milliseconds.
    pub(crate) fn every(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to a small positive range"
        )]
        let every = self.connect_time().clamp(5.0, 5000.0) as u64;
        every
    }

    /// Nobody waits, or no more can be opened: the number of connects to run at a time from then on.
    pub(crate) const fn rest(&mut self) -> usize {
        self.at_once = 1;
        self.decided = None;
        self.at_once
    }

    /// The number of connects to run at a time now, and when to ask again, if at all.
    pub(crate) fn decide(&mut self, now: u64, load: Load) -> (usize, Option<u64>) {
        if load.waiting == 0 || !load.room {
            return (self.rest(), None);
        }
        let Some((since, served)) = self.decided else {
            self.decided = Some((now, load.served));
            return (self.at_once, Some(now + self.every()));
        };
        let elapsed = now.saturating_sub(since);
        if elapsed < self.every() {
            return (self.at_once, Some(since + self.every()));
        }
        let drains_in = drain_time(load.waiting, load.served - served, elapsed);
        if drains_in > self.connect_time() {
            self.at_once = self.at_once.max(load.connecting) + 1;
        } else {
            self.at_once = 1;
        }
        self.decided = Some((now, load.served));
        (self.at_once, Some(now + self.every()))
    }
}

/// Milliseconds until the queue is empty at the present rate.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn drain_time(waiting: usize, served: u64, elapsed: u64) -> f64 {
    if served == 0 {
        return f64::INFINITY;
    }
    waiting as f64 * elapsed as f64 / served as f64
}

#[cfg(test)]
mod tests {
    use super::{Growth, Load};
    use std::time::Duration;

    fn load(waiting: usize, served: u64) -> Load {
        Load {
            waiting,
            connecting: 1,
            served,
            room: true,
        }
    }

    /// A queue that is gone before a connect ends asks for no second one.
    #[test]
    fn a_fast_queue_starts_one_connect() {
        let mut growth = Growth::new();
        growth.connected(Duration::from_millis(150));
        assert_eq!(growth.decide(0, load(45, 0)), (1, Some(150)));
        assert_eq!(growth.decide(150, load(45, 400)).0, 1);
    }

    /// Four usual connect times, and at least a second.
    #[test]
    fn a_connect_is_overdue_after_several_times_the_usual_time() {
        let mut growth = Growth::new();
        growth.began(1, 0);
        assert_eq!(growth.overdue_changed(999), None);
        assert_eq!(growth.overdue_changed(1000), Some(1));
        assert_eq!(growth.overdue_changed(1001), None, "that was said");
        growth.connected(Duration::from_millis(500));
        assert_eq!(growth.overdue_changed(1999), Some(0));
        assert_eq!(growth.overdue_changed(2000), Some(1));
        growth.ended(1);
        assert_eq!(growth.overdue_changed(5000), Some(0));
    }

    /// A queue that hardly moves gets one more connect per connect time.
    #[test]
    fn a_slow_queue_starts_one_more_per_connect_time() {
        let mut growth = Growth::new();
        growth.connected(Duration::from_millis(10));
        let (first, again) = growth.decide(0, load(50, 0));
        assert_eq!((first, again), (1, Some(10)));
        assert_eq!(
            growth.decide(5, load(50, 0)).0,
            1,
            "not before a connect time has passed"
        );
        assert_eq!(growth.decide(10, load(50, 0)).0, 2);
        assert_eq!(growth.decide(20, load(50, 1)).0, 3);
        assert_eq!(
            growth.decide(30, load(0, 60)),
            (1, None),
            "nobody waits: back to one"
        );
    }
}
