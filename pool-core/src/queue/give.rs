//! Slots that come back, and slots that change hands, under the lock.

use std::ptr::NonNull;
use std::task::Waker;

use super::slot::{Berth, Loan, Stage};
use super::sync::MutexGuard;
use super::words::Words;
use super::{Kind, Phase, Queue, State, enter, try_enter};
use crate::mutant::mutant;

/// What became of a slot that was given back.
#[must_use]
#[derive(Debug)]
pub enum Given<K: Kind> {
    /// It is idle or parked, or was handed to a waiter, who must be woken.
    Kept(Option<Waker>),
    /// The pool has shrunk or closed: [empty](Loan::empty) it, close the value, then vacate the berth.
    Retired(Loan<K>, Phase),
}

/// The lock of a queue, if whoever wanted it got it at once.
pub struct Held<'a, K: Kind>(pub(super) Option<MutexGuard<'a, State<K>>>);

impl<K: Kind> Default for Held<'_, K> {
    /// Not yet.
    fn default() -> Self {
        Self(None)
    }
}

/// What a vacated slot sets free.
#[must_use]
pub struct Vacated<K: Kind> {
    /// Wait for the last slot; wake them.
    pub closers: Vec<Waker>,
    /// The queue's own strong reference, given up with the last slot. Dropping it may end the pool:
    /// the caller must hold one of its own until it has left the queue.
    pub anchor: Option<K::Anchor>,
}

impl<K: Kind> Queue<K> {
    /// Brings a slot back: to the oldest waiter, else to idle; or retires it. Also ends a connect,
    /// a check or a reset. `now` in milliseconds; waiters whose deadline has passed are passed over.
    /// With bounded skew, waiters of the same `home` come first.
    #[inline]
    pub fn give(&self, loan: Loan<K>, now: u64, home: usize) -> Given<K> {
        let queue = NonNull::from(self);
        // SAFETY: borrowed for the calls.
        unsafe {
            match Self::hand_last(queue, &loan, now, || home) {
                Ok(waker) => Given::Kept(waker),
                Err(held) => Self::give_last(queue, loan, held, now, home),
            }
        }
    }

