//! How long replies usually take.
//!
//! Whether silence means anything depends on what was asked: 100 ms are an age for a look-up by
//! key and nothing for a report. So replies are learned by the *kind* of their request, and a kind
//! of which little is known has no expectation at all; those who judge must then be patient.
//!
//! ```text
//!  reply (kind, took) ─▶ clip at mean + 2 σ ─▶ mean, σ   sharp: what is normal
//!  silence that ended ───────────────────────▶ longest   wide: what was survived once
//! ```
//!
//! Three things would spoil a plain running mean.
//!
//! *Outliers.* A reply that was given up for lost and came after all would, learned as normal,
//! blind the detector for the next one. Leaving such replies out is as bad: a server that has
//! become slower for good would be suspected for ever. So a reply counts as at most two
//! deviations above the mean: one of them hardly moves anything, and if all are slow the estimate
//! gets there within a few hundred replies. The full length of a silence that ended is kept apart,
//! as the longest; it does not make suspicion slower, only the step that cannot be undone.
//!
//! *Time.* Replies come in bursts and then not for hours. What was learned loses weight with its
//! age, so that after a pause a few replies are enough to replace it, and after a long one it is no
//! expectation any more.
//!
//! *Room.* Statements with values written into their text make a kind each. The table keeps those
//! that were used last.

use std::time::Duration;

/// Kinds that are remembered: those of a busy service's hot statements fit, and the table is
/// searched within a few cache lines.
const KINDS: usize = 64;
/// Within this time what was learned loses all but 37 % of its weight.
const MEMORY: Duration = Duration::from_secs(600);
/// No estimate counts for more replies than this, so that the newest always matters.
const MOST_WEIGHT: f64 = 256.0;
/// An estimate of fewer replies is none.
const LEAST_WEIGHT: f64 = 8.0;
/// Deviations above the mean as which a slower reply counts. With two, slow replies are taken for
/// outliers until they are a quarter of all, as beyond that each makes more room for the next.
const CLIP: f64 = 2.0;
/// No kind is more regular than this part of its mean: what took 5 s nine times may take 6.
const LEAST_RELATIVE: f64 = 0.125;

/// How long a reply of some kind takes, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expectation {
    pub(crate) mean: f64,
    /// At least the floor, and an eighth of the mean.
    pub(crate) deviation: f64,
    /// The longest silence that turned out harmless, fading.
    pub(crate) longest: f64,
}

impl Expectation {
    /// How many times as long as expected this is. Below a millisecond it is the machine that is
    /// measured.
    pub(crate) fn ratio(&self, took: Duration) -> f64 {
        const LEAST: f64 = 0.001;
        took.as_secs_f64().max(LEAST) / self.mean.max(LEAST)
    }
}

/// What is known of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate {
    /// Replies it stands for, when it was updated last.
    weight: f64,
    updated: Duration,
    mean: f64,
    variance: f64,
    longest: f64,
    longest_at: Duration,
}

impl Estimate {
    /// Learns of a reply that took so long. `floor` is the least deviation, in seconds.
    pub(crate) fn learn(&mut self, now: Duration, took: Duration, floor: f64) {
        let weight = self.weight_at(now);
        // The first few replies say nothing yet of what an outlier is.
        let most = match weight >= LEAST_WEIGHT {
            true => self.mean + CLIP * self.spread(floor),
            false => f64::INFINITY,
        };
        self.weight = (weight + 1.0).min(MOST_WEIGHT);
        self.updated = now;
        let gain = self.weight.recip();
        let off = took.as_secs_f64().min(most) - self.mean;
        self.mean += gain * off;
        self.variance = (1.0 - gain) * (self.variance + gain * off * off);
    }

    /// Learns of a silence that ended well though nobody expected it to.
    pub(crate) fn outlived(&mut self, now: Duration, silence: Duration) {
        self.longest = self.longest_at(now).max(silence.as_secs_f64());
        self.longest_at = now;
    }

