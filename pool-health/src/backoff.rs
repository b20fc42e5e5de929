//! How long to wait before trying again.
//!
//! Those who failed together try again together: a pause that is the same for all moves the crowd
//! and does not thin it out. So a pause is drawn at random below a ceiling that doubles with each
//! failure, and the default draws from the whole of it ([`Jitter::Full`]): of a hundred clients that
//! compete for one row, with a base of 5 ms, a cap of 2 s and 10 ms of network, all are done after
//! about 800 calls and 5 s, against 1,850 calls and a minute with the ceiling itself as the pause
//! (the simulator of AWS on backoff, which this follows in its convention: after *n* failures the
//! ceiling is `base · 2ⁿ`).
//!
//! A state machine without I/O: it tells a pause and keeps no time.

use std::time::Duration;

use fastrand::Rng;

use crate::ConfigError;
use pool_core::Problems;

/// How chance enters a pause. The ceiling is `base · 2ⁿ` after *n* failures, at most the cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Jitter {
    /// Not at all: the pause is the ceiling. For comparison, and for one client alone.
    None,
    /// Anything from zero to the ceiling: fewest calls.
    #[default]
    Full,
    /// Half the ceiling, and anything up to the other half: never at once, for somewhat more time.
    Equal,
    /// Anything from the base to three times the pause before, at most the cap: soonest done, for
    /// somewhat more calls.
    Decorrelated,
}

/// The pauses of one client between its attempts.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_health::{Backoff, Jitter};
///
/// let (base, cap) = (Duration::from_millis(5), Duration::from_secs(2));
/// let mut backoff = Backoff::new(base, cap)?.with_jitter(Jitter::Full).with_seed(7);
/// assert!(backoff.after_failure() <= Duration::from_millis(10));
/// assert!(backoff.after_failure() <= Duration::from_millis(20));
/// assert_eq!(backoff.failures(), 2);
/// backoff.reset();
/// assert!(backoff.after_failure() <= Duration::from_millis(10));
/// # Ok::<(), pool_health::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    /// Nanoseconds.
    base: u64,
    /// Nanoseconds.
    cap: u64,
    jitter: Jitter,
    failures: u32,
    /// The pause before, in nanoseconds; the base when there was none.
    last: u64,
    chance: Rng,
}

impl Backoff {
    /// Pauses that start below twice `base` and grow up to `cap`, with [`Jitter::Full`] and the
    /// seed 0. Times beyond 584 years count as that.
    ///
    /// # Errors
    ///
    /// If `base` is zero or above `cap`.
    pub fn new(base: Duration, cap: Duration) -> Result<Self, ConfigError> {
        let mut problems = Problems::of("backoff");
        problems.check(base.is_zero(), || {
            "base 0 would never pause; take at least 1 ns".to_owned()
        });
        problems.check(base > cap, || {
            format!("base {base:?} is above cap {cap:?}; lower it or raise the cap")
        });
        problems.result()?;
        Ok(Self {
            base: nanos(base),
            cap: nanos(cap),
            jitter: Jitter::default(),
            failures: 0,
            last: nanos(base),
            chance: Rng::with_seed(0),
        })
    }

