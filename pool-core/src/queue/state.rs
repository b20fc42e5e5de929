//! What the queue's lock guards, and the rules that tie it together.

use std::ptr::NonNull;
use std::task::Waker;

use super::lanes::{Lanes, NO_LANE};
use super::slot::{Berth, Loan, Slot, Slots, Stage};
use super::sync::Ordering;
use super::waiter::{HANDED, Ticket, Waiter};
use super::wheel::Wheel;
use super::words::{Place, Words};
use super::{Kind, Limits, Order, Phase};
use crate::mutant::mutant;

/// What a hand-off reads and writes comes first, in the lines of memory next to the lock itself: they
/// are in the cache of whoever had it last.
#[repr(C)]
pub(super) struct State<K: Kind> {
    /// How often the lock was taken.
    pub(super) entries: u64,
    pub(super) phase: Phase,
    /// SLOW is set in every word.
    pub(super) marked: bool,
    /// Some hand-off may not have been collected since the last sweep.
    pub(super) uncollected: bool,
    pub(super) next_ticket: Ticket,
    /// Slots that are not vacant. Never passes `limits.max`, but for a shrink that waits.
    pub(super) occupied: usize,
    /// Of those, in stage `Closing`.
    pub(super) closing: usize,
    /// Of `occupied`, in stage `Connecting`.
    pub(super) connecting: usize,
    pub(super) lanes: Lanes<K>,
    pub(super) limits: Limits,
    /// Hand-offs so far; the rate tells how fast the queue drains.
    pub(super) served: u64,
    /// Made for the first deadline that the lanes do not see to.
    pub(super) wheel: Option<Box<Wheel<K>>>,
    /// Of `connecting`, connects that take so long that no waiter counts on them.
    pub(super) overdue: usize,
    /// Connections whose close has begun while requests waited, but for those above the maximum, and
    /// that have no successors yet: opening these is no growth, and need not be paced.
    lost: usize,
    /// Slots in use, whatever for: the bits of a word's slots that are not vacant.
    taken: Box<[u64]>,
    /// Slots that were idle when the pool was suspended, or came back since.
    pub(super) parked: Box<[u64]>,
    /// Keeps the memory while loans outlive the last handle.
    pub(super) anchor: Option<K::Anchor>,
    /// Wait for `occupied` to reach zero.
    pub(super) closers: Vec<Waker>,
}

impl<K: Kind> State<K> {
    pub(super) fn new(words: usize, order: Order, limits: Limits) -> Self {
        Self {
            entries: 0,
            phase: Phase::Open,
            marked: false,
            uncollected: false,
            next_ticket: 1,
            occupied: 0,
            closing: 0,
            connecting: 0,
            lanes: Lanes::new(order, words),
            limits,
            served: 0,
            wheel: None,
            overdue: 0,
            lost: 0,
            taken: vec![0; words].into(),
            parked: vec![0; words].into(),
            anchor: None,
            closers: Vec::new(),
        }
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        let ticket = self.next_ticket;
        // Never 0, which stands for none.
        self.next_ticket = ticket.checked_add(1).unwrap_or(1);
        ticket
    }

    /// Connections that a waiter may still get without a new connect: leased, handed, in a check or
    /// in a reset (while anybody waits, none is idle).
    pub(super) fn circulating(&self) -> usize {
        self.occupied - self.connecting - self.closing
    }

    /// How many slots must go before the pool fits its maximum.
    pub(super) fn surplus(&self) -> usize {
        (self.occupied - self.closing).saturating_sub(self.limits.max)
    }

    /// Why returning slots and newcomers must ask the lock.
    pub(super) fn has_reason(&self) -> bool {
        self.lanes.waiting() > 0 || self.phase != Phase::Open || (self.surplus() > 0 && !mutant(40))
    }

    /// Connects that waiters may count on.
    pub(super) fn promising(&self) -> usize {
        self.connecting.saturating_sub(self.overdue)
    }

