//! Acquiring: the fast way, and the future that waits.

use std::fmt;
use std::future::Future;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::body::{Loan, Slots};
use super::home_word::home;
use super::lease::PooledConnection;
use super::mailbox::Restore;
use super::tasks::Prepared;
use super::{Inner, Pool, millis};
use crate::mutant::mutant;
use crate::queue::{self, Enqueued, Waited, Waiter};
use crate::request::Request;
use crate::{BoxFuture, Cause, CloseReason, Condition, Error, Event, Manager, Phase, Timer};

/// A request for a connection; see [`Pool::acquire`].
///
/// Cancel safe: dropping it loses nothing.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a, M: Manager> {
    pool: &'a Pool<M>,
    site: &'static Location<'static>,
    // What needs dropping is dropped by hand, so that a request which found an idle connection, as
    // nearly all do, drops nothing.
    request: ManuallyDrop<Option<Box<Request<'a, M>>>>,
    step: ManuallyDrop<Step<M>>,
    /// When the request first had to wait and when it must be over, in milliseconds of the pool's
    /// clock. Unset before.
    times: Times,
    /// Initialised when the request first joins the queue, that is with `joined`.
    waiter: MaybeUninit<Waiter<Slots<M>>>,
    joined: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    started: u64,
    deadline: u64,
}

enum Step<M: Manager> {
    /// Looks for an idle connection; `again` if it has waited before and keeps its place.
    Look { again: bool },
    /// Stands in the queue.
    Wait,
    /// Has a connection that is being checked.
    Prepare(Box<Preparation<M>>),
    /// Is over.
    Done,
}

/// A connection that is being readied, and how long the request waits for that one.
struct Preparation<M: Manager> {
    work: BoxFuture<'static, Prepared<M>>,
    cut: Box<dyn Timer>,
    /// The check is over: only hooks are left, which may take all the time the request has.
    checked: Arc<AtomicBool>,
}

/// Where a step of the future led: `Ready(None)` to the next step.
type Stepped<M> = Poll<Option<Result<PooledConnection<M>, Error<<M as Manager>::Error>>>>;

/// What a look at a connection says.
enum Look<M: Manager> {
    Ready(PooledConnection<M>),
    Prepare(PooledConnection<M>),
    Gone,
}

impl<'a, M: Manager> Acquire<'a, M> {
    pub(crate) fn new(
        pool: &'a Pool<M>,
        site: &'static Location<'static>,
        request: Option<Box<Request<'a, M>>>,
    ) -> Self {
        Self {
            pool,
            site,
            request: ManuallyDrop::new(request),
            step: ManuallyDrop::new(Step::Look { again: false }),
            times: Times::default(),
            waiter: MaybeUninit::uninit(),
            joined: false,
        }
    }

