//! Joining the queue: by the short way, or by the long one.

use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

use super::give::Held;
use super::slot::{Berth, Loan};
use super::sync::Ordering;
use super::waiter::{QUEUED, Ticket, Waiter};
use super::words::Words;
use super::{Kind, Phase, Queue, State};
use crate::mutant::mutant;

/// Who asks, as far as the queue must know.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Lane, 0 to 3.
    pub class: u8,
    /// Milliseconds: when the request came.
    pub now: u64,
    /// Milliseconds: `now` plus the offset of its class.
    pub virtual_deadline: u64,
    /// Milliseconds: when the wait ends; `u64::MAX` for never.
    pub deadline: u64,
    /// Whether `deadline` rests on a coarse time, which may have stood still: it is moved then, see
    /// [`Queue::expire`].
    pub rough: bool,
    /// What it was told apart by before, from [`Waiter::ticket`] or [`Queue::ticket`]; 0 if it joins
    /// for the first time. One that joins again comes where its ticket puts it, is not counted
    /// against the limit, and only a closed pool refuses it.
    pub ticket: Ticket,
    /// The same hint as for [`Queue::take`].
    pub home: usize,
    /// The [label](Kind::label) that what it gets had best have. Asked for where waiters are matched.
    pub wish: u32,
    /// How often others passed it before it joined again, from [`Waiter::skips`]; else 0.
    pub skips: u8,
}

/// What became of a request that wanted to wait.
#[must_use]
#[derive(Debug)]
pub enum Enqueued<K: Kind> {
    /// A slot had become idle meanwhile.
    Granted(Loan<K>),
    /// It waits.
    Queued {
        /// A connect must begin in this slot.
        connect: Option<Berth<K>>,
        /// More connections could be opened.
        room: bool,
    },
    /// As many as may wait already.
    Full {
        /// How many that is.
        waiting: usize,
    },
    /// The pool is suspended or closed.
    Refused(Phase),
}

impl<K: Kind> Queue<K> {
    /// Joins the queue, unless a slot turns out to be idle. [`expire`](Self::expire) must be called
    /// when the request's deadline has come.
    ///
    /// # Safety
    ///
    /// Until the wait is over, `waiter` is not used with another queue, and
    /// [`cancel`](Self::cancel) is called before it is dropped.
    #[inline(always)]
    pub unsafe fn enqueue(
        &self,
        waiter: Pin<&Waiter<K>>,
        waker: Waker,
        request: &Request,
    ) -> Enqueued<K> {
        // SAFETY: of the caller; the waiter stands in no list, so nobody else knows of it.
        unsafe {
            waiter.ready(waker, request);
            match self.join_plainly(waiter, request, || request.home) {
                Ok(()) => Enqueued::Queued {
                    connect: None,
                    room: false,
                },
                Err(held) => self.join(held, waiter, request),
            }
        }
    }

