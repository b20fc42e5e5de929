//! Which connections are at home to which set of statements.
//!
//! A connection's cache holds about as many statements as one module of a program uses. So the work
//! of one module is best done by a few connections, and each connection best works for one module,
//! in numbers that follow the load. A fixed map from sets to slots cannot do that: with eight modules
//! and a hundred slots, the first sixteen slots of each in a rendezvous order overlap so much that
//! 86 % of statements are found, against 97 % with the homes that follow. So homes are *learned*: the
//! slots of one set form a ring, and a set whose ring has no room adopts another slot, one that is
//! nobody's home or one that is used clearly less than the mean. Where a set begins, and where a set
//! goes that found nothing to adopt (more sets than connections), is fixed by its key: the first few
//! slots in its own order.
//!
//! That order is rendezvous hashing in effect (each key has its own, and when a slot is added a key
//! moves there or stays) but made by the jump hash of Lamping and Veach, which needs ln n steps
//! instead of a pass over all slots.
//!
//! A walk along a ring takes no lock and trusts nothing: it is bounded, and ends where a slot is not
//! of this set. Rings are changed under one lock that nobody waits for: who does not get it leaves
//! the ring as it is. The walk begins behind the slot that was chosen last, which spreads the load
//! over the ring and looks first at those that have been idle for longest.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::number::mix;
use crate::per_slot::{MOST_SLOTS, PerSlot};
use crate::record::Record;

/// Sets in a bucket of the table.
const WAYS: usize = 4;
/// No slot.
const NOWHERE: u32 = u32::MAX;

/// The sets that are known, and their rings.
#[derive(Debug)]
pub(crate) struct Homes {
    sets: Box<[Set]>,
    /// Which of a full bucket goes next.
    hand: AtomicU32,
    /// One more than the highest slot that was met.
    extent: AtomicU32,
    changing: Mutex<()>,
}

#[derive(Debug)]
struct Set {
    /// 0 if it is free.
    key: AtomicU64,
    /// Where the next walk begins.
    head: AtomicU32,
}

/// The place of a slot in a ring.
#[derive(Debug)]
pub(crate) struct Link {
    /// One more than the index of the set; 0 for none.
    set: AtomicU32,
    next: AtomicU32,
    previous: AtomicU32,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            set: AtomicU32::new(0),
            next: AtomicU32::new(NOWHERE),
            previous: AtomicU32::new(NOWHERE),
        }
    }
}

impl Link {
    /// Whether it is in no ring.
    pub(crate) fn is_free(&self) -> bool {
        self.set.load(Ordering::Relaxed) == 0
    }
}

impl Homes {
    /// For about so many sets.
    pub(crate) fn new(most: u32) -> Self {
        let buckets = (most as usize).div_ceil(WAYS).next_power_of_two();
        let set = |_| Set {
            key: AtomicU64::new(0),
            head: AtomicU32::new(NOWHERE),
        };
        Self {
            sets: (0..buckets * WAYS).map(set).collect(),
            hand: AtomicU32::new(0),
            extent: AtomicU32::new(0),
            changing: Mutex::new(()),
        }
    }

    /// There is such a slot.
    pub(crate) fn meet(&self, slot: u32) {
        if slot >= self.extent.load(Ordering::Relaxed) && slot < MOST_SLOTS {
            self.extent.fetch_max(slot + 1, Ordering::Relaxed);
        }
    }

    /// One more than the highest slot that was met.
    pub(crate) fn extent(&self) -> u32 {
        self.extent.load(Ordering::Relaxed)
    }

    /// The slot that comes in this place of the order of `key`.
    pub(crate) fn of_order(&self, key: u64, place: u64) -> u32 {
        jump(mix(key ^ mix(place)), self.extent().max(1))
    }

    /// The index of a set. One that is new takes the place of another if there are too many, and
    /// inherits its ring. `None` if somebody else is just changing something.
    pub(crate) fn index(&self, key: u64) -> Option<u32> {
        let buckets = self.sets.len() / WAYS;
        let first = (mix(key) as usize & (buckets - 1)) * WAYS;
        let ways = &self.sets[first..first + WAYS];
        let find = |wanted| {
            ways.iter()
                .position(|set| set.key.load(Ordering::Relaxed) == wanted)
        };
        let way = match find(key) {
            Some(way) => way,
            None => {
                let _changing = self.changing.try_lock().ok()?;
                let hand = || self.hand.fetch_add(1, Ordering::Relaxed) as usize % WAYS;
                let way = find(key).or_else(|| find(0)).unwrap_or_else(hand);
                ways[way].key.store(key, Ordering::Relaxed);
                way
            }
        };
        u32::try_from(first + way).ok()
    }