    /// Whether one more connect should begin for the waiters.
    pub(super) fn wants_connect(&self, now: u64) -> bool {
        let limits = &self.limits;
        let at_once = match self.circulating() {
            0 => limits.max_connecting,
            _ => (limits.busy_connecting + self.overdue + self.lost).min(limits.max_connecting),
        };
        self.phase == Phase::Open
            && self.occupied < limits.max
            && self.lanes.waiting() > self.promising()
            && self.connecting < at_once
            && now >= limits.connect_after
    }

    /// Whether a connect may begin that nobody waits for.
    pub(super) fn may_open(&self, now: u64) -> bool {
        self.phase == Phase::Open
            && self.occupied < self.limits.max
            && self.connecting < self.limits.max_connecting
            && now >= self.limits.connect_after
    }

    /// Takes the lowest vacant slot, if there is one below the ceiling.
    pub(super) fn occupy(&mut self, slots: &Slots<K>, words: &Words) -> Option<Berth<K>> {
        let index = (0..words.len())
            .map(|word| self.taken[word].trailing_ones() as usize * words.len() + word)
            .min()
            .filter(|index| *index < slots.ceiling())?;
        let slot = slots.ensure(index, words);
        let berth = Berth(slot);
        let place = berth.slot().place;
        self.taken[place.word as usize] |= place.mask();
        self.occupied += 1;
        Some(berth)
    }

    /// Starts a connect in a vacant slot.
    pub(super) fn occupy_for_connect(
        &mut self,
        slots: &Slots<K>,
        words: &Words,
    ) -> Option<Berth<K>> {
        let berth = self.occupy(slots, words)?;
        berth.slot().enter(Stage::Connecting);
        self.connecting += 1;
        Some(berth)
    }

    /// Leaves the stage a slot is in, for the counters.
    #[inline]
    pub(super) fn leave_stage(&mut self, slot: &Slot<K>) {
        match slot.stage() {
            Stage::Connecting => self.connecting -= 1,
            Stage::Closing => self.closing -= 1,
            Stage::Vacant | Stage::Open | Stage::Checking | Stage::Resetting => {}
        }
    }

    /// Counts a slot as closing: its connection must be closed.
    pub(super) fn start_closing(&mut self, loan: &Loan<K>) {
        self.leave_stage(loan.slot());
        loan.slot().enter(Stage::Closing);
        self.closing += 1;
    }

    /// Notes that a connection is closed that those who wait have counted on.
    pub(super) fn lose(&mut self) {
        if self.lanes.waiting() > 0 && !mutant(222) {
            self.lost = (self.lost + 1).min(self.limits.max);
        }
    }

    /// Opens a slot whose connection is ready for use, whatever its holder did with it.
    pub(super) fn open(&mut self, slot: &Slot<K>) {
        if slot.stage() == Stage::Connecting {
            self.lost = self.lost.saturating_sub(1);
        }
        self.leave_stage(slot);
        slot.enter(Stage::Open);
    }

    /// Makes a slot vacant.
    pub(super) fn vacate(&mut self, berth: &Berth<K>) {
        self.leave_stage(berth.slot());
        berth.slot().enter(Stage::Vacant);
        let place = berth.slot().place;
        self.taken[place.word as usize] &= !place.mask();
        self.occupied -= 1;
    }

    /// The waiter to serve, out of its lane and the wheel. Those whose deadline has passed are set
    /// aside for the driver, whose timer is due by then; but if that deadline is rough, the driver
    /// alone can tell.
    #[inline(always)]
    pub(super) fn next_waiter(
        &mut self,
        loan: &Loan<K>,
        now: u64,
        home: usize,
    ) -> Option<NonNull<Waiter<K>>> {
        while let Some(first) = self.lanes.pop_next(home, now, || K::label(loan.face())) {
            let node = first.waiter;
            if let Some(wheel) = &mut self.wheel {
                // SAFETY: under the lock; it stood in a lane, so it is alive.
                unsafe { wheel.remove(node) };
            }
            if first.deadline > now || first.rough {
                return Some(node);
            }
            self.set_aside(node, now);
        }
        None
    }

