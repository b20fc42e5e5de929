//! A waiter's node and the intrusive lists it stands in.
//!
//! The node lies inside the acquiring future, which is pinned, so waiting allocates nothing but, now
//! and then, a longer [lane](super::lane). A node that stands in a list is alive: its destructor
//! takes the lock and unlinks it.

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::mem;
use std::ptr::NonNull;
use std::task::Waker;

use super::Kind;
use super::join::Request;
use super::lanes::NO_LANE;
use super::slot::Slot;
use super::sync::{AtomicU8, UnsafeCell};
use super::wheel::NOWHERE;

/// Waits for nothing (fresh, or finished).
pub(super) const NEW: u8 = 0;
/// Stands in its lane.
pub(super) const QUEUED: u8 = 1;
/// Has been handed a slot and left the queue.
pub(super) const HANDED: u8 = 2;
/// Was told that the pool has closed.
pub(super) const CLOSED: u8 = 3;
/// Was told that its deadline has passed.
pub(super) const EXPIRED: u8 = 4;
/// Was told that no connection can be opened.
pub(super) const FAILED: u8 = 5;

/// Tells requests apart, in the order in which they first joined; 0 for one that has not yet. It
/// wraps, so two are compared by their distance; never are as many pending as would make that wrong.
pub type Ticket = u32;

/// One waiting request.
///
/// Every byte here is paid for by every request, waiting or not, so fields that are never needed at
/// the same time share a place, and the small ones fill one word.
pub struct Waiter<K: Kind> {
    /// Guarded by the queue's lock while the waiter is queued, like all cells below; its own at any
    /// other time.
    links: Links<K>,
    /// Guarded by the lock while the waiter is queued. The slot is written before `HANDED` is
    /// stored and read after it was loaded.
    parcel: UnsafeCell<Parcel<K>>,
    /// When its class is served next: the time of arrival plus the offset of the class.
    pub(super) virtual_deadline: Cell<u64>,
    /// Milliseconds; `u64::MAX` for none.
    pub(super) deadline: Cell<u64>,
    /// Unique among those that wait and kept when it joins again.
    pub(super) ticket: Cell<Ticket>,
    /// Its place in the lane, unless it joined `again`.
    pub(super) place: Cell<u32>,
    /// Where in the wheel it stands.
    pub(super) spoke: Cell<u16>,
    /// The lane it stands in (one that is due may have left it already).
    pub(super) lane: Cell<u8>,
    /// Whether it stands among those of its lane that joined again.
    pub(super) again: Cell<bool>,
    /// As in [`Request::rough`](super::Request::rough).
    pub(super) rough: Cell<bool>,
    /// How often others passed it, known once it was served.
    pub(super) skips: Cell<u8>,
    /// The only field that is read without the lock. Stored last by whoever ends the wait: the node
    /// may be gone the moment after.
    pub(super) state: AtomicU8,
    _pin: PhantomPinned,
}

/// What a waiter holds for others: whom to wake, and then what that one gets.
enum Parcel<K: Kind> {
    Waker(Waker),
    Slot(Option<NonNull<Slot<K>>>),
}

impl<K: Kind> Parcel<K> {
    const EMPTY: Self = Self::Slot(None);
}

struct Links<K: Kind> {
    prev: Cell<Option<NonNull<Waiter<K>>>>,
    next: Cell<Option<NonNull<Waiter<K>>>>,
}

impl<K: Kind> Links<K> {
    const fn none() -> Self {
        Self {
            prev: Cell::new(None),
            next: Cell::new(None),
        }
    }
}

impl<K: Kind> Waiter<K> {
    /// A waiter that does not wait yet.
    #[must_use]
    #[inline(always)]
    pub fn new() -> Self {
        Self {
            links: Links::none(),
            parcel: UnsafeCell::new(Parcel::EMPTY),
            virtual_deadline: Cell::new(0),
            deadline: Cell::new(u64::MAX),
            ticket: Cell::new(0),
            place: Cell::new(0),
            spoke: Cell::new(NOWHERE),
            lane: Cell::new(NO_LANE),
            again: Cell::new(false),
            rough: Cell::new(false),
            skips: Cell::new(0),
            state: AtomicU8::new(NEW),
            _pin: PhantomPinned,
        }
    }

    /// A waiter that is ready to join a queue with this request, by [`Queue::join_plainly`].
    ///
    /// [`Queue::join_plainly`]: super::Queue::join_plainly
    #[must_use]
    #[inline(always)]
    pub fn joining(waker: Waker, request: &Request) -> Self {
        Self {
            parcel: UnsafeCell::new(Parcel::Waker(waker)),
            virtual_deadline: Cell::new(request.virtual_deadline),
            deadline: Cell::new(request.deadline),
            rough: Cell::new(request.rough),
            again: Cell::new(request.ticket != 0),
            skips: Cell::new(request.skips),
            ..Self::new()
        }
    }

    /// Its ticket; 0 if it has never joined.
    pub fn ticket(&self) -> Ticket {
        self.ticket.get()
    }

    /// How often others passed it up to when it was served.
    pub fn skips(&self) -> u8 {
        self.skips.get()
    }

    /// The virtual deadline it joined with.
    pub fn virtual_deadline(&self) -> u64 {
        self.virtual_deadline.get()
    }

    /// Whether its deadline rests on a coarse time, and it has not come yet.
    pub fn is_rough(&self) -> bool {
        self.rough.get()
    }

    /// The deadline it joined with, or that it was moved to.
    pub fn deadline(&self) -> u64 {
        self.deadline.get()
    }

