//! Waiting: being served, leaving the queue.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

use super::slot::Loan;
use super::sync::Ordering;
use super::waiter::{CLOSED, EXPIRED, FAILED, HANDED, NEW, QUEUED, Ticket, Waiter};
use super::{Kind, Queue, State};
use crate::mutant::mutant;

/// How a wait stands.
#[must_use]
#[derive(Debug)]
pub enum Waited<K: Kind> {
    /// Not over.
    Pending,
    /// Over: here is the slot.
    Granted(Loan<K>),
    /// Over: the deadline has passed.
    Expired,
    /// Over: the pool has closed.
    Closed,
    /// Over: no connection can be opened and none is left to wait for.
    Failed,
    /// A hand-off was not collected in time and went to somebody else: join again.
    Revoked,
}

/// Wakers to call once the lock is free.
#[must_use]
#[derive(Debug, Default)]
pub struct Batch {
    wakers: [Option<Waker>; 16],
    len: usize,
    /// Nobody is left to do.
    pub done: bool,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.len == self.wakers.len()
    }

    pub(super) fn push(&mut self, waker: Option<Waker>) {
        self.wakers[self.len] = waker;
        self.len += 1;
    }

    pub(super) fn has_room(&self) -> bool {
        !self.is_full()
    }

    /// How many waits ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none did.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Calls the wakers.
    pub fn wake(self) {
        for waker in self.wakers.into_iter().flatten() {
            wake(waker);
        }
    }
}

/// Calls a waker. It is foreign code: should it panic, those that come after it are called all the
/// same, and a destructor that calls it goes on.
#[inline]
pub fn wake(waker: Waker) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        forget_panic(panic);
    }
}

#[cold]
#[inline(never)]
fn forget_panic(panic: Box<dyn Any + Send>) {
    drop(panic);
}

impl<K: Kind> Queue<K> {
    /// A ticket for a request that may join later, so that it joins where it stood now.
    pub fn ticket(&self) -> Ticket {
        self.lock().ticket()
    }

    /// How the wait stands; `waker` is the one to be called when that changes.
    pub fn poll_waiter(&self, waiter: Pin<&Waiter<K>>, waker: &Waker) -> Waited<K> {
        if let Some(over) = self.collect(&waiter) {
            return over;
        }
        {
            let _state = self.lock();
            if waiter.state.load(Ordering::Relaxed) == QUEUED {
                // SAFETY: under the lock, and queued.
                if unsafe { waiter.will_wake(waker) } || mutant(14) {
                    return Waited::Pending;
                }
            }
        }
        // Cloned and dropped outside the lock: both are foreign code.
        let mut fresh = Some(waker.clone());
        {
            let _state = self.lock();
            if waiter.state.load(Ordering::Relaxed) == QUEUED
                && let Some(waker) = fresh.take()
            {
                // SAFETY: under the lock, and queued.
                fresh = unsafe { waiter.set_waker(waker) };
            }
        }
        drop(fresh);
        self.collect(&waiter).unwrap_or(Waited::Pending)
    }

    /// Leaves the queue. A slot that was handed over meanwhile comes back and must be given on.
    #[must_use]
    pub fn cancel(&self, waiter: Pin<&Waiter<K>>) -> Option<Loan<K>> {
        if waiter.state.load(Ordering::Acquire) == QUEUED {
            let mut state = self.lock();
            // Again, under the lock: nobody else ends the wait from here on.
            if waiter.state.load(Ordering::Acquire) == QUEUED {
                // SAFETY: under the lock; the waiter is queued.
                let waker = unsafe { state.unlink(NonNull::from(waiter.get_ref())) };
                waiter.state.store(NEW, Ordering::Relaxed);
                state.settle(&self.words);
                drop(state);
                drop(waker);
                return None;
            }
        }
        match self.collect(&waiter) {
            Some(Waited::Granted(loan)) if !mutant(15) => Some(loan),
            _ => None,
        }
    }

