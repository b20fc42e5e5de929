//! The driver: the one task of a pool that wakes by itself.
//!
//! It turns the wheel of deadlines, starts connects whose time has come, hands chores to tasks and
//! runs maintenance. It holds a weak reference and ends with the pool. It sleeps until the earliest
//! thing it knows of; an earlier one wakes it through the mailbox. If its runtime ends, it is
//! dropped, and the next request that has to wait starts another.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use super::Inner;
use super::body::Berth;
use super::growth::{Growth, Load};
use super::health::Reviews;
use super::maintenance::Maintenance;
use super::stop::Level;
use crate::mutant::mutant;
use crate::queue::Phase;
use crate::{Event, Manager, Timer};

pub(super) struct Driver<M: Manager> {
    inner: Weak<Inner<M>>,
    timer: Box<dyn Timer>,
    maintenance: Maintenance,
    reviews: Reviews,
    /// When to look for hand-offs that nobody collected.
    sweep: Option<u64>,
}

/// Turns in a row before the driver yields to other tasks.
const TURNS: usize = 16;

impl<M: Manager> Inner<M> {
    /// Starts a driver if none is alive; false if nothing can run one.
    pub(crate) fn ensure_driver(self: &Arc<Self>) -> bool {
        if !self.mailbox.enlist() {
            return true;
        }
        if !self.keeps_time() {
            // The driver could not live here.
            self.dismiss_driver();
            return false;
        }
        // A ticker that ended with an earlier runtime starts again with the driver.
        let resolution = self.config.shortest_window() / 10;
        let _ = self
            .clock
            .coarse(resolution.clamp(super::MIN_RESOLUTION, super::MAX_RESOLUTION));
        let driver = Driver {
            inner: Arc::downgrade(self),
            timer: self.clock.timer(),
            maintenance: Maintenance::new(&self.config, self.now_millis()),
            reviews: Reviews::default(),
            sweep: None,
        };
        self.start(Box::pin(driver))
    }

    /// No driver is there any more; what was left for it is done without.
    fn dismiss_driver(&self) {
        for chore in self.mailbox.dismiss() {
            self.do_without_task(chore);
        }
    }

    /// Makes sure, while a request waits, that somebody keeps the time.
    ///
    /// False if nobody does: the runtime that the pool's work ran on has ended, and here is none.
    pub(super) fn keep_driven(self: &Arc<Self>) -> bool {
        self.mailbox.is_alive() || (self.ensure_driver() && self.mailbox.is_alive())
    }

    /// What follows when a request has joined the queue.
    #[inline(always)]
    pub(super) fn waiter_joined(
        self: &Arc<Self>,
        connect: Option<Berth<M>>,
        room: bool,
        deadline: u64,
        now: u64,
    ) {
        self.keep_driven();
        if let Some(berth) = connect {
            self.start_connect(berth, 0);
        }
        let lease = now + self.hand_off_lease;
        let growth = if room {
            now + self.growth_every()
        } else {
            u64::MAX
        };
        self.mailbox.alarm(deadline.min(lease).min(growth));
    }

    pub(super) fn note_connect_time(&self, took: Duration) {
        let mut growth = self.growth();
        growth.connected(took);
        self.growth_every.store(growth.every(), Ordering::Relaxed);
    }

