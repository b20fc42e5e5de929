//! A look at what is idle, and taking one particular slot of it, without the lock.

use super::slot::{Loan, Slot};
use super::words::Place;
use super::{Kind, Queue};

impl<K: Kind> Queue<K> {
    /// Shows idle slots to `see`, with their dense index, in the order in which [`take`](Self::take)
    /// would get to them, until it says that it has seen enough. Shows none where the lock must be
    /// asked first. By the time it returns others may be idle.
    pub fn peek(&self, home: usize, mut see: impl FnMut(u32, &K::Face) -> bool) {
        let wrap = self.words.len() - 1;
        for step in 0..self.words.len() {
            let word = (home + step) & wrap;
            let mut idle = self.words.peek(word);
            while idle != 0 {
                let slot = self.idle_slot(word, idle.trailing_zeros());
                if !see(slot.index, &slot.face) {
                    return;
                }
                idle &= idle - 1;
            }
        }
    }

    /// Whether [`peek`](Self::peek) would show anything.
    #[inline]
    pub fn has_idle(&self, home: usize) -> bool {
        let wrap = self.words.len() - 1;
        (0..self.words.len()).any(|step| self.words.peek((home + step) & wrap) != 0)
    }

    /// What everybody may read of one particular slot, if it is idle and the lock need not be asked
    /// first.
    pub fn peek_at(&self, index: u32) -> Option<&K::Face> {
        let place = self.place_of(index)?;
        let idle = self.words.peek(place.word as usize) & place.mask() != 0;
        idle.then(|| &self.idle_slot(place.word as usize, place.bit).face)
    }

    /// One particular slot, if it is idle and the lock need not be asked first.
    #[inline]
    pub fn claim_idle(&self, index: u32) -> Option<Loan<K>> {
        let place = self.place_of(index)?;
        self.words
            .take_at(place)
            .then(|| Loan(self.slots.at(place)))
    }

    /// Where the slot with this index would be.
    fn place_of(&self, index: u32) -> Option<Place> {
        let words = self.words.len();
        let known = (index as usize) < self.ceiling();
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^16 words")]
        known.then(|| Place {
            word: index & (words - 1) as u32,
            bit: index >> words.trailing_zeros(),
        })
    }

    /// The slot of an idle bit that was just seen by [`Words::peek`](super::words::Words::peek).
    fn idle_slot(&self, word: usize, bit: u32) -> &Slot<K> {
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^16 words")]
        let word = word as u32;
        // SAFETY: slots live as long as the queue. Only what everybody may read is read of this one,
        // which may be anybody's by now.
        unsafe { self.slots.at(Place { word, bit }).as_ref() }
    }
}
