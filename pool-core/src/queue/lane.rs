//! One FIFO of waiters, in memory of the queue's own.
//!
//! A list threaded through the waiters would touch the neighbours of whoever joins or leaves, each in
//! memory that another core has just written, and all of that under the lock. Here those who wait
//! stand in a ring of places, with what the queue must know of each before its turn; only whoever is
//! served is touched.
//!
//! Whoever leaves early leaves a gap. Gaps go when they come to either end, or when the ring is full
//! and at least half of it is gaps; so the ring is never more than four times as long as the longest
//! queue was, and joining and leaving take constant time, moves of the ring included.

use std::collections::VecDeque;
use std::ptr::NonNull;

use super::Kind;
use super::join::Request;
use super::matching::Wishes;
use super::waiter::{Ticket, Waiter};
use crate::mutant::mutant;

/// Places of a ring in use for the first time.
const FIRST_PLACES: usize = 16;
/// A longer ring is given up when the last waiter leaves.
const KEPT_PLACES: usize = 4096;

pub(super) struct Lane<K: Kind> {
    /// What each wishes for, where waiters are matched.
    pub(super) wishes: Option<Box<Wishes>>,
    /// Those that joined for the first time, in the order of their tickets. As long as a power of two,
    /// or empty.
    pub(super) ring: Box<[Place<K>]>,
    /// Place n is at `ring[n mod len]`. The first in use, which is never a gap, …
    pub(super) head: u32,
    /// … and the first behind the last in use, which is never a gap either.
    tail: u32,
    /// Gaps between.
    gaps: u32,
    /// No place before this one has a deadline kept here.
    timed: u32,
    /// The latest deadline kept here.
    latest: u64,
    /// Those that joined again, by their tickets.
    pub(super) again: VecDeque<Entry<K>>,
}

/// A waiter, and what must be known of it before its turn.
pub(super) struct Entry<K: Kind> {
    pub(super) waiter: NonNull<Waiter<K>>,
    /// Milliseconds; `u64::MAX` for none.
    pub(super) deadline: u64,
    pub(super) ticket: Ticket,
    /// Whether its deadline rests on a time that may have stood still.
    pub(super) rough: bool,
}

impl<K: Kind> Clone for Entry<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kind> Copy for Entry<K> {}

/// A place of the ring.
pub(super) struct Place<K: Kind> {
    /// `None` in a gap.
    waiter: Option<NonNull<Waiter<K>>>,
    deadline: u64,
    ticket: Ticket,
    rough: bool,
    /// Whether the lane sees to its deadline.
    timed: bool,
}

impl<K: Kind> Place<K> {
    const GAP: Self = Self {
        waiter: None,
        deadline: 0,
        ticket: 0,
        rough: false,
        timed: false,
    };

    #[inline(always)]
    pub(super) fn entry(&self) -> Option<Entry<K>> {
        Some(Entry {
            waiter: self.waiter?,
            deadline: self.deadline,
            ticket: self.ticket,
            rough: self.rough,
        })
    }
}

impl<K: Kind> Lane<K> {
    pub(super) fn new(matching: bool) -> Self {
        Self {
            wishes: matching.then(Box::default),
            ring: Box::default(),
            head: 0,
            tail: 0,
            gaps: 0,
            timed: 0,
            latest: 0,
            again: VecDeque::new(),
        }
    }

