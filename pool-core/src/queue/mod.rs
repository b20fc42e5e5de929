//! The queue: idle connections and waiting requests in one structure.
//!
//! A pool has to answer two questions at once: "is a connection idle" and "is somebody waiting".
//! Most pools keep the answers in two places, a container and a semaphore, say, and then have to
//! keep the places in step; the lost wake-ups and phantom permits of pools come from there. Here
//! both answers are in the same words.
//!
//! ```text
//!   take / put                       everything else, one short lock
//!  ┌──────────────┐                 ┌───────────────────────────────────────┐
//!  │ word 0  SLOW │  nothing idle,  │ lanes: a FIFO per priority            │
//!  │ word 1  SLOW ├────────────────▶│ wheel: deadlines                      │
//!  │ …            │  or SLOW is set │ vacant slots, connects, phase, limits │
//!  └──────┬───────┘                 └───────────────────────────────────────┘
//!         │ bit = slot
//!  ┌──────▼──────────────────────────────┐
//!  │ slots: a connection each, in place  │
//!  └─────────────────────────────────────┘
//! ```
//!
//! # Why no wake-up is lost
//!
//! Take a request that goes to sleep and a slot that comes back. The request sets SLOW in the
//! slot's word by `fetch_or`; the return sets the slot's bit by a CAS that expects SLOW to be clear.
//! Both are read-modify-writes of one atomic, so one comes first in its modification order. If the
//! return does, the `fetch_or` sees the bit and the request takes the slot instead of sleeping. If
//! the `fetch_or` does, the CAS fails and the return goes to the lock, still owning its slot, where
//! it finds the request. This holds for each slot by itself, so for any number of words.
//!
//! # What is always true
//!
//! 1. A slot is in exactly one place: an idle bit, vacant, parked, or in somebody's hands (a
//!    [`Loan`], a [`Berth`], or handed to a waiter that has not collected it).
//! 2. With the lock free and SLOW set, no idle bit is set: only the lock's holder changes words.
//! 3. With the lock free, SLOW is set exactly if there is a reason: waiters, a pending shrink, a
//!    pool that is suspended or closed.
//! 4. If an eligible request waits, some slot is leased, handed, connecting, in a check, in a reset
//!    or closing, or a timer is armed.
//! 5. No foreign code runs under the lock: no waker is cloned, woken or dropped, no connection
//!    dropped, no callback called.
//!
//! # The short way
//!
//! Where requests wait, nearly all there is to do under the lock is to hand a slot that is in order to
//! the first in line, and to put a request behind the last. Both are written down a second time for
//! that case alone ([`Queue::hand_last`], [`Queue::join_plainly`]): a few questions, then a few stores,
//! and no call, so that nothing need be saved for one. If a question is answered otherwise, nothing
//! has been done yet, and the long way ([`Queue::give_last`], [`Queue::join`]), which can do all of it,
//! goes on under the same lock. The short way decides nothing of its own: tests send some by the long
//! way that could go the short one, and expect the same.
//!
//! # Memory
//!
//! `put` touches nothing after the CAS that gives the slot back: from then on another thread may
//! take the slot, return it and end the pool. Everything else that a holder of a slot calls needs
//! the caller to hold a strong reference across the call. [`Queue::close`] takes an anchor, a strong
//! reference that the queue keeps as long as slots are out; whoever vacates the last one gets it.

mod admin;
mod choice;
mod fast;
mod give;
mod join;
mod lane;
mod lanes;
mod matching;
mod slot;
mod state;
pub mod sync;
#[cfg(all(test, not(pool_loom)))]
mod tests;
mod wait;
mod waiter;
mod wheel;
mod words;

use std::fmt;
#[cfg(not(pool_loom))]
use std::sync::TryLockError;

use crossbeam_utils::CachePadded;

pub use self::admin::{Census, Outlook, Whereabouts};
pub use self::give::{Given, Held, Vacated};
pub use self::join::{Enqueued, Request};
pub use self::slot::{Berth, Loan, Stage};
pub use self::wait::{Batch, Waited, wake};
pub use self::waiter::{Ticket, Waiter};

use self::slot::Slots;
use self::state::State;
use self::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use self::words::{SLOTS_PER_WORD, Words};
use crate::mutant::mutant;

/// What a queue is made of.
pub trait Kind: Sized + 'static {
    /// What a slot holds.
    type Value: Send;
    /// What of a slot everybody may read at any time.
    type Face: Default + Send + Sync;
    /// A strong reference to whatever contains the queue.
    type Anchor: Clone + Send;

    /// What state the value of a slot carries, as a number to be compared with what waiters
    /// [wish](Request::wish) for. Called under the lock, by the holder of the slot: one load.
    #[inline]
    fn label(_: &Self::Face) -> u32 {
        0
    }
}

/// In which order the waiters of a class are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// That in which they came.
    Strict,
    /// Some may be passed by those of the returner's home, see the [lanes](self).
    Skewed,
    /// Some may be passed by those who wish for what comes back, each a few times at most.
    Matching,
}

/// The numbers a queue decides by.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Limits {
    /// Most slots in use.
    pub max: usize,
    /// Most requests that wait for a return (those for which a connect is or may be under way do
    /// not count).
    pub max_waiting: usize,
    /// Most connects at a time.
    pub max_connecting: usize,
    /// Most connects at a time while connections circulate that a waiter may get instead.
    pub busy_connecting: usize,
    /// No connect for a waiter begins before this time, in milliseconds.
    pub connect_after: u64,
}

