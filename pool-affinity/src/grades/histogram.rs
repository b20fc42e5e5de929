//! Lengths of work, as counts of half octaves.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::number::Fraction;

/// From a microsecond to more than an hour.
const BUCKETS: usize = 64;
/// After so many, half is forgotten.
const REMEMBERED: u32 = 4096;
/// How often the percentile is looked up.
const LOOKED_UP: u32 = 16;

/// Lengths of the last few thousand.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [AtomicU32; BUCKETS],
    count: AtomicU32,
    p95: Fraction,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU32::new(0)),
            count: AtomicU32::new(0),
            p95: Fraction::default(),
        }
    }
}

/// The half octave of a time in seconds.
fn bucket(seconds: f32) -> usize {
    // A cast of what is too large or too small ends at the nearest there is.
    let micros = ((seconds * 1e6) as u64).max(1);
    let octave = micros.ilog2();
    let half = micros.checked_shr(octave.saturating_sub(1)).unwrap_or(0) & 1;
    let half = if octave == 0 { 0 } else { half as usize };
    (2 * octave as usize + half).min(BUCKETS - 1)
}

/// The longest that falls into it, in seconds.
fn end(bucket: usize) -> f32 {
    let octave = (1u64 << (bucket / 2)) as f32;
    let octaves = if bucket.is_multiple_of(2) { 1.5 } else { 2.0 };
    octave * octaves / 1e6
}

impl Histogram {
    pub(super) fn note(&self, seconds: f32) {
        self.buckets[bucket(seconds)].fetch_add(1, Ordering::Relaxed);
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if count >= REMEMBERED {
            self.forget_half();
        }
        if count < LOOKED_UP || count.is_multiple_of(LOOKED_UP) {
            self.p95.store(self.percentile());
        }
    }

    fn forget_half(&self) {
        let mut left = 0;
        for bucket in &self.buckets {
            let half = bucket.load(Ordering::Relaxed) / 2;
            bucket.store(half, Ordering::Relaxed);
            left += half;
        }
        self.count.store(left, Ordering::Relaxed);
    }

    /// In seconds, rounded up to a half octave; 0 of nothing.
    pub(super) fn p95(&self) -> f32 {
        self.p95.load()
    }

    fn percentile(&self) -> f32 {
        let counts = || self.buckets.iter().map(|one| one.load(Ordering::Relaxed));
        let most = counts().sum::<u32>() / 20;
        let mut above = 0;
        for (bucket, count) in counts().enumerate().rev() {
            above += count;
            if above > most {
                return end(bucket);
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_there_is_no_percentile_and_of_one_it_is_that() {
        let lengths = Histogram::default();
        assert_eq!(lengths.p95(), 0.0);
        lengths.note(0.010);
        assert!((0.010..0.015).contains(&lengths.p95()), "{}", lengths.p95());
    }

    #[test]
    fn one_in_twenty_is_longer_and_old_ones_are_forgotten() {
        let lengths = Histogram::default();
        for number in 0..2_000 {
            lengths.note(if number % 30 == 0 { 1.0 } else { 0.001 });
        }
        assert!(lengths.p95() < 0.002);
        (0..20_000).for_each(|_| lengths.note(0.1));
        assert!((0.1..0.15).contains(&lengths.p95()));
        assert!(lengths.count.load(Ordering::Relaxed) < REMEMBERED);
    }

    #[test]
    fn every_length_has_a_place() {
        for seconds in [0.0, f32::MIN_POSITIVE, 1e-6, 1e9, f32::MAX, f32::INFINITY] {
            let at = bucket(seconds);
            assert!(at < BUCKETS && end(at).is_finite());
        }
        for micros in 1..10_000u32 {
            let seconds = micros as f32 / 1e6;
            assert!(seconds <= end(bucket(seconds)) * 1.001, "{micros}");
        }
    }
}
