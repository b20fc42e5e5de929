//! Who is served next: FIFOs, by priority class and, with bounded skew, by home.
//!
//! A virtual deadline is the time of arrival plus the class's offset. Within a class it never
//! decreases, so comparing the eldest of each class suffices, and waiting ages a request exactly and
//! for free: one of a lower class is overtaken only by those of a higher class that came less than
//! the difference of the offsets after it.
//!
//! In strict order a class is one FIFO. With bounded skew it is one FIFO for each home, that is for
//! each worker thread or so, and a slot that comes back goes to the eldest of the returner's own
//! home, unless somebody else's is older by more than [`MAX_SKEW`] tickets. The one who is woken then
//! runs where its task's memory is in the cache, which is most of what a hand-off costs; and nobody
//! is passed by more than [`MAX_SKEW`] who came later.

use std::ptr::NonNull;

use super::Kind;
use super::waiter::{LANE, List, Rank, Waiter};
use crate::mutant::mutant;

/// Priority classes.
pub(super) const CLASSES: usize = 4;
/// Most homes that have FIFOs of their own.
const MAX_HOMES: usize = 16;
/// How many that came later may pass a waiter. Measured: more than 64 gains nothing, and costs
/// evenness.
pub(super) const MAX_SKEW: i32 = 64;
/// `lane` of a waiter that stands in none.
pub(super) const NO_LANE: u8 = u8::MAX;

pub(super) struct Lanes<K: Kind> {
    /// The FIFOs of class 0, of class 1, …: as many each as there are homes.
    lanes: Box<[Lane<K>]>,
    /// FIFOs of a class, a power of two; one in strict order.
    homes: usize,
    /// What of each class is in use.
    classes: [Class; CLASSES],
    /// A bit for each class in which anybody waits.
    used: u8,
    waiting: usize,
}

struct Lane<K: Kind> {
    list: List<K, LANE>,
    /// The rank of the first in the list, if there is one. Kept where there are several homes, so
    /// that the eldest is found without touching the waiters, each in the cache of another core.
    first: Rank,
}

#[derive(Clone, Copy)]
struct Class {
    /// A bit for each FIFO that is not empty.
    used: u16,
    /// The FIFO that the eldest is first of, if any is in use.
    eldest: u8,
}

impl<K: Kind> Lane<K> {
    fn new() -> Self {
        Self {
            list: List::EMPTY,
            first: Rank::FIRST,
        }
    }

    /// Notes who is first now.
    fn refresh(&mut self) {
        if let Some(head) = self.list.head() {
            // SAFETY: members of a lane are alive, and the lock is held.
            self.first = unsafe { head.as_ref() }.rank();
        }
    }
}

impl<K: Kind> Lanes<K> {
    /// Strict order, or bounded skew over so many homes (a power of two).
    pub(super) fn new(fair: bool, homes: usize) -> Self {
        let homes = if fair { 1 } else { homes.min(MAX_HOMES) };
        Self {
            lanes: (0..CLASSES * homes).map(|_| Lane::new()).collect(),
            homes,
            classes: [Class { used: 0, eldest: 0 }; CLASSES],
            used: 0,
            waiting: 0,
        }
    }

    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts a waiter behind all others of its class and home; one that joins `again`, behind those
    /// that are before it by rank.
    ///
    /// # Safety
    ///
    /// Under the lock; `node` is pinned and stands in no lane.
    pub(super) unsafe fn push(
        &mut self,
        node: NonNull<Waiter<K>>,
        class: u8,
        home: usize,
        again: bool,
    ) {
        let (class, home) = (usize::from(class), home & (self.homes - 1));
        let at = class * self.homes + home;
        let lane = &mut self.lanes[at];
        // SAFETY: of the caller; members of a lane are alive.
        unsafe {
            let waiter = node.as_ref();
            let younger = if mutant(131) {
                lane.list.head()
            } else if again {
                first_after(&lane.list, waiter.rank())
            } else {
                None
            };
            match younger {
                Some(younger) => lane.list.insert_before(younger, node),
                None => lane.list.push_back(node),
            }
            #[expect(clippy::cast_possible_truncation, reason = "at most 64 lanes")]
            waiter.lane.set(at as u8);
        }
        self.waiting += 1;
        if lane.list.head() == Some(node) {
            self.used |= 1 << class;
            self.classes[class].used |= 1 << home;
            if self.homes > 1 {
                lane.refresh();
                self.find_eldest(class);
            }
        }
    }

