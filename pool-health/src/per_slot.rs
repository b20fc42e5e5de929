//! What a part remembers of each connection.

use pool_core::{Candidate, Subject};

/// No pool has more slots.
const MOST_SLOTS: u32 = 1_000_000;

/// One value per open connection, found by its slot and forgotten with its number.
///
/// A slot is taken again by another connection; nothing of the old one may be held against the new.
#[derive(Debug)]
pub(crate) struct PerSlot<T> {
    entries: Vec<Option<Entry<T>>>,
    turn: u64,
}

#[derive(Debug)]
struct Entry<T> {
    connection: u64,
    /// When it was seen among the open ones last.
    turn: u64,
    value: T,
}

impl<T> PerSlot<T> {
    pub(crate) const fn new() -> Self {
        let entries = Vec::new();
        Self { entries, turn: 0 }
    }

    /// What is remembered of a connection.
    pub(crate) fn of(&self, connection: Candidate) -> Option<&T> {
        let entry = self.entries.get(connection.slot as usize)?.as_ref()?;
        (entry.connection == connection.connection).then_some(&entry.value)
    }

    /// What is remembered of a connection, to be changed.
    pub(crate) fn of_mut(&mut self, connection: Candidate) -> Option<&mut T> {
        let entry = self.entries.get_mut(connection.slot as usize)?.as_mut()?;
        (entry.connection == connection.connection).then_some(&mut entry.value)
    }

    /// Whether anything is remembered of a connection.
    pub(crate) fn knows(&self, connection: Candidate) -> bool {
        self.of(connection).is_some()
    }

    /// What is remembered of a connection, beginning with `new`. `None` for one older than that in
    /// its slot, or in a slot that cannot be.
    pub(crate) fn entry(
        &mut self,
        connection: Candidate,
        new: impl FnOnce() -> T,
    ) -> Option<&mut T> {
        if connection.slot >= MOST_SLOTS {
            return None;
        }
        let slot = connection.slot as usize;
        if slot >= self.entries.len() {
            self.entries.resize_with(slot + 1, || None);
        }
        let place = &mut self.entries[slot];
        let held = place.as_ref().map_or(0, |entry| entry.connection);
        if held > connection.connection {
            return None;
        }
        if held < connection.connection || place.is_none() {
            *place = Some(Entry {
                connection: connection.connection,
                turn: self.turn,
                value: new(),
            });
        }
        place.as_mut().map(|entry| &mut entry.value)
    }

    /// Forgets all connections that are not among `open`, and begins to remember those that are new.
    pub(crate) fn keep(&mut self, open: &[Subject], mut new: impl FnMut() -> T) {
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn;
        for subject in open {
            if self.entry(subject.connection, &mut new).is_some()
                && let Some(Some(entry)) = self.entries.get_mut(subject.connection.slot as usize)
            {
                entry.turn = turn;
            }
        }
        for entry in &mut self.entries {
            entry.take_if(|entry| entry.turn != turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(slot: u32, connection: u64) -> Candidate {
        Candidate { slot, connection }
    }

    #[test]
    fn a_connection_inherits_nothing_from_the_one_before_it_in_its_slot() {
        let mut slots = PerSlot::new();
        *slots.entry(at(3, 7), || 0).expect("it is new") = 5;
        assert_eq!(slots.of(at(3, 7)), Some(&5));
        assert_eq!(slots.of(at(3, 8)), None);
        assert_eq!(slots.of_mut(at(3, 8)), None);
        assert_eq!(slots.entry(at(3, 8), || 0), Some(&mut 0));
        assert!(!slots.knows(at(3, 7)));
    }

    #[test]
    fn news_of_a_connection_that_is_gone_changes_nothing() {
        let mut slots = PerSlot::new();
        slots.entry(at(0, 9), || 1);
        assert_eq!(slots.entry(at(0, 8), || 2), None);
        assert_eq!(slots.of(at(0, 9)), Some(&1));
    }

    #[test]
    fn a_slot_that_cannot_be_takes_no_memory() {
        let mut slots = PerSlot::new();
        assert_eq!(slots.entry(at(u32::MAX, 1), || 0), None);
        assert!(slots.entries.is_empty());
    }

    #[test]
    fn what_is_not_open_any_more_is_forgotten() {
        let mut slots = PerSlot::new();
        slots.entry(at(0, 1), || 1);
        slots.keep(&[], || 0);
        assert!(!slots.knows(at(0, 1)));
    }
}