    /// Leaves a waiter that is late, and out of its lane and the wheel, to the driver.
    #[cold]
    fn set_aside(&mut self, node: NonNull<Waiter<K>>, now: u64) {
        // SAFETY: under the lock; whoever stood in a lane a moment ago is alive.
        unsafe {
            node.as_ref().lane.set(NO_LANE);
            self.wheel_at(now).set_aside(node);
        }
    }

    /// The wheel, made at need.
    pub(super) fn wheel_at(&mut self, now: u64) -> &mut Wheel<K> {
        self.wheel.get_or_insert_with(|| Box::new(Wheel::new(now)))
    }

    /// Hands a slot to a waiter that is out of its lane and the wheel. The node may be gone when
    /// this returns.
    #[inline(always)]
    pub(super) fn hand(&mut self, node: NonNull<Waiter<K>>, loan: &Loan<K>) -> Option<Waker> {
        self.served += 1;
        self.uncollected = true;
        // SAFETY: under the lock, and the node is still marked as queued, so it is alive.
        let waiter = unsafe { node.as_ref() };
        // Release, with the Acquire of a revocation; the waiter itself is ordered by its state.
        let order = if mutant(51) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        loan.slot().claim.store(u64::from(waiter.ticket()), order);
        // SAFETY: `swept` is guarded by the lock. A waiter may be handed the same slot twice.
        loan.slot().swept.with_mut(|swept| unsafe { *swept = 0 });
        if mutant(7) {
            waiter.state.store(HANDED, Ordering::Release);
        }
        // SAFETY: under the lock, and the waiter is queued.
        let waker = unsafe { waiter.set_slot(loan.0) };
        // Release, with the Acquire of `poll_waiter` and `cancel`: slot, claim and contents.
        let order = if mutant(8) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        waiter.state.store(HANDED, order);
        if mutant(9) { None } else { waker }
    }

    /// Hands an open slot to the waiter to serve, where there is one and nothing else to see to: not
    /// for a slot that must be parked or retired, nor for a waiter that is late, in the wheel, or one
    /// of several that could be next. `None` if so, and nothing has changed.
    #[inline(always)]
    pub(super) fn hand_plainly(
        &mut self,
        words: &Words,
        loan: &Loan<K>,
        now: u64,
        home: impl FnOnce() -> usize,
    ) -> Option<Option<Waker>> {
        if !loan.slot().is_open() || self.phase != Phase::Open || self.surplus() > 0 {
            return None;
        }
        let node = self.lanes.pop_plain(now, home)?;
        let waker = self.hand(node, loan);
        if self.lanes.waiting() == 0 {
            self.settle(words);
        }
        Some(waker)
    }

    /// Parks a slot until the pool is resumed.
    pub(super) fn park(&mut self, loan: &Loan<K>) {
        let place = loan.slot().place;
        self.parked[place.word as usize] |= place.mask();
    }

    /// Takes one particular slot if it is parked.
    pub(super) fn unpark_at(&mut self, place: Place) -> bool {
        let bits = &mut self.parked[place.word as usize];
        let parked = *bits & place.mask() != 0;
        *bits &= !place.mask();
        parked
    }

    /// A parked slot, no longer parked.
    pub(super) fn unpark(&mut self, slots: &Slots<K>) -> Option<Loan<K>> {
        let word = self.parked.iter().position(|bits| *bits != 0)?;
        let bit = self.parked[word].trailing_zeros();
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^16 words")]
        let place = Place {
            word: word as u32,
            bit,
        };
        self.parked[word] &= !place.mask();
        Some(Loan(slots.at(place)))
    }

    /// Makes sure that every slot that comes back, and every newcomer, asks the lock. What was idle
    /// is parked.
    pub(super) fn mark_all(&mut self, words: &Words) {
        for word in 0..words.len() {
            self.parked[word] |= words.sweep(word);
        }
        self.marked = true;
    }

    /// Clears SLOW once nothing needs to be asked any more.
    #[inline]
    pub(super) fn settle(&mut self, words: &Words) {
        if self.marked && !self.has_reason() && !mutant(6) {
            words.clear_slow();
            self.marked = false;
            self.lost = 0;
        }
    }
}
