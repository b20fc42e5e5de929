//! A waiter's node and the intrusive lists it stands in.
//!
//! The node lies inside the acquiring future, which is pinned, so waiting allocates nothing. A node
//! that stands in a list is alive: its destructor takes the lock and unlinks it.

use std::cell;
use std::marker::PhantomPinned;
use std::ptr::NonNull;
use std::task::Waker;

use super::Kind;
use super::slot::Slot;
use super::sync::{AtomicU8, UnsafeCell};

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

/// Index of the links of the FIFO lane.
pub(super) const LANE: usize = 0;
/// Index of the links of the deadline wheel.
pub(super) const WHEEL: usize = 1;

/// One waiting request.
pub struct Waiter<K: Kind> {
    /// The only word that is read without the lock. Stored last by whoever ends the wait: the node
    /// may be gone the moment after.
    pub(super) state: AtomicU8,
    /// Written before `HANDED` is stored, read after it was loaded.
    pub(super) slot: UnsafeCell<Option<NonNull<Slot<K>>>>,
    /// Guarded by the queue's lock; `ticket` may be read by the waiter itself once handed.
    pub(super) entry: cell::UnsafeCell<Entry<K>>,
    _pin: PhantomPinned,
}

/// What the queue notes about a waiter.
pub(super) struct Entry<K: Kind> {
    links: [Links<K>; 2],
    pub(super) waker: Option<Waker>,
    /// Unique among hand-offs, never 0.
    pub(super) ticket: u64,
    /// Time of arrival plus the offset of the class: the least one is served first.
    pub(super) virtual_deadline: u64,
    /// Tells apart those that arrived in the same millisecond; kept when it joins again, and 0 if it
    /// did not stand in the queue before that.
    pub(super) arrival: u64,
    /// Milliseconds; `u64::MAX` for none.
    pub(super) deadline: u64,
    pub(super) class: u8,
    /// Whether it stands in its lane (one that is due may have left it already).
    pub(super) in_lane: bool,
    /// Where in the wheel it stands.
    pub(super) spoke: u16,
}

struct Links<K: Kind> {
    prev: Option<NonNull<Waiter<K>>>,
    next: Option<NonNull<Waiter<K>>>,
}

impl<K: Kind> Links<K> {
    const NONE: Self = Self {
        prev: None,
        next: None,
    };
}

impl<K: Kind> Waiter<K> {
    /// A waiter that does not wait yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(NEW),
            slot: UnsafeCell::new(None),
            entry: cell::UnsafeCell::new(Entry {
                links: [Links::NONE; 2],
                waker: None,
                ticket: 0,
                virtual_deadline: 0,
                arrival: 0,
                deadline: u64::MAX,
                class: 0,
                in_lane: false,
                spoke: super::wheel::NOWHERE,
            }),
            _pin: PhantomPinned,
        }
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

/// A doubly linked list through `links[WHICH]` of its members. Every call under the queue's lock.
pub(super) struct List<K: Kind, const WHICH: usize> {
    head: Option<NonNull<Waiter<K>>>,
    tail: Option<NonNull<Waiter<K>>>,
}

impl<K: Kind, const WHICH: usize> List<K, WHICH> {
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
        unsafe { links::<K, WHICH, _>(node, |links| links.next) }
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
            links::<K, WHICH, _>(node, |links| {
                links.prev = self.tail;
                links.next = None;
            });
            match self.tail {
                Some(tail) => links::<K, WHICH, _>(tail, |links| links.next = Some(node)),
                None => self.head = Some(node),
            }
        }
        self.tail = Some(node);
    }

    /// # Safety
    ///
    /// `node` is pinned and stands in no list of this kind; `next` stands in this list.
    pub(super) unsafe fn insert_before(
        &mut self,
        next: NonNull<Waiter<K>>,
        node: NonNull<Waiter<K>>,
    ) {
        // SAFETY: of the caller; members of the list are alive.
        unsafe {
            let prev = links::<K, WHICH, _>(next, |links| links.prev.replace(node));
            links::<K, WHICH, _>(node, |links| {
                links.prev = prev;
                links.next = Some(next);
            });
            match prev {
                Some(prev) => links::<K, WHICH, _>(prev, |links| links.next = Some(node)),
                None => self.head = Some(node),
            }
        }
    }

    /// # Safety
    ///
    /// `node` stands in this list.
    pub(super) unsafe fn remove(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller; members of the list are alive.
        unsafe {
            let (prev, next) =
                links::<K, WHICH, _>(node, |links| (links.prev.take(), links.next.take()));
            match prev {
                Some(prev) => links::<K, WHICH, _>(prev, |links| links.next = next),
                None => self.head = next,
            }
            match next {
                Some(next) => links::<K, WHICH, _>(next, |links| links.prev = prev),
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

/// # Safety
///
/// Under the lock; `node` is alive; no other reference to its entry is used meanwhile.
pub(super) unsafe fn entry<'a, K: Kind>(node: NonNull<Waiter<K>>) -> &'a mut Entry<K> {
    // SAFETY: of the caller: the lock makes this the only access.
    unsafe { &mut *node.as_ref().entry.get() }
}

/// # Safety
///
/// `node` is alive and the lock is held.
unsafe fn links<K: Kind, const WHICH: usize, R>(
    node: NonNull<Waiter<K>>,
    f: impl FnOnce(&mut Links<K>) -> R,
) -> R {
    // SAFETY: of the caller: the lock makes this the only access.
    unsafe { f(&mut (*node.as_ref().entry.get()).links[WHICH]) }
}
