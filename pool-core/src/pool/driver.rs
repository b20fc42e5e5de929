//! The driver: the one task of a pool that wakes by itself.
//!
//! It turns the wheel of deadlines, starts connects whose time has come, does chores that need not
//! wait and hands others to tasks, and runs maintenance. It holds a weak reference and ends with the
//! pool. It sleeps until the earliest thing it knows of; an earlier one wakes it through the mailbox.
//! If its runtime ends, it is dropped, and the next request that has to wait starts another.

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
use crate::queue::{Outlook, Phase};
use crate::runtime::keeps_time;
use crate::{BoxFuture, Event, Manager, Timer};

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
        if self.mailbox.is_alive() {
            return true;
        }
        if !keeps_time(&*self.parts.clock) {
            // The driver could not live here.
            return false;
        }
        // A ticker that ended with an earlier runtime starts again with the driver.
        let _ = self.parts.clock.coarse(self.parts.config.resolution());
        // Foreign code first: once one counts as alive, nothing may keep it from its start.
        let (timer, now) = (self.parts.clock.timer(), self.now_millis());
        !self.mailbox.enlist() || self.start(self.driver(timer, now))
    }

    /// A driver, which counts as alive until it is dropped.
    pub(super) fn driver(
        self: &Arc<Self>,
        timer: Box<dyn Timer>,
        now: u64,
    ) -> BoxFuture<'static, ()> {
        Box::pin(Driver {
            inner: Arc::downgrade(self),
            timer,
            maintenance: Maintenance::new(self, now),
            reviews: Reviews::default(),
            sweep: None,
        })
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

    /// Notes that a connect has begun, and that it has ended when what this returns is dropped.
    pub(super) fn connect_under_way(&self, connection: u64, now: u64) -> UnderWay<'_, M> {
        self.growth().began(connection, now);
        UnderWay {
            inner: self,
            connection,
            ended: None,
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
    fn grow(self: &Arc<Self>, outlook: &Outlook, now: u64) -> u64 {
        let load = Load {
            waiting: outlook.waiting,
            connecting: outlook.connecting,
            served: outlook.served,
            room: outlook.occupied < outlook.limits.max,
        };
        let (at_once, again) = {
            let mut growth = self.growth();
            self.note_overdue(&mut growth, now);
            growth.decide(now, load)
        };
        if outlook.limits.busy_connecting != at_once {
            self.pace(|limits| limits.busy_connecting = at_once);
        }
        if outlook.waiting == 0 {
            return u64::MAX;
        }
        self.open_for_waiters(now);
        again.unwrap_or(u64::MAX)
    }

    /// Whether, now that a connect has ended, others may begin: how many, and where, is the driver's
    /// business. If nobody waits any more, the pace of the crowd ends with it.
    pub(super) fn may_open_others(&self) -> bool {
        let outlook = self.queue.outlook();
        if outlook.waiting > 0 {
            return outlook.occupied < outlook.limits.max;
        }
        let at_once = self.growth().rest();
        if outlook.limits.busy_connecting != at_once {
            self.pace(|limits| limits.busy_connecting = at_once);
        }
        false
    }

    /// Has waiters count on as many connects as may end soon.
    fn note_overdue(&self, growth: &mut Growth, now: u64) {
        if let Some(overdue) = growth.overdue_changed(now) {
            self.queue.set_overdue(overdue);
        }
    }

    /// Passes on hand-offs that nobody collected.
    fn revoke(&self, sweep: &mut Option<u64>, expected: bool, now: u64) -> u64 {
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
                *sweep = (pending || expected).then_some(now + lease);
            }
            None if expected => *sweep = Some(now + lease),
            _ => {}
        }
        sweep.unwrap_or(u64::MAX)
    }
}

/// A connect that waiters count on, for as long as it is not overdue.
pub(super) struct UnderWay<'a, M: Manager> {
    inner: &'a Inner<M>,
    connection: u64,
    /// When it ended well, and how long it took.
    ended: Option<(u64, Duration)>,
}

impl<M: Manager> UnderWay<'_, M> {
    /// Notes that it has ended well at `now`, and how long it took.
    pub(super) fn succeeded(mut self, now: u64, took: Duration) {
        self.ended = Some((now, took));
    }
}

impl<M: Manager> Drop for UnderWay<'_, M> {
    fn drop(&mut self) {
        let inner = self.inner;
        let mut growth = inner.growth();
        growth.ended(self.connection);
        let now = match self.ended {
            Some((now, took)) => {
                growth.connected(took);
                inner.growth_every.store(growth.every(), Ordering::Relaxed);
                now
            }
            None => inner.now_millis(),
        };
        inner.note_overdue(&mut growth, now);
    }
}

impl<M: Manager> Driver<M> {
    /// One look at everything; says when the next is due, in milliseconds.
    fn turn(&mut self, inner: &Arc<Inner<M>>, cx: &mut Context<'_>) -> u64 {
        inner.do_chores(cx);
        let now = inner.now_millis();
        let expire = inner.expire(now);
        let outlook = inner.queue.outlook();
        let grow = inner.grow(&outlook, now);
        inner.announce_arrival();
        let revoke = inner.revoke(&mut self.sweep, outlook.uncollected, now);
        inner.post_admission();
        let review = self.reviews.run(inner, now);
        inner.succeed();
        let maintain = self.maintenance.run(inner, &outlook, now);
        // One that begins later sets an alarm.
        let pause = outlook.limits.connect_after;
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
            inner.mailbox.awake();
            let next = self.turn(&inner, cx);
            if inner.is_over() {
                return Poll::Ready(());
            }
            let Some(next) = inner.mailbox.settle(next, inner.may_check(), cx.waker()) else {
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