    /// What to expect, if enough is known.
    pub(crate) fn expectation(&self, now: Duration, floor: f64) -> Option<Expectation> {
        (self.weight_at(now) >= LEAST_WEIGHT).then(|| Expectation {
            mean: self.mean,
            deviation: self.deviation(floor),
            longest: self.longest_at(now),
        })
    }

    fn weight_at(&self, now: Duration) -> f64 {
        // A pause of less than a hundredth of the memory changes nothing worth an `exp`, and would
        // make the eighth reply count for less than eight.
        match now.saturating_sub(self.updated) {
            age if age < MEMORY / 100 => self.weight,
            age => self.weight * fading(age),
        }
    }

    fn longest_at(&self, now: Duration) -> f64 {
        self.longest * fading(now.saturating_sub(self.longest_at))
    }

    /// The deviation as it is learned, which the floor for judging would keep from being small.
    fn spread(&self, floor: f64) -> f64 {
        self.variance.sqrt().max(floor / 4.0)
    }

    fn deviation(&self, floor: f64) -> f64 {
        self.variance
            .sqrt()
            .max(floor)
            .max(self.mean * LEAST_RELATIVE)
    }
}

fn fading(age: Duration) -> f64 {
    (-age.as_secs_f64() / MEMORY.as_secs_f64()).exp()
}

/// What is known of all kinds.
#[derive(Debug)]
pub(crate) struct Expectations {
    /// The least deviation, in seconds.
    floor: f64,
    /// Grows with each look, to tell which entry was used last.
    turn: u64,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    kind: u32,
    used: u64,
    estimate: Estimate,
}

impl Expectations {
    /// Nothing is known, and nothing deviates by less than `floor`.
    pub(crate) fn new(floor: Duration) -> Self {
        Self {
            floor: floor.as_secs_f64(),
            turn: 0,
            known: Vec::new(),
        }
    }

    /// Learns how long a reply took. Kind 0 means nothing, so nothing is learned of it.
    pub(crate) fn learn(&mut self, now: Duration, kind: u32, took: Duration) {
        if kind == 0 {
            return;
        }
        let floor = self.floor;
        match self.find(kind) {
            Some(estimate) => estimate.learn(now, took, floor),
            None => {
                let mut estimate = Estimate::default();
                estimate.learn(now, took, floor);
                self.insert(kind, estimate);
            }
        }
    }

    /// Learns of a silence that ended well though nobody expected it to.
    pub(crate) fn outlived(&mut self, now: Duration, kind: u32, silence: Duration) {
        if let Some(estimate) = self.find(kind) {
            estimate.outlived(now, silence);
        }
    }

    /// What to expect of this kind, if enough is known.
    pub(crate) fn of(&mut self, now: Duration, kind: u32) -> Option<Expectation> {
        let floor = self.floor;
        self.find(kind)?.expectation(now, floor)
    }

    fn find(&mut self, kind: u32) -> Option<&mut Estimate> {
        self.turn += 1;
        let known = self.known.iter_mut().find(|known| known.kind == kind)?;
        known.used = self.turn;
        Some(&mut known.estimate)
    }

