//! What kind of work a request is.

/// How much work a request is, as far as one can tell before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Complexity {
    /// One row by its key.
    Trivial,
    /// A few rows.
    #[default]
    Simple,
    /// Several tables, or many rows.
    Moderate,
    /// A report.
    Complex,
}

impl Complexity {
    const ALL: [Self; 4] = [Self::Trivial, Self::Simple, Self::Moderate, Self::Complex];
}

/// A kind of work. Work of one class is compared with itself alone: a report of two seconds is not
/// slow because a look-up takes two milliseconds.
///
/// There are sixteen, so that statistics of all of them fit into a table beside each connection. A
/// request says its class as a number, [`id`](Self::id), in its [`Profile`](pool_core::Profile).
///
/// ```
/// use pool_affinity::{Class, Complexity};
///
/// let class = Class::reading(Complexity::Trivial);
/// let profile = pool_core::Profile::new(7).class(class.id());
/// assert_eq!(Class::from_id(profile.class), Some(class));
/// assert_eq!(Class::from_id(0), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// How much work it is.
    pub complexity: Complexity,
    /// It changes nothing.
    pub read_only: bool,
    /// It is part of a transaction.
    pub in_transaction: bool,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// Work that changes nothing, outside of transactions.
    #[must_use]
    pub const fn reading(complexity: Complexity) -> Self {
        Self {
            complexity,
            read_only: true,
            in_transaction: false,
        }
    }

    /// Work that changes something, outside of transactions.
    #[must_use]
    pub const fn writing(complexity: Complexity) -> Self {
        Self {
            complexity,
            read_only: false,
            in_transaction: false,
        }
    }

    /// The same as part of a transaction.
    #[must_use]
    pub const fn in_transaction(mut self) -> Self {
        self.in_transaction = true;
        self
    }

    /// Its number for a profile, from 1 to 16; 0 stands for work of no class.
    #[must_use]
    pub const fn id(self) -> u32 {
        1 + self.complexity as u32 + 4 * self.read_only as u32 + 8 * self.in_transaction as u32
    }

    /// The class with this number.
    #[must_use]
    pub fn from_id(id: u32) -> Option<Self> {
        let bits = id.checked_sub(1).filter(|bits| *bits < 16)?;
        Some(Self {
            complexity: Complexity::ALL[(bits % 4) as usize],
            read_only: bits & 4 != 0,
            in_transaction: bits & 8 != 0,
        })
    }

    pub(crate) const fn index(self) -> usize {
        self.id() as usize - 1
    }
}
