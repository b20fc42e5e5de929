//! The two operations of the fast path: one CAS each, no lock.

use super::slot::Loan;
use super::words::{Miss, put};
use super::{Kind, Queue};

impl<K: Kind> Loan<K> {
    /// Makes the slot idle, as [`Queue::put`], for a holder that has no reference to the queue.
    ///
    /// A put is the last that its caller does to the queue, which may be gone before the call has
    /// returned, so a reference to the queue must not be an argument. One to the word may, since all
    /// of an atomic may change, and end, at any time.
    ///
    /// # Safety
    ///
    /// After `Ok` the queue may be gone.
    ///
    /// # Errors
    ///
    /// The loan, as by [`Queue::put`].
    #[inline(always)]
    pub unsafe fn leave(self) -> Result<(), Self> {
        let (word, bit) = (self.slot().word, self.slot().bit);
        // SAFETY: the word lives as long as the slot is lent, which ends with the put that succeeds.
        if put(unsafe { word.as_ref() }, bit) {
            Ok(())
        } else {
            Err(self)
        }
    }
}

impl<K: Kind> Queue<K> {
    /// An idle slot, if there is one and nobody must be asked first. `home` is a hint that keeps
    /// threads apart; any number will do.
    #[inline(always)]
    pub fn take(&self, home: usize) -> Option<Loan<K>> {
        match self.words.take(home) {
            Ok(place) => Some(Loan(self.slots.at(place))),
            Err(Miss::Empty) if self.words.len() > 1 => self.take_elsewhere(home),
            // Where newcomers must ask first, they must in all words.
            Err(_) => None,
        }
    }

    /// An idle slot of any other word. A function of its own that returns a pointer: a place would come
    /// by way of memory, and the short way would write it there too.
    #[inline(never)]
    fn take_elsewhere(&self, home: usize) -> Option<Loan<K>> {
        let place = self.words.take_elsewhere(home)?;
        Some(Loan(self.slots.at(place)))
    }

    /// Makes a slot idle, unless somebody must be asked first: then the loan comes back and must be
    /// [given](Self::give) instead.
    ///
    /// After `Ok` the queue may be gone; nothing of it may be touched without a reference of one's
    /// own.
    ///
    /// # Errors
    ///
    /// The loan, when somebody waits, the pool must shrink, is suspended or closed.
    #[inline(always)]
    pub fn put(&self, loan: Loan<K>) -> Result<(), Loan<K>> {
        // SAFETY: `self` keeps the queue alive.
        unsafe { loan.leave() }
    }

    /// A particular slot, if it is idle and nobody must be asked first, or if it is parked.
    pub fn take_at(&self, index: u32) -> Option<Loan<K>> {
        let mut state = self.lock();
        let index = Some(index as usize).filter(|index| *index < self.ceiling())?;
        let slot = self.slots.known(index)?;
        // SAFETY: slots live as long as the queue.
        let place = unsafe { slot.as_ref() }.place;
        let taken = state.unpark_at(place) || self.words.take_at(place);
        taken.then_some(Loan(slot))
    }
}