    /// Brings a slot back to the oldest waiter, if that is all there is to do, as it nearly always is
    /// where requests wait; `Ok` is then what [`Given::Kept`] has in it. If not, or if somebody else
    /// has the lock, nothing has happened, and [`give_last`](Self::give_last) must go on with what
    /// comes back. `home` is asked for with bounded skew only.
    ///
    /// With all that is rare in a function of its own, what it works with stays in registers.
    ///
    /// # Safety
    ///
    /// As for [`give_last`](Self::give_last). After `Ok` the loan is another's.
    #[inline(always)]
    pub unsafe fn hand_last<'a>(
        queue: NonNull<Self>,
        loan: &Loan<K>,
        now: u64,
        home: impl FnOnce() -> usize,
    ) -> Result<Option<Waker>, Held<'a, K>> {
        // SAFETY: of the caller. No reference to the queue outlives the lock, but for the mutex's own:
        // see `give_last`.
        let (state, words) = unsafe {
            (
                &raw const (*queue.as_ptr()).state,
                &raw const (*queue.as_ptr()).words,
            )
        };
        // SAFETY: as above.
        let Some(mut state) = try_enter(unsafe { &*state }) else {
            return Err(Held(None));
        };
        // SAFETY: as above.
        let words = unsafe { &*words };
        match state.hand_plainly(words, loan, now, home) {
            Some(waker) => Ok(waker),
            None => Err(Held(Some(state))),
        }
    }

    /// As [`give`](Self::give), for a caller without a strong reference: nothing of the queue may be
    /// touched afterwards, unless the loan came back. Begins with what [`hand_last`](Self::hand_last)
    /// has left.
    ///
    /// Whoever the slot goes to may end the pool at once. But only a queue that is closed is ever
    /// freed, and one that is closed under the lock here is kept by its anchor, as the loan is not
    /// vacated. One that is not is closed later, under the same lock: so it is still there when this
    /// unlocks it, which is the last that is done with it.
    ///
    /// # Safety
    ///
    /// The queue is there as long as the loan is out.
    pub unsafe fn give_last(
        queue: NonNull<Self>,
        loan: Loan<K>,
        held: Held<'_, K>,
        now: u64,
        home: usize,
    ) -> Given<K> {
        // SAFETY: of the caller. No reference to the queue outlives the lock, but for the mutex's
        // own, all of whose bytes are atomics or cells.
        let (state, words) = unsafe {
            (
                &raw const (*queue.as_ptr()).state,
                &raw const (*queue.as_ptr()).words,
            )
        };
        let mut state = match held.0 {
            Some(state) => state,
            // SAFETY: as above.
            None => enter(unsafe { &*state }),
        };
        // SAFETY: as above.
        let words = unsafe { &*words };
        if loan.slot().stage() != Stage::Open {
            state.open(loan.slot());
        }
        if state.phase == Phase::Closed || state.surplus() > 0 {
            let phase = state.phase;
            state.start_closing(&loan);
            state.settle(words);
            return Given::Retired(loan, phase);
        }
        let waker = state.place(words, loan, now, home);
        state.settle(words);
        Given::Kept(waker)
    }

    /// A vacant slot for a connect that the waiters need, if one should begin now.
    ///
    /// Nothing else begins a connect for those who wait already, so it must be asked until it says
    /// `None` after everything that may make room for one: a slot vacated, a connect given, the
    /// limits changed, the pool resumed, `connect_after` come.
    pub fn claim_for_waiter(&self, now: u64) -> Option<Berth<K>> {
        let mut state = self.lock();
        if !state.wants_connect(now) || mutant(42) {
            return None;
        }
        state.occupy_for_connect(&self.slots, &self.words)
    }

    /// Says how many of the connects under way take so long that waiters need others.
    pub fn set_overdue(&self, overdue: usize) {
        self.lock().overdue = overdue;
    }

    /// A vacant slot for a connect, as long as fewer than `upto` slots are in use and not closing.
    pub fn claim_for_refill(&self, upto: usize, now: u64) -> Option<Berth<K>> {
        let mut state = self.lock();
        if !state.may_open(now) || state.occupied - state.closing >= upto {
            return None;
        }
        state.occupy_for_connect(&self.slots, &self.words)
    }

    /// A vacant slot for a connect that nobody waits for yet, if none is under way.
    pub fn claim_first(&self, now: u64) -> Option<Berth<K>> {
        let mut state = self.lock();
        if !state.may_open(now) || state.connecting > 0 {
            return None;
        }
        state.occupy_for_connect(&self.slots, &self.words)
    }

    /// A vacant slot for a connection that is there already.
    pub fn claim_for_adoption(&self) -> Option<Berth<K>> {
        let mut state = self.lock();
        if state.phase == Phase::Closed || state.occupied >= state.limits.max {
            return None;
        }
        state.occupy_for_connect(&self.slots, &self.words)
    }

    /// Whether a claimed connect is still needed, by the waiters or to have `upto` slots in use.
    pub fn still_needed(&self, upto: usize) -> bool {
        let state = self.lock();
        // This connect is among those that are counted.
        let others = state.promising().saturating_sub(usize::from(!mutant(43)));
        let wanted = state.lanes.waiting() > others || state.occupied - state.closing <= upto;
        state.phase != Phase::Closed && state.surplus() == 0 && wanted
    }

    /// Takes the value out of a slot whose connection must be closed. The slot stays occupied until
    /// it is vacated.
    pub fn begin_close(&self, loan: Loan<K>) -> (Berth<K>, K::Value) {
        let mut state = self.lock();
        state.start_closing(&loan);
        state.lose();
        state.settle(&self.words);
        drop(state);
        loan.empty()
    }

    /// Makes a slot vacant: its capacity is free for the next connect.
    pub fn vacate(&self, berth: Berth<K>) -> Vacated<K> {
        let mut state = self.lock();
        state.vacate(&berth);
        state.settle(&self.words);
        let last = state.occupied == 0 && state.phase == Phase::Closed;
        Vacated {
            closers: if last {
                std::mem::take(&mut state.closers)
            } else {
                Vec::new()
            },
            anchor: if last && !mutant(23) {
                state.anchor.take()
            } else {
                None
            },
        }
    }
}

impl<K: Kind> State<K> {
    /// Puts an open slot where it belongs: parked, with a waiter, or idle.
    #[inline(always)]
    pub(super) fn place(
        &mut self,
        words: &Words,
        loan: Loan<K>,
        now: u64,
        home: usize,
    ) -> Option<Waker> {
        if self.phase != Phase::Open {
            self.park(&loan);
            return None;
        }
        match self.next_waiter(&loan, now, home) {
            Some(node) => self.hand(node, &loan),
            None => {
                words.publish(loan.slot().place);
                None
            }
        }
    }
}

impl<K: Kind> std::fmt::Debug for Held<'_, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Held").field(&self.0.is_some()).finish()
    }
}

impl<K: Kind> std::fmt::Debug for Vacated<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vacated")
            .field("closers", &self.closers.len())
            .finish_non_exhaustive()
    }
}