    /// Ends the waits whose deadline has passed, some at a time: call until the batch is done.
    /// Returns when it must be called next. `grace` says of a rough deadline that has come by how much
    /// it must be moved, if it must.
    pub fn expire(&self, now: u64, grace: impl Fn(u64) -> Option<u64>) -> (Batch, Option<u64>) {
        let mut batch = Batch::default();
        let mut state = self.lock();
        if let Some(wheel) = &mut state.wheel {
            // SAFETY: under the lock; members of the wheel are alive.
            unsafe { wheel.turn(now) };
        }
        let next = state.expire_in_line(&mut batch, now, &grace);
        state.expire_due(&mut batch, now, &grace);
        batch.done = !batch.is_full();
        let turn = state.wheel.as_ref().and_then(|wheel| wheel.next_turn());
        state.settle(&self.words);
        (batch, [next, turn].into_iter().flatten().min())
    }

    /// Ends all waits because no connection can be opened, some at a time: call until the batch is
    /// done. Does nothing while connections circulate that a waiter may still get.
    pub fn fail_waiters(&self) -> Batch {
        let mut state = self.lock();
        if state.circulating() > 0 {
            return Batch {
                done: true,
                ..Batch::default()
            };
        }
        self.end_waits(&mut state, FAILED)
    }

    /// Wakes all who wait, so that each looks around again.
    pub fn nudge_waiters(&self) {
        // In one go: whoever was woken may be back with its waker before a second round.
        let mut wakers = Vec::new();
        {
            let state = self.lock();
            wakers.reserve(state.lanes.waiting());
            // SAFETY: under the lock; members of a lane are alive.
            state
                .lanes
                .each(|node| wakers.extend(unsafe { node.as_ref().take_waker() }));
            if let Some(wheel) = &state.wheel {
                // SAFETY: as above; these wait for a driver to tell them that they are late.
                wheel.each_due(|node| wakers.extend(unsafe { node.as_ref().take_waker() }));
            }
        }
        for waker in wakers {
            wake(waker);
        }
    }

    /// Ends waits because the pool has closed.
    pub(super) fn dismiss(&self) -> Batch {
        let mut state = self.lock();
        self.end_waits(&mut state, CLOSED)
    }

    fn end_waits(&self, state: &mut State<K>, outcome: u8) -> Batch {
        let mut batch = Batch::default();
        while !batch.is_full()
            && let Some(first) = state.lanes.first(0)
        {
            let node = first.waiter;
            // SAFETY: under the lock; it stands in a lane, so it is queued and alive until its
            // state is stored.
            unsafe {
                batch.push(state.unlink(node));
                node.as_ref().state.store(outcome, Ordering::Release);
            }
        }
        if !mutant(71) {
            state.expire_due(&mut batch, 0, |_| None);
        }
        batch.done = !batch.is_full();
        state.settle(&self.words);
        batch
    }

    /// The slot that was handed to a waiter, if one was and it was not revoked. Takes no lock, and
    /// leaves the waker as it is. After `None`, [`poll_waiter`](Self::poll_waiter) says the rest.
    #[inline]
    pub fn collect_slot(&self, waiter: &Waiter<K>) -> Option<Loan<K>> {
        // Acquire, with the Release of `hand`.
        if waiter.state.load(Ordering::Acquire) != HANDED {
            return None;
        }
        let loan = self.claim(waiter)?;
        waiter.state.store(NEW, Ordering::Relaxed);
        Some(loan)
    }

    /// The end of a wait, if it is over.
    fn collect(&self, waiter: &Waiter<K>) -> Option<Waited<K>> {
        // Acquire, with the Release of whoever ended the wait.
        let over = match waiter.state.load(Ordering::Acquire) {
            QUEUED | NEW => return None,
            HANDED => self.claim(waiter).map_or(Waited::Revoked, Waited::Granted),
            EXPIRED => Waited::Expired,
            CLOSED => Waited::Closed,
            _ => Waited::Failed,
        };
        waiter.state.store(NEW, Ordering::Relaxed);
        Some(over)
    }

