//! Where connections with a certain label were left.
//!
//! Labels may be as many as sessions, so nothing is kept of each: the table has a fixed number of
//! lines of eight hints, and a hint that is overwritten or wrong costs the look that finds it wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::number::mix;

/// Hints in a line: as many as fit into a line of a processor's cache.
const WAYS: usize = 8;

/// Hints from labels to slots.
#[derive(Debug)]
pub(crate) struct Whereabouts(Box<[Line]>);

/// Each is a label and a slot; 0 is none, as no label is 0.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; WAYS]);

const fn hint(label: u32, slot: u32) -> u64 {
    (label as u64) << 32 | slot as u64
}

impl Whereabouts {
    /// About so many hints.
    pub(crate) fn new(hints: u32) -> Self {
        let lines = (hints as usize).div_ceil(WAYS).next_power_of_two();
        Self((0..lines).map(|_| Line::default()).collect())
    }

    fn line(&self, label: u32) -> &Line {
        &self.0[mix(u64::from(label)) as usize & (self.0.len() - 1)]
    }

    /// A connection with this label was left in this slot.
    pub(crate) fn note(&self, label: u32, slot: u32) {
        let (line, hint) = (self.line(label), hint(label, slot));
        let known = |way: &AtomicU64| way.load(Ordering::Relaxed) == hint;
        if !line.0.iter().any(known) {
            let free = line
                .0
                .iter()
                .position(|way| way.load(Ordering::Relaxed) == 0);
            let way = free.unwrap_or(slot as usize % WAYS);
            line.0[way].store(hint, Ordering::Relaxed);
        }
    }

    /// That hint was wrong.
    pub(crate) fn forget(&self, label: u32, slot: u32) {
        let hint = hint(label, slot);
        let order = Ordering::Relaxed;
        for way in &self.line(label).0 {
            let _ = way.compare_exchange(hint, 0, order, order);
        }
    }

    /// The slots where a connection with this label may be.
    pub(crate) fn of(&self, label: u32) -> impl Iterator<Item = u32> + '_ {
        let hints = self.line(label).0.iter();
        hints
            .map(|way| way.load(Ordering::Relaxed))
            .filter(move |hint| *hint != 0 && hint >> 32 == u64::from(label))
            .filter_map(|hint| u32::try_from(hint & u64::from(u32::MAX)).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_a_label_are_found_until_others_take_their_places() {
        let hints = Whereabouts::new(8);
        (0..3).for_each(|slot| hints.note(7, slot));
        hints.note(7, 2);
        hints.note(9, 2);
        assert_eq!(hints.of(7).collect::<Vec<_>>(), [0, 1, 2]);
        hints.forget(7, 1);
        assert_eq!(hints.of(7).collect::<Vec<_>>(), [0, 2]);
        (0..1_000).for_each(|slot| hints.note(slot + 10, slot));
        assert!(hints.of(7).count() == 0 && hints.of(1_009).any(|slot| slot == 999));
    }
}