    /// Joins the queue, if that is all there is to do, as it nearly always is once requests wait; the
    /// request is [queued](Enqueued::Queued) then, with no connect to begin and no room for more. If
    /// not, it has the lock and waits for nothing yet, and [`join`](Self::join) must go on.
    /// `home` is asked for with bounded skew only.
    ///
    /// # Safety
    ///
    /// As for [`enqueue`](Self::enqueue); and the waiter was readied with the same request.
    #[inline(always)]
    pub unsafe fn join_plainly(
        &self,
        waiter: Pin<&Waiter<K>>,
        request: &Request,
        home: impl FnOnce() -> usize,
    ) -> Result<(), Held<'_, K>> {
        let mut state = self.lock();
        // SAFETY: of the caller.
        match unsafe { state.link_plainly(&self.words, waiter.get_ref(), request, home) } {
            true => Ok(()),
            false => Err(Held(Some(state))),
        }
    }

    /// Joins the queue, unless a slot turns out to be idle.
    ///
    /// # Safety
    ///
    /// As for [`join_plainly`](Self::join_plainly).
    pub unsafe fn join(
        &self,
        held: Held<'_, K>,
        waiter: Pin<&Waiter<K>>,
        request: &Request,
    ) -> Enqueued<K> {
        let mut state = held.0.unwrap_or_else(|| self.lock());
        if let Some(instead) = self.check_in(&mut state, request) {
            drop(state);
            drop(waiter.withdraw());
            return instead;
        }
        // SAFETY: of the caller; the waiter stands in no list.
        unsafe { state.link(waiter.get_ref(), request) };
        let connect = if state.wants_connect(request.now) {
            state.occupy_for_connect(&self.slots, &self.words)
        } else {
            None
        };
        let room = state.occupied < state.limits.max;
        Enqueued::Queued { connect, room }
    }

    /// What becomes of a request instead of waiting, if it may not, or need not.
    fn check_in(&self, state: &mut State<K>, request: &Request) -> Option<Enqueued<K>> {
        let again = request.ticket != 0;
        if state.phase != Phase::Open && state.refuses(again) {
            return Some(Enqueued::Refused(state.phase));
        }
        if !state.marked {
            if let Some(place) = self.words.mark_or_take(request.home) {
                self.words.clear_slow();
                return Some(Enqueued::Granted(Loan(self.slots.at(place))));
            }
            state.marked = true;
        }
        if !again && state.is_full() {
            let waiting = state.lanes.waiting();
            state.settle(&self.words);
            return Some(Enqueued::Full { waiting });
        }
        None
    }
}

impl<K: Kind> State<K> {
    /// Nobody ends the wait of whoever joined a closed queue, so not even a revoked waiter may.
    #[cold]
    fn refuses(&self, again: bool) -> bool {
        match self.phase {
            Phase::Closed => !(again && mutant(70)),
            Phase::Suspended { refuse } => refuse && !again,
            Phase::Open => false,
        }
    }

    fn is_full(&self) -> bool {
        let waiting = self.lanes.waiting();
        if waiting < self.limits.max_waiting {
            return false;
        }
        // A request for which a connect is or may be under way does not wait for a return.
        let room = self.limits.max.saturating_sub(self.occupied) + self.connecting;
        waiting >= self.limits.max_waiting.saturating_add(room)
    }

    /// Has a request wait where there is nothing else to see to: it may wait, no connect could begin,
    /// and it stands behind all others of its FIFO, its deadline too. False if not so, and nothing has
    /// changed, but that SLOW may be set.
    ///
    /// # Safety
    ///
    /// The waiter is ready, stands in no list, is pinned, and is unlinked before it is dropped.
    #[inline(always)]
    unsafe fn link_plainly(
        &mut self,
        words: &Words,
        waiter: &Waiter<K>,
        request: &Request,
        home: impl FnOnce() -> usize,
    ) -> bool {
        if self.phase != Phase::Open
            || self.lanes.waiting() >= self.limits.max_waiting
            || self.occupied < self.limits.max
            || request.ticket != 0
        {
            return false;
        }
        if !self.marked {
            if let Some(place) = words.mark_or_take(request.home) {
                words.publish(place);
                words.clear_slow();
                return false;
            }
            self.marked = true;
        }
        let ticket = self.next_ticket;
        let Some(next) = ticket.checked_add(1) else {
            return false;
        };
        // SAFETY: of the caller; the ticket is the youngest.
        if !unsafe { self.lanes.push_plain(waiter, request, home, ticket) } {
            return false;
        }
        self.next_ticket = next;
        waiter.ticket.set(ticket);
        waiter.state.store(QUEUED, Ordering::Relaxed);
        true
    }

    /// # Safety
    ///
    /// As for [`link_plainly`](Self::link_plainly).
    unsafe fn link(&mut self, waiter: &Waiter<K>, request: &Request) {
        let again = request.ticket != 0;
        let ticket = if again { request.ticket } else { self.ticket() };
        waiter.ticket.set(ticket);
        let node = NonNull::from(waiter);
        // SAFETY: under the lock, and of the caller.
        unsafe {
            let timed = self.lanes.push(node, request);
            if !timed && request.deadline != u64::MAX {
                self.wheel_at(request.now).insert(node);
            }
        }
        waiter.state.store(QUEUED, Ordering::Relaxed);
    }
}
