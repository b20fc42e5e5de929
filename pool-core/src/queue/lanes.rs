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
//!
//! Where waiters are matched there is one FIFO for a class too, and a slot may go to another than its
//! first: see [`matching`](super::matching). With bounded skew as well there would be two bounds on
//! who may pass whom, which add up to neither; so it is one or the other.

use std::num::NonZeroU32;
use std::ptr::NonNull;

use super::join::Request;
use super::lane::{Entry, Lane, is_before};
use super::matching::Tally;
use super::waiter::{Ticket, Waiter};
use super::{Kind, Order};
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

#[repr(C)]
pub(super) struct Lanes<K: Kind> {
    /// The FIFOs of class 0, of class 1, …: as many each as there are homes.
    lanes: Box<[Lane<K>]>,
    waiting: usize,
    /// FIFOs of a class, a power of two; one in strict order.
    homes: u32,
    /// A bit for each class in which anybody waits.
    used: u8,
    /// Whoever is first of the FIFO of a class is served: strict order.
    plain: bool,
    /// Of each class; with bounded skew only.
    classes: Box<[Class]>,
}

/// The FIFOs of a class, so that the eldest is found without touching them or those who wait, which
/// are in the caches of other cores.
#[derive(Clone)]
struct Class {
    /// The ticket of the eldest of each FIFO that is not empty.
    firsts: [Ticket; MAX_HOMES],
    /// A bit for each FIFO that is not empty.
    used: u16,
    /// The FIFO that the eldest is first of, if any is in use.
    eldest: u8,
}

impl Class {
    const EMPTY: Self = Self {
        firsts: [0; MAX_HOMES],
        used: 0,
        eldest: 0,
    };

    /// Notes who is first of a FIFO now.
    fn note(&mut self, home: usize, first: Option<Ticket>) {
        match first {
            Some(ticket) => {
                self.firsts[home] = ticket;
                self.used |= 1 << home;
            }
            None if mutant(92) => {}
            None => self.used &= !(1 << home),
        }
        if mutant(91) {
            return;
        }
        let used = |home: &usize| self.used & 1 << home != 0;
        let eldest = (0..MAX_HOMES).filter(used).reduce(|eldest, home| {
            let earlier = self.age(home, eldest) < 0;
            if earlier { home } else { eldest }
        });
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 homes")]
        if let Some(eldest) = eldest {
            self.eldest = eldest as u8;
        }
    }

    /// How much later the first of one FIFO joined than that of another, in tickets.
    fn age(&self, home: usize, other: usize) -> i32 {
        self.firsts[home]
            .wrapping_sub(self.firsts[other])
            .cast_signed()
    }

    /// The FIFO to serve at a home.
    fn to_serve(&self, home: usize) -> usize {
        let eldest = usize::from(self.eldest);
        let own = self.used & 1 << home != 0 && (self.age(home, eldest) <= MAX_SKEW || mutant(132));
        if own { home } else { eldest }
    }
}

impl<K: Kind> Lanes<K> {
    /// Of so many homes (a power of two), which matter with bounded skew.
    pub(super) fn new(order: Order, homes: usize) -> Self {
        let homes = match order {
            Order::Skewed => homes.min(MAX_HOMES),
            Order::Strict | Order::Matching => 1,
        };
        let matching = order == Order::Matching;
        let skewed = if homes > 1 { CLASSES } else { 0 };
        Self {
            lanes: (0..CLASSES * homes).map(|_| Lane::new(matching)).collect(),
            waiting: 0,
            homes: homes as u32,
            used: 0,
            plain: homes == 1 && !matching,
            classes: vec![Class::EMPTY; skewed].into(),
        }
    }

    /// FIFOs of a class.
    #[inline]
    fn homes(&self) -> usize {
        self.homes as usize
    }

