//! What is remembered of each connection, found by its slot.
//!
//! Slots are dense and few, so a table does, and no hash is taken of any connection. How many slots a
//! pool may have is not known beforehand, and a table that moved when it grew would need a lock: so
//! it is made of chunks that double, each made once, when a slot of it is met for the first time.
//! Reading is two loads.
//!
//! A slot sees one connection after another; each entry keeps the number of the connection that it is
//! about, and whoever reads compares.

use std::sync::OnceLock;

/// No pool has more slots.
pub(crate) const MOST_SLOTS: u32 = 1_000_000;
/// Slots in the first chunk, as a power of two.
const FIRST: u32 = 6;
/// Enough for all slots.
const CHUNKS: usize = 15;

/// One `T` for each slot.
#[derive(Debug)]
pub(crate) struct PerSlot<T>([OnceLock<Box<[T]>>; CHUNKS]);

impl<T> Default for PerSlot<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceLock::new()))
    }
}

/// Which chunk, and where in it.
const fn place(slot: u32) -> Option<(usize, usize)> {
    if slot >= MOST_SLOTS {
        return None;
    }
    let at = slot + (1 << FIRST);
    let chunk = at.ilog2() - FIRST;
    Some((chunk as usize, (at - (1 << (chunk + FIRST))) as usize))
}

impl<T> PerSlot<T> {
    /// The entry of `slot`, if its chunk was met before.
    pub(crate) fn look(&self, slot: u32) -> Option<&T> {
        let (chunk, index) = place(slot)?;
        self.0[chunk].get()?.get(index)
    }

    /// All entries of chunks that were met.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(OnceLock::get).flatten()
    }
}

impl<T: Default> PerSlot<T> {
    /// The entry of `slot`; `None` only if no pool has such a slot.
    pub(crate) fn of(&self, slot: u32) -> Option<&T> {
        let (chunk, index) = place(slot)?;
        let entries = self.0[chunk].get_or_init(|| {
            let length = 1usize << (chunk + FIRST as usize);
            (0..length).map(|_| T::default()).collect()
        });
        entries.get(index)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn every_slot_has_an_entry_of_its_own_and_no_other_has_one() {
        let table = PerSlot::<AtomicU32>::default();
        let slots = [0, 1, 63, 64, 191, 192, 4095, 65_535, MOST_SLOTS - 1];
        for slot in slots {
            table.of(slot).unwrap().store(slot + 1, Ordering::Relaxed);
        }
        for slot in slots {
            let kept = table.look(slot).unwrap().load(Ordering::Relaxed);
            assert_eq!(kept, slot + 1);
        }
        let filled = table.iter().filter(|one| one.load(Ordering::Relaxed) > 0);
        assert_eq!(filled.count(), slots.len());
        assert!(table.of(MOST_SLOTS).is_none() && table.look(u32::MAX).is_none());
    }

    #[test]
    fn looking_makes_nothing() {
        let table = PerSlot::<AtomicU32>::default();
        assert!(table.look(0).is_none());
        assert_eq!(table.iter().count(), 0);
    }
}
