//! Chance that can be repeated.

use std::time::Duration;

use rand_distr::{Distribution, Exp1, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// The offset and the factor of the FNV-1a hash, which makes a number of a purpose.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0100_0000_01b3);
/// One part in 2⁵³, the steps in which a number below 1 is drawn.
const STEP: f64 = 1.0 / (1u64 << 53) as f64;

/// A stream of random numbers for one purpose.
#[derive(Clone, Debug)]
pub struct Chance(Xoshiro256PlusPlus);

/// How a time is spread.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Spread {
    /// Always this.
    Constant(Duration),
    /// Anything from `from` up to `to`.
    Uniform {
        /// The least.
        from: Duration,
        /// The most; itself never.
        to: Duration,
    },
    /// Without memory.
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// The bell; a time below zero counts as that much above.
    Normal {
        /// The mean, before folding.
        mean: Duration,
        /// The standard deviation, before folding.
        deviation: Duration,
    },
    /// A bell of the logarithm: few take very long.
    LogNormal {
        /// Half are below this.
        median: Duration,
        /// The standard deviation of the natural logarithm.
        sigma: f64,
    },
}

impl Chance {
    /// The stream for `purpose` under `seed`. Streams of other purposes or seeds are independent.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(FNV.1);
        let bytes = seed.to_le_bytes().into_iter().chain(purpose.bytes());
        Self(Xoshiro256PlusPlus::seed_from_u64(bytes.fold(FNV.0, mix)))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 up to 1, which itself never comes.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 * STEP
    }

    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A whole number below `count`; 0 if that is 0.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a choice among fewer than 2⁵³"
    )]
    pub fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// A time that is spread like this. Always takes from the stream, a constant too.
    pub fn draw(&mut self, spread: Spread) -> Duration {
        match spread {
            Spread::Constant(time) => {
                self.number();
                time
            }
            Spread::Uniform { from, to } => from + scaled(to.saturating_sub(from), self.unit()),
            Spread::Exponential { mean } => scaled(mean, Exp1.sample(&mut self.0)),
            Spread::Normal { mean, deviation } => {
                let bell: f64 = StandardNormal.sample(&mut self.0);
                let seconds = mean.as_secs_f64() + bell * deviation.as_secs_f64();
                seconds_or_most(seconds.abs())
            }
            Spread::LogNormal { median, sigma } => {
                let bell: f64 = StandardNormal.sample(&mut self.0);
                scaled(median, (bell * sigma).exp())
            }
        }
    }
}

impl Spread {
    /// What the times are in the mean.
    #[must_use]
    pub fn mean(self) -> Duration {
        match self {
            Self::Constant(time) => time,
            Self::Uniform { from, to } => (from + to) / 2,
            Self::Exponential { mean } | Self::Normal { mean, .. } => mean,
            Self::LogNormal { median, sigma } => scaled(median, (sigma * sigma / 2.0).exp()),
        }
    }
}

fn scaled(time: Duration, factor: f64) -> Duration {
    seconds_or_most(time.as_secs_f64() * factor)
}

fn seconds_or_most(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
