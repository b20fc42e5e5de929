//! Acquiring: the fast way, and the future that waits.

mod books;
mod line;
mod room;

use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use super::body::{Loan, Slots};
use super::home_word::home;
use super::lease::PooledConnection;
use super::look::Look;
use super::preparation::{Preparation, Since};
use super::tasks::Prepared;
use super::{Inner, Pool};
use crate::mutant::mutant;
use crate::queue::{Waited, Waiter};
use crate::request::{Priority, Request, RequestInfo};
use crate::{Error, Manager, Outcome, Phase, Token};

/// A request for a connection; see [`Pool::acquire`].
///
/// Cancel safe: dropping it loses nothing.
///
/// 88 bytes, since every task that waits, or could, pays for them: what a request never needs at the
/// same time shares its room.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a, M: Manager> {
    origin: Origin<'a, M>,
    room: MaybeUninit<Room<M>>,
    /// What the pool's admission gave it, if it was asked. It must go back as long as the step is past
    /// `Done`.
    token: Token,
    entered: bool,
    step: Step,
    _pin: PhantomPinned,
}

/// Who asks, and where.
enum Origin<'a, M: Manager> {
    Plain {
        inner: &'a Arc<Inner<M>>,
        site: &'static Location<'static>,
    },
    /// One that said more about itself. Dropped by the request's destructor, in line: the common
    /// request must not pay for a call to find out that it has none.
    Told(ManuallyDrop<Box<Told<'a, M>>>),
}

struct Told<'a, M: Manager> {
    request: Request<'a, M>,
    site: &'static Location<'static>,
}

/// How far a request is, and with that, what is in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u16)]
enum Step {
    /// A plain request that has not looked for an idle connection yet. Nothing is in the room. Two
    /// different bytes, or the compiler fills the room with the one.
    New = 0x0100,
    /// The same of one that said more about itself.
    Told = 0x0102,
    /// Is over. Nothing is in the room.
    Done,
    /// May look for an idle connection. Nothing is in the room.
    Entered,
    /// Looks for a place in the queue; has started its time. `since`.
    Join,
    /// Stands in the queue, or is about to. `waiter`.
    Wait,
    /// Has a connection that is being checked. `preparation`.
    Prepare,
}

/// What a request needs for the step it is at. Read and written in `room.rs` alone, which keeps it and
/// the step in line.
union Room<M: Manager> {
    since: Since,
    waiter: ManuallyDrop<Waiter<Slots<M>>>,
    preparation: ManuallyDrop<Box<Preparation<M>>>,
}

/// The token of a request that has none. Different bytes again, see [`Step::New`].
const NO_TOKEN: Token = Token::new(0x0100);

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
        let inner = pool.inner();
        Self::from(Origin::Plain { inner, site }, Step::New)
    }

    pub(crate) fn told(request: Request<'a, M>, site: &'static Location<'static>) -> Self {
        let told = Box::new(Told { request, site });
        Self::from(Origin::Told(ManuallyDrop::new(told)), Step::Told)
    }

    #[inline]
    fn from(origin: Origin<'a, M>, step: Step) -> Self {
        Self {
            origin,
            room: MaybeUninit::uninit(),
            token: NO_TOKEN,
            entered: false,
            step,
            _pin: PhantomPinned,
        }
    }

    fn inner(&self) -> &'a Arc<Inner<M>> {
        match &self.origin {
            Origin::Plain { inner, .. } => inner,
            Origin::Told(told) => told.request.inner(),
        }
    }

    fn site(&self) -> &'static Location<'static> {
        match &self.origin {
            Origin::Plain { site, .. } => site,
            Origin::Told(told) => told.site,
        }
    }

    fn request(&self) -> Option<&Request<'a, M>> {
        match &self.origin {
            Origin::Plain { .. } => None,
            Origin::Told(told) => Some(&told.request),
        }
    }

    fn info(&self) -> &RequestInfo {
        match &self.origin {
            Origin::Plain { .. } => RequestInfo::NOTHING,
            Origin::Told(told) => &told.request.info,
        }
    }

    fn priority(&self) -> Priority {
        self.info().priority
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
                skips: 0,
            }
        })
    }

    /// Asks whether a connection may be used as it is, and takes the next step if not.
    fn consider(&mut self, loan: Loan<M>) -> Option<PooledConnection<M>> {
        // From here on its destructor closes the connection if foreign code panics.
        self.examine(PooledConnection::new(loan))
    }

    #[inline(never)]
    fn examine(&mut self, mut lease: PooledConnection<M>) -> Option<PooledConnection<M>> {
        let inner = self.inner();
        let now = inner.coarse.millis();
        // Where it is for the sake of the books only that it came here.
        if inner.features.told && !inner.features.prepares && inner.is_fit(&mut lease, now) {
            return Some(lease);
        }
        match inner.look(lease, self.info(), now) {
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
        let mut since = inner.exactly(self.start());
        if since.ticket == 0 {
            // Should it come to nothing, the request joins the queue where it stands now.
            since.ticket = inner.queue.ticket();
        }
        let now = inner.now_millis();
        let left = since.deadline.saturating_sub(now);
        let doubtful = inner.is_doubtful(lease.loan().get(), now);
        let share = if doubtful { (left / 4).max(1) } else { left };
        let mut cut = inner.parts.clock.timer();
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
        match self.inner().take(self.info()) {
            Some(loan) => Poll::Ready(self.consider(loan).map(Ok)),
            None => self.poll_join(cx),
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
        if matches!(waited, Waited::Pending) {
            // Nobody keeps the time, so nothing would end this wait.
            self.leave_queue();
            let since = self.start();
            self.enter(Next::Join(since));
            return Poll::Ready(Some(Err(inner.not_driven(since.started))));
        }
        // The wait is over, so the waiter stands in no queue.
        let since = self.start();
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
        match inner.take(self.info()) {
            Some(loan) => Poll::Ready(self.consider(loan).map(Ok)),
            None => Poll::Ready(None),
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Stepped<M> {
        match self.step {
            Step::New | Step::Told | Step::Entered => self.poll_new(cx),
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
                    let waited = self.waited();
                    self.step = Step::Done;
                    return Poll::Ready(match result {
                        Ok(mut lease) => {
                            self.grant(&mut lease, self.inner().coarse.millis(), waited);
                            Ok(lease)
                        }
                        Err(error) => Err(self.refused(error, waited)),
                    });
                }
            }
            stepped = self.poll_step(cx);
        }
    }
}

impl<M: Manager> Future for Acquire<'_, M> {
    type Output = Result<PooledConnection<M>, Error<M::Error>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out; a waiter in the room is not touched while it is queued.
        let this = unsafe { self.get_unchecked_mut() };
        if this.step == Step::New {
            let (inner, site) = this.plain();
            if !inner.features.on_acquire() {
                return this.take(cx, inner, site);
            }
        }
        match this.step {
            Step::Wait => this.end_wait(cx),
            Step::New | Step::Told if this.inner().features.on_acquire() => this.begin(cx),
            _ => this.poll_slowly(cx),
        }
    }
}

