//! What every request reads, in one word: which share may enter, in which state, whether ends are
//! counted, and in which epoch.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pool_core::Token;

use super::super::{Breaker, Circuit};

/// The lower half: the share in units of 2⁻³², all ones for all.
const ALL: u32 = u32::MAX;
/// Two bits of [`Circuit::index`].
const CIRCUIT: u32 = 32;
/// The bit that says that ends are counted.
const WATCHING: u64 = 1 << 34;
/// The rest, 29 bits.
const EPOCH: u32 = 35;

/// How a token's holder came in: its two lowest bits. The others are the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As all.
    Admitted = 0,
    /// For its priority.
    Reserved = 1,
    /// It would have been refused: what it comes to is not to be known.
    Unheard = 2,
}

/// The word. Relaxed throughout: it orders nothing, and whoever reads an old one asks a moment
/// earlier.
#[derive(Debug)]
pub(super) struct Word(AtomicU64);

impl Word {
    /// Closed, and nothing has failed.
    pub(super) const fn open_to_all() -> Self {
        Self(AtomicU64::new(ALL as u64))
    }

    #[inline]
    pub(super) fn read(&self) -> Pass {
        Pass(self.0.load(Relaxed))
    }

    /// Has ends counted from now on.
    pub(super) fn watch(&self) {
        if !self.read().is_watching() {
            self.0.fetch_or(WATCHING, Relaxed);
        }
    }

    /// Shows what `breaker` decides. A `watch` at the same time may be lost, and with it one failure
    /// until the next.
    pub(super) fn publish(&self, breaker: &Breaker) {
        let circuit = (breaker.circuit().index() as u64) << CIRCUIT;
        let watching = if breaker.is_watching() { WATCHING } else { 0 };
        let epoch = u64::from(breaker.epoch()) << EPOCH;
        let word = u64::from(units(breaker.share())) | circuit | watching | epoch;
        self.0.store(word, Relaxed);
    }
}

/// A word, as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass(u64);

impl Pass {
    const fn share(self) -> u32 {
        self.0 as u32
    }

    /// Whether there is nothing to decide.
    #[inline]
    pub(super) const fn admits_all(self) -> bool {
        self.share() == ALL
    }

    /// Whether probes enter, and nobody else.
    pub(super) fn admits_probes(self) -> bool {
        self.share() == 0 && self.circuit() == Circuit::HalfOpen
    }

    /// Whether one who drew this enters.
    pub(super) const fn admits(self, drawn: u32) -> bool {
        drawn < self.share()
    }

    #[inline]
    pub(super) const fn is_watching(self) -> bool {
        self.0 & WATCHING != 0
    }

    pub(super) const fn circuit(self) -> Circuit {
        Circuit::ALL[(self.0 >> CIRCUIT & 3) as usize]
    }

    const fn epoch(self) -> u32 {
        (self.0 >> EPOCH) as u32
    }

    /// For one who enters now.
    #[inline]
    pub(super) const fn token(self, kind: Kind) -> Token {
        Token::new(self.epoch() << 2 | kind as u32)
    }

    /// How the token's holder came in; `None` if that was in another epoch.
    pub(super) const fn kind_of(self, token: Token) -> Option<Kind> {
        if token.number() >> 2 != self.epoch() {
            return None;
        }
        match token.number() & 3 {
            0 => Some(Kind::Admitted),
            1 => Some(Kind::Reserved),
            _ => Some(Kind::Unheard),
        }
    }
}

/// A share of 0 to 1 in units of 2⁻³²: all only if it is.
fn units(share: f64) -> u32 {
    if share >= 1.0 {
        return ALL;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1, and a cast of floats saturates"
    )]
    let units = (share * 4_294_967_296.0) as u32;
    // None at all is for states in which none enters.
    units.min(ALL - 1).max(u32::from(share > 0.0))
}