    /// Whether waiters are matched.
    #[inline(always)]
    fn is_matching(&self) -> bool {
        !self.plain && self.homes == 1
    }

    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts a waiter behind all others of its class and home; one that joins again, behind those
    /// that are before it. Says whether its deadline is seen to here, by
    /// [`first_due`](Self::first_due).
    ///
    /// # Safety
    ///
    /// Under the lock; `node` is pinned and stands in no lane.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, node: NonNull<Waiter<K>>, request: &Request) -> bool {
        let class = usize::from(request.class);
        let home = request.home & (self.homes() - 1);
        let at = class * self.homes() + home;
        let lane = &mut self.lanes[at];
        // SAFETY: of the caller; members of a lane are alive.
        let timed = unsafe {
            #[expect(clippy::cast_possible_truncation, reason = "at most 64 lanes")]
            node.as_ref().lane.set(at as u8);
            if request.ticket != 0 {
                lane.push_again(node, request);
                false
            } else {
                lane.push(node, request)
            }
        };
        self.waiting += 1;
        self.used |= 1 << class;
        if self.homes > 1 && lane.first().is_some_and(|first| first.waiter == node) {
            self.first_changed(at);
        }
        timed
    }

    /// Puts a waiter that joins for the first time behind all others of its class, where that takes no
    /// choice, and there is nothing else to see to: see [`Lane::push_plain`]. False if not so, and
    /// nothing has changed. `home` is asked for with bounded skew only.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push); the ticket is the youngest.
    #[inline(always)]
    pub(super) unsafe fn push_plain(
        &mut self,
        waiter: &Waiter<K>,
        request: &Request,
        home: impl FnOnce() -> usize,
        ticket: Ticket,
    ) -> bool {
        let mut at = usize::from(request.class);
        if !self.plain {
            if self.is_matching() {
                return false;
            }
            at = at * self.homes() + (home() & (self.homes() - 1));
            if self.lanes[at].is_empty() {
                return false;
            }
        }
        // SAFETY: of the caller.
        if !unsafe { self.lanes[at].push_plain(waiter, request, ticket) } {
            return false;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 64 lanes")]
        waiter.lane.set(at as u8);
        self.waiting += 1;
        self.used |= 1 << request.class;
        true
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
        let (at, matching) = (usize::from(at), self.is_matching());
        let lane = &mut self.lanes[at];
        if matching {
            // SAFETY: `lane` says that it stands there.
            unsafe { lane.take_wish(node) };
        }
        // SAFETY: as above.
        unsafe { lane.remove(node) };
        if self.homes > 1 {
            self.first_changed(at);
        } else if lane.is_empty() {
            self.used &= !(1 << at);
        }
    }

    /// No longer sees to the deadline of a waiter, if it is in.
    ///
    /// # Safety
    ///
    /// Under the lock; `node` is alive.
    pub(super) unsafe fn untime(&mut self, node: NonNull<Waiter<K>>) {
        // SAFETY: of the caller.
        let at = unsafe { node.as_ref() }.lane.get();
        if at != NO_LANE {
            // SAFETY: `lane` says that it stands there.
            unsafe { self.lanes[usize::from(at)].untime(node) };
        }
    }

    /// Somebody else may be first of a FIFO now. With bounded skew.
    fn first_changed(&mut self, at: usize) {
        let (class, home) = (at / self.homes(), at & (self.homes() - 1));
        let first = self.lanes[at].first();
        let queues = &mut self.classes[class];
        queues.note(home, first.map(|first| first.ticket));
        if queues.used == 0 && !mutant(93) {
            self.used &= !(1 << class);
        }
    }

    /// Shows each waiter to `see`, which must leave the lanes as they are.
    pub(super) fn each(&self, mut see: impl FnMut(NonNull<Waiter<K>>)) {
        for lane in &self.lanes {
            lane.each(&mut see);
        }
    }

    /// The waiter to serve next with a slot that comes back at `home`.
    pub(super) fn first(&self, home: usize) -> Option<Entry<K>> {
        self.lanes[self.to_serve(home)?].first()
    }

    /// Takes the waiter to serve next out where that takes no choice, and nothing else is to be seen
    /// to: see [`Lane::pop_plain`]. It still says that it stands in its lane. `home` is asked for with
    /// bounded skew only.
    #[inline(always)]
    pub(super) fn pop_plain(
        &mut self,
        now: u64,
        home: impl FnOnce() -> usize,
    ) -> Option<NonNull<Waiter<K>>> {
        if !self.plain {
            return self.pop_skewed(now, home());
        }
        let used = NonZeroU32::new(self.used.into())?;
        if !used.is_power_of_two() {
            return None;
        }
        let class = used.trailing_zeros() as usize;
        let (first, last) = self.lanes.get_mut(class)?.pop_plain(now)?;
        self.waiting -= 1;
        if last {
            self.used = 0;
        }
        Some(first)
    }

    /// As [`pop_plain`](Self::pop_plain), with bounded skew. Matching takes a choice.
    #[inline(never)]
    fn pop_skewed(&mut self, now: u64, home: usize) -> Option<NonNull<Waiter<K>>> {
        if self.is_matching() {
            return None;
        }
        let at = self.to_serve(home)?;
        let (first, _) = self.lanes[at].pop_plain(now)?;
        self.waiting -= 1;
        self.first_changed(at);
        Some(first)
    }

    /// Takes out whom a slot goes to that comes back at `home`, with a label that is asked for only
    /// where waiters are matched; it still says that it stands in its lane.
    #[inline(always)]
    pub(super) fn pop_next(
        &mut self,
        home: usize,
        now: u64,
        label: impl FnOnce() -> u32,
    ) -> Option<Entry<K>> {
        let at = self.to_serve(home)?;
        let matching = self.is_matching();
        let rival = if matching { self.rival(at) } else { None };
        let lane = &mut self.lanes[at];
        let first = match matching {
            true => lane.pop_matching(label(), now, rival),
            false => lane.pop_first(),
        }?;
        self.waiting -= 1;
        if self.homes > 1 {
            self.first_changed(at);
        } else if lane.is_empty() {
            self.used &= !(1 << at);
        }
        Some(first)
    }

    /// The FIFO to serve next with a slot that comes back at `home`.
    #[inline(always)]
    fn to_serve(&self, home: usize) -> Option<usize> {
        let class = match self.used {
            0 => return None,
            used if used.is_power_of_two() => used.trailing_zeros() as usize,
            _ => self.class_to_serve()?,
        };
        if self.homes == 1 {
            return Some(class);
        }
        let home = self.classes[class].to_serve(home & (self.homes() - 1));
        Some(class * self.homes() + home)
    }

    /// How many could stand in the lanes before any gets longer.
    #[cfg(all(test, not(pool_loom)))]
    fn places(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }

    /// Whose deadline comes first, of those that are seen to here.
    pub(super) fn first_due(&mut self) -> Option<Entry<K>> {
        self.lanes
            .iter_mut()
            .filter(|lane| !lane.is_empty())
            .filter_map(Lane::first_due)
            .min_by_key(|entry| entry.deadline)
    }

    /// The class whose eldest has the least virtual deadline, and of two with the same the one that
    /// came first.
    #[cold]
    fn class_to_serve(&self) -> Option<usize> {
        let classes = (0..CLASSES).filter_map(|class| Some((class, self.eldest(class)?)));
        classes
            .reduce(
                |one, other| {
                    if other.1.precedes(one.1) { other } else { one }
                },
            )
            .map(|(class, _)| class)
    }

    /// When the eldest of a class is served.
    fn eldest(&self, class: usize) -> Option<Turn> {
        let home = match self.homes {
            1 => 0,
            _ => usize::from(self.classes[class].eldest),
        };
        let first = self.lanes[class * self.homes() + home].first()?;
        // SAFETY: members of a lane are alive, and the lock is held.
        Some(unsafe { Turn::of(&first) })
    }

    /// When the next of all other classes is served.
    fn rival(&self, class: usize) -> Option<Turn> {
        if self.used.is_power_of_two() || mutant(214) {
            return None;
        }
        let others = (0..CLASSES).filter(|other| *other != class);
        others
            .filter_map(|other| self.eldest(other))
            .reduce(|one, other| if other.precedes(one) { other } else { one })
    }

    /// How waiters were matched.
    #[inline]
    pub(super) fn tally(&self) -> Tally {
        match self.plain {
            true => Tally::default(),
            false => self.tally_up(),
        }
    }

    #[cold]
    fn tally_up(&self) -> Tally {
        let wishes = self.lanes.iter().filter_map(|lane| lane.wishes.as_ref());
        wishes.fold(Tally::default(), |sum, wishes| sum.and(wishes.tally))
    }
}

/// What waiters of different classes are ordered by.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    virtual_deadline: u64,
    ticket: Ticket,
}

impl Turn {
    /// # Safety
    ///
    /// Under the lock; the waiter stands in a lane.
    pub(super) unsafe fn of<K: Kind>(entry: &Entry<K>) -> Self {
        Self {
            // SAFETY: of the caller.
            virtual_deadline: unsafe { entry.waiter.as_ref() }.virtual_deadline(),
            ticket: entry.ticket,
        }
    }

    /// Of two with the same virtual deadline the one that came first is served first.
    pub(super) fn precedes(self, other: Self) -> bool {
        match self.virtual_deadline == other.virtual_deadline {
            true => is_before(self.ticket, other.ticket),
            false => self.virtual_deadline < other.virtual_deadline,
        }
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests;
