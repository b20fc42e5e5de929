//! Resize, suspend, resume, close, revocation, and what snapshots are made of.

use std::task::Waker;

use super::slot::{Berth, Loan, Stage};
use super::state::State;
use super::sync::Ordering;
use super::wait::Batch;
use super::{Kind, Limits, Phase, Queue};
use crate::mutant::mutant;

/// Where a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// Idle, or parked while the pool is suspended.
    Idle,
    /// With a caller, or on its way to one that has not collected it.
    Leased,
    /// In the hands of a task of the pool.
    InTask(Stage),
}

/// The queue in numbers, taken at one moment under the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Slots in use.
    pub occupied: usize,
    /// Idle or parked.
    pub idle: usize,
    /// With callers, or on their way to one.
    pub leased: usize,
    /// Being opened.
    pub connecting: usize,
    /// Being asked.
    pub checking: usize,
    /// Being made clean.
    pub resetting: usize,
    /// Being closed.
    pub closing: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// The most slots in use.
    pub max: usize,
    /// Hand-offs so far.
    pub served: u64,
    /// Of those, to one who wished for the label, where waiters are matched.
    pub matched: u64,
    /// How often a waiter was passed by one of those.
    pub skipped: u64,
    /// The most times that the same waiter was.
    pub longest_skip: u8,
    /// How often the lock was taken so far, this time included.
    pub entries: u64,
    /// Whether newcomers ask the lock first.
    pub slow: bool,
}

/// What whoever drives the queue must know each time, taken at one moment; unlike a [`Census`], without
/// a look at the slots.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// What requests and slots that come back meet.
    pub phase: Phase,
    /// The limits in force.
    pub limits: Limits,
    /// Requests that wait.
    pub waiting: usize,
    /// Slots in use.
    pub occupied: usize,
    /// Of those, being opened.
    pub connecting: usize,
    /// Hand-offs so far.
    pub served: u64,
    /// Hand-offs may be uncollected, or will be made: somebody should sweep for them.
    pub uncollected: bool,
}

impl<K: Kind> Queue<K> {
    /// Changes the limits. Returns what must be closed for it, idle slots first; what is lent goes
    /// when it comes back, so that exactly the surplus goes.
    pub fn set_limits(&self, change: impl FnOnce(&mut Limits)) -> Vec<(Berth<K>, K::Value)> {
        let mut retired = Vec::new();
        let mut state = self.lock();
        let looked_before = if mutant(41) { self.looked() } else { 0 };
        change(&mut state.limits);
        if state.surplus() == 0 {
            state.settle(&self.words);
            return retired;
        }
        if mutant(41) && looked_before == 0 {
            // What the look before the mark missed is neither taken nor published again.
            for word in 0..self.words.len() {
                self.words.sweep(word);
            }
            state.marked = true;
            return retired;
        }
        state.mark_all(&self.words);
        while state.surplus() > 0
            && let Some(loan) = state.unpark(&self.slots)
        {
            state.start_closing(&loan);
            retired.push(loan.empty());
        }
        if state.phase == Phase::Open {
            while let Some(loan) = state.unpark(&self.slots) {
                self.words.publish(loan.slot().place);
            }
        }
        state.settle(&self.words);
        retired
    }

    /// Stops serving: what is idle or comes back is parked.
    pub fn suspend(&self, refuse: bool) {
        let mut state = self.lock();
        if state.phase != Phase::Closed {
            state.phase = Phase::Suspended { refuse };
            state.mark_all(&self.words);
        }
    }