    fn inner(&self) -> &'a Arc<Inner<M>> {
        self.pool.inner()
    }

    /// The waiter, pinned with the future; there once the request has joined the queue.
    fn waiter(self: Pin<&Self>) -> Pin<&Waiter<Slots<M>>> {
        assert!(self.joined, "the waiter is made when the request joins");
        // SAFETY: structural: `waiter` is never moved out of a pinned `Acquire`; it is initialised.
        unsafe { self.map_unchecked(|this| this.waiter.assume_init_ref()) }
    }

    /// Makes the waiter, once.
    fn ready_waiter(self: Pin<&mut Self>) {
        if !self.joined {
            // SAFETY: nothing is moved.
            let this = unsafe { self.get_unchecked_mut() };
            this.waiter.write(Waiter::new());
            this.joined = true;
        }
    }

    /// Everything but the waiter.
    #[inline(always)]
    fn parts(self: Pin<&mut Self>) -> (&mut Step<M>, &mut Times) {
        // SAFETY: neither is pinned structurally; the waiter is not touched.
        let this = unsafe { self.get_unchecked_mut() };
        (&mut this.step, &mut this.times)
    }

    #[inline(always)]
    fn set_step(self: Pin<&mut Self>, step: Step<M>) {
        *self.parts().0 = step;
    }

    /// Starts the request's time, once.
    fn start(mut self: Pin<&mut Self>) -> Times {
        if self.times.deadline == 0 {
            let inner = self.inner();
            let started = inner.now_millis();
            let (within, deadline) = match &*self.request {
                Some(request) => (request.within, request.deadline),
                None => (None, None),
            };
            let within = match (within, deadline) {
                (None, None) => Some(inner.config.acquire_timeout),
                (within, _) => within,
            };
            let latest = [
                within.map(|within| started.saturating_add(millis(within))),
                deadline.map(|deadline| inner.coarse.millis_at(deadline)),
            ];
            let deadline = latest
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(u64::MAX - 1)
                .max(1);
            *self.as_mut().parts().1 = Times { started, deadline };
        }
        self.times
    }

    /// Asks whether a connection may be used as it is, and takes the next step if so.
    fn consider(self: Pin<&mut Self>, loan: Loan<M>) -> Option<PooledConnection<M>> {
        let inner = self.inner();
        match inner.look(loan, inner.coarse.millis()) {
            Look::Ready(lease) => Some(lease),
            Look::Gone => {
                let again = self.times.deadline != 0;
                self.set_step(Step::Look { again });
                None
            }
            Look::Prepare(lease) => {
                self.start_preparing(lease);
                None
            }
        }
    }

    /// Has a connection readied. A check may keep a request for a quarter of the time it has left,
    /// so that a second connection gets a chance; hooks alone may take all of it.
    #[cold]
    fn start_preparing(mut self: Pin<&mut Self>, lease: PooledConnection<M>) {
        let inner = self.inner();
        let times = self.as_mut().start();
        let now = inner.now_millis();
        let left = times.deadline.saturating_sub(now);
        let doubtful = inner.is_doubtful(lease.loan().get(), now);
        let share = if doubtful { (left / 4).max(1) } else { left };
        let mut cut = inner.clock.timer();
        cut.reset(inner.instant(now.saturating_add(share)));
        let checked = Arc::new(AtomicBool::new(false));
        let work = Box::pin(Arc::clone(inner).prepare(lease, Arc::clone(&checked)));
        self.set_step(Step::Prepare(Box::new(Preparation { work, cut, checked })));
    }

    fn poll_look(mut self: Pin<&mut Self>, cx: &mut Context<'_>, again: bool) -> Stepped<M> {
        let inner = self.inner();
        if !again && let Some(loan) = inner.queue.take(home()) {
            return Poll::Ready(self.consider(loan).map(Ok));
        }
        self.as_mut().poll_join(cx, again)
    }

    /// Joins the queue.
    fn poll_join(mut self: Pin<&mut Self>, cx: &mut Context<'_>, again: bool) -> Stepped<M> {
        let inner = self.inner();
        let times = self.as_mut().start();
        let priority = self
            .request
            .as_ref()
            .map(|request| request.info.priority)
            .unwrap_or_default();
        let request = queue::Request {
            class: priority.class(),
            now: if again {
                inner.now_millis()
            } else {
                times.started
            },
            virtual_deadline: times.started.saturating_add(priority.offset()),
            deadline: times.deadline,
        };
        if request.deadline <= request.now {
            return Poll::Ready(Some(Err(inner.timed_out(Phase::Waiting, times.started))));
        }
        let waker = cx.waker().clone();
        self.as_mut().ready_waiter();
        let waiter = self.as_ref().waiter();
        // SAFETY: the waiter is used with this queue only, and `drop` cancels it.
        let joined = unsafe { inner.queue.enqueue(waiter, waker, &request, home(), again) };
        match joined {
            Enqueued::Granted(loan) => Poll::Ready(self.consider(loan).map(Ok)),
            Enqueued::Queued {
                connect,
                room,
                turn,
            } => {
                self.set_step(Step::Wait);
                inner.waiter_joined(connect, room, turn, request.now);
                Poll::Pending
            }
            Enqueued::Full { waiting } => Poll::Ready(Some(Err(Error::QueueFull { waiting }))),
            Enqueued::Refused(queue::Phase::Closed) => Poll::Ready(Some(Err(Error::Closed))),
            Enqueued::Refused(_) => Poll::Ready(Some(Err(Error::Suspended))),
        }
    }

    fn poll_wait(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Stepped<M> {
        let inner = self.inner();
        let waited = inner.queue.poll_waiter(self.as_ref().waiter(), cx.waker());
        let started = self.times.started;
        match waited {
            Waited::Pending => match inner.keep_driven() {
                true => return Poll::Pending,
                false => {
                    // Nobody keeps the time, so nothing would end this wait.
                    self.as_ref().leave_queue();
                    let error = inner.not_driven(started);
                    return Poll::Ready(Some(Err(error)));
                }
            },
            Waited::Granted(loan) => {
                self.as_mut().set_step(Step::Look { again: true });
                return Poll::Ready(self.consider(loan).map(Ok));
            }
            Waited::Revoked => self.set_step(Step::Look { again: true }),
            Waited::Expired => {
                return Poll::Ready(Some(Err(inner.timed_out(Phase::Waiting, started))));
            }
            Waited::Closed => return Poll::Ready(Some(Err(Error::Closed))),
            Waited::Failed => match inner.cannot_connect(started) {
                Some(error) => return Poll::Ready(Some(Err(error))),
                // A connect has succeeded since.
                None => self.set_step(Step::Look { again: true }),
            },
        }
        Poll::Ready(None)
    }

    fn poll_prepare(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Stepped<M> {
        let inner = self.inner();
        let times = self.times;
        // Out of the step meanwhile: should it panic, it is not polled again.
        let step = mem::replace(self.as_mut().parts().0, Step::Look { again: true });
        let Step::Prepare(mut prepare) = step else {
            unreachable!("only called in this step")
        };
        match prepare.work.as_mut().poll(cx) {
            Poll::Ready(Prepared::Ready(lease)) => return Poll::Ready(Some(Ok(lease))),
            Poll::Ready(Prepared::Refused) => {}
            Poll::Pending => {
                let mut cut = prepare.cut.poll_elapsed(cx);
                let in_time = inner.now_millis() < times.deadline;
                if cut.is_ready() && in_time && prepare.checked.load(Ordering::Relaxed) {
                    prepare.cut.reset(inner.instant(times.deadline));
                    cut = prepare.cut.poll_elapsed(cx);
                }
                if cut.is_pending() {
                    self.set_step(Step::Prepare(prepare));
                    return Poll::Pending;
                }
                // It took long enough for this request; the work goes on by itself.
                inner.finish_alone(prepare.work);
            }
        }
        if inner.now_millis() >= times.deadline {
            let error = inner.timed_out(Phase::Checking, times.started);
            return Poll::Ready(Some(Err(error)));
        }
        // The next idle one, if there is one; its place in the queue is kept otherwise.
        match inner.queue.take(home()) {
            Some(loan) => Poll::Ready(self.consider(loan).map(Ok)),
            None => Poll::Ready(None),
        }
    }

    fn poll_step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Stepped<M> {
        match *self.step {
            Step::Look { again } => self.poll_look(cx, again),
            Step::Wait => self.poll_wait(cx),
            Step::Prepare(_) => self.poll_prepare(cx),
            Step::Done => panic!("an acquire was polled after it had ended"),
        }
    }

    /// Steps until the request has ended or must wait. Bounded: a step that does neither has sent a
    /// connection away.
    fn poll_steps(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<PooledConnection<M>, Error<M::Error>>> {
        loop {
            match self.as_mut().poll_step(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(result)) => return Poll::Ready(result),
                Poll::Ready(None) => {}
            }
        }
    }

    /// The end of a request that was granted: what is noted about the lease.
    fn granted(&self, mut lease: PooledConnection<M>) -> PooledConnection<M> {
        let inner = self.inner();
        let info = self
            .request
            .as_ref()
            .map(|request| Arc::new(request.info.clone()));
        lease.note(self.site, inner.coarse.millis(), info);
        let waited = || match self.times.deadline {
            0 => Duration::ZERO,
            _ => Duration::from_millis(inner.now_millis().saturating_sub(self.times.started)),
        };
        inner.observe(|| Event::Acquired {
            connection: lease.loan().get().id,
            waited: waited(),
            site: self.site,
        });
        lease
    }

    #[cold]
    fn refused(&self, error: Error<M::Error>) -> Error<M::Error> {
        let inner = self.inner();
        if inner.features.observer {
            let started = if self.times.deadline == 0 {
                inner.now_millis()
            } else {
                self.times.started
            };
            let waited = Duration::from_millis(inner.now_millis().saturating_sub(started));
            inner.observe_slowly(&Event::Refused {
                reason: &error.to_string(),
                waited,
            });
        }
        error
    }
}

impl<M: Manager> Future for Acquire<'_, M> {
    type Output = Result<PooledConnection<M>, Error<M::Error>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The way nearly all requests go, in line: an idle connection, good as it is.
        if matches!(*self.step, Step::Look { again: false }) && self.request.is_none() {
            let inner = self.inner();
            let now = inner.coarse.millis();
            if let Some(loan) = inner.queue.take(home()) {
                match inner.look(loan, now) {
                    Look::Ready(mut lease) if !inner.features.observer => {
                        lease.note(self.site, now, None);
                        self.set_step(Step::Done);
                        return Poll::Ready(Ok(lease));
                    }
                    Look::Ready(lease) => {
                        self.as_mut().set_step(Step::Done);
                        return Poll::Ready(Ok(self.granted(lease)));
                    }
                    Look::Prepare(lease) => {
                        self.as_mut().start_preparing(lease);
                    }
                    Look::Gone => {}
                }
            }
        }
        let polled = self.as_mut().poll_steps(cx);
        let Poll::Ready(result) = polled else {
            return Poll::Pending;
        };
        self.as_mut().set_step(Step::Done);
        Poll::Ready(match result {
            Ok(lease) => Ok(self.granted(lease)),
            Err(error) => Err(self.refused(error)),
        })
    }
}