    /// Slots of the ring of a set, at most `most`.
    pub(crate) fn walk<'a>(
        &'a self,
        set: u32,
        most: usize,
        records: &'a PerSlot<Record>,
    ) -> impl Iterator<Item = (u32, &'a Record)> + 'a {
        let begin = self.sets[set as usize].head.load(Ordering::Relaxed);
        let mut at = begin;
        let walk = std::iter::from_fn(move || {
            let record = records.look(at)?;
            let of_set = record.link.set.load(Ordering::Relaxed) == set + 1;
            let here = std::mem::replace(&mut at, record.link.next.load(Ordering::Relaxed));
            if at == begin {
                at = NOWHERE;
            }
            of_set.then_some((here, record))
        });
        walk.take(most)
    }

    /// The next walk begins behind this slot.
    pub(crate) fn chosen(&self, set: u32, record: &Record) {
        if record.link.set.load(Ordering::Relaxed) == set + 1 {
            let next = record.link.next.load(Ordering::Relaxed);
            self.sets[set as usize].head.store(next, Ordering::Relaxed);
        }
    }

    /// Makes a slot a home of this set, and of no other; of none if none is named. Returns whether
    /// that was done.
    pub(crate) fn adopt(&self, set: Option<u32>, slot: u32, records: &PerSlot<Record>) -> bool {
        let Ok(_changing) = self.changing.try_lock() else {
            return false;
        };
        let Some(record) = records.look(slot) else {
            return false;
        };
        self.unlink(slot, record, records);
        if let Some(set) = set {
            self.link(set, slot, record, records);
        }
        true
    }

    /// Under the lock.
    fn unlink(&self, slot: u32, record: &Record, records: &PerSlot<Record>) {
        let link = &record.link;
        let Some(set) = link.set.swap(0, Ordering::Relaxed).checked_sub(1) else {
            return;
        };
        let next = link.next.swap(NOWHERE, Ordering::Relaxed);
        let previous = link.previous.swap(NOWHERE, Ordering::Relaxed);
        let head = &self.sets[set as usize].head;
        if next == slot {
            head.store(NOWHERE, Ordering::Relaxed);
            return;
        }
        if let (Some(before), Some(after)) = (records.look(previous), records.look(next)) {
            before.link.next.store(next, Ordering::Relaxed);
            after.link.previous.store(previous, Ordering::Relaxed);
        }
        head.store(next, Ordering::Relaxed);
    }

    /// Under the lock, for a slot in no ring: before the head, where walks come last.
    fn link(&self, set: u32, slot: u32, record: &Record, records: &PerSlot<Record>) {
        let head = &self.sets[set as usize].head;
        let at = head.load(Ordering::Relaxed);
        let ring = records.look(at);
        let ring = ring.filter(|first| first.link.set.load(Ordering::Relaxed) == set + 1);
        let (next, previous) = match ring {
            Some(first) => (at, first.link.previous.swap(slot, Ordering::Relaxed)),
            None => (slot, slot),
        };
        record.link.next.store(next, Ordering::Relaxed);
        record.link.previous.store(previous, Ordering::Relaxed);
        record.link.set.store(set + 1, Ordering::Relaxed);
        match records.look(previous).filter(|_| ring.is_some()) {
            Some(last) => last.link.next.store(slot, Ordering::Relaxed),
            None => head.store(slot, Ordering::Relaxed),
        }
    }
}

/// A slot below `slots` for a key; of keys, only 1 in n moves when the n-th slot is added, and all of
/// those to it.
fn jump(mut key: u64, slots: u32) -> u32 {
    const STEP: u64 = 2_862_933_555_777_941_757;
    let (mut at, mut next) = (0, 0);
    while next < u64::from(slots) {
        at = next;
        key = key.wrapping_mul(STEP).wrapping_add(1);
        let stretch = (1u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = ((at + 1) as f64 * stretch) as u64;
    }
    u32::try_from(at).unwrap_or(0)
}

#[cfg(test)]
mod tests;
