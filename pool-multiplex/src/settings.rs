//! What a session, or a connection, has set.
//!
//! To compare what a session wants with what a connection has is the most frequent thing that
//! multiplexing does, and nearly always the answer is that they are the same. So a set of settings is
//! immutable and shared (see [`Interner`](crate::Interner)): the same set is the same address, and the
//! answer costs one comparison. Only where the addresses differ are the contents walked, both in the
//! order of their names, which gives the [`Difference`] in one pass.
//!
//! Names are compared without regard to ASCII case, as servers do that report `TimeZone` to those who
//! set `timezone`. The spelling that was seen first is kept.

use std::cmp::Ordering;
use std::fmt;
use std::slice;
use std::sync::Arc;

use crate::table::Ticket;

pub(crate) type Entry = (Arc<str>, Arc<str>);

/// A set of names with their values. Cloning it copies an address; the empty one has none.
#[derive(Clone, Default)]
pub struct Settings(Option<Arc<Set>>);

pub(crate) struct Set {
    pub(crate) entries: Box<[Entry]>,
    pub(crate) ticket: Ticket<Self>,
}

impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        same_entries(&self.entries, &other.entries)
    }
}

pub(crate) fn compare_names(one: &str, other: &str) -> Ordering {
    let one = one.bytes().map(|byte| byte.to_ascii_lowercase());
    one.cmp(other.bytes().map(|byte| byte.to_ascii_lowercase()))
}

pub(crate) fn same_entries(one: &[Entry], other: &[Entry]) -> bool {
    let same = |(one, other): (&Entry, &Entry)| {
        one.0.eq_ignore_ascii_case(&other.0) && same_text(&one.1, &other.1)
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

fn same_text(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

impl Settings {
    /// The most names that a session may have settings for.
    pub const MOST: usize = 1024;

    pub(crate) const fn of(set: Arc<Set>) -> Self {
        Self(Some(set))
    }

    /// A number for the set, for labels and metrics: 0 for the empty set, and for others one that no
    /// different living set of the same interner has, as far as sets are shared.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, |set| set.ticket.id())
    }

    /// Whether nothing is set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many names have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// The value of one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<str>> {
        let at = self.position(name).ok()?;
        Some(&self.entries()[at].1)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.entries().iter().map(|(name, value)| (name, value))
    }

    /// Whether they are the same copy. Equal sets of one interner are, as far as sets are shared.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        self.0.as_ref().map_or(&[], |set| &set.entries)
    }

    /// Where a name is, or where it would be.
    pub(crate) fn position(&self, name: &str) -> Result<usize, usize> {
        self.entries()
            .binary_search_by(|entry| compare_names(&entry.0, name))
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || same_entries(self.entries(), other.entries())
    }
}

impl Eq for Settings {}

impl fmt::Debug for Settings {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// What must be done to have other settings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Set these, in the order of their names.
    pub set: Vec<(Arc<str>, Arc<str>)>,
    /// Reset these, in the order of their names.
    pub reset: Vec<Arc<str>>,
}

impl Difference {
    /// What turns the settings `from` into `to`. One pass over both; none where they are the same copy.
    #[must_use]
    pub fn between(from: &Settings, to: &Settings) -> Self {
        let mut difference = Self::default();
        walk(from, to, |step| match step {
            Step::Set(entry) => difference.set.push(entry.clone()),
            Step::Reset(name) => difference.reset.push(Arc::clone(name)),
        });
        difference
    }

    /// How many steps that takes, without writing them down.
    pub(crate) fn count(from: &Settings, to: &Settings) -> usize {
        let mut steps = 0;
        walk(from, to, |_| steps += 1);
        steps
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many settings change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.len() + self.reset.len()
    }
}

impl fmt::Debug for Difference {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<_> = self.set.iter().map(|(name, _)| name).collect();
        f.debug_struct("Difference")
            .field("set", &set)
            .field("reset", &self.reset)
            .finish()
    }
}

enum Step<'a> {
    Set(&'a Entry),
    Reset(&'a Arc<str>),
}

fn walk<'a>(from: &'a Settings, to: &'a Settings, mut take: impl FnMut(Step<'a>)) {
    if from.same(to) {
        return;
    }
    let mut from = from.entries().iter();
    let mut to = to.entries().iter();
    while let Some(step) = next_step(&mut from, &mut to) {
        if let Some(step) = step {
            take(step);
        }
    }
}

/// The next of two sorted lists; the inner `None` for what is the same in both.
fn next_step<'a>(
    from: &mut slice::Iter<'a, Entry>,
    to: &mut slice::Iter<'a, Entry>,
) -> Option<Option<Step<'a>>> {
    let order = match (from.as_slice().first(), to.as_slice().first()) {
        (None, None) => return None,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(has), Some(wants)) => compare_names(&has.0, &wants.0),
    };
    let has = if order.is_le() { from.next() } else { None };
    let wants = if order.is_ge() { to.next() } else { None };
    Some(match (has, wants) {
        (Some(has), Some(wants)) if same_text(&has.1, &wants.1) => None,
        (_, Some(wants)) => Some(Step::Set(wants)),
        (has, None) => has.map(|has| Step::Reset(&has.0)),
    })
}

#[cfg(test)]
mod tests;
