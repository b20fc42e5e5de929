//! When to ask a connection how it is.
//!
//! A check costs a round trip and the connection for as long; asked before every use, it is what
//! costs a pool most. So a connection is asked when nothing has been heard of it for an *interval*.
//! What answers its users within that is not asked at all: such evidence is passive, free, and
//! newer than what a check would find. The interval follows the [score](crate::Score):
//!
//! ```text
//!  interval      3 × base ┤                 ┌─────
//!                         │               ╱
//!                    base ┤            ╱           (on a logarithmic scale)
//!                         │        ╱
//!                  base/4 ┤───────┘
//!                         └───────┴─────────┴────▶ score
//!                            degraded    healthy
//! ```
//!
//! Rarer checks of healthy connections alone would save less than they seem to, as the few that are
//! degraded are asked four times as often; it is the passive evidence that saves most.
//!
//! Connections opened together would be asked together for ever, so each interval is shortened or
//! lengthened by chance. Only so many checks run at once, so that a pool that comes back from a long
//! sleep does not spend all its connections on them; whoever is due longest has waited no longer for
//! it than the others, as the turn goes round.

use std::time::Duration;

use pool_core::{Order, Place, Subject};

use crate::outbox::Outbox;
use crate::score::Score;
use crate::slots::Slots;
use pool_core::Problems;

/// How often to check.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) base: Duration,
    pub(crate) least: Duration,
    pub(crate) most: Duration,
    /// The part by which an interval is longer or shorter.
    pub(crate) jitter: f64,
    /// Scores from here on are healthy.
    pub(crate) healthy: f64,
    /// Scores up to here are degraded.
    pub(crate) degraded: f64,
    /// Checks at a time.
    pub(crate) at_once: u32,
    /// The part of the due connections that is checked.
    pub(crate) sample: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(30),
            least: Duration::from_secs(5),
            most: Duration::from_secs(300),
            jitter: 0.1,
            healthy: 0.9,
            degraded: 0.5,
            at_once: 4,
            sample: 1.0,
        }
    }
}

impl Settings {
    pub(crate) fn check(&self, problems: &mut Problems) {
        let (base, least, most) = (self.base, self.least, self.most);
        problems.check(least.is_zero() || least > base || base > most, || {
            format!(
                "check_interval {base:?} is not between min_check_interval {least:?} and \
                 max_check_interval {most:?}, or the minimum is 0; change one of them"
            )
        });
        problems.within("check_jitter", self.jitter, 0.0..=0.5);
        let (degraded, healthy) = (self.degraded, self.healthy);
        let rising = degraded >= 0.0 && degraded < healthy && healthy <= 1.0;
        problems.check(!rising, || {
            format!(
                "degraded_below {degraded} is not below healthy_above {healthy}, or one is not \
                 between 0 and 1"
            )
        });
        problems.check(self.at_once == 0, || {
            "max_checks is 0; nothing would ever be checked".to_owned()
        });
        problems.share("check_sample", self.sample);
    }

    /// How long a connection of this score is left alone. `chance` is between −1 and 1.
    fn interval(&self, score: &Score, chance: f64) -> Duration {
        let wanted = self.base.as_secs_f64() * self.factor(score) * (1.0 + self.jitter * chance);
        // Beyond what a duration holds there is nothing but the maximum.
        let wanted = Duration::try_from_secs_f64(wanted).unwrap_or(self.most);
        wanted.clamp(self.least, self.most)
    }

    fn factor(&self, score: &Score) -> f64 {
        const HEALTHY: f64 = 3.0;
        const DEGRADED: f64 = 0.25;
        if !score.is_known() {
            return 1.0;
        }
        let place = (score.value() - self.degraded) / (self.healthy - self.degraded);
        DEGRADED * (HEALTHY / DEGRADED).powf(place.clamp(0.0, 1.0))
    }
}

/// What was decided so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ordered: u64,
    pub(crate) batches: u64,
    pub(crate) sampled_out: u64,
}

/// Decides whom to check.
#[derive(Debug)]
pub(crate) struct Schedule {
    settings: Settings,
    chance: fastrand::Rng,
    plans: Slots<Plan>,
    /// The slot whose turn it is.
    turn: u32,
    pub(crate) counts: Counts,
}

#[derive(Debug, Default)]
struct Plan {
    /// By how much its interval is longer or shorter this time.
    chance: Option<f64>,
    /// When its turn came last.
    asked: Option<Duration>,
    /// A check was ordered and has not ended.
    pending: bool,
}

impl Schedule {
    pub(crate) fn new(settings: Settings, chance: fastrand::Rng) -> Self {
        Self {
            settings,
            chance,
            plans: Slots::default(),
            turn: 0,
            counts: Counts::default(),
        }
    }