    /// Readies it to join a queue: all that can be written before the lock is taken.
    ///
    /// # Safety
    ///
    /// The waiter stands in no list, and nobody else knows of it.
    pub(super) unsafe fn ready(&self, waker: Waker, request: &Request) {
        // SAFETY: of the caller. One that stands in no queue holds no waker, so none is lost.
        self.parcel
            .with_mut(|parcel| unsafe { parcel.write(Parcel::Waker(waker)) });
        self.virtual_deadline.set(request.virtual_deadline);
        self.deadline.set(request.deadline);
        self.rough.set(request.rough);
        self.again.set(request.ticket != 0);
        self.skips.set(request.skips);
    }

    /// It does not join after all. Returns its waker.
    #[cold]
    pub(super) fn withdraw(&self) -> Option<Waker> {
        // SAFETY: it never joined, so nobody else knows of it.
        unsafe { self.take_waker() }
    }

    /// Leaves a waker, and takes the one that was there.
    ///
    /// # Safety
    ///
    /// Under the lock; the waiter is queued, or is about to be.
    pub(super) unsafe fn set_waker(&self, waker: Waker) -> Option<Waker> {
        // SAFETY: of the caller.
        unsafe { self.swap(Parcel::Waker(waker)) }
    }

    /// Takes the waker.
    ///
    /// # Safety
    ///
    /// Under the lock; the waiter is queued.
    pub(super) unsafe fn take_waker(&self) -> Option<Waker> {
        // SAFETY: of the caller.
        unsafe { self.swap(Parcel::EMPTY) }
    }

    /// Whether a waker would wake the same task.
    ///
    /// # Safety
    ///
    /// Under the lock; the waiter is queued.
    pub(super) unsafe fn will_wake(&self, waker: &Waker) -> bool {
        self.parcel.with(|parcel| {
            // SAFETY: of the caller.
            matches!(unsafe { &*parcel }, Parcel::Waker(known) if known.will_wake(waker))
        })
    }

    /// Leaves a slot, and takes the waker.
    ///
    /// # Safety
    ///
    /// Under the lock; the waiter is queued.
    pub(super) unsafe fn set_slot(&self, slot: NonNull<Slot<K>>) -> Option<Waker> {
        // SAFETY: of the caller.
        unsafe { self.swap(Parcel::Slot(Some(slot))) }
    }

    /// The slot that was left.
    ///
    /// # Safety
    ///
    /// By the waiter itself, after it has seen `HANDED`.
    pub(super) unsafe fn slot(&self) -> Option<NonNull<Slot<K>>> {
        // SAFETY: of the caller: nobody else uses the node any more.
        self.parcel.with(|parcel| match unsafe { &*parcel } {
            Parcel::Slot(slot) => *slot,
            Parcel::Waker(_) => None,
        })
    }

    /// # Safety
    ///
    /// As for [`set_waker`](Self::set_waker).
    #[inline(always)]
    unsafe fn swap(&self, parcel: Parcel<K>) -> Option<Waker> {
        self.parcel.with_mut(|old| {
            // SAFETY: of the caller: the lock makes this the only access. What was there is moved
            // out, so nothing foreign is dropped.
            match mem::replace(unsafe { &mut *old }, parcel) {
                Parcel::Waker(waker) => Some(waker),
                Parcel::Slot(_) => None,
            }
        })
    }
}

impl<K: Kind> Default for Waiter<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Kind> std::fmt::Debug for Waiter<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

// SAFETY: everything but `state` is guarded by the queue's lock or by the hand-off protocol; the
// values behind are `Send` by `Kind`.
unsafe impl<K: Kind> Send for Waiter<K> {}
// SAFETY: as above.
unsafe impl<K: Kind> Sync for Waiter<K> {}

/// A doubly linked list of waiters, of those in a spoke of the wheel. Every call under the queue's
/// lock.
pub(super) struct List<K: Kind> {
    head: Option<NonNull<Waiter<K>>>,
    tail: Option<NonNull<Waiter<K>>>,
}

impl<K: Kind> List<K> {
    pub(super) const EMPTY: Self = Self {
        head: None,
        tail: None,
    };

    pub(super) fn head(&self) -> Option<NonNull<Waiter<K>>> {
        self.head
    }

    /// The one behind `node`, which stands in this list.
    pub(super) fn next(&self, node: NonNull<Waiter<K>>) -> Option<NonNull<Waiter<K>>> {
        // SAFETY: members of the list are alive, and the lock is held.
        unsafe { node.as_ref() }.links.next.get()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// # Safety
    ///
    /// `node` is pinned and stands in no list of this kind.
    pub(super) unsafe fn push_back(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller; members of the list are alive.
        unsafe {
            let links = &node.as_ref().links;
            links.prev.set(self.tail);
            links.next.set(None);
            match self.tail {
                Some(tail) => tail.as_ref().links.next.set(Some(node)),
                None => self.head = Some(node),
            }
        }
        self.tail = Some(node);
    }

    /// # Safety
    ///
    /// `node` stands in this list.
    pub(super) unsafe fn remove(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller; members of the list are alive.
        unsafe {
            let links = &node.as_ref().links;
            let (prev, next) = (links.prev.take(), links.next.take());
            match prev {
                Some(prev) => prev.as_ref().links.next.set(next),
                None => self.head = next,
            }
            match next {
                Some(next) => next.as_ref().links.prev.set(prev),
                None => self.tail = prev,
            }
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<NonNull<Waiter<K>>> {
        let head = self.head?;
        // SAFETY: the head stands in this list.
        unsafe { self.remove(head) };
        Some(head)
    }
}
