//! Who is served next: one FIFO per priority class, the least virtual deadline first.
//!
//! A virtual deadline is the time of arrival plus the class's offset. Within a class it never
//! decreases, so four heads suffice, and waiting ages a request exactly and for free: one of a lower
//! class is overtaken only by those of a higher class that came less than the difference of the
//! offsets after it.

use std::ptr::NonNull;

use super::Kind;
use super::waiter::{LANE, List, Waiter, entry};
use crate::mutant::mutant;

/// Priority classes.
pub(super) const CLASSES: usize = 4;

pub(super) struct Lanes<K: Kind> {
    lanes: [List<K, LANE>; CLASSES],
    waiting: usize,
}

impl<K: Kind> Lanes<K> {
    pub(super) const fn new() -> Self {
        Self {
            lanes: [List::EMPTY, List::EMPTY, List::EMPTY, List::EMPTY],
            waiting: 0,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts a waiter behind all others of its class; one that joins `again`, behind those that
    /// arrived before it, so that the order within a lane is that of the arrivals.
    ///
    /// # Safety
    ///
    /// Under the lock; `node` is pinned and stands in no lane.
    pub(super) unsafe fn push(&mut self, node: NonNull<Waiter<K>>, again: bool) {
        // SAFETY: of the caller; members of a lane are alive.
        unsafe {
            let entry = entry(node);
            entry.in_lane = true;
            let class = usize::from(entry.class);
            let younger = if mutant(131) {
                self.lanes[class].head()
            } else if again {
                self.first_after(class, order(node))
            } else {
                None
            };
            match younger {
                Some(younger) => self.lanes[class].insert_before(younger, node),
                None => self.lanes[class].push_back(node),
            }
        }
        self.waiting += 1;
    }

    /// The first waiter of a class that comes after `own`.
    fn first_after(&self, class: usize, own: (u64, u64)) -> Option<NonNull<Waiter<K>>> {
        let lane = &self.lanes[class];
        let mut at = lane.head();
        while let Some(other) = at {
            // SAFETY: members of a lane are alive, and the lock is held.
            if unsafe { order(other) } > own {
                break;
            }
            at = lane.next(other);
        }
        at
    }

    /// Takes a waiter out, if it is in.
    ///
    /// # Safety
    ///
    /// Under the lock; `node` is alive.
    pub(super) unsafe fn remove(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller; `in_lane` says that it stands there.
        unsafe {
            let entry = entry(node);
            if std::mem::replace(&mut entry.in_lane, false) {
                self.lanes[usize::from(entry.class)].remove(node);
                self.waiting -= 1;
            }
        }
    }

    /// Shows each waiter to `see`, which must leave the lanes as they are.
    pub(super) fn each(&self, mut see: impl FnMut(NonNull<Waiter<K>>)) {
        for lane in &self.lanes {
            let mut at = lane.head();
            while let Some(node) = at {
                at = lane.next(node);
                see(node);
            }
        }
    }

    /// The waiter to serve next; it stays in its lane.
    pub(super) fn first(&self) -> Option<NonNull<Waiter<K>>> {
        self.lanes
            .iter()
            .filter_map(List::head)
            // SAFETY: members of a lane are alive, and the lock is held.
            .min_by_key(|&head| unsafe { order(head) })
    }
}

/// What waiters are ordered by.
///
/// # Safety
///
/// Under the lock; `node` is alive.
unsafe fn order<K: Kind>(node: NonNull<Waiter<K>>) -> (u64, u64) {
    // SAFETY: of the caller.
    let entry = unsafe { entry(node) };
    (entry.virtual_deadline, entry.arrival)
}