    /// Whether nobody waits here.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.tail && self.again.is_empty()
    }

    /// Puts a waiter behind all others; says whether the lane sees to its deadline, which it does as
    /// long as deadlines come in order.
    ///
    /// # Safety
    ///
    /// Under the queue's lock; the waiter is not one that joins again, stands in no lane, and its
    /// ticket is the youngest.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, node: NonNull<Waiter<K>>, request: &Request) -> bool {
        self.note_start(request.now);
        if self.places() == self.ring.len() {
            // SAFETY: of the caller.
            unsafe { self.make_room() };
        }
        // SAFETY: of the caller.
        let waiter = unsafe { node.as_ref() };
        let deadline = waiter.deadline();
        let timed = deadline != u64::MAX && deadline >= self.latest;
        if timed {
            self.latest = deadline;
        }
        let place = self.tail;
        let at = self.at(place);
        self.ring[at] = Place {
            waiter: Some(node),
            deadline,
            ticket: waiter.ticket(),
            rough: waiter.rough.get(),
            timed,
        };
        self.tail = place.wrapping_add(1);
        waiter.place.set(place);
        if let Some(wishes) = &mut self.wishes {
            wishes.push(at, request);
        }
        timed
    }

    /// Puts a waiter behind all others where there is nothing else to see to: there is a place, and its
    /// deadline comes after all that are kept here. False if not so, and nothing has changed.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline(always)]
    pub(super) unsafe fn push_plain(
        &mut self,
        waiter: &Waiter<K>,
        request: &Request,
        ticket: Ticket,
    ) -> bool {
        let deadline = request.deadline;
        let full = self.places() == self.ring.len();
        if full || deadline < self.latest || deadline == u64::MAX {
            return false;
        }
        self.latest = deadline;
        let place = self.tail;
        let at = self.at(place);
        self.ring[at] = Place {
            waiter: Some(NonNull::from(waiter)),
            deadline,
            ticket,
            rough: request.rough,
            timed: true,
        };
        self.tail = place.wrapping_add(1);
        waiter.place.set(place);
        true
    }

    /// Puts a waiter that joins again where its ticket puts it. Nobody here sees to its deadline.
    ///
    /// # Safety
    ///
    /// Under the queue's lock; the waiter is marked as one that joins again, and stands in no lane.
    pub(super) unsafe fn push_again(&mut self, node: NonNull<Waiter<K>>, request: &Request) {
        self.note_start(request.now);
        // SAFETY: of the caller.
        let waiter = unsafe { node.as_ref() };
        let ticket = waiter.ticket();
        let at = self.before(ticket);
        let entry = Entry {
            waiter: node,
            deadline: waiter.deadline(),
            ticket,
            rough: waiter.rough.get(),
        };
        self.again.insert(at, entry);
        if let Some(wishes) = &mut self.wishes {
            wishes.push_again(at, request);
        }
    }

    /// Takes a waiter out. Where waiters are matched, its [wish](Self::take_wish) goes first.
    ///
    /// # Safety
    ///
    /// Under the queue's lock; the waiter stands in this lane.
    #[inline]
    pub(super) unsafe fn remove(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller.
        let waiter = unsafe { node.as_ref() };
        match waiter.again.get() {
            false => self.vacate(waiter.place.get()),
            true => {
                let at = self.before(waiter.ticket());
                debug_assert!(self.again.get(at).is_some_and(|entry| entry.waiter == node));
                self.again.remove(at);
            }
        }
    }

    /// Takes the eldest out where there is nothing else to see to: none that joined again, no gaps, a
    /// deadline that the lane sees to and that has not come. Also says whether it was the last. Calls
    /// nothing.
    #[inline(always)]
    pub(super) fn pop_plain(&mut self, now: u64) -> Option<(NonNull<Waiter<K>>, bool)> {
        if self.head == self.tail || !self.again.is_empty() || self.gaps > 0 || mutant(131) {
            return None;
        }
        let place = &self.ring[self.at(self.head)];
        let next = self.head.wrapping_add(1);
        let last = next == self.tail;
        let plain = place.timed && (place.deadline > now || place.rough);
        if !plain || (last && self.ring.len() > KEPT_PLACES) {
            return None;
        }
        let first = place.waiter?;
        self.head = next;
        if last {
            self.forget_deadlines();
        }
        Some((first, last))
    }

    /// Takes the eldest out.
    #[inline(always)]
    pub(super) fn pop_first(&mut self) -> Option<Entry<K>> {
        if self.head == self.tail || !self.again.is_empty() || mutant(131) {
            return self.pop_any();
        }
        let first = self.ring[self.at(self.head)].entry();
        self.head = self.head.wrapping_add(1);
        if self.head == self.tail {
            self.emptied();
        } else if self.gaps > 0 {
            self.skip_gaps();
        }
        first
    }

    /// As [`pop_first`](Self::pop_first), wherever that one stands.
    #[cold]
    fn pop_any(&mut self) -> Option<Entry<K>> {
        let first = self.first()?;
        // SAFETY: whoever stands in a lane is alive, and the lock is held by the caller's caller.
        unsafe { self.remove(first.waiter) };
        Some(first)
    }

    /// The eldest.
    #[inline]
    pub(super) fn first(&self) -> Option<Entry<K>> {
        let first = match self.head == self.tail {
            true => None,
            false if mutant(131) => self.ring[self.at(self.tail.wrapping_sub(1))].entry(),
            false => self.ring[self.at(self.head)].entry(),
        };
        if self.again.is_empty() {
            return first;
        }
        self.again
            .front()
            .filter(|again| first.is_none_or(|first| is_before(again.ticket, first.ticket)))
            .copied()
            .or(first)
    }

    /// Whose deadline comes first, of those that the lane sees to.
    pub(super) fn first_due(&mut self) -> Option<Entry<K>> {
        if is_before(self.timed, self.head) {
            self.timed = self.head;
        }
        while is_before(self.timed, self.tail) {
            let place = &self.ring[self.at(self.timed)];
            if place.timed && place.waiter.is_some() {
                return place.entry();
            }
            self.timed = self.timed.wrapping_add(1);
        }
        self.forget_deadlines();
        None
    }

    /// No longer sees to the deadline of a waiter.
    ///
    /// # Safety
    ///
    /// Under the queue's lock; the waiter stands in this lane.
    pub(super) unsafe fn untime(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller.
        let waiter = unsafe { node.as_ref() };
        if waiter.again.get() {
            let at = self.before(waiter.ticket());
            if let Some(entry) = self.again.get_mut(at) {
                entry.rough = false;
                entry.deadline = waiter.deadline();
            }
            return;
        }
        let at = self.at(waiter.place.get());
        let place = &mut self.ring[at];
        place.timed = false;
        place.rough = false;
        place.deadline = waiter.deadline();
    }

    /// Shows each waiter to `see`.
    pub(super) fn each(&self, mut see: impl FnMut(NonNull<Waiter<K>>)) {
        let places = 0..self.places() as u32;
        let first_time = places.filter_map(|place| {
            let at = self.at(self.head.wrapping_add(place));
            self.ring[at].waiter
        });
        let again = self.again.iter().map(|entry| entry.waiter);
        first_time.chain(again).for_each(&mut see);
    }

    /// Places of the ring, in use or not.
    #[cfg(all(test, not(pool_loom)))]
    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn places(&self) -> usize {
        self.tail.wrapping_sub(self.head) as usize
    }

    #[inline]
    pub(super) fn at(&self, place: u32) -> usize {
        place as usize & (self.ring.len() - 1)
    }

    /// How many of those that joined again have an earlier ticket.
    pub(super) fn before(&self, ticket: Ticket) -> usize {
        self.again
            .partition_point(|other| is_before(other.ticket, ticket))
    }

    fn is_gap(&self, place: u32) -> bool {
        self.ring[self.at(place)].waiter.is_none()
    }

    #[inline(always)]
    fn vacate(&mut self, place: u32) {
        let at = self.at(place);
        self.ring[at].waiter = None;
        self.gaps += 1;
        self.skip_gaps();
        if is_before(self.tail, self.timed) {
            self.timed = self.tail;
        }
        if self.head == self.tail {
            self.emptied();
        }
    }

    /// Moves both ends over the gaps there.
    #[inline(never)]
    fn skip_gaps(&mut self) {
        while self.head != self.tail && self.is_gap(self.head) {
            self.head = self.head.wrapping_add(1);
            self.gaps -= 1;
        }
        while self.head != self.tail && self.is_gap(self.tail.wrapping_sub(1)) {
            self.tail = self.tail.wrapping_sub(1);
            self.gaps -= 1;
        }
    }

    /// Nobody of those that joined for the first time is left.
    #[inline]
    fn emptied(&mut self) {
        self.forget_deadlines();
        if self.ring.len() > KEPT_PLACES {
            self.ring = Box::default();
            if let Some(wishes) = &mut self.wishes {
                wishes.move_to(0, &[]);
            }
        }
    }

    /// Nobody is left whom a newcomer must not precede.
    #[inline(always)]
    fn forget_deadlines(&mut self) {
        self.latest = 0;
        self.timed = self.tail;
    }

    /// Closes the gaps of a full ring, if that is worth it, else makes it twice as long.
    ///
    /// # Safety
    ///
    /// Under the queue's lock.
    #[cold]
    unsafe fn make_room(&mut self) {
        let len = self.ring.len();
        let worth_it = self.gaps as usize * 2 >= len;
        let longer = match len {
            0 => FIRST_PLACES,
            len if worth_it => len,
            len => len * 2,
        };
        let mut ring = Vec::with_capacity(longer);
        let mut from = Vec::with_capacity(if self.wishes.is_some() { longer } else { 0 });
        for place in 0..len {
            let at = self.at(self.head.wrapping_add(place as u32));
            let place = std::mem::replace(&mut self.ring[at], Place::GAP);
            if let Some(waiter) = place.waiter {
                // SAFETY: whoever stands in a lane is alive, and the lock is held.
                unsafe { waiter.as_ref() }.place.set(ring.len() as u32);
                ring.push(place);
                if self.wishes.is_some() {
                    from.push(at);
                }
            }
        }
        if let Some(wishes) = &mut self.wishes {
            wishes.move_to(longer, &from);
        }
        self.head = 0;
        self.tail = ring.len() as u32;
        self.gaps = 0;
        self.timed = 0;
        ring.resize_with(longer, || Place::GAP);
        self.ring = ring.into();
    }
}

/// Whether one of two numbers that count on without end comes before the other.
#[inline]
pub(super) fn is_before(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).cast_signed() < 0
}