    /// Serves again, some waiters at a time: call until the batch is done.
    pub fn resume(&self, now: u64) -> Batch {
        let mut batch = Batch::default();
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            batch.done = true;
            return batch;
        }
        state.phase = Phase::Open;
        // Once a slot finds no waiter, none of the rest will: so nothing is made idle in a round
        // that ends with the pool suspended, where the waiters of the next round would miss it.
        while batch.has_room()
            && let Some(loan) = state.unpark(&self.slots)
        {
            let waker = state.place(&self.words, loan, now, 0);
            if waker.is_some() {
                batch.push(waker);
            }
        }
        batch.done = state.parked.iter().all(|bits| *bits == 0);
        if !batch.done {
            state.phase = Phase::Suspended { refuse: false };
        }
        state.settle(&self.words);
        batch
    }

    /// Closes for ever. Returns what was idle, to be closed; ends all waits; what is lent is retired
    /// when it comes back. `anchor` is kept until then. Can be called again with an anchor.
    pub fn close(&self, anchor: Option<K::Anchor>) -> Vec<(Berth<K>, K::Value)> {
        let mut retired = Vec::new();
        // Dropped after the lock: what an anchor's end runs is foreign.
        let mut anchor = anchor;
        {
            let mut state = self.lock();
            state.phase = Phase::Closed;
            state.mark_all(&self.words);
            while let Some(loan) = state.unpark(&self.slots) {
                state.start_closing(&loan);
                retired.push(loan.empty());
            }
            if state.occupied > 0 && anchor.is_some() && !mutant(21) {
                std::mem::swap(&mut state.anchor, &mut anchor);
            }
        }
        loop {
            let batch = self.dismiss();
            let done = batch.done;
            batch.wake();
            if done {
                return retired;
            }
        }
    }

    /// Whether no slot is in use; if some are, `waker` is called when the last one of a closed queue
    /// is vacated.
    pub fn poll_empty(&self, waker: &Waker) -> bool {
        let fresh = waker.clone();
        let mut state = self.lock();
        if state.occupied == 0 {
            return true;
        }
        if !state.closers.iter().any(|known| known.will_wake(waker)) {
            state.closers.push(fresh);
        }
        false
    }

    /// Takes back hand-offs that were already pending at the sweep before. The second value says
    /// whether to sweep again: some are pending still, or were taken back and will be handed on.
    pub fn revoke_uncollected(&self) -> (Vec<Loan<K>>, bool) {
        let mut revoked = Vec::new();
        let mut state = self.lock();
        if !state.uncollected {
            return (revoked, false);
        }
        let mut pending = false;
        for slot in self.slots.all_known() {
            // SAFETY: slots live as long as the queue.
            let (claim, swept) = unsafe { (&slot.as_ref().claim, &slot.as_ref().swept) };
            let ticket = claim.load(Ordering::Relaxed);
            // SAFETY: `swept` is guarded by the lock.
            let seen = swept.with_mut(|swept| unsafe { std::mem::replace(&mut *swept, ticket) });
            if ticket == 0 {
                continue;
            }
            pending = true;
            let won = if seen != ticket {
                false
            } else if mutant(52) {
                claim.store(0, Ordering::Release);
                true
            } else {
                // Acquire, with the Release of `hand`: the contents of the slot.
                claim
                    .compare_exchange(ticket, 0, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            };
            if won {
                revoked.push(Loan(slot));
            }
        }
        state.uncollected = pending;
        (revoked, pending)
    }

    /// How the queue stands.
    pub fn outlook(&self) -> Outlook {
        let state = self.lock();
        let waiting = state.lanes.waiting();
        Outlook {
            phase: state.phase,
            limits: state.limits,
            waiting,
            occupied: state.occupied,
            connecting: state.connecting,
            served: state.served,
            uncollected: state.uncollected || waiting > 0,
        }
    }

    /// Whether anybody waits.
    pub fn has_waiters(&self) -> bool {
        self.lock().lanes.waiting() > 0
    }

    /// Counts everything at one moment.
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        let state = self.lock();
        self.survey_locked(&state, |_, place, _| match place {
            Whereabouts::Idle => census.idle += 1,
            Whereabouts::Leased => census.leased += 1,
            Whereabouts::InTask(Stage::Connecting) => census.connecting += 1,
            Whereabouts::InTask(Stage::Checking) => census.checking += 1,
            Whereabouts::InTask(Stage::Resetting) => census.resetting += 1,
            Whereabouts::InTask(_) => census.closing += 1,
        });
        census.occupied = state.occupied;
        census.waiting = state.lanes.waiting();
        census.max = state.limits.max;
        census.served = state.served;
        let tally = state.lanes.tally();
        (census.matched, census.skipped) = (tally.matched, tally.skipped);
        census.longest_skip = tally.longest;
        census.entries = state.entries;
        census.slow = self.words.any_slow();
        census
    }

    /// Shows each slot in use to `see`, which must not call the queue. Under the lock, so connects,
    /// closes and waits stand still; leases come and go.
    pub fn survey(&self, see: impl FnMut(u32, Whereabouts, &K::Face)) {
        self.survey_locked(&self.lock(), see);
    }

    fn survey_locked(&self, state: &State<K>, mut see: impl FnMut(u32, Whereabouts, &K::Face)) {
        let words = self.words.len();
        let idle: Vec<u64> = (0..words)
            .map(|word| self.words.idle_bits(word) | state.parked[word])
            .collect();
        for slot in self.slots.all_known() {
            // SAFETY: slots live as long as the queue.
            let slot = unsafe { slot.as_ref() };
            let place = match slot.stage() {
                Stage::Vacant => continue,
                Stage::Open if idle[slot.place.word as usize] & slot.place.mask() != 0 => {
                    Whereabouts::Idle
                }
                Stage::Open => Whereabouts::Leased,
                stage => Whereabouts::InTask(stage),
            };
            see(slot.index, place, &slot.face);
        }
    }

    /// The phase the queue is in.
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    fn looked(&self) -> u64 {
        (0..self.words.len())
            .map(|word| self.words.idle_bits(word))
            .fold(0, |all, bits| all | bits)
    }
}
