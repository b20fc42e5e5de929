//! Made-up series of scores, and how well somebody predicts which of them will fail.

use std::time::Duration;

use fastrand::Rng;

/// Between two samples.
pub(crate) const STEP: Duration = Duration::from_secs(5);
/// Samples of a series: 20 minutes.
pub(crate) const SAMPLES: usize = 240;
/// Where a score is bad.
pub(crate) const THRESHOLD: f64 = 0.5;
/// How much sooner than that a prediction must come.
const LEAD: f64 = 30.0;
/// The standard deviation of the noise.
pub(crate) const SIGMA: f64 = 0.03;
const SERIES: usize = 5000;
const DEGRADING: usize = 500;

/// Says after each sample whether the series will fail.
pub(crate) trait Predict {
    fn predicts(&mut self, now: Duration, score: f64) -> bool;
}

/// Normal noise around nothing whose successive values correlate.
struct Noise {
    rng: Rng,
    sigma: f64,
    correlation: f64,
    spare: Option<f64>,
    value: f64,
}

impl Noise {
    fn new(mut rng: Rng, sigma: f64, correlation: f64) -> Self {
        let (value, _) = normals(&mut rng);
        Self {
            rng,
            sigma,
            correlation,
            spare: None,
            value,
        }
    }

    fn next(&mut self) -> f64 {
        let fresh = self.spare.take().unwrap_or_else(|| {
            let (one, other) = normals(&mut self.rng);
            self.spare = Some(other);
            one
        });
        self.value =
            self.correlation * self.value + (1.0 - self.correlation.powi(2)).sqrt() * fresh;
        self.sigma * self.value
    }
}

fn normals(rng: &mut Rng) -> (f64, f64) {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * rng.f64()).sin_cos();
    (radius * cos, radius * sin)
}

/// What a score does apart from its noise.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Steady,
    /// Falls from `onset` on, so as to reach the threshold after `lasting`, in seconds.
    Degrading {
        onset: f64,
        lasting: f64,
    },
    /// Falls by `by` within `over` seconds, mostly, and stays there.
    Step {
        onset: f64,
        by: f64,
        over: f64,
    },
}

pub(crate) struct Series {
    base: f64,
    shape: Shape,
    noise: Noise,
}

impl Series {
    pub(crate) fn new(rng: &mut Rng, shape: Shape, sigma: f64, correlation: f64) -> Self {
        let base = 0.75 + 0.25 * rng.f64();
        let noise = Noise::new(rng.fork(), sigma, correlation);
        Self { base, shape, noise }
    }

    pub(crate) fn score(&mut self, at: f64) -> f64 {
        let mean = match self.shape {
            Shape::Degrading { onset, lasting } if at > onset => {
                self.base - (self.base - THRESHOLD) * (at - onset) / lasting
            }
            Shape::Step { onset, by, over } if at > onset => {
                self.base - by * (1.0 - (-(at - onset) / over).exp())
            }
            _ => self.base,
        };
        (mean + self.noise.next()).clamp(0.0, 1.0)
    }
}

/// How a predictor did on one population.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Degrading series predicted in time.
    hits: usize,
    /// Degrading series predicted too late.
    late: usize,
    /// Steady series predicted.
    pub(crate) alarms: usize,
}

impl Outcome {
    /// Predictions that were right and in time, among all.
    pub(crate) fn precision(&self) -> f64 {
        self.hits as f64 / (self.hits + self.late + self.alarms).max(1) as f64
    }

    /// Degrading series that were predicted in time, among all.
    pub(crate) fn recall(&self) -> f64 {
        self.hits as f64 / DEGRADING as f64
    }
}

/// Runs 5,000 series, 500 of them degrading.
pub(crate) fn population<P: Predict>(seed: u64, correlation: f64, new: impl Fn() -> P) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    let mut outcome = Outcome::default();
    for index in 0..SERIES {
        let shape = match index < DEGRADING {
            true => degrading(&mut rng),
            false => Shape::Steady,
        };
        let series = Series::new(&mut rng, shape, SIGMA, correlation);
        let (predicted, bad) = run(series, new());
        match (shape, predicted) {
            (_, None) => {}
            (Shape::Degrading { onset, lasting }, Some(at)) => {
                let bad = bad.unwrap_or(f64::INFINITY).min(onset + lasting);
                match bad - at >= LEAD {
                    true => outcome.hits += 1,
                    false => outcome.late += 1,
                }
            }
            (_, Some(_)) => outcome.alarms += 1,
        }
    }
    outcome
}

fn degrading(rng: &mut Rng) -> Shape {
    let lasting = 120.0 + 480.0 * rng.f64();
    let whole = STEP.as_secs_f64() * SAMPLES as f64;
    let onset = (whole - lasting) * rng.f64();
    Shape::Degrading { onset, lasting }
}

/// When a series was predicted to fail, and when it first touched the threshold, in seconds.
pub(crate) fn run(mut series: Series, mut predictor: impl Predict) -> (Option<f64>, Option<f64>) {
    let (mut predicted, mut bad) = (None, None);
    for index in 0..SAMPLES {
        let now = STEP * u32::try_from(index).expect("there are 240");
        let score = series.score(now.as_secs_f64());
        if score <= THRESHOLD && bad.is_none() {
            bad = Some(now.as_secs_f64());
        }
        if predicted.is_none() && predictor.predicts(now, score) {
            predicted = Some(now.as_secs_f64());
        }
        if predicted.is_some() && (bad.is_some() || matches!(series.shape, Shape::Steady)) {
            break;
        }
    }
    (predicted, bad)
}