    /// Notes that a connect has begun, and that it has ended when what this returns is dropped.
    pub(super) fn connect_under_way(&self, connection: u64) -> UnderWay<'_, M> {
        self.growth().began(connection, self.now_millis());
        UnderWay {
            inner: self,
            connection,
        }
    }

    fn growth(&self) -> MutexGuard<'_, Growth> {
        self.growth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the waits whose deadline has passed; says when the next one does.
    fn expire(&self, now: u64) -> u64 {
        if mutant(141) {
            return u64::MAX;
        }
        self.catch_up();
        loop {
            let (batch, turn) = self.queue.expire(now, |deadline| self.grace(deadline));
            let done = batch.done;
            batch.wake();
            if done {
                return turn.unwrap_or(u64::MAX);
            }
        }
    }

    /// Starts the connects that waiters need; says when to look again.
    fn grow(self: &Arc<Self>, now: u64) -> u64 {
        let census = self.queue.census();
        let load = Load {
            waiting: census.waiting,
            connecting: census.connecting,
            served: census.served,
            room: census.occupied < census.max,
        };
        let (at_once, again) = {
            let mut growth = self.growth();
            self.queue.set_overdue(growth.overdue(now));
            growth.decide(now, load)
        };
        let limits = self.queue.limits();
        if limits.busy_connecting != at_once {
            self.pace(|limits| limits.busy_connecting = at_once);
        }
        if census.waiting == 0 {
            return u64::MAX;
        }
        self.open_for_waiters();
        again.unwrap_or(u64::MAX)
    }

    /// Passes on hand-offs that nobody collected.
    fn revoke(&self, sweep: &mut Option<u64>, now: u64) -> u64 {
        let lease = self.hand_off_lease;
        match *sweep {
            Some(at) if now >= at => {
                let (revoked, pending) = self.queue.revoke_uncollected();
                for loan in revoked {
                    self.counters.revoked.fetch_add(1, Ordering::Relaxed);
                    let connection = loan.get().id;
                    self.observe(|| Event::HandOffRevoked { connection });
                    if !mutant(112) {
                        self.pass(loan);
                    }
                }
                *sweep = (pending || self.queue.expects_uncollected()).then_some(now + lease);
            }
            None if self.queue.expects_uncollected() => *sweep = Some(now + lease),
            _ => {}
        }
        sweep.unwrap_or(u64::MAX)
    }
}

/// A connect that waiters count on, for as long as it is not overdue.
pub(super) struct UnderWay<'a, M: Manager> {
    inner: &'a Inner<M>,
    connection: u64,
}

impl<M: Manager> Drop for UnderWay<'_, M> {
    fn drop(&mut self) {
        let now = self.inner.now_millis();
        let mut growth = self.inner.growth();
        growth.ended(self.connection);
        self.inner.queue.set_overdue(growth.overdue(now));
    }
}

impl<M: Manager> Driver<M> {
    /// One look at everything; says when the next is due, in milliseconds.
    fn turn(&mut self, inner: &Arc<Inner<M>>) -> u64 {
        while let Some(chore) = inner.mailbox.chore(inner.may_check()) {
            inner.run_chore(chore);
        }
        let now = inner.now_millis();
        let expire = inner.expire(now);
        let grow = inner.grow(now);
        inner.announce_arrival();
        let revoke = inner.revoke(&mut self.sweep, now);
        inner.post_admission();
        let review = self.reviews.run(inner, now);
        inner.succeed();
        let maintain = self.maintenance.run(inner, now);
        // Set by whatever began above, or by a connect that failed.
        let pause = inner.queue.limits().connect_after;
        let pause = if pause > now { pause } else { u64::MAX };
        [grow, revoke, review, maintain, pause]
            .into_iter()
            .fold(expire, u64::min)
    }
}

impl<M: Manager> Future for Driver<M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS {
            let Some(inner) = self.inner.upgrade() else {
                return Poll::Ready(());
            };
            inner.mailbox.awake(cx.waker());
            let next = self.turn(&inner);
            if inner.is_over() {
                return Poll::Ready(());
            }
            let Some(next) = inner.mailbox.settle(next) else {
                continue;
            };
            if next == u64::MAX {
                return Poll::Pending;
            }
            let at = inner.instant(next);
            drop(inner);
            self.timer.reset(at);
            if self.timer.poll_elapsed(cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<M: Manager> Drop for Driver<M> {
    fn drop(&mut self) {
        let Some(inner) = self.inner.upgrade() else {
            return;
        };
        inner.dismiss_driver();
        if !inner.is_over() {
            // The ticker may have ended with this runtime: nothing is trusted until somebody has
            // looked at the time.
            inner.doubt_everything();
        }
        // Requests that wait on another runtime start a driver there.
        inner.queue.nudge_waiters();
    }
}

impl<M: Manager> Inner<M> {
    /// Whether the driver has nothing left to do, ever.
    fn is_over(&self) -> bool {
        let over = self.stop.is(Level::Everything)
            || (self.stop.is(Level::Openings) && self.queue.census().occupied == 0);
        over && self.queue.phase() == Phase::Closed
    }
}
