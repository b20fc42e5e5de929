//! The last samples of a series, in a fixed amount of memory.

use std::time::Duration;

/// The most samples that are kept of one series.
pub(super) const ROOM: usize = 64;

/// The last samples, with the time from each to the one before.
///
/// Gaps instead of times, because a gap fits four bytes however long the pool has been running.
#[derive(Clone, Debug)]
pub(super) struct History {
    gaps: [f32; ROOM],
    scores: [f32; ROOM],
    /// Where the newest is.
    newest: usize,
    len: usize,
}

impl History {
    pub(super) const fn new() -> Self {
        Self {
            gaps: [0.0; ROOM],
            scores: [0.0; ROOM],
            newest: 0,
            len: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    /// One more, `gap` after the last; the oldest makes room.
    pub(super) fn push(&mut self, gap: Duration, score: f64) {
        self.newest = (self.newest + 1) % ROOM;
        self.gaps[self.newest] = gap.as_secs_f32();
        self.scores[self.newest] = narrow(score);
        self.len = (self.len + 1).min(ROOM);
    }

    /// The score of the newest becomes the mean of itself, which stands for `count` samples, and one
    /// more.
    pub(super) fn merge(&mut self, count: f64, score: f64) {
        let mean = f64::from(self.scores[self.newest]);
        self.scores[self.newest] = narrow(mean + (score - mean) / (count + 1.0));
    }

    /// The sample that is `back` samples older than the newest: its score, and the seconds from it to
    /// the one before.
    #[inline]
    pub(super) fn at(&self, back: usize) -> (f64, f64) {
        let index = (self.newest + ROOM - back) % ROOM;
        (f64::from(self.scores[index]), f64::from(self.gaps[index]))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounds")]
const fn narrow(score: f64) -> f32 {
    score as f32
}
