//! A request on its way into the queue.

use std::task::{Context, Poll};

use super::{Acquire, Acquired, Next, Step, Stepped};
use crate::mutant::mutant;
use crate::pool::body::Slots;
use crate::pool::home_word::home;
use crate::pool::preparation::Since;
use crate::queue::{self, Enqueued, Held, Waiter};
use crate::request::Priority;
use crate::{Error, Manager, Phase, Profile};

impl<'a, M: Manager> Acquire<'a, M> {
    /// Begins to wait, if that is all there is to do, as it nearly always is where requests wait. If
    /// not, [`wait_somehow`](Self::wait_somehow) must go on. For a plain request.
    #[inline(never)]
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) -> Result<(), Held<'a, Slots<M>>> {
        let inner = self.inner();
        if inner.rough_timeout == 0 {
            return Err(Held::default());
        }
        let since = inner.since_now();
        let priority = Priority::default();
        let request = queue::Request {
            class: priority.class(),
            now: since.started,
            virtual_deadline: since.started + priority.offset(),
            deadline: since.deadline,
            rough: true,
            ticket: 0,
            home: 0,
            wish: 0,
            skips: 0,
        };
        let waiter = Waiter::joining(cx.waker().clone(), &request);
        self.furnish(waiter);
        self.join_plainly(inner, &request)?;
        inner.waiter_joined(None, false, request.deadline, request.now);
        Ok(())
    }

    /// Begins to wait, from where [`wait`](Self::wait) has left it.
    #[inline(never)]
    pub(super) fn wait_somehow(
        &mut self,
        cx: &mut Context<'_>,
        held: Held<'_, Slots<M>>,
    ) -> Poll<Acquired<M>> {
        let stepped = if self.step == Step::New {
            self.poll_join(cx)
        } else {
            let since = self.start();
            let request = self.in_line(since, since.started);
            self.join(held, since, &request)
        };
        match stepped {
            Poll::Pending => Poll::Pending,
            stepped => self.go_on(cx, stepped),
        }
    }

    /// Joins the queue, for the first time or again.
    pub(super) fn poll_join(&mut self, cx: &mut Context<'_>) -> Stepped<M> {
        let inner = self.inner();
        let mut since = self.start();
        let mut now = since.started;
        if since.ticket != 0 {
            since = inner.exactly(since);
            now = inner.now_millis();
        }
        let request = self.in_line(since, now);
        if request.deadline <= now {
            return self.too_late(since);
        }
        let waiter = Waiter::joining(cx.waker().clone(), &request);
        self.furnish(waiter);
        self.join(Held::default(), since, &request)
    }

    /// What the queue must know of a request that joins it at `now`.
    #[inline(always)]
    fn in_line(&self, since: Since, now: u64) -> queue::Request {
        let priority = self.priority();
        queue::Request {
            class: priority.class(),
            now,
            virtual_deadline: since.started + priority.offset(),
            deadline: since.deadline,
            rough: since.rough,
            ticket: since.ticket,
            home: home(),
            wish: self.info().profile.map_or(0, wish),
            skips: since.skips,
        }
    }

    /// Has the waiter in the room join the queue.
    fn join(
        &mut self,
        held: Held<'_, Slots<M>>,
        since: Since,
        request: &queue::Request,
    ) -> Stepped<M> {
        let inner = self.inner();
        match self.join_somehow(held, request) {
            Enqueued::Queued { connect, room } => {
                inner.waiter_joined(connect, room, request.deadline, request.now);
                Poll::Pending
            }
            instead => self.not_joined(since, instead),
        }
    }

    #[cold]
    fn too_late(&mut self, since: Since) -> Stepped<M> {
        self.enter(Next::Join(since));
        let error = self.inner().timed_out(Phase::Waiting, since.started);
        Poll::Ready(Some(Err(error)))
    }

    /// What follows if a request found no place in the queue.
    #[inline(never)]
    fn not_joined(&mut self, since: Since, instead: Enqueued<Slots<M>>) -> Stepped<M> {
        // Whatever happens from here on, the time it began stays.
        self.enter(Next::Join(since));
        match instead {
            Enqueued::Granted(loan) => Poll::Ready(self.consider(loan).map(Ok)),
            Enqueued::Full { waiting } => Poll::Ready(Some(Err(Error::QueueFull { waiting }))),
            Enqueued::Refused(queue::Phase::Closed) => Poll::Ready(Some(Err(Error::Closed))),
            Enqueued::Refused(_) => Poll::Ready(Some(Err(Error::Suspended))),
            Enqueued::Queued { .. } => unreachable!("it has joined"),
        }
    }
}

/// The label that a request with this profile wishes for.
fn wish(profile: Profile) -> u32 {
    if mutant(218) { 0 } else { profile.label }
}