impl<M: Manager> Drop for Acquire<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if self.request.is_some() || !matches!(*self.step, Step::Done) {
            self.drop_slowly();
        }
        // The waiter needs no dropping: one that stands in no queue holds no waker.
    }
}

impl<M: Manager> Acquire<'_, M> {
    /// Stops waiting; what was on its way goes to the next.
    fn leave_queue(self: Pin<&Self>) {
        if let Some(loan) = self.inner().queue.cancel(self.waiter())
            && !mutant(101)
        {
            self.inner().pass(loan);
        }
    }

    /// Leaves the queue, or a check to itself.
    #[cold]
    fn drop_slowly(&mut self) {
        drop(self.request.take());
        match mem::replace(&mut *self.step, Step::Done) {
            Step::Look { .. } | Step::Done => {}
            // SAFETY: a queued acquire was pinned, and is not moved again before it is gone.
            Step::Wait => unsafe { Pin::new_unchecked(&*self) }.leave_queue(),
            Step::Prepare(prepare) => self.inner().finish_alone(prepare.work),
        }
    }
}

impl<M: Manager> fmt::Debug for Acquire<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match *self.step {
            Step::Look { .. } => "new",
            Step::Wait => "waiting",
            Step::Prepare(_) => "checking",
            Step::Done => "done",
        };
        f.debug_struct("Acquire")
            .field("step", &step)
            .field("site", &self.site)
            .finish()
    }
}

