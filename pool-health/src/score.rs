//! How well a connection does, as one number.
//!
//! A check says good or bad, a reply how fast, an error what went wrong; how often to ask needs one
//! figure. It is made of two, each between 0 and 1:
//!
//! * *trust*, lost by half with every failure and won back with time that passes without one:
//!   in most of a minute, however many replies come in it, as a thousand replies in a second are no
//!   more proof than one;
//! * *speed*, the usual length of replies over the length of this connection's, so that one that
//!   hangs on a lossy path or a swapping back end is seen.
//!
//! Trust weighs 0.7 and speed 0.3: being slow alone never makes a connection worse than one that
//! fails.

use std::time::Duration;

/// In this time without a failure, trust wins back 63 % of what it lacks.
const RECOVERY: Duration = Duration::from_secs(30);
/// What the latest reply counts for beside all before it.
const SPEED_GAIN: f64 = 0.1;
const TRUST_WEIGHT: f64 = 0.7;

/// How well one connection does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    trust: f64,
    speed: f64,
    /// When anything was noted last; `None` if nothing ever was.
    noted: Option<Duration>,
}

impl Default for Score {
    /// Nothing is known yet: full trust, as it has just been opened.
    fn default() -> Self {
        Self {
            trust: 1.0,
            speed: 1.0,
            noted: None,
        }
    }
}

impl Score {
    /// From 0, nothing works, to 1, nothing could be better. Never anything else.
    #[must_use]
    pub fn value(&self) -> f64 {
        TRUST_WEIGHT * self.trust + (1.0 - TRUST_WEIGHT) * self.speed
    }

    /// Whether anything is known at all.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.noted.is_some()
    }

    /// Something worked: a reply, a check.
    pub(crate) fn worked(&mut self, now: Duration) {
        let age = now.saturating_sub(self.noted.unwrap_or(now));
        let fading = (-age.as_secs_f64() / RECOVERY.as_secs_f64()).exp();
        self.trust = 1.0 - (1.0 - self.trust) * fading;
        self.noted = Some(now.max(self.noted.unwrap_or(now)));
    }

    /// Something failed.
    pub(crate) fn failed(&mut self, now: Duration) {
        self.trust *= 0.5;
        self.noted = Some(now.max(self.noted.unwrap_or(now)));
    }

    /// Something took so many times as long as it usually does. What is not a number above 0 is
    /// passed over.
    pub(crate) fn took(&mut self, ratio: f64) {
        if ratio > 0.0 {
            let speed = ratio.max(1.0).recip();
            self.speed += SPEED_GAIN * (speed - self.speed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_failure_halves_trust_and_a_minute_of_success_restores_most_of_it() {
        let mut score = Score::default();
        score.failed(s(0));
        assert!((score.value() - 0.65).abs() < 1e-9);
        score.failed(s(0));
        assert!(score.value() < 0.5);
        score.worked(s(60));
        assert!(score.value() > 0.9);
    }

    #[test]
    fn many_replies_in_a_moment_are_no_more_proof_than_one() {
        let mut score = Score::default();
        score.failed(s(10));
        (0..1_000).for_each(|_| score.worked(s(10)));
        assert!(score.value() < 0.66);
    }

    #[test]
    fn after_all_the_time_there_is_trust_is_whole() {
        let mut score = Score::default();
        (0..100).for_each(|_| score.failed(s(0)));
        score.worked(Duration::MAX);
        assert_eq!(score.value(), 1.0);
    }

    #[test]
    fn what_is_no_ratio_changes_nothing() {
        let mut score = Score::default();
        score.took(f64::INFINITY);
        assert!((score.value() - 0.97).abs() < 1e-9, "{}", score.value());
        for ratio in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0] {
            let before = score;
            score.took(ratio);
            assert_eq!(score, before, "{ratio}");
        }
        score.took(f64::MIN_POSITIVE / 2.0);
        assert!((score.value() - 0.973).abs() < 1e-9, "{}", score.value());
    }

    #[test]
    fn a_clock_that_jumps_back_wins_no_trust_twice() {
        let mut score = Score::default();
        score.failed(s(100));
        score.worked(s(90));
        score.worked(s(100));
        assert!(score.value() < 0.66, "{}", score.value());
    }

    #[test]
    fn a_slow_connection_scores_less_but_not_as_little_as_a_failing_one() {
        let mut slow = Score::default();
        (0..100).for_each(|_| slow.took(1_000.0));
        assert!((0.69..0.72).contains(&slow.value()), "{}", slow.value());
    }

    proptest! {
        #[test]
        fn a_score_stays_between_0_and_1_whatever_is_noted(
            notes in proptest::collection::vec((0..3_u8, any::<u64>(), any::<f64>()), 0..100),
        ) {
            let mut score = Score::default();
            for (what, at, ratio) in notes {
                match what {
                    0 => score.worked(Duration::from_nanos(at)),
                    1 => score.failed(Duration::from_nanos(at)),
                    _ => score.took(ratio),
                }
                prop_assert!((0.0..=1.0).contains(&score.value()));
            }
        }
    }
}
