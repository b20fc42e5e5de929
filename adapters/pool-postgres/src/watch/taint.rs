//! What a statement may leave behind in the session.

use std::ops::{BitOr, BitOrAssign};

/// Kinds of session state, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taint(u8);

impl Taint {
    /// Nothing.
    pub(crate) const NONE: Self = Self(0);
    /// Settings, role, cursors, subscriptions, advisory locks, temporary tables, sequences.
    pub(crate) const SESSION: Self = Self(1);
    /// Statements prepared in SQL.
    pub(crate) const STATEMENTS: Self = Self(2);
    /// Something no command takes back.
    pub(crate) const LASTING: Self = Self(4);

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Taint {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Taint {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Most prepared statements remembered one by one.
const REMEMBERED: usize = 256;

/// Prepared statements that taint whenever they run.
///
/// Names are kept as 64-bit hashes; a collision taints once too often. Past [`REMEMBERED`]
/// statements every execution counts as tainting: bounded memory, and wrong on the safe side.
#[derive(Debug)]
pub(super) struct TaintingStatements {
    known: Vec<(u64, Taint)>,
    every: Taint,
}

impl TaintingStatements {
    pub(super) const fn new() -> Self {
        Self {
            known: Vec::new(),
            every: Taint::NONE,
        }
    }

    pub(super) fn prepared(&mut self, name: u64, taint: Taint) {
        self.closed(name);
        if taint.is_none() {
            return;
        }
        if self.known.len() < REMEMBERED {
            self.known.push((name, taint));
        } else {
            self.every |= taint;
        }
    }

    pub(super) fn closed(&mut self, name: u64) {
        self.known.retain(|(known, _)| *known != name);
    }

    pub(super) fn executed(&self, name: u64) -> Taint {
        let own = self.known.iter().find(|(known, _)| *known == name);
        self.every | own.map_or(Taint::NONE, |(_, taint)| *taint)
    }
}
