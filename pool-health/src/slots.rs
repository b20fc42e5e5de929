//! What is remembered of each connection, found by its slot.
//!
//! Slots are dense and few, so a vector does, and no hash is taken for any connection of any
//! review. A slot sees one connection after another; what was kept of the last one must not be
//! taken for the next one's, nor a late word about the last one be noted for the next: so each
//! entry carries the number of its connection.

use pool_core::Candidate;

/// One `T` for each connection that is or was in a slot lately.
#[derive(Debug)]
pub(crate) struct Slots<T>(Vec<(u64, T)>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> Slots<T> {
    /// What is kept of this connection, which is in its slot now; begun if there is nothing.
    pub(crate) fn of(&mut self, connection: Candidate) -> &mut T {
        let slot = connection.slot as usize;
        if slot >= self.0.len() {
            self.0.resize_with(slot + 1, Default::default);
        }
        let (number, kept) = &mut self.0[slot];
        if *number != connection.connection {
            (*number, *kept) = (connection.connection, T::default());
        }
        kept
    }

    /// What is kept of this connection, unless it is of another by now.
    pub(crate) fn known(&mut self, connection: Candidate) -> Option<&mut T> {
        let (number, kept) = self.0.get_mut(connection.slot as usize)?;
        (*number == connection.connection).then_some(kept)
    }

    /// The same, to look at.
    pub(crate) fn look(&self, connection: Candidate) -> Option<&T> {
        let (number, kept) = self.0.get(connection.slot as usize)?;
        (*number == connection.connection).then_some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn connection(slot: u32, connection: u64) -> Candidate {
        Candidate { slot, connection }
    }

    #[test]
    fn the_next_connection_in_a_slot_begins_anew_and_word_of_the_last_is_lost() {
        let mut slots = Slots::<u32>::default();
        *slots.of(connection(3, 7)) = 5;
        assert_eq!(slots.known(connection(3, 7)), Some(&mut 5));
        assert_eq!(*slots.of(connection(3, 8)), 0);
        assert_eq!(slots.known(connection(3, 7)), None);
        assert_eq!(slots.look(connection(9, 8)), None);
    }
}
