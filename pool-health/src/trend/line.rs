//! A straight line through the last samples, and how far to believe it.

use super::history::{History, ROOM};
use crate::confidence::to_float;

/// How many of the last samples a line is laid through. Short ones see a fast fall in time, long
/// ones a slow fall at all; below 16 the noise itself cannot be told well enough.
const LENGTHS: [usize; 5] = [16, 24, 32, 48, 64];
/// What successive samples are taken to have in common before anything is known, and how many
/// samples that belief is worth. Smoothed scores do have much in common, and 16 samples say little
/// about how much; taken for less than it is, noise looks like a trend.
const COMMON: (f64, f64) = (0.5, 48.0);
/// However much they seem to have in common, something is new in each.
const MOST_COMMON: f64 = 0.9;
/// No score is better known than this.
const LEAST_NOISE: f64 = 0.005;
/// How many standard errors of slope must be left when a sudden step is taken out.
const BESIDE_STEP: f64 = 2.5;

/// What a line must do to count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demands {
    /// Where a score is bad.
    pub(super) threshold: f64,
    /// By how much it must have fallen.
    pub(super) drop: f64,
    /// The standard errors of its slope.
    pub(super) significance: f64,
    /// Within how many seconds it must reach the threshold.
    pub(super) horizon: f64,
    /// How old a sample may be, in seconds.
    pub(super) oldest: f64,
}

/// A line that falls, seen from the newest sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// By how much it falls per second; positive.
    pub(super) per_second: f64,
    /// Its slope in standard errors.
    pub(super) significance: f64,
    /// Its height at the newest sample.
    pub(super) level: f64,
}

/// The most significant of the falling lines that meet all demands.
pub(super) fn find(history: &History, demands: &Demands) -> Option<Line> {
    let mut best: Option<Line> = None;
    let mut sums = Sums::default();
    let mut lengths = LENGTHS.into_iter();
    let mut length = lengths.next();
    let mut age = 0.0;
    for back in 0..history.len() {
        if age > demands.oldest {
            break;
        }
        let (score, gap) = history.at(back);
        sums.add(age, score);
        if length == Some(back + 1) {
            length = lengths.next();
            if let Some(line) = sums.line()
                && meets(&line, age, demands)
                && let Some(line) = weigh(history, back + 1, line, demands)
                && best.is_none_or(|best| best.significance < line.significance)
            {
                best = Some(line);
            }
        }
        age += gap;
    }
    best
}

/// Whether a line matters, whatever it is worth: this is cheap, and ends most looks.
fn meets(line: &Line, span: f64, demands: &Demands) -> bool {
    line.per_second * span >= demands.drop
        && line.level - demands.threshold <= line.per_second * demands.horizon
}

/// Sums over samples, from which the least squares line follows.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: f64,
    age: f64,
    age_age: f64,
    score: f64,
    age_score: f64,
}

impl Sums {
    #[inline]
    fn add(&mut self, age: f64, score: f64) {
        self.count += 1.0;
        self.age += age;
        self.age_age += age * age;
        self.score += score;
        self.age_score += age * score;
    }

    /// The spread of ages, and by how much scores were higher per second of age.
    fn slope(&self) -> Option<(f64, f64)> {
        let spread = self.age_age - self.age * self.age / self.count;
        let together = self.age_score - self.age * self.score / self.count;
        (spread > 0.0).then(|| (spread, together / spread))
    }

    /// The line, if it falls.
    fn line(&self) -> Option<Line> {
        let (_, per_second) = self.slope()?;
        (per_second > 0.0).then(|| Line {
            per_second,
            significance: 0.0,
            level: (self.score - per_second * self.age) / self.count,
        })
    }
}

/// The samples a line goes through, newest first.
struct Window {
    ages: [f64; ROOM],
    scores: [f64; ROOM],
    len: usize,
}

impl Window {
    fn of(history: &History, len: usize) -> Self {
        let (mut ages, mut scores) = ([0.0; ROOM], [0.0; ROOM]);
        let mut age = 0.0;
        for back in 0..len {
            let (score, gap) = history.at(back);
            ages[back] = age;
            scores[back] = score;
            age += gap;
        }
        Self { ages, scores, len }
    }

    fn sums(&self, from: usize, to: usize) -> Sums {
        let mut sums = Sums::default();
        for index in from..to {
            sums.add(self.ages[index], self.scores[index]);
        }
        sums
    }

    /// The variance that a mean of many samples has, times their number: more than that of a single
    /// one, as successive samples have something in common.
    fn noise(&self, line: &Line) -> f64 {
        let (mut own, mut shared, mut before) = (0.0, 0.0, 0.0);
        for index in 0..self.len {
            let rest = self.scores[index] - line.level - line.per_second * self.ages[index];
            own += rest * rest;
            shared += rest * before;
            before = rest;
        }
        let count = to_float(self.len as u64);
        let variance = own / (count - 2.0);
        let least = LEAST_NOISE * LEAST_NOISE;
        let (prior, worth) = COMMON;
        // Less than that is the rounding of scores, and has nothing in common.
        let seen = if variance > least {
            shared / own
        } else {
            prior
        };
        let variance = variance.max(least);
        let common = (seen * count + prior * worth) / (count + worth);
        // What a line takes out of the samples makes them look less alike than they are.
        let common = (common + (1.0 + 3.0 * common) / count).clamp(0.0, MOST_COMMON);
        variance * (1.0 + common) / (1.0 - common)
    }

    /// Where one sudden step down would explain most: the number of samples after it.
    fn step(&self, whole: &Sums) -> usize {
        let (mut after, mut best, mut explained) = (0.0, self.len / 2, 0.0);
        for index in 1..self.len {
            after += self.scores[index - 1];
            let (newer, older) = (to_float(index as u64), to_float((self.len - index) as u64));
            let fell = (whole.score - after) / older - after / newer;
            let gain = newer * older * fell * fell;
            if fell > 0.0 && gain > explained && index >= 2 && index + 2 <= self.len {
                (best, explained) = (index, gain);
            }
        }
        best
    }
}

/// What a line is worth, if it is worth enough and is none that one step explains.
fn weigh(history: &History, len: usize, line: Line, demands: &Demands) -> Option<Line> {
    let window = Window::of(history, len);
    let whole = window.sums(0, len);
    let noise = window.noise(&line);
    let significance = line.per_second / (noise / whole.slope()?.0).sqrt();
    let believed =
        significance >= demands.significance && falls_beside_a_step(&window, &whole, noise);
    believed.then_some(Line {
        significance,
        ..line
    })
}

/// Whether samples fall on either side of the step that explains most. A step alone leaves none of
/// the slope, a trend a good part of it.
fn falls_beside_a_step(window: &Window, whole: &Sums, noise: f64) -> bool {
    let step = window.step(whole);
    let (mut spread, mut together) = (0.0, 0.0);
    for (from, to) in [(0, step), (step, window.len)] {
        if let Some((own, slope)) = window.sums(from, to).slope() {
            spread += own;
            together += own * slope;
        }
    }
    together > 0.0 && together / spread >= BESIDE_STEP * (noise / spread).sqrt()
}
