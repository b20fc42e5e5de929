//! Fractions that several threads write, and hashes.

use std::sync::atomic::{AtomicU32, Ordering};

/// A number with a fraction. A write that is lost to another is a sample lost.
#[derive(Debug)]
pub(crate) struct Fraction(AtomicU32);

impl Default for Fraction {
    fn default() -> Self {
        Self::new(0.0)
    }
}

impl Fraction {
    pub(crate) const fn new(value: f32) -> Self {
        Self(AtomicU32::new(value.to_bits()))
    }

    pub(crate) fn load(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn store(&self, value: f32) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

/// Spreads a number over all of 64 bits, by the finalizer of SplitMix64.
pub(crate) const fn mix(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The number that stands for a set of statements of this name, never 0: FNV-1a, spread. The same in
/// every process, whatever the length of the name.
#[must_use]
pub fn statement_set(name: impl AsRef<[u8]>) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.as_ref().iter().fold(0xcbf2_9ce4_8422_2325, step);
    mix(hash).max(1)
}