impl<'a, M: Manager> Acquire<'a, M> {
    /// Any other step. Not in line: it is seldom taken, and would cost the others registers.
    #[inline(never)]
    fn poll_slowly(&mut self, cx: &mut Context<'_>) -> Poll<Acquired<M>> {
        let stepped = self.poll_step(cx);
        self.go_on(cx, stepped)
    }

    /// Who asks, in a request at step `New`, and where.
    #[inline(always)]
    fn plain(&self) -> (&'a Inner<M>, &'static Location<'static>) {
        debug_assert_eq!(self.step, Step::New);
        match self.origin {
            Origin::Plain { inner, site } => (inner, site),
            // SAFETY: a request that said more begins at `Told`, and none goes back to `New`.
            Origin::Told(_) => unsafe { std::hint::unreachable_unchecked() },
        }
    }

    /// The way nearly all requests go, in line: an idle connection, good as it is.
    #[inline(always)]
    fn take(
        &mut self,
        cx: &mut Context<'_>,
        inner: &Inner<M>,
        site: &'static Location<'static>,
    ) -> Poll<Acquired<M>> {
        let now = inner.coarse.millis();
        let Some(loan) = inner.queue.take(home()) else {
            return match self.wait(cx) {
                Ok(()) => Poll::Pending,
                Err(held) => self.wait_somehow(cx, held),
            };
        };
        // From here on its destructor closes the connection if foreign code panics.
        let mut lease = PooledConnection::new(loan);
        if inner.is_fit(&mut lease, now) {
            lease.note(site, now);
            self.step = Step::Done;
            return Poll::Ready(Ok(lease));
        }
        self.inspect(cx, lease)
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
        match self.origin {
            Origin::Plain { site, .. }
                if (!self.entered || mutant(212)) && inner.may_have(&mut lease, now) =>
            {
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
        if self.step > Step::Done {
            self.drop_slowly();
        }
        if let Origin::Told(told) = &mut self.origin {
            drop_told(told);
        }
    }
}

#[inline(never)]
fn drop_told<M: Manager>(told: &mut ManuallyDrop<Box<Told<'_, M>>>) {
    // SAFETY: called once, by the destructor of the request whose it is, and nothing else takes it
    // out.
    unsafe { ManuallyDrop::drop(told) };
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

    /// Gives its token back, leaves the queue, or a check to itself.
    #[cold]
    fn drop_slowly(&mut self) {
        if self.entered {
            self.inner().leave(self.token, Outcome::Cancelled);
        }
        match self.step {
            Step::New | Step::Told | Step::Done | Step::Entered | Step::Join => {}
            // A queued acquire was pinned, and is not moved again before it is gone.
            Step::Wait => self.leave_queue(),
            Step::Prepare => {
                let work = self.take_preparation().work;
                self.inner().finish_alone(work);
            }
        }
    }
}

impl<M: Manager> fmt::Debug for Acquire<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            Step::New | Step::Told | Step::Entered | Step::Join => "new",
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