impl<M: Manager> Inner<M> {
    /// Looks at a connection that was taken for a caller: usable as it is, to be checked first, or
    /// not usable and sent away.
    #[inline(always)]
    fn look(&self, loan: Loan<M>, now: u64) -> Look<M> {
        // From here on the lease's destructor closes the connection if foreign code panics.
        let mut lease = PooledConnection::new(loan);
        let doubtful = self.is_doubtful(lease.loan().get(), now);
        if lease.loan().face().evicted.load(Ordering::Relaxed) {
            return self.send_away(lease, CloseReason::Evicted);
        }
        let body = lease.body_mut();
        if !self.queue.is_current(body.epoch) && !mutant(108) {
            return self.send_away(lease, CloseReason::Stale);
        }
        // Maintenance looks now and then only.
        if now >= body.expires {
            return self.send_away(lease, CloseReason::Lifetime);
        }
        match self.manager.condition(&mut body.conn) {
            Condition::Clean if doubtful || self.features.before_acquire => Look::Prepare(lease),
            Condition::Clean => Look::Ready(lease),
            Condition::Dirty => self.send_to_reset(lease),
            Condition::Broken => self.send_away(lease, CloseReason::Broken),
        }
    }

    #[cold]
    fn send_away(&self, lease: PooledConnection<M>, reason: CloseReason) -> Look<M> {
        self.close_loan(lease.into_loan(), reason);
        Look::Gone
    }