    /// Takes a waiter out, if it is in.
    ///
    /// # Safety
    ///
    /// Under the lock; `node` is alive.
    pub(super) unsafe fn remove(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller.
        let at = unsafe { node.as_ref() }.lane.replace(NO_LANE);
        if at == NO_LANE {
            return;
        }
        self.waiting -= 1;
        let at = usize::from(at);
        let lane = &mut self.lanes[at];
        let was_first = lane.list.head() == Some(node);
        // SAFETY: `lane` says that it stands there.
        unsafe { lane.list.remove(node) };
        if was_first && (self.homes > 1 || lane.list.is_empty()) {
            self.first_left(at);
        }
    }

    /// The first of a FIFO has left it.
    fn first_left(&mut self, at: usize) {
        let (class, home) = (at / self.homes, at & (self.homes - 1));
        let lane = &mut self.lanes[at];
        lane.refresh();
        if lane.list.is_empty() {
            self.classes[class].used &= !(1 << home);
            if self.classes[class].used == 0 {
                self.used &= !(1 << class);
            }
        }
        if usize::from(self.classes[class].eldest) == home {
            self.find_eldest(class);
        }
    }

    /// Looks at the first of each FIFO of a class.
    fn find_eldest(&mut self, class: usize) {
        let lanes = &self.lanes[class * self.homes..][..self.homes];
        let used = self.classes[class].used;
        let eldest = (0..self.homes)
            .filter(|home| used & 1 << home != 0)
            .min_by_key(|&home| lanes[home].first);
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 homes")]
        if let Some(eldest) = eldest {
            self.classes[class].eldest = eldest as u8;
        }
    }

    /// Shows each waiter to `see`, which must leave the lanes as they are.
    pub(super) fn each(&self, mut see: impl FnMut(NonNull<Waiter<K>>)) {
        for lane in &self.lanes {
            let mut at = lane.list.head();
            while let Some(node) = at {
                at = lane.list.next(node);
                see(node);
            }
        }
    }

    /// The waiter to serve next with a slot that comes back at `home`; it stays in its lane.
    #[inline]
    pub(super) fn first(&self, home: usize) -> Option<NonNull<Waiter<K>>> {
        let class = match self.used {
            0 => return None,
            used if used.is_power_of_two() => used.trailing_zeros() as usize,
            _ => self.class_to_serve()?,
        };
        if self.homes == 1 {
            return self.lanes[class].list.head();
        }
        let lanes = &self.lanes[class * self.homes..][..self.homes];
        let eldest = usize::from(self.classes[class].eldest);
        let own = home & (self.homes - 1);
        let serves_own = own != eldest && self.classes[class].used & 1 << own != 0 && {
            let skew = lanes[own]
                .first
                .ticket
                .wrapping_sub(lanes[eldest].first.ticket);
            skew.cast_signed() <= MAX_SKEW
        };
        lanes[if serves_own { own } else { eldest }].list.head()
    }

    /// The class whose eldest has the least virtual deadline.
    fn class_to_serve(&self) -> Option<usize> {
        let in_use = |class: &usize| self.used & 1 << class != 0;
        (0..CLASSES).filter(in_use).min_by_key(|&class| {
            let eldest = usize::from(self.classes[class].eldest);
            let head = self.lanes[class * self.homes + eldest].list.head();
            // SAFETY: members of a lane are alive, and the lock is held.
            head.map(|head| unsafe { head.as_ref() }.rank())
        })
    }
}

/// The first waiter of a list that comes after `own`.
fn first_after<K: Kind>(list: &List<K, LANE>, own: Rank) -> Option<NonNull<Waiter<K>>> {
    let mut at = list.head();
    while let Some(other) = at {
        // SAFETY: members of a lane are alive, and the lock is held.
        if unsafe { other.as_ref() }.rank() > own {
            break;
        }
        at = list.next(other);
    }
    at
}

#[cfg(all(test, not(pool_loom)))]
mod tests;
