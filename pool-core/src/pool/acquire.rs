//! Acquiring: the fast way, and the future that waits.

use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use super::body::{Loan, Slots};
use super::home_word::home;
use super::lease::PooledConnection;
use super::look::Look;
use super::preparation::{Preparation, Since};
use super::tasks::Prepared;
use super::{Inner, Pool};
use crate::mutant::mutant;
use crate::queue::{self, Enqueued, Waited, Waiter};
use crate::request::{Priority, Request};
use crate::{Error, Event, Manager, Phase};

/// A request for a connection; see [`Pool::acquire`].
///
/// Cancel safe: dropping it loses nothing.
///
/// 88 bytes, since every task that waits, or could, pays for them: what a request never needs at the
/// same time shares its room.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a, M: Manager> {
    /// Dropped by `drop`, which nearly always finds nothing to do.
    origin: ManuallyDrop<Origin<'a, M>>,
    room: MaybeUninit<Room<M>>,
    step: Step,
    _pin: PhantomPinned,
}

/// Who asks, and where.
enum Origin<'a, M: Manager> {
    Plain {
        pool: &'a Pool<M>,
        site: &'static Location<'static>,
    },
    /// One that said more about itself.
    Told(Box<Told<'a, M>>),
}

struct Told<'a, M: Manager> {
    request: Request<'a, M>,
    site: &'static Location<'static>,
}

/// How far a request is, and with that, what is in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u16)]
enum Step {
    /// Has not looked for an idle connection yet. Nothing is in the room. Two different bytes, or the
    /// compiler fills the room with the one.
    New = 0x0100,
    /// Looks for a place in the queue; has started its time. `since`.
    Join,
    /// Is over. Nothing is in the room.
    Done,
    /// Stands in the queue. `waiter`.
    Wait,
    /// Has a connection that is being checked. `preparation`.
    Prepare,
}

/// What a request needs for the step it is at. Read and written by the functions next to
/// [`Acquire::enter`] alone, which keep it and the step in line.
union Room<M: Manager> {
    since: Since,
    waiter: ManuallyDrop<Waiter<Slots<M>>>,
    preparation: ManuallyDrop<Box<Preparation<M>>>,
}

/// What a request moves on to.
enum Next<M: Manager> {
    Join(Since),
    Prepare(Box<Preparation<M>>),
}

/// Where a step of the future led: `Ready(None)` to the next step.
type Stepped<M> = Poll<Option<Acquired<M>>>;

/// What a request ends with.
type Acquired<M> = Result<PooledConnection<M>, Error<<M as Manager>::Error>>;

impl<'a, M: Manager> Acquire<'a, M> {
    #[inline]
    pub(crate) fn new(pool: &'a Pool<M>, site: &'static Location<'static>) -> Self {
        Self::from(Origin::Plain { pool, site })
    }

    pub(crate) fn told(request: Request<'a, M>, site: &'static Location<'static>) -> Self {
        Self::from(Origin::Told(Box::new(Told { request, site })))
    }

    #[inline]
    fn from(origin: Origin<'a, M>) -> Self {
        Self {
            origin: ManuallyDrop::new(origin),
            room: MaybeUninit::uninit(),
            step: Step::New,
            _pin: PhantomPinned,
        }
    }

