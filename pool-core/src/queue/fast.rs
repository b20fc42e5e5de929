//! The two operations of the fast path: one CAS each, no lock.

use std::ptr::NonNull;

use super::slot::Loan;
use super::sync::AtomicU64;
use super::words::put;
use super::{Kind, Queue};

/// The word that a slot is put back into.
///
/// The put is the last that its caller does to the queue, which may be gone before the call has
/// returned. A reference to the queue must not be an argument then; one to the atomic may, since all
/// of it may change, and end, at any time.
#[derive(Debug)]
pub struct Door(NonNull<AtomicU64>);

impl<K: Kind> Loan<K> {
    /// Makes the slot idle, as [`Queue::put`].
    ///
    /// # Safety
    ///
    /// The door was made for this loan. After `Ok` the queue may be gone.
    ///
    /// # Errors
    ///
    /// The loan, as by [`Queue::put`].
    #[inline(always)]
    pub unsafe fn leave(self, door: Door) -> Result<(), Self> {
        let place = self.slot().place;
        // SAFETY: the word lives as long as the slot is lent, which ends with the put that succeeds.
        if put(unsafe { door.0.as_ref() }, place) {
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
        self.words
            .take(home)
            .map(|place| Loan(self.slots.at(place)))
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
        let door = self.door(&loan);
        // SAFETY: the door is of this queue, which `self` keeps alive.
        unsafe { loan.leave(door) }
    }

    /// The way out for a loan whose holder has no reference to the queue.
    #[inline(always)]
    pub fn door(&self, loan: &Loan<K>) -> Door {
        Door(NonNull::from(self.words.word(loan.slot().place)))
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