    /// Collects a hand-off, unless it was revoked.
    #[inline(always)]
    fn claim(&self, waiter: &Waiter<K>) -> Option<Loan<K>> {
        // SAFETY: HANDED was seen, so the slot is written, and nobody else uses the node any more.
        let slot = unsafe { waiter.slot() }.expect("a slot comes with HANDED");
        let ticket = u64::from(waiter.ticket());
        // SAFETY: slots live as long as the queue.
        let claim = unsafe { &slot.as_ref().claim };
        if mutant(50) {
            if claim.load(Ordering::Acquire) != ticket {
                return None;
            }
            claim.store(0, Ordering::Relaxed);
            return Some(Loan(slot));
        }
        // Exactly one of the waiter and a revocation wins. Acquire is for the revocation's sake
        // only: the waiter is ordered by HANDED already.
        claim
            .compare_exchange(ticket, 0, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| Loan(slot))
    }
}

impl<K: Kind> State<K> {
    /// Ends the waits of those that are due, as far as there is room. They are no longer in a lane
    /// if a return met them first, so whoever ends all waits must come here as well.
    fn expire_due(&mut self, batch: &mut Batch, now: u64, grace: impl Fn(u64) -> Option<u64>) {
        while batch.has_room()
            && let Some(node) = self.wheel.as_mut().and_then(|wheel| wheel.pop_due())
        {
            // SAFETY: it stood in the wheel, so it is queued and alive until its state is stored.
            unsafe {
                if self.gets_grace(node, now, &grace) {
                    continue;
                }
                self.lanes.remove(node);
                batch.push(node.as_ref().take_waker());
                node.as_ref().state.store(EXPIRED, Ordering::Release);
            }
        }
    }

    /// As [`expire_due`](Self::expire_due), for those whose deadlines the lanes see to. Returns the
    /// next of these.
    fn expire_in_line(
        &mut self,
        batch: &mut Batch,
        now: u64,
        grace: impl Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        loop {
            let first = self.lanes.first_due()?;
            if first.deadline > now || !batch.has_room() {
                return Some(first.deadline);
            }
            let node = first.waiter;
            // SAFETY: it stands in a lane, so it is queued and alive until its state is stored.
            unsafe {
                if self.gets_grace(node, now, &grace) {
                    continue;
                }
                batch.push(self.unlink(node));
                node.as_ref().state.store(EXPIRED, Ordering::Release);
            }
        }
    }

    /// Moves the deadline of a waiter that is due, if it must be moved: once.
    ///
    /// # Safety
    ///
    /// Under the lock; the waiter is queued and stands nowhere in the wheel.
    unsafe fn gets_grace(
        &mut self,
        node: NonNull<Waiter<K>>,
        now: u64,
        grace: impl Fn(u64) -> Option<u64>,
    ) -> bool {
        // SAFETY: of the caller.
        let waiter = unsafe { node.as_ref() };
        if !waiter.rough.replace(false) {
            return false;
        }
        let Some(by) = grace(waiter.deadline()) else {
            return false;
        };
        waiter.deadline.set(waiter.deadline().saturating_add(by));
        // SAFETY: of the caller.
        unsafe {
            self.lanes.untime(node);
            self.wheel_at(now).insert(node);
        }
        true
    }

    /// Takes a waiter out of whatever it stands in.
    ///
    /// # Safety
    ///
    /// Under the lock; the waiter is queued.
    pub(super) unsafe fn unlink(&mut self, node: NonNull<Waiter<K>>) -> Option<Waker> {
        // SAFETY: of the caller.
        unsafe {
            self.lanes.remove(node);
            if let Some(wheel) = &mut self.wheel {
                wheel.remove(node);
            }
            node.as_ref().take_waker()
        }
    }
}
