//! What calls came to, counted by kind.

use pool_core::{CloseReason, ErrorClass};

/// How a call failed, or was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureClass {
    /// Nobody was there: a connect was refused, or a connection was lost.
    Refused,
    /// There was no reply in time.
    Timeout,
    /// We are not let in: a wrong password, an unknown database.
    Authentication,
    /// The far end has too much to do, and says so.
    Overload,
    /// It succeeded, but took longer than it should.
    Slow,
}

/// How many classes there are.
pub(crate) const CLASSES: usize = FailureClass::ALL.len();

impl FailureClass {
    /// All classes, in the order of their [`index`](Self::index).
    pub const ALL: [Self; 5] = [
        Self::Refused,
        Self::Timeout,
        Self::Authentication,
        Self::Overload,
        Self::Slow,
    ];

    /// The class's place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// A word for tables and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Authentication => "authentication",
            Self::Overload => "overload",
            Self::Slow => "slow",
        }
    }

    /// What an error of a driver counts as; `None` for one that the request is to blame for. None
    /// counts as [`Overload`](Self::Overload): its class alone does not tell.
    #[must_use]
    pub const fn of(class: ErrorClass) -> Option<Self> {
        match class {
            ErrorClass::Harmless => None,
            ErrorClass::Permanent => Some(Self::Authentication),
            _ => Some(Self::Refused),
        }
    }
}

/// What the last lease of a connection came to that was closed for this; `None` if nothing is known
/// of it.
pub(crate) const fn last_lease(reason: CloseReason) -> Option<Result<(), FailureClass>> {
    match reason {
        CloseReason::Idle | CloseReason::Lifetime | CloseReason::Replaced | CloseReason::Shrunk => {
            Some(Ok(()))
        }
        CloseReason::Broken | CloseReason::Invalid | CloseReason::ResetFailed => {
            Some(Err(FailureClass::Refused))
        }
        _ => None,
    }
}

/// So many calls that succeeded, and so many of each class that did not.
///
/// # Examples
///
/// ```
/// use pool_health::{FailureClass, Tally};
///
/// let tally = Tally::successes(40).and(FailureClass::Timeout, 2);
/// assert_eq!(tally.good(), 40);
/// assert_eq!(tally.of(FailureClass::Timeout), 2);
/// assert_eq!(tally.failures(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    good: u64,
    by_class: [u64; CLASSES],
}

impl Tally {
    /// So many that succeeded, and in time.
    #[must_use]
    pub const fn successes(good: u64) -> Self {
        Self {
            good,
            by_class: [0; CLASSES],
        }
    }

    /// One that ended like this.
    #[must_use]
    pub const fn one(ended: Result<(), FailureClass>) -> Self {
        match ended {
            Ok(()) => Self::successes(1),
            Err(class) => Self::successes(0).and(class, 1),
        }
    }

    /// And so many of this class.
    #[must_use]
    pub const fn and(mut self, class: FailureClass, count: u64) -> Self {
        let counted = &mut self.by_class[class.index()];
        *counted = counted.saturating_add(count);
        self
    }

    /// And so many that succeeded, in time.
    #[must_use]
    pub const fn and_good(mut self, good: u64) -> Self {
        self.good = self.good.saturating_add(good);
        self
    }

    /// Less so many of those.
    pub(crate) const fn less_good(mut self, good: u64) -> Self {
        self.good = self.good.saturating_sub(good);
        self
    }

    /// How many succeeded in time.
    #[must_use]
    pub const fn good(&self) -> u64 {
        self.good
    }

    /// How many were of this class.
    #[must_use]
    pub const fn of(&self, class: FailureClass) -> u64 {
        self.by_class[class.index()]
    }

    /// How many succeeded, slow ones included.
    #[must_use]
    pub const fn replies(&self) -> u64 {
        self.good.saturating_add(self.of(FailureClass::Slow))
    }

    /// How many failed; slow ones did not.
    #[must_use]
    pub fn failures(&self) -> u64 {
        let [refused, timeout, authentication, overload, _slow] = self.by_class;
        refused
            .saturating_add(timeout)
            .saturating_add(authentication)
            .saturating_add(overload)
    }

    /// How many there were.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.replies().saturating_add(self.failures())
    }

    /// The class with most entries, slow replies only if nothing failed; `None` if there are none.
    #[must_use]
    pub fn foremost(&self) -> Option<FailureClass> {
        let failed = FailureClass::ALL
            .into_iter()
            .filter(|class| *class != FailureClass::Slow && self.of(*class) > 0);
        // Of equals the first.
        let most = failed.rev().max_by_key(|class| self.of(*class));
        most.or((self.of(FailureClass::Slow) > 0).then_some(FailureClass::Slow))
    }

    /// Adds another's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.good = self.good.saturating_add(other.good);
        for (mine, others) in self.by_class.iter_mut().zip(other.by_class) {
            *mine = mine.saturating_add(others);
        }
    }

    /// Without the classes that do not count. Slow replies that do not count are good ones.
    pub(crate) fn counting(mut self, counts: &[bool; CLASSES]) -> Self {
        let slow = FailureClass::Slow.index();
        if !counts[slow] {
            self.good = self.replies();
        }
        for (count, counts) in self.by_class.iter_mut().zip(counts) {
            *count *= u64::from(*counts);
        }
        self
    }
}
