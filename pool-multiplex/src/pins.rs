//! Why a session cannot leave its connection.
//!
//! What holds a session fast is asked for in every proxy that multiplexes, and answered in a log at
//! best. Here it is a set of reasons that can be read at any time, counted, and limited.

use std::fmt;

/// One reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum PinReason {
    /// A transaction is open.
    Transaction,
    /// A table, view or sequence exists on this connection only.
    TemporaryObject,
    /// A cursor outlives its transaction.
    HeldCursor,
    /// A lock is held that belongs to the connection and not to a transaction.
    AdvisoryLock,
    /// The random numbers of the connection were seeded.
    Seed,
    /// A statement was prepared by SQL, and only this connection knows its name.
    PreparedBySql,
    /// The last value of a sequence may be asked for.
    LastValue,
    /// Rows are being copied in or out.
    Copy,
    /// Another database is attached.
    AttachedDatabase,
    /// The connection itself was borrowed, and anything may have been done to it.
    Raw,
    /// The session's user said so.
    Manual,
}

impl PinReason {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::Transaction,
        Self::TemporaryObject,
        Self::HeldCursor,
        Self::AdvisoryLock,
        Self::Seed,
        Self::PreparedBySql,
        Self::LastValue,
        Self::Copy,
        Self::AttachedDatabase,
        Self::Raw,
        Self::Manual,
    ];

    /// A short name, for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::TemporaryObject => "temporary object",
            Self::HeldCursor => "held cursor",
            Self::AdvisoryLock => "advisory lock",
            Self::Seed => "seeded random numbers",
            Self::PreparedBySql => "statement prepared by SQL",
            Self::LastValue => "last value of a sequence",
            Self::Copy => "copy",
            Self::AttachedDatabase => "attached database",
            Self::Raw => "raw access",
            Self::Manual => "pinned by its user",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for PinReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of reasons.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Pins(u16);

impl Pins {
    /// No reason.
    pub const NONE: Self = Self(0);

    /// Whether nothing holds the session.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this is among the reasons.
    #[must_use]
    pub const fn contains(self, reason: PinReason) -> bool {
        self.0 & reason.bit() != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, reason: PinReason) -> Self {
        Self(self.0 | reason.bit())
    }

    /// These but for one.
    #[must_use]
    pub const fn without(self, reason: PinReason) -> Self {
        Self(self.0 & !reason.bit())
    }

    /// The reasons of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The reasons, in the order of [`PinReason::ALL`].
    pub fn iter(self) -> impl Iterator<Item = PinReason> {
        let has = move |reason: &PinReason| self.contains(*reason);
        PinReason::ALL.into_iter().filter(has)
    }
}

impl FromIterator<PinReason> for Pins {
    fn from_iter<I: IntoIterator<Item = PinReason>>(reasons: I) -> Self {
        reasons.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, reason) in self.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_says_it_in_words() {
        let pins: Pins = [PinReason::AdvisoryLock, PinReason::Transaction]
            .into_iter()
            .collect();
        assert_eq!(pins.to_string(), "transaction, advisory lock");
        assert!(!pins.contains(PinReason::Copy));
        let pins = pins.without(PinReason::Transaction);
        assert_eq!(pins.iter().collect::<Vec<_>>(), [PinReason::AdvisoryLock]);
        assert!(pins.without(PinReason::AdvisoryLock).is_empty());
    }

    #[test]
    fn every_reason_has_a_bit_of_its_own() {
        let all: Pins = PinReason::ALL.into_iter().collect();
        assert_eq!(all.iter().count(), PinReason::ALL.len());
    }
}
