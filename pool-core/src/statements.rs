//! A per-connection cache of prepared statements, for drivers to use.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

/// Least-recently-used cache of at most `capacity` values.
///
/// An adapter keeps one beside each connection, keyed by whatever makes a statement the same
/// (its text and parameter types, say). A capacity of zero caches nothing.
///
/// Look-ups cost one hash; recency is a doubly linked list threaded through a slab, so that a hit
/// moves no memory.
///
/// ```
/// use pool_core::StatementCache;
///
/// let mut cache = StatementCache::new(2);
/// cache.insert("select 1", 'a');
/// cache.insert("select 2", 'b');
/// assert_eq!(cache.get("select 1"), Some(&'a'));
/// let evicted = cache.insert("select 3", 'c');
/// assert_eq!(evicted, Some(("select 2", 'b')));
/// assert_eq!(cache.stats().hits, 1);
/// ```
pub struct StatementCache<K, V> {
    capacity: usize,
    index: HashMap<K, usize>,
    entries: Vec<Entry<K, V>>,
    newest: usize,
    oldest: usize,
    stats: CacheStats,
}

struct Entry<K, V> {
    key: K,
    value: V,
    newer: usize,
    older: usize,
}

/// How well a [`StatementCache`] serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Look-ups that found their statement.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Statements dropped to make room.
    pub evictions: u64,
}

impl CacheStats {
    /// Hits per look-up, between 0 and 1; 0 before the first look-up.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            lookups => self.hits as f64 / lookups as f64,
        }
    }
}

/// The end of the recency list.
const NONE: usize = usize::MAX;

impl<K: Hash + Eq + Clone, V> StatementCache<K, V> {
    /// An empty cache that holds at most `capacity` statements.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            index: HashMap::new(),
            entries: Vec::new(),
            newest: NONE,
            oldest: NONE,
            stats: CacheStats::default(),
        }
    }

    /// The statement under `key`, which becomes the most recently used one.
    pub fn get<Q>(&mut self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let Some(&at) = self.index.get(key) else {
            self.stats.misses += 1;
            return None;
        };
        self.stats.hits += 1;
        self.unlink(at);
        self.link_newest(at);
        Some(&self.entries[at].value)
    }

    /// Keeps `value` under `key` and gives back what had to leave: the value that stood there, or
    /// the least recently used statement. With a capacity of zero that is `value` itself.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        if self.capacity == 0 {
            return Some((key, value));
        }
        if let Some(&at) = self.index.get(&key) {
            let old = std::mem::replace(&mut self.entries[at].value, value);
            self.unlink(at);
            self.link_newest(at);
            return Some((key, old));
        }
        if self.entries.len() < self.capacity {
            self.push(key, value);
            return None;
        }
        Some(self.replace_oldest(key, value))
    }

    /// Forgets everything and gives it back, the most recently used first.
    pub fn clear(&mut self) -> Vec<(K, V)> {
        let mut order = Vec::with_capacity(self.entries.len());
        let mut at = self.newest;
        while at != NONE {
            order.push(at);
            at = self.entries[at].older;
        }
        self.index.clear();
        (self.newest, self.oldest) = (NONE, NONE);
        let mut entries: Vec<_> = self.entries.drain(..).map(Some).collect();
        order
            .into_iter()
            .filter_map(|at| entries[at].take())
            .map(|entry| (entry.key, entry.value))
            .collect()
    }

    /// How many statements are cached.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is cached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The most it holds.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Hits, misses and evictions since the cache was made.
    #[must_use]
    pub const fn stats(&self) -> CacheStats {
        self.stats
    }

    fn push(&mut self, key: K, value: V) {
        let at = self.entries.len();
        self.index.insert(key.clone(), at);
        self.entries.push(Entry {
            key,
            value,
            newer: NONE,
            older: NONE,
        });
        self.link_newest(at);
    }

    fn replace_oldest(&mut self, key: K, value: V) -> (K, V) {
        let at = self.oldest;
        self.unlink(at);
        let entry = &mut self.entries[at];
        let old_key = std::mem::replace(&mut entry.key, key.clone());
        let old_value = std::mem::replace(&mut entry.value, value);
        self.index.remove(&old_key);
        self.index.insert(key, at);
        self.link_newest(at);
        self.stats.evictions += 1;
        (old_key, old_value)
    }

    fn unlink(&mut self, at: usize) {
        let Entry { newer, older, .. } = self.entries[at];
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older].newer = newer,
        }
    }

    fn link_newest(&mut self, at: usize) {
        let next = self.newest;
        self.entries[at].newer = NONE;
        self.entries[at].older = next;
        match next {
            NONE => self.oldest = at,
            next => self.entries[next].newer = at,
        }
        self.newest = at;
    }
}

impl<K, V> fmt::Debug for StatementCache<K, V> {
    /// Shows sizes only: statements may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatementCache")
            .field("len", &self.entries.len())
            .field("capacity", &self.capacity)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
