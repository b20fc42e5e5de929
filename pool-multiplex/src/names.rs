//! Small sets of names that are copied often and changed rarely.
//!
//! A savepoint keeps what was before it. For most of what it keeps nothing changes until it goes, so a
//! copy is an address, and the first change after it copies the names.

use std::fmt;
use std::sync::Arc;

/// A name, and something about it.
type Entry<V> = (Arc<str>, V);

/// Names in order. An empty list has no memory.
#[derive(Clone, PartialEq, Eq)]
struct List<V>(Option<Arc<Vec<Entry<V>>>>);

impl<V> Default for List<V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<V: Clone> List<V> {
    fn entries(&self) -> &[Entry<V>] {
        self.0.as_ref().map_or(&[], |entries| entries)
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.entries()
            .binary_search_by(|entry| (*entry.0).cmp(name))
    }

    /// Whether it is there now: not, if there is no room.
    fn insert(&mut self, name: Arc<str>, value: V) -> bool {
        let at = self.position(&name);
        if at.is_err() && self.entries().len() >= Names::MOST {
            return false;
        }
        let entries = Arc::make_mut(self.0.get_or_insert_default());
        match at {
            Ok(at) => entries[at].1 = value,
            Err(at) => entries.insert(at, (name, value)),
        }
        true
    }

    /// Whether it was there.
    fn remove(&mut self, name: &str) -> bool {
        let Ok(at) = self.position(name) else {
            return false;
        };
        self.retain(|entry| *entry.0 != *name, at);
        true
    }

    /// Keeps some of those from `first` on.
    fn retain(&mut self, keep: impl Fn(&Entry<V>) -> bool, first: usize) {
        if self.entries()[first..].iter().all(&keep) {
            return;
        }
        if let Some(entries) = &mut self.0 {
            Arc::make_mut(entries).retain(keep);
        }
        if self.entries().is_empty() {
            self.0 = None;
        }
    }
}

/// A set of names, in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names(List<()>);

impl Names {
    /// The most that a set holds.
    pub const MOST: usize = 4096;

    /// Puts one in, and tells whether it is there now: it is not, if the set is full.
    pub fn insert(&mut self, name: impl Into<Arc<str>>) -> bool {
        self.0.insert(name.into(), ())
    }

    /// Takes one out, and tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name)
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether it is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.position(name).is_ok()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.entries().iter().map(|(name, ())| name)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.entries().len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.0.is_none()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The temporary objects of a connection, and which of them go when the transaction commits.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Temporaries(List<bool>);

impl Temporaries {
    /// Puts one in, and tells whether it is there now: it is not, if there are [`Names::MOST`].
    pub fn insert(&mut self, name: impl Into<Arc<str>>, until_commit: bool) -> bool {
        self.0.insert(name.into(), until_commit)
    }

    /// Takes one out, and tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name)
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Those that a commit leaves.
    pub(crate) fn commit(&mut self) {
        self.0.retain(|(_, until_commit)| !until_commit, 0);
    }

    /// Whether it is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.position(name).is_ok()
    }

    /// All of them, in the order of their names, and whether they go at the commit.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, bool)> {
        let entries = self.0.entries().iter();
        entries.map(|(name, until_commit)| (name, *until_commit))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.entries().len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.0.is_none()
    }
}

impl fmt::Debug for Temporaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
