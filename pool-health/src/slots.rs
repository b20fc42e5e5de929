//! What is remembered of each connection, found by its slot.
//!
//! Slots are dense and few, so a vector does, and no hash is taken for any connection of any
//! review. A slot sees one connection after another; what was kept of the last one must not be
//! taken for the next one's, nor a late word about the last one be noted for the next: so each
//! entry carries the number of its connection.

use pool_core::{Candidate, Subject};

/// No pool has more slots.
const MOST_SLOTS: u32 = 1_000_000;

/// One `T` for each connection that is or was in a slot lately.
#[derive(Debug)]
pub(crate) struct Slots<T>(Vec<Option<Entry<T>>>);

#[derive(Debug)]
struct Entry<T> {
    connection: u64,
    kept: T,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Slots<T> {
    /// What is kept of this connection, which is in its slot now; begun with `new` if there is
    /// nothing.
    pub(crate) fn of_or(&mut self, connection: Candidate, new: impl FnOnce() -> T) -> &mut T {
        let slot = connection.slot as usize;
        if slot >= self.0.len() {
            self.0.resize_with(slot + 1, || None);
        }
        let connection = connection.connection;
        let same = |entry: &mut Entry<T>| entry.connection == connection;
        let place = &mut self.0[slot];
        if !place.as_mut().is_some_and(same) {
            *place = None;
        }
        let entry = place.get_or_insert_with(|| Entry {
            connection,
            kept: new(),
        });
        &mut entry.kept
    }

    /// What is kept of this connection, unless it is of another by now.
    pub(crate) fn known(&mut self, connection: Candidate) -> Option<&mut T> {
        let entry = self.0.get_mut(connection.slot as usize)?.as_mut()?;
        (entry.connection == connection.connection).then_some(&mut entry.kept)
    }

    /// The same, to look at.
    pub(crate) fn look(&self, connection: Candidate) -> Option<&T> {
        let entry = self.0.get(connection.slot as usize)?.as_ref()?;
        (entry.connection == connection.connection).then_some(&entry.kept)
    }

    /// Whether word of this connection, from whomever, may be of one that is open: it is in a slot
    /// that can be, and none came after it there.
    pub(crate) fn may_be_open(&self, connection: Candidate) -> bool {
        let place = self
            .0
            .get(connection.slot as usize)
            .and_then(Option::as_ref);
        let newest = place.map_or(0, |entry| entry.connection);
        connection.slot < MOST_SLOTS && connection.connection >= newest
    }

    /// Forgets all connections that are not among those `open`, which come in the order of their
    /// slots.
    pub(crate) fn forget_all_but(&mut self, open: &[Subject]) {
        let mut open = open.iter().map(|subject| subject.connection).peekable();
        for (slot, place) in (0u32..).zip(&mut self.0) {
            while open.next_if(|one| one.slot < slot).is_some() {}
            let next = open.peek();
            place.take_if(|entry| {
                let connection = entry.connection;
                next != Some(&Candidate::new(slot, connection))
            });
        }
    }
}

impl<T: Default> Slots<T> {
    /// What is kept of this connection, which is in its slot now; begun if there is nothing.
    pub(crate) fn of(&mut self, connection: Candidate) -> &mut T {
        self.of_or(connection, T::default)
    }
}

#[cfg(test)]
mod tests {
    use pool_core::{Place, Pulse};
    use std::time::Duration;

    use super::*;

    const fn at(slot: u32, connection: u64) -> Candidate {
        Candidate::new(slot, connection)
    }

    fn open(connections: &[Candidate]) -> Vec<Subject> {
        let subject = |&connection| Subject {
            connection,
            place: Place::Idle,
            opened: Duration::ZERO,
            used: Duration::ZERO,
            uses: 0,
            reported: 0,
            passed: None,
            quarantined: false,
            pulse: Pulse::default(),
        };
        connections.iter().map(subject).collect()
    }

    #[test]
    fn the_next_connection_in_a_slot_begins_anew_and_word_of_the_last_is_lost() {
        let mut slots = Slots::<u32>::default();
        *slots.of(at(3, 7)) = 5;
        assert_eq!(slots.known(at(3, 7)), Some(&mut 5));
        assert_eq!(*slots.of(at(3, 8)), 0);
        assert_eq!(slots.known(at(3, 7)), None);
        assert_eq!(slots.look(at(3, 7)), None);
        assert_eq!(slots.look(at(9, 8)), None);
    }

    #[test]
    fn what_is_not_open_any_more_is_forgotten_and_nothing_else() {
        let mut slots = Slots::<u32>::default();
        for slot in 0..6 {
            *slots.of(at(slot, 1)) = slot;
        }
        slots.forget_all_but(&open(&[at(1, 1), at(2, 2), at(4, 1)]));
        let kept = [0, 1, 2, 3, 4, 5].map(|slot| slots.look(at(slot, 1)).copied());
        assert_eq!(kept, [None, Some(1), None, None, Some(4), None]);
        slots.forget_all_but(&[]);
        assert_eq!(slots.look(at(1, 1)), None);
    }

    #[test]
    fn word_of_what_is_gone_or_cannot_be_is_told_from_news() {
        let mut slots = Slots::<u32>::default();
        slots.of(at(0, 9));
        assert!(!slots.may_be_open(at(0, 8)));
        assert!(slots.may_be_open(at(0, 9)) && slots.may_be_open(at(0, 10)));
        assert!(slots.may_be_open(at(5, 1)) && !slots.may_be_open(at(u32::MAX, 1)));
    }
}