    /// Draws pauses like this.
    #[must_use]
    pub const fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Draws from the chance of `seed`: clients that are to differ need different ones.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.chance = Rng::with_seed(seed);
        self
    }

    /// Notes a failed attempt, and says how long to pause before the next.
    pub fn after_failure(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let ceiling = self.ceiling();
        let pause = match self.jitter {
            Jitter::None => ceiling,
            Jitter::Full => self.chance.u64(0..=ceiling),
            Jitter::Equal => ceiling - self.chance.u64(0..=ceiling / 2),
            Jitter::Decorrelated => {
                let most = self.last.saturating_mul(3).max(self.base);
                self.chance.u64(self.base..=most).min(self.cap)
            }
        };
        self.last = pause;
        Duration::from_nanos(pause)
    }

    /// Notes a success: the next failure counts as the first.
    pub fn reset(&mut self) {
        self.failures = 0;
        self.last = self.base;
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// What the pause after so many failures is drawn below, in nanoseconds.
    fn ceiling(&self) -> u64 {
        let factor = 1u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(5);
    const CAP: Duration = Duration::from_secs(2);

    fn backoff(jitter: Jitter, seed: u64) -> Backoff {
        Backoff::new(BASE, CAP)
            .expect("base is below cap")
            .with_jitter(jitter)
            .with_seed(seed)
    }

    /// Milliseconds of the n-th pause of so many clients, sorted.
    fn nth_pauses(jitter: Jitter, nth: usize) -> Vec<f64> {
        let of_client = |seed| {
            let mut one = backoff(jitter, seed);
            (1..nth).for_each(|_| _ = one.after_failure());
            one.after_failure().as_secs_f64() * 1000.0
        };
        let mut pauses: Vec<f64> = (0..20_000).map(of_client).collect();
        pauses.sort_by(f64::total_cmp);
        pauses
    }

    /// The greatest distance between the share of pauses up to x and (x - low) / (high - low).
    fn distance_from_uniform(sorted: &[f64], low: f64, high: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "thousands fit")]
        let share = |rank: usize| rank as f64 / sorted.len() as f64;
        let off = |(rank, x): (usize, &f64)| (share(rank) - (x - low) / (high - low)).abs();
        sorted.iter().enumerate().map(off).fold(0.0, f64::max)
    }

    #[test]
    fn without_jitter_the_pause_doubles_up_to_the_cap() {
        let mut backoff = backoff(Jitter::None, 0);
        let pauses: Vec<u128> = (0..10)
            .map(|_| backoff.after_failure().as_millis())
            .collect();
        assert!((0..200).all(|_| backoff.after_failure() == CAP));
        assert_eq!(
            pauses,
            [10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000],
            "as published: base times two to the number of failures"
        );
    }

    #[test]
    fn full_jitter_is_uniform_from_zero_to_the_ceiling() {
        // 1.95 / sqrt(20,000): Kolmogorov's bound at 0.1 %.
        assert!(distance_from_uniform(&nth_pauses(Jitter::Full, 1), 0.0, 10.0) < 0.0138);
        assert!(distance_from_uniform(&nth_pauses(Jitter::Full, 4), 0.0, 80.0) < 0.0138);
        assert!(distance_from_uniform(&nth_pauses(Jitter::Full, 20), 0.0, 2000.0) < 0.0138);
    }

    #[test]
    fn equal_jitter_is_uniform_in_the_upper_half() {
        assert!(distance_from_uniform(&nth_pauses(Jitter::Equal, 4), 40.0, 80.0) < 0.0138);
    }

    #[test]
    fn decorrelated_jitter_grows_from_the_pause_before_and_not_from_the_count() {
        assert!(distance_from_uniform(&nth_pauses(Jitter::Decorrelated, 1), 5.0, 15.0) < 0.0138);
        for seed in 0..100 {
            let mut backoff = backoff(Jitter::Decorrelated, seed);
            let mut before = BASE;
            for _ in 0..200 {
                let pause = backoff.after_failure();
                assert!(pause >= BASE && pause <= CAP.min(before * 3), "{pause:?}");
                before = pause;
            }
        }
    }

    #[test]
    fn clients_of_one_seed_agree_and_of_different_seeds_do_not() {
        let pauses = |seed| {
            let mut backoff = backoff(Jitter::Full, seed);
            [(); 8].map(|()| backoff.after_failure())
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }

    #[test]
    fn a_success_starts_over() {
        for jitter in [
            Jitter::None,
            Jitter::Full,
            Jitter::Equal,
            Jitter::Decorrelated,
        ] {
            let mut backoff = backoff(jitter, 3);
            (0..50).for_each(|_| _ = backoff.after_failure());
            backoff.reset();
            assert_eq!(backoff.failures(), 0);
            assert!(backoff.after_failure() <= BASE * 3, "{jitter:?}");
        }
    }

    #[test]
    fn the_longest_times_and_the_most_failures_overflow_nothing() {
        for jitter in [
            Jitter::None,
            Jitter::Full,
            Jitter::Equal,
            Jitter::Decorrelated,
        ] {
            let longest = Backoff::new(Duration::MAX, Duration::MAX);
            let mut backoff = longest.expect("base is cap").with_jitter(jitter);
            backoff.failures = u32::MAX - 1;
            for _ in 0..3 {
                assert!(backoff.after_failure() <= Duration::from_nanos(u64::MAX));
            }
            assert_eq!(backoff.failures(), u32::MAX);
        }
    }

    #[test]
    fn a_base_of_nothing_or_above_the_cap_is_no_backoff() {
        let nothing = Backoff::new(Duration::ZERO, CAP).expect_err("no pause");
        assert!(nothing.to_string().contains("base 0"), "{nothing}");
        let inverted = Backoff::new(CAP, BASE).expect_err("inverted");
        assert!(inverted.to_string().contains("above cap"), "{inverted}");
    }
}