    /// Orders checks of those that are due, and returns in what time the next one is.
    pub(crate) fn review(
        &mut self,
        now: Duration,
        subjects: &[Subject],
        scores: &Slots<Score>,
        out: &mut Outbox<'_>,
    ) -> Option<Duration> {
        let mut room = self.room(subjects);
        let full = room;
        let first = subjects.partition_point(|subject| subject.connection.slot < self.turn);
        let mut next = None::<Duration>;
        for subject in subjects[first..].iter().chain(&subjects[..first]) {
            if subject.place != Place::Idle || subject.quarantined {
                continue;
            }
            let mut due = self.due_in(now, subject, scores);
            if due.is_zero() && room > 0 {
                if self.take_turn(now, subject) {
                    room -= 1;
                    self.order(subject, out);
                }
                due = self.due_in(now, subject, scores);
            }
            next = Some(next.map_or(due, |next| next.min(due)));
        }
        self.counts.batches += u64::from(room < full);
        next
    }

    /// How many more checks may be started. Forgets those that were passed over or taken.
    fn room(&mut self, subjects: &[Subject]) -> u32 {
        let mut pending = 0;
        for subject in subjects {
            let plan = self.plans.of(subject.connection);
            plan.pending &= subject.place == Place::Tended;
            pending += u32::from(plan.pending);
        }
        self.settings.at_once.saturating_sub(pending)
    }

    /// In what time this connection is due.
    fn due_in(&mut self, now: Duration, subject: &Subject, scores: &Slots<Score>) -> Duration {
        let plan = self.plans.of(subject.connection);
        let chance = *plan
            .chance
            .get_or_insert_with(|| self.chance.f64() * 2.0 - 1.0);
        let unknown = Score::default();
        let score = scores.look(subject.connection).unwrap_or(&unknown);
        let interval = self.settings.interval(score, chance);
        let proofs = [subject.passed, subject.pulse.heard, plan.asked];
        let proof = proofs.into_iter().flatten().fold(subject.opened, Ord::max);
        interval.saturating_sub(now.saturating_sub(proof))
    }

    /// Its turn has come. Returns whether it is in the sample.
    fn take_turn(&mut self, now: Duration, subject: &Subject) -> bool {
        let plan = self.plans.of(subject.connection);
        plan.asked = Some(now);
        plan.chance = None;
        let taken = self.settings.sample >= 1.0 || self.chance.f64() < self.settings.sample;
        self.counts.sampled_out += u64::from(!taken);
        taken
    }

    fn order(&mut self, subject: &Subject, out: &mut Outbox<'_>) {
        self.plans.of(subject.connection).pending = out.acts();
        self.turn = subject.connection.slot.saturating_add(1);
        self.counts.ordered += 1;
        out.order(Order::Check(subject.connection));
    }

    /// A check of it has ended.
    pub(crate) fn checked(&mut self, connection: pool_core::Candidate) {
        if let Some(plan) = self.plans.known(connection) {
            plan.pending = false;
            plan.chance = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn healthy() -> Score {
        let mut score = Score::default();
        score.worked(Duration::ZERO);
        score
    }

    fn degraded() -> Score {
        let mut score = Score::default();
        (0..3).for_each(|_| score.failed(Duration::ZERO));
        score
    }

    #[test]
    fn healthy_is_asked_three_times_rarer_and_degraded_four_times_more_often() {
        let settings = Settings::default();
        let seconds = |score: &Score| settings.interval(score, 0.0).as_secs_f64();
        assert!((seconds(&healthy()) - 90.0).abs() < 1e-6);
        assert!((seconds(&degraded()) - 7.5).abs() < 1e-6);
        assert!((seconds(&Score::default()) - 30.0).abs() < 1e-6);
    }

    #[test]
    fn a_worse_score_never_means_a_longer_interval() {
        let settings = Settings::default();
        let mut score = healthy();
        let mut before = settings.interval(&score, 0.0);
        for _ in 0..10 {
            score.failed(Duration::ZERO);
            let after = settings.interval(&score, 0.0);
            assert!(after <= before);
            before = after;
        }
    }

    #[test]
    fn intervals_beyond_all_measure_are_the_maximum() {
        let settings = Settings {
            base: Duration::MAX,
            most: Duration::MAX,
            ..Settings::default()
        };
        assert_eq!(settings.interval(&healthy(), 1.0), Duration::MAX);
    }

    proptest! {
        #[test]
        fn jitter_is_never_below_the_minimum_nor_above_the_maximum(
            base in 1..100_u64, less in 0..100_u64, more in 0..100_u64,
            jitter in 0.0..=0.5, chance in -1.0..=1.0, failures in 0..4,
        ) {
            let settings = Settings {
                base: Duration::from_secs(base),
                least: Duration::from_secs(base.saturating_sub(less).max(1)),
                most: Duration::from_secs(base + more),
                jitter,
                ..Settings::default()
            };
            let mut score = healthy();
            (0..failures).for_each(|_| score.failed(Duration::ZERO));
            let interval = settings.interval(&score, chance);
            prop_assert!(interval >= settings.least && interval <= settings.most);
        }
    }
}