/// Whether requests are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// They are.
    Open,
    /// They wait until the pool is resumed; with `refuse`, new ones are refused.
    Suspended {
        /// Refuse new requests at once.
        refuse: bool,
    },
    /// They are refused, for ever.
    Closed,
}

/// Idle connections and waiting requests; see the [module's documentation](self).
pub struct Queue<K: Kind> {
    words: Words,
    slots: Slots<K>,
    /// Bumped to make everything opened before stale.
    epoch: AtomicU64,
    /// Bumped whenever something was decided that whoever gets a slot must look at.
    revision: AtomicU64,
    state: CachePadded<Mutex<State<K>>>,
}

// SAFETY: values move between threads only inside loans and berths, and `K::Value: Send`; faces are
// `Sync`; raw pointers to waiters and slots are used under the lock or by their owner.
unsafe impl<K: Kind> Send for Queue<K> {}
// SAFETY: as above.
unsafe impl<K: Kind> Sync for Queue<K> {}

impl<K: Kind> Queue<K> {
    /// An empty queue for up to `ceiling` slots with at least `homes` words.
    #[must_use]
    pub fn new(ceiling: usize, homes: usize, order: Order, limits: Limits) -> Self {
        debug_assert!(limits.max <= ceiling);
        let words = homes
            .min(ceiling)
            .max(ceiling.div_ceil(SLOTS_PER_WORD))
            .max(1)
            .next_power_of_two();
        Self {
            words: Words::new(words),
            slots: Slots::new(ceiling, words),
            epoch: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            state: CachePadded::new(Mutex::new(State::new(words, order, limits))),
        }
    }

    /// How many slots there can ever be.
    pub fn ceiling(&self) -> usize {
        self.slots.ceiling()
    }

    /// The present epoch.
    #[inline(always)]
    pub fn epoch(&self) -> u64 {
        // Acquire, with the Release of `bump_epoch`: whatever was changed before the bump.
        let order = if mutant(61) {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        self.epoch.load(order)
    }

    /// Makes everything opened before stale, and returns the new epoch.
    pub fn bump_epoch(&self) -> u64 {
        if mutant(82) {
            self.bump_revision();
        }
        let epoch = self.epoch.fetch_add(1, Ordering::Release) + 1;
        if !mutant(82) && !mutant(83) {
            self.bump_revision();
        }
        epoch
    }

    /// The present revision: as long as it is what it was when a slot was last looked at closely,
    /// nothing was decided about it since, neither by [`bump_epoch`](Self::bump_epoch) nor by
    /// anything else that ended with [`bump_revision`](Self::bump_revision).
    #[inline(always)]
    pub fn revision(&self) -> u64 {
        // Acquire, with the Release of `bump_revision`: what was decided before the bump.
        let order = if mutant(80) {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        };
        self.revision.load(order)
    }

    /// Makes everybody who gets a slot look at it closely once.
    pub fn bump_revision(&self) {
        // Release, with the Acquire of `revision`: what was decided. A read-modify-write, so that of
        // two bumps none is lost, and whoever sees the second sees what was decided before the first.
        let order = if mutant(81) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        if mutant(89) {
            let seen = self.revision.load(Ordering::Relaxed);
            return self.revision.store(seen + 1, order);
        }
        self.revision.fetch_add(1, order);
    }

    /// Whether what was opened in epoch `opened_in` may still be used. To be asked by whoever gets
    /// a slot, however it came: a check before a hand-off says nothing about the time after it.
    #[inline(always)]
    pub fn is_current(&self, opened_in: u64) -> bool {
        opened_in == self.epoch() || mutant(44)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        enter(&self.state)
    }
}

/// Takes the lock.
#[inline]
fn enter<K: Kind>(state: &Mutex<State<K>>) -> MutexGuard<'_, State<K>> {
    // A panic under the lock would be a bug of the queue itself, since no foreign code runs there;
    // the state is consistent at every point where one could start.
    let mut state = state
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    state.entries += 1;
    state
}

/// Takes the lock, if nobody has it.
#[cfg(not(pool_loom))]
#[inline(always)]
fn try_enter<K: Kind>(state: &Mutex<State<K>>) -> Option<MutexGuard<'_, State<K>>> {
    let mut state = match state.try_lock() {
        Ok(state) => state,
        // See `enter`.
        Err(TryLockError::Poisoned(state)) => state.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    state.entries += 1;
    Some(state)
}

/// Waits for the lock, in models: whoever does not get it has done nothing yet and goes on with
/// [`enter`], so trying would add nothing but interleavings.
#[cfg(pool_loom)]
fn try_enter<K: Kind>(state: &Mutex<State<K>>) -> Option<MutexGuard<'_, State<K>>> {
    Some(enter(state))
}

impl<K: Kind> Drop for Queue<K> {
    /// Drops what is idle or parked. Nothing can be lent: a loan keeps the queue alive.
    fn drop(&mut self) {
        let mut left = Vec::new();
        {
            let mut state = self.lock();
            state.mark_all(&self.words);
            while let Some(loan) = state.unpark(&self.slots) {
                left.push(loan.empty().1);
            }
        }
        drop(left);
    }
}

impl<K: Kind> fmt::Debug for Queue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("census", &self.census())
            .finish_non_exhaustive()
    }
}
