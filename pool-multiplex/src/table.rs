//! A table of things that are shared while somebody has them, and forgotten when nobody does.
//!
//! Ten thousand sessions that want the same settings should have one copy of them, and comparing two
//! such should be comparing two addresses. What makes that dangerous in a process that runs for months
//! is everything that is not the same: each of ten thousand sessions sets its own `app.id`, goes, and
//! comes back with another one. So the table holds its things weakly. The last owner's drop takes the
//! entry out, at once and not at some sweep, so that the table is never larger than what lives; and it
//! has a bound, beyond which things are made as ever and simply not shared.
//!
//! Things are found by a keyed hash of 64 bits. Two different ones with the same hash are possible and
//! will not happen; if they do, the second is not shared.
//!
//! Each thing has a number that no other living one of the table has, as long as it is shared. The
//! low bits of a number say in which part of the table its thing is.
//!
//! Locks are held for a look into a map and no longer. Whatever runs code of others, such as comparing,
//! making and dropping things, happens outside: an upgraded reference may turn out to be the last one,
//! and its drop comes back to the same lock.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

const SHARD_BITS: u32 = 4;
const SHARDS: usize = 1 << SHARD_BITS;
const LARGEST_COUNT: u32 = u32::MAX >> SHARD_BITS;

pub(crate) struct Table<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
    hashing: RandomState,
    shared: AtomicUsize,
    capacity: usize,
}

struct Shard<T> {
    by_hash: HashMap<u64, u32>,
    by_id: HashMap<u32, Weak<T>>,
    last: u32,
}

/// A thing's place in the table. Part of the thing, so that its drop is the drop of the thing.
pub(crate) struct Ticket<T> {
    table: Weak<Table<T>>,
    hash: u64,
    id: u32,
}

impl<T> Ticket<T> {
    pub(crate) const fn id(&self) -> u32 {
        self.id
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        if let Some(table) = self.table.upgrade() {
            table.remove(self.hash, self.id);
        }
    }
}

impl<T> Shard<T> {
    fn find(&self, hash: u64) -> Option<Arc<T>> {
        let id = self.by_hash.get(&hash)?;
        self.by_id.get(id)?.upgrade()
    }

    /// A number that no shared thing has. There are more of them than the memory of a machine can
    /// hold things, so one is free.
    fn number(&mut self, shard: usize) -> u32 {
        loop {
            self.last = if self.last == LARGEST_COUNT {
                1
            } else {
                self.last + 1
            };
            let id = self.last << SHARD_BITS | shard as u32;
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }
}

impl<T> Table<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let shard = |_| {
            Mutex::new(Shard {
                by_hash: HashMap::new(),
                by_id: HashMap::new(),
                last: 0,
            })
        };
        Self {
            shards: std::array::from_fn(shard),
            hashing: RandomState::new(),
            shared: AtomicUsize::new(0),
            capacity,
        }
    }

    /// How many things are shared now.
    pub(crate) fn len(&self) -> usize {
        self.shared.load(Ordering::Relaxed)
    }

    pub(crate) fn hash(&self, write: impl FnOnce(&mut dyn Hasher)) -> u64 {
        let mut hasher = self.hashing.build_hasher();
        write(&mut hasher);
        hasher.finish()
    }

    /// The shared thing with this number.
    pub(crate) fn by_id(&self, id: u32) -> Option<Arc<T>> {
        self.lock(id as usize % SHARDS).by_id.get(&id)?.upgrade()
    }

    /// The shared thing of this hash that is `equal` to the key, or one made of it.
    pub(crate) fn share<K>(
        self: &Arc<Self>,
        hash: u64,
        key: K,
        equal: impl Fn(&T, &K) -> bool,
        make: impl FnOnce(K, Ticket<T>) -> T,
    ) -> Arc<T>
    where
        T: PartialEq,
    {
        let at = (hash >> 32) as usize % SHARDS;
        let found = self.lock(at).find(hash);
        let table = match &found {
            Some(found) if equal(found, &key) => return Arc::clone(found),
            Some(_) => Weak::new(),
            None => Arc::downgrade(self),
        };
        let id = self.lock(at).number(at);
        let made = Arc::new(make(key, Ticket { table, hash, id }));
        if found.is_some() {
            return made;
        }
        match self.insert(&made, hash, id) {
            Some(first) if first == made => first,
            _ => made,
        }
    }

    /// Shares a thing while there is room, unless there is one of its hash: that one is returned.
    fn insert(&self, made: &Arc<T>, hash: u64, id: u32) -> Option<Arc<T>> {
        let mut shard = self.lock(id as usize % SHARDS);
        let first = shard.find(hash);
        if first.is_none() && !shard.by_id.contains_key(&id) && self.reserve() {
            shard.by_hash.insert(hash, id);
            shard.by_id.insert(id, Arc::downgrade(made));
        }
        first
    }

    fn reserve(&self) -> bool {
        let more = |shared| (shared < self.capacity).then_some(shared + 1);
        self.shared
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// Takes out what was put in under this number; nothing, if it was not shared. Meanwhile an equal
    /// thing may have been put in under another number: its hash stays.
    fn remove(&self, hash: u64, id: u32) {
        let mut shard = self.lock(id as usize % SHARDS);
        if shard.by_id.remove(&id).is_some() {
            self.shared.fetch_sub(1, Ordering::Relaxed);
            if shard.by_hash.get(&hash) == Some(&id) {
                shard.by_hash.remove(&hash);
            }
        }
    }

    /// Nothing panics while a lock is held: what a thread that died elsewhere left is whole.
    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard<T>> {
        self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