    fn inner(&self) -> &'a Arc<Inner<M>> {
        match &*self.origin {
            Origin::Plain { pool, .. } => pool.inner(),
            Origin::Told(told) => told.request.pool().inner(),
        }
    }

    fn site(&self) -> &'static Location<'static> {
        match &*self.origin {
            Origin::Plain { site, .. } => site,
            Origin::Told(told) => told.site,
        }
    }

    fn request(&self) -> Option<&Request<'a, M>> {
        match &*self.origin {
            Origin::Plain { .. } => None,
            Origin::Told(told) => Some(&told.request),
        }
    }

    fn priority(&self) -> Priority {
        self.request()
            .map(|request| request.info.priority)
            .unwrap_or_default()
    }

    /// Moves on. What was in the room must have been taken out, and the waiter have left the queue.
    fn enter(&mut self, next: Next<M>) {
        let (room, step) = match next {
            Next::Join(since) => (Room { since }, Step::Join),
            Next::Prepare(preparation) => {
                let preparation = ManuallyDrop::new(preparation);
                (Room { preparation }, Step::Prepare)
            }
        };
        self.room.write(room);
        self.step = step;
    }

    /// Puts a waiter in the room, which becomes the request's once it has joined the queue.
    ///
    /// The request is pinned, and stays where it is until the waiter has left the queue.
    #[inline(always)]
    fn furnish(&mut self) -> Pin<&Waiter<Slots<M>>> {
        let waiter = ManuallyDrop::new(Waiter::new());
        let room = self.room.write(Room { waiter });
        // SAFETY: just written.
        let waiter = unsafe { &room.waiter };
        // SAFETY: of the caller. The waiter needs no dropping: one in no queue holds no waker.
        unsafe { Pin::new_unchecked(&**waiter) }
    }

    /// What is in the room.
    ///
    /// # Safety
    ///
    /// Something is, by the step.
    unsafe fn room(&self) -> &Room<M> {
        // SAFETY: of the caller.
        unsafe { self.room.assume_init_ref() }
    }

    /// The waiter that stands in the queue.
    fn waiter(&self) -> Pin<&Waiter<Slots<M>>> {
        assert!(self.step == Step::Wait, "only then it is in the room");
        // SAFETY: as the step says; pinned since `furnish`.
        unsafe { Pin::new_unchecked(&*self.room().waiter) }
    }

    /// Takes the preparation out.
    fn take_preparation(&mut self) -> Box<Preparation<M>> {
        assert!(self.step == Step::Prepare, "only then it is in the room");
        self.step = Step::Done;
        // SAFETY: as the step said, and it is taken once, since the step has changed.
        ManuallyDrop::into_inner(unsafe { std::ptr::read(&raw const self.room().preparation) })
    }

    /// When it began to wait, unless it never did.
    fn since(&self) -> Option<Since> {
        match self.step {
            Step::New | Step::Done => None,
            // SAFETY: as the step says.
            Step::Join => Some(unsafe { self.room().since }),
            Step::Wait => {
                let waiter = self.waiter();
                Some(Since {
                    started: match self.request() {
                        None => self.inner().began(waiter.deadline()),
                        Some(_) => waiter.virtual_deadline() - self.priority().offset(),
                    },
                    deadline: waiter.deadline(),
                    ticket: waiter.ticket(),
                    rough: waiter.is_rough(),
                })
            }
            // SAFETY: as the step says.
            Step::Prepare => Some(unsafe { &self.room().preparation }.since),
        }
    }

    /// When it began to wait, which is now if it never did.
    fn start(&self) -> Since {
        self.since().unwrap_or_else(|| {
            let inner = self.inner();
            let Some(request) = self.request() else {
                return inner.since_now();
            };
            let started = inner.now_millis();
            Since {
                started,
                deadline: inner.deadline(request, started),
                ticket: 0,
                rough: false,
            }
        })
    }

    /// Asks whether a connection may be used as it is, and takes the next step if not.
    fn consider(&mut self, loan: Loan<M>) -> Option<PooledConnection<M>> {
        // From here on its destructor closes the connection if foreign code panics.
        self.examine(PooledConnection::new(loan))
    }

    #[inline(never)]
    fn examine(&mut self, lease: PooledConnection<M>) -> Option<PooledConnection<M>> {
        let inner = self.inner();
        match inner.look(lease, inner.coarse.millis()) {
            Look::Ready(lease) => Some(lease),
            Look::Gone => None,
            Look::Prepare(lease) => {
                self.start_preparing(lease);
                None
            }
        }
    }

    /// Has a connection readied. A check may keep a request for a quarter of the time it has left,
    /// so that a second connection gets a chance; hooks alone may take all of it.
    #[cold]
    fn start_preparing(&mut self, lease: PooledConnection<M>) {
        let inner = self.inner();
        let mut since = self.start();
        if since.ticket == 0 {
            // Should it come to nothing, the request joins the queue where it stands now.
            since.ticket = inner.queue.ticket();
        }
        let now = inner.now_millis();
        let left = since.deadline.saturating_sub(now);
        let doubtful = inner.is_doubtful(lease.loan().get(), now);
        let share = if doubtful { (left / 4).max(1) } else { left };
        let mut cut = inner.clock.timer();
        cut.reset(inner.instant(now.saturating_add(share)));
        let checked = Arc::new(AtomicBool::new(false));
        let work = Box::pin(Arc::clone(inner).prepare(lease, Arc::clone(&checked)));
        self.enter(Next::Prepare(Box::new(Preparation {
            since,
            work,
            cut,
            checked,
        })));
    }

    fn poll_new(&mut self, cx: &mut Context<'_>) -> Stepped<M> {
        match self.inner().queue.take(home()) {
            Some(loan) => Poll::Ready(self.consider(loan).map(Ok)),
            None => self.poll_join(cx),
        }
    }

    /// Joins the queue, for the first time or again.
    fn poll_join(&mut self, cx: &mut Context<'_>) -> Stepped<M> {
        let inner = self.inner();
        let since = self.start();
        let now = match since.ticket {
            0 => since.started,
            _ => inner.now_millis(),
        };
        self.join(cx, inner, since, self.priority(), now)
    }

    /// Joins the queue at `now`.
    #[inline(always)]
    fn join(
        &mut self,
        cx: &mut Context<'_>,
        inner: &'a Arc<Inner<M>>,
        since: Since,
        priority: Priority,
        now: u64,
    ) -> Stepped<M> {
        let request = queue::Request {
            class: priority.class(),
            now,
            virtual_deadline: since.started + priority.offset(),
            deadline: since.deadline,
            rough: since.rough,
            ticket: since.ticket,
            home: home(),
        };
        if request.deadline <= now {
            return self.too_late(since);
        }
        let waker = cx.waker().clone();
        let waiter = self.furnish();
        // SAFETY: the waiter is used with this queue only, and `drop` cancels it.
        match unsafe { inner.queue.enqueue(waiter, waker, &request) } {
            Enqueued::Queued { connect, room } => {
                self.step = Step::Wait;
                inner.waiter_joined(connect, room, request.deadline, now);
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

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Stepped<M> {
        let inner = self.inner();
        let waited = inner.queue.poll_waiter(self.waiter(), cx.waker());
        self.wait_over(waited)
    }

    /// What follows from how a wait stands.
    fn wait_over(&mut self, waited: Waited<Slots<M>>) -> Stepped<M> {
        let inner = self.inner();
        if matches!(waited, Waited::Pending) && inner.keep_driven() {
            return Poll::Pending;
        }
        let since = self.start();
        if matches!(waited, Waited::Pending) {
            // Nobody keeps the time, so nothing would end this wait.
            self.leave_queue();
            self.enter(Next::Join(since));
            return Poll::Ready(Some(Err(inner.not_driven(since.started))));
        }
        // The wait is over, so the waiter stands in no queue.
        self.enter(Next::Join(since));
        Poll::Ready(match waited {
            Waited::Granted(loan) => self.consider(loan).map(Ok),
            Waited::Expired => Some(Err(inner.timed_out(Phase::Waiting, since.started))),
            Waited::Closed => Some(Err(Error::Closed)),
            // If a connect has succeeded since, it joins again, as after a revocation.
            Waited::Failed => inner.cannot_connect(since.started).map(Err),
            Waited::Revoked | Waited::Pending => None,
        })
    }

    fn poll_prepare(&mut self, cx: &mut Context<'_>) -> Stepped<M> {
        let inner = self.inner();
        // Out of the room meanwhile: should it panic, it is not polled again.
        let mut prepare = self.take_preparation();
        let since = prepare.since;
        let polled = prepare.work.as_mut().poll(cx);
        if polled.is_pending() && prepare.goes_on(inner, cx) {
            self.enter(Next::Prepare(prepare));
            return Poll::Pending;
        }
        self.enter(Next::Join(since));
        match polled {
            Poll::Ready(Prepared::Ready(lease)) => return Poll::Ready(Some(Ok(lease))),
            Poll::Ready(Prepared::Refused) => {}
            // It took long enough for this request; the work goes on by itself.
            Poll::Pending => inner.finish_alone(prepare.work),
        }
        if inner.now_millis() >= since.deadline {
            let error = inner.timed_out(Phase::Checking, since.started);
            return Poll::Ready(Some(Err(error)));
        }
        // The next idle one, if there is one; its place in the queue is kept otherwise.
        match inner.queue.take(home()) {
            Some(loan) => Poll::Ready(self.consider(loan).map(Ok)),
            None => Poll::Ready(None),
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Stepped<M> {
        match self.step {
            Step::New => self.poll_new(cx),
            Step::Join => self.poll_join(cx),
            Step::Wait => self.poll_wait(cx),
            Step::Prepare => self.poll_prepare(cx),
            Step::Done => panic!("an acquire was polled after it had ended"),
        }
    }

    /// Steps, from what one has led to, until the request has ended or must wait. Bounded: a step
    /// that does neither has sent a connection away.
    #[inline(never)]
    fn go_on(&mut self, cx: &mut Context<'_>, mut stepped: Stepped<M>) -> Poll<Acquired<M>> {
        loop {
            match stepped {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {}
                Poll::Ready(Some(result)) => {
                    let since = self.since();
                    self.step = Step::Done;
                    return Poll::Ready(match result {
                        Ok(lease) => Ok(self.granted(lease, since)),
                        Err(error) => Err(self.refused(error, since)),
                    });
                }
            }
            stepped = self.poll_step(cx);
        }
    }

    /// How long it has waited.
    fn waited(&self, since: Option<Since>) -> Duration {
        since.map_or(Duration::ZERO, |since| {
            Duration::from_millis(self.inner().now_millis().saturating_sub(since.started))
        })
    }

    /// The end of a request that was granted: what is noted about the lease.
    fn granted(&self, mut lease: PooledConnection<M>, since: Option<Since>) -> PooledConnection<M> {
        let inner = self.inner();
        lease.note(self.site(), inner.coarse.millis());
        if let Some(request) = self.request() {
            lease.tell(request.info.clone());
        }
        inner.observe(|| Event::Acquired {
            connection: lease.loan().get().id,
            waited: self.waited(since),
            site: self.site(),
        });
        lease
    }

    #[cold]
    fn refused(&self, error: Error<M::Error>, since: Option<Since>) -> Error<M::Error> {
        let inner = self.inner();
        if inner.features.observer {
            inner.observe_slowly(&Event::Refused {
                reason: &error.to_string(),
                waited: self.waited(since),
            });
        }
        error
    }
}

impl<M: Manager> Future for Acquire<'_, M> {
    type Output = Result<PooledConnection<M>, Error<M::Error>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out; a waiter in the room is not touched while it is queued.
        let this = unsafe { self.get_unchecked_mut() };
        match (this.step, &*this.origin) {
            (Step::New, &Origin::Plain { pool, site }) => this.begin(cx, pool, site),
            (Step::Wait, _) => this.end_wait(cx),
            _ => {
                let stepped = this.poll_step(cx);
                this.go_on(cx, stepped)
            }
        }
    }
}

impl<M: Manager> Acquire<'_, M> {
    /// The way nearly all requests go, in line: an idle connection, good as it is.
    #[inline(always)]
    fn begin(
        &mut self,
        cx: &mut Context<'_>,
        pool: &Pool<M>,
        site: &'static Location<'static>,
    ) -> Poll<Acquired<M>> {
        let inner = pool.inner();
        let now = inner.coarse.millis();
        let Some(loan) = inner.queue.take(home()) else {
            return self.wait(cx);
        };
        // From here on its destructor closes the connection if foreign code panics.
        let mut lease = PooledConnection::new(loan);
        if inner.may_have(&mut lease, now) {
            lease.note(site, now);
            self.step = Step::Done;
            return Poll::Ready(Ok(lease));
        }
        self.inspect(cx, lease)
    }

    /// Begins to wait. For a plain request.
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Acquired<M>> {
        let inner = self.inner();
        let since = inner.since_now();
        match self.join(cx, inner, since, Priority::default(), since.started) {
            Poll::Pending => Poll::Pending,
            stepped => self.go_on(cx, stepped),
        }
    }

    /// Looks at a connection that may not be given out just so.
    #[cold]
    fn inspect(&mut self, cx: &mut Context<'_>, lease: PooledConnection<M>) -> Poll<Acquired<M>> {
        let stepped = Poll::Ready(self.examine(lease).map(Ok));
        self.go_on(cx, stepped)
    }

    /// Goes on after a wake. The way nearly all go that have waited: a connection, good as it is.
    #[inline]
    fn end_wait(&mut self, cx: &mut Context<'_>) -> Poll<Acquired<M>> {
        let inner = self.inner();
        let Some(loan) = inner.queue.collect_slot(&self.waiter()) else {
            return self.wait_on(cx);
        };
        let now = inner.coarse.millis();
        let mut lease = PooledConnection::new(loan);
        match *self.origin {
            Origin::Plain { site, .. } if inner.may_have(&mut lease, now) => {
                lease.note(site, now);
                self.step = Step::Done;
                Poll::Ready(Ok(lease))
            }
            _ => self.inspect_handed(cx, lease),
        }
    }

    /// Goes on after a wake that brought no connection.
    #[inline(never)]
    fn wait_on(&mut self, cx: &mut Context<'_>) -> Poll<Acquired<M>> {
        let stepped = self.poll_wait(cx);
        self.go_on(cx, stepped)
    }

    /// Looks at a connection that came at the end of a wait.
    #[inline(never)]
    fn inspect_handed(
        &mut self,
        cx: &mut Context<'_>,
        lease: PooledConnection<M>,
    ) -> Poll<Acquired<M>> {
        let since = self.start();
        self.enter(Next::Join(since));
        self.inspect(cx, lease)
    }
}

impl<M: Manager> Drop for Acquire<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if self.step > Step::Done || matches!(*self.origin, Origin::Told(_)) {
            self.drop_slowly();
        }
    }
}

impl<M: Manager> Acquire<'_, M> {
    /// Stops waiting; what was on its way goes to the next.
    fn leave_queue(&self) {
        if let Some(loan) = self.inner().queue.cancel(self.waiter())
            && !mutant(101)
        {
            self.inner().pass(loan);
        }
    }

    /// Leaves the queue, or a check to itself. Once, by `drop`.
    #[cold]
    fn drop_slowly(&mut self) {
        match self.step {
            Step::New | Step::Join | Step::Done => {}
            // A queued acquire was pinned, and is not moved again before it is gone.
            Step::Wait => self.leave_queue(),
            Step::Prepare => {
                let work = self.take_preparation().work;
                self.inner().finish_alone(work);
            }
        }
        // SAFETY: the request is being dropped, and what is left of it has nothing to drop.
        unsafe { ManuallyDrop::drop(&mut self.origin) };
    }
}

impl<M: Manager> fmt::Debug for Acquire<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            Step::New | Step::Join => "new",
            Step::Wait => "waiting",
            Step::Prepare => "checking",
            Step::Done => "done",
        };
        f.debug_struct("Acquire")
            .field("step", &step)
            .field("site", &self.site())
            .finish()
    }
}