    fn insert(&mut self, kind: u32, estimate: Estimate) {
        let known = Known {
            kind,
            used: self.turn,
            estimate,
        };
        if self.known.len() < KINDS {
            self.known.push(known);
        } else if let Some(oldest) = self.known.iter_mut().min_by_key(|known| known.used) {
            *oldest = known;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: f64 = 0.020;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn learned(takes: impl IntoIterator<Item = Duration>) -> Estimate {
        let mut estimate = Estimate::default();
        for (turn, took) in (0..).zip(takes) {
            estimate.learn(ms(turn), took, FLOOR);
        }
        estimate
    }

    #[test]
    fn seven_replies_are_no_expectation_and_eight_are() {
        let of = |count| learned((0..count).map(|_| ms(5))).expectation(ms(10), FLOOR);
        assert_eq!(of(0), None);
        assert_eq!(of(7), None);
        let eight = of(8).expect("eight replies");
        assert!((eight.mean - 0.005).abs() < 1e-9);
        assert!((eight.deviation - FLOOR).abs() < 1e-12, "the floor");
    }

    #[test]
    fn a_quick_first_reply_does_not_hide_that_all_others_are_slow() {
        let estimate = learned([ms(2)].into_iter().chain((0..9).map(|_| ms(5_000))));
        let after = estimate.expectation(ms(10), FLOOR).expect("known");
        assert!((4.4..4.6).contains(&after.mean), "{after:?}");
    }

    #[test]
    fn one_reply_that_was_given_up_for_lost_hardly_moves_what_is_normal() {
        let mut estimate = learned((0..256).map(|_| ms(5)));
        estimate.learn(ms(300), Duration::from_secs(3_600), FLOOR);
        let after = estimate.expectation(ms(300), FLOOR).expect("known");
        assert!(after.mean < 0.006, "{after:?}");
        assert!(after.deviation <= FLOOR, "{after:?}");
    }

    #[test]
    fn a_server_that_is_slower_for_good_is_normal_within_a_few_hundred_replies() {
        let after = |slow| {
            let takes = (0..256).map(|_| ms(5));
            let estimate = learned(takes.chain((0..slow).map(|_| ms(300))));
            estimate.expectation(ms(2_500), FLOOR).expect("known")
        };
        let soon = after(600);
        assert!(soon.mean + 4.0 * soon.deviation > 0.3, "{soon:?}");
        let settled = after(2_000);
        assert!((0.28..0.31).contains(&settled.mean), "{settled:?}");
    }

    #[test]
    fn a_million_equal_replies_and_a_jump_leave_finite_figures() {
        let mut estimate = learned((0..1_000_000).map(|_| ms(5)));
        estimate.learn(Duration::MAX, Duration::MAX, FLOOR);
        estimate.learn(Duration::ZERO, Duration::ZERO, FLOOR);
        assert!(estimate.mean.is_finite() && estimate.variance.is_finite());
        assert!(estimate.variance >= 0.0);
    }

    #[test]
    fn what_was_learned_yesterday_is_no_expectation() {
        let estimate = learned((0..256).map(|_| ms(5)));
        assert!(estimate.expectation(ms(60_000), FLOOR).is_some());
        let later = Duration::from_secs(8 * 3_600);
        assert_eq!(estimate.expectation(later, FLOOR), None);
    }

    #[test]
    fn a_silence_that_ended_is_remembered_and_fades() {
        let mut estimate = learned((0..20).map(|_| ms(5)));
        estimate.outlived(ms(30), ms(2_000));
        estimate.outlived(ms(40), ms(100));
        let longest = |at| estimate.longest_at(at);
        assert!((longest(ms(40)) - 2.0).abs() < 1e-3);
        assert!(longest(Duration::from_secs(1_200)) < 0.3);
    }

    #[test]
    fn the_table_forgets_the_kind_that_was_used_longest_ago() {
        let mut all = Expectations::new(ms(20));
        let teach = |all: &mut Expectations, kind| {
            for _ in 0..8 {
                all.learn(ms(1), kind, ms(5));
            }
        };
        (1..=64).for_each(|kind| teach(&mut all, kind));
        assert!(all.of(ms(1), 1).is_some());
        teach(&mut all, 65);
        assert_eq!(all.known.len(), KINDS);
        assert!(all.of(ms(1), 1).is_some(), "used a moment ago");
        assert!(all.of(ms(1), 2).is_none(), "the one used longest ago");
        assert!(all.of(ms(1), 65).is_some());
    }

    #[test]
    fn kind_zero_is_never_expected_to_take_any_time() {
        let mut all = Expectations::new(ms(20));
        (0..100).for_each(|_| all.learn(ms(1), 0, ms(5)));
        assert_eq!(all.of(ms(1), 0), None);
        assert!(all.known.is_empty());
    }
}
