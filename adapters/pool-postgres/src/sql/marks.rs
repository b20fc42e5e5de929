//! What a text calls and names, wherever that stands in it.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of things seen.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks(u16);

impl Marks {
    /// Nothing.
    pub(crate) const NONE: Self = Self(0);
    /// `set_config`: see [`SetConfig`](super::SetConfig).
    pub(crate) const SET_CONFIG: Self = Self(1);
    /// `nextval` or `setval`: the session has values of sequences of its own now.
    pub(crate) const SEQUENCE_MOVED: Self = Self(1 << 1);
    /// `currval` or `lastval`: it needs them.
    pub(crate) const SEQUENCE_READ: Self = Self(1 << 2);
    /// An advisory lock of the session is asked for; those of a transaction do not count.
    pub(crate) const ADVISORY_LOCK: Self = Self(1 << 3);
    /// One or all of them are given back.
    pub(crate) const ADVISORY_UNLOCK: Self = Self(1 << 4);
    /// `setseed`, or the setting `seed`: `random()` follows from it, and nothing takes it back.
    pub(crate) const SEED: Self = Self(1 << 5);
    /// A function of dblink: its connections are the session's.
    pub(crate) const DBLINK: Self = Self(1 << 6);
    /// Large objects by descriptor (they end with the transaction) or by number.
    pub(crate) const LARGE_OBJECT: Self = Self(1 << 7);
    /// `pg_notify`.
    pub(crate) const NOTIFY: Self = Self(1 << 8);
    /// `pg_export_snapshot`.
    pub(crate) const SNAPSHOT: Self = Self(1 << 9);
    /// The schema of temporary objects is named: they are used, or made by another word than
    /// TEMPORARY.
    pub(crate) const TEMP_SCHEMA: Self = Self(1 << 10);
    /// A function that is not known to leave the session alone. Names that look like calls count:
    /// `alias (column)`.
    pub(crate) const UNKNOWN_FUNCTION: Self = Self(1 << 11);
    /// The text reads otherwise if `standard_conforming_strings` is off, a parameter of which the
    /// server tells.
    pub(crate) const BACKSLASH: Self = Self(1 << 12);

    const NAMES: [(Self, &str); 13] = [
        (Self::SET_CONFIG, "SET_CONFIG"),
        (Self::SEQUENCE_MOVED, "SEQUENCE_MOVED"),
        (Self::SEQUENCE_READ, "SEQUENCE_READ"),
        (Self::ADVISORY_LOCK, "ADVISORY_LOCK"),
        (Self::ADVISORY_UNLOCK, "ADVISORY_UNLOCK"),
        (Self::SEED, "SEED"),
        (Self::DBLINK, "DBLINK"),
        (Self::LARGE_OBJECT, "LARGE_OBJECT"),
        (Self::NOTIFY, "NOTIFY"),
        (Self::SNAPSHOT, "SNAPSHOT"),
        (Self::TEMP_SCHEMA, "TEMP_SCHEMA"),
        (Self::UNKNOWN_FUNCTION, "UNKNOWN_FUNCTION"),
        (Self::BACKSLASH, "BACKSLASH"),
    ];

    /// Whether it has one of `others` at least.
    pub(crate) const fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// These but for `others`.
    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(super) const fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Marks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl BitOrAssign for Marks {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = Self::NAMES.iter().filter(|(mark, _)| self.has(*mark));
        f.debug_set().entries(seen.map(|(_, name)| name)).finish()
    }
}
