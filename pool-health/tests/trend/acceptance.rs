//! 500 degrading among 5,000 noisy series: which of them will fail?

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use pool_health::{Trend, TrendConfig, Verdict};

use crate::series::{Predict, SIGMA, Series, Shape, population, run};

const SEEDS: [u64; 5] = [1, 2, 3, 5, 8];
const WHITE: f64 = 0.0;
const CORRELATED: f64 = 0.5;

struct Ours(Trend);

impl Ours {
    fn new() -> Self {
        Self(Trend::new(TrendConfig::default()))
    }
}

impl Predict for Ours {
    fn predicts(&mut self, now: Duration, score: f64) -> bool {
        self.0.push(now, score);
        self.0.verdict(now) != Verdict::Steady
    }
}

/// The textbook's way: a least squares slope below zero with an R² of .6 over the last samples, 8 at
/// least.
struct Textbook {
    most: usize,
    last: VecDeque<f64>,
}

impl Predict for Textbook {
    fn predicts(&mut self, _: Duration, score: f64) -> bool {
        if self.last.len() == self.most {
            self.last.pop_front();
        }
        self.last.push_back(score);
        let count = self.last.len() as f64;
        let (middle, mean) = ((count - 1.0) / 2.0, self.last.iter().sum::<f64>() / count);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (index, score) in self.last.iter().enumerate() {
            let (x, y) = (index as f64 - middle, score - mean);
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        count >= 8.0 && xy < 0.0 && xy * xy / (xx * yy) >= 0.6
    }
}

fn meets_the_claim(correlation: f64) {
    for seed in SEEDS {
        let outcome = population(seed, correlation, Ours::new);
        let (precision, recall) = (outcome.precision(), outcome.recall());
        println!("seed {seed}: precision {precision:.3}, recall {recall:.3}, {outcome:?}");
        assert!(precision >= 0.9, "seed {seed}: precision {precision}");
        assert!(recall >= 0.8, "seed {seed}: recall {recall}");
    }
}

#[test]
fn degrading_scores_are_told_from_white_noise_in_time() {
    meets_the_claim(WHITE);
}

#[test]
fn degrading_scores_are_told_from_correlated_noise_in_time() {
    meets_the_claim(CORRELATED);
}

#[test]
fn the_textbooks_rule_misses_the_precision_with_any_number_of_samples() {
    for correlation in [WHITE, CORRELATED] {
        for most in [8, 16, 32, 64] {
            let new = || Textbook {
                most,
                last: VecDeque::new(),
            };
            let outcome = population(SEEDS[0], correlation, new);
            let precision = outcome.precision();
            println!("{most} samples: precision {precision:.3}, {outcome:?}");
            assert!(precision < 0.9, "{most} samples: precision {precision}");
        }
    }
}

#[test]
fn a_sudden_step_is_no_trend() {
    for correlation in [WHITE, CORRELATED] {
        let mut rng = Rng::with_seed(13);
        let mut alarms = 0;
        for _ in 0..500 {
            let (onset, by) = (100.0 + 1000.0 * rng.f64(), 0.1 + 0.15 * rng.f64());
            let shape = Shape::Step {
                onset,
                by,
                over: 0.1,
            };
            let series = Series::new(&mut rng, shape, SIGMA, correlation);
            alarms += usize::from(run(series, Ours::new()).0.is_some());
        }
        println!("{alarms} of 500");
        assert!(alarms <= 5, "{alarms} of 500 steps were taken for trends");
    }
}

#[test]
fn noise_that_is_louder_or_lasts_longer_than_usual_is_seldom_a_trend() {
    for (sigma, correlation) in [(2.0 * SIGMA, CORRELATED), (SIGMA, 0.8)] {
        let mut rng = Rng::with_seed(21);
        let mut alarms = 0;
        for _ in 0..1000 {
            let series = Series::new(&mut rng, Shape::Steady, sigma, correlation);
            alarms += usize::from(run(series, Ours::new()).0.is_some());
        }
        println!("{alarms} of 1000");
        assert!(alarms <= 10, "{alarms} of 1000 at {sigma}, {correlation}");
    }
}