    #[cold]
    fn send_to_reset(&self, lease: PooledConnection<M>) -> Look<M> {
        let restore = Restore {
            reset: true,
            released: false,
            validate: false,
        };
        self.restore(lease.into_loan(), restore);
        Look::Gone
    }

    pub(super) fn try_acquire(
        self: &Arc<Self>,
        site: &'static Location<'static>,
    ) -> Option<PooledConnection<M>> {
        let now = self.coarse.millis();
        while let Some(loan) = self.queue.take(home()) {
            match self.look(loan, now) {
                Look::Ready(mut lease) => {
                    lease.note(site, now, None);
                    self.observe(|| Event::Acquired {
                        connection: lease.loan().get().id,
                        waited: Duration::ZERO,
                        site,
                    });
                    return Some(lease);
                }
                // Its fate is decided in the background if it takes waiting; one at a time, or a
                // single call would take all idle connections out.
                Look::Prepare(lease) => {
                    let mut lease = self.prepare_at_once(lease)?;
                    lease.note(site, now, None);
                    self.observe(|| Event::Acquired {
                        connection: lease.loan().get().id,
                        waited: Duration::ZERO,
                        site,
                    });
                    return Some(lease);
                }
                Look::Gone => {}
            }
        }
        self.open_one_more();
        None
    }

    /// Prepares a connection if that takes no waiting; else leaves it to a task.
    fn prepare_at_once(
        self: &Arc<Self>,
        lease: PooledConnection<M>,
    ) -> Option<PooledConnection<M>> {
        let mut prepare: BoxFuture<'static, _> =
            Box::pin(Arc::clone(self).prepare(lease, Arc::default()));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match prepare.as_mut().poll(&mut cx) {
            Poll::Ready(Prepared::Ready(lease)) => Some(lease),
            Poll::Ready(_) => None,
            Poll::Pending => {
                self.finish_alone(prepare);
                None
            }
        }
    }

    /// The error of a request that ran out of time.
    #[cold]
    fn timed_out(&self, phase: Phase, started: u64) -> Error<M::Error> {
        self.counters.timeouts.fetch_add(1, Ordering::Relaxed);
        let cause = self.failures().last().filter(|_| !mutant(143));
        let census = self.queue.census();
        let none_open = census.occupied == census.connecting + census.closing;
        let phase = match phase {
            Phase::Waiting if none_open && census.max > 0 => Phase::Connecting,
            Phase::Waiting if census.leased == 0 && census.checking > 0 => Phase::Checking,
            phase => phase,
        };
        let waited = Duration::from_millis(self.now_millis().saturating_sub(started));
        Error::Timeout {
            phase,
            waited,
            cause,
        }
    }

    /// The error of a request that waits where nothing can keep the time for it.
    #[cold]
    fn not_driven(&self, started: u64) -> Error<M::Error> {
        let waited = Duration::from_millis(self.now_millis().saturating_sub(started));
        Error::Connect {
            cause: Cause::TaskLost,
            waited,
        }
    }

    /// The error of a request that no connection can be opened for.
    #[cold]
    fn cannot_connect(&self, started: u64) -> Option<Error<M::Error>> {
        let waited = Duration::from_millis(self.now_millis().saturating_sub(started));
        let cause = self.failures().last()?;
        Some(Error::Connect { cause, waited })
    }
}
