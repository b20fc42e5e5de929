//! A lease: one caller's hold on one connection, and its way back.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Inner;
use super::admit::candidate;
use super::body::{Body, Loan, NEVER_SEEN, Slots};
use super::health::Standing;
use super::home_word::home;
use super::mailbox::Restore;
use crate::mutant::mutant;
use crate::queue::{Given, Held, Phase, Queue, wake};
use crate::request::RequestInfo;
use crate::status::ConnectionInfo;
use crate::{Candidate, CloseReason, Condition, ErrorClass, Manager, Outcome, Recycling};

/// A leased connection. Derefs to the manager's connection; goes back when dropped.
///
/// Dropping is synchronous, needs no runtime, does not block and does not fail. What happens to the
/// connection then:
///
/// | it is | it goes |
/// | --- | --- |
/// | [clean](Condition::Clean) | to the oldest waiter, else to idle |
/// | [dirty](Condition::Dirty) | to a reset in the background, then on |
/// | [broken](Condition::Broken), marked in flight, dropped by a panicking task, over its age, from before a reopen | closed in the background; its place is free for a new one |
///
/// A lease may be sent anywhere and may outlive all handles of the pool. Forgetting one
/// (`mem::forget`) leaks its slot and nothing else.
///
/// What is not the connection's own are associated functions, so that they hide none of its methods.
#[must_use = "dropping a lease gives the connection back at once"]
pub struct PooledConnection<M: Manager> {
    /// Taken exactly once: by `drop`, or by what consumes the lease.
    loan: ManuallyDrop<Loan<M>>,
}

/// A round trip under way on a lease, from [`PooledConnection::begin`].
///
/// Derefs to the connection. If it is dropped before [`finish`](Self::finish), because the future
/// around it was cancelled or panicked, the connection counts as in doubt and is closed when the
/// lease ends.
#[derive(Debug)]
#[must_use = "dropping it without `finish` dooms the connection"]
pub struct InFlight<'a, M: Manager> {
    lease: &'a mut PooledConnection<M>,
    /// Whether an end of this one makes the connection sound: not if an earlier one never ended.
    redeems: bool,
}

impl<M: Manager> PooledConnection<M> {
    pub(super) fn new(loan: Loan<M>) -> Self {
        Self {
            loan: ManuallyDrop::new(loan),
        }
    }

    /// Marks the start of a round trip that must not be left half done. Drivers whose connections
    /// notice that themselves (as the adapters of this workspace do) need not be told.
    pub fn begin(this: &mut Self) -> InFlight<'_, M> {
        let redeems = this.loan.get_mut().begin();
        InFlight {
            lease: this,
            redeems,
        }
    }

    /// Takes the connection out of the pool, for good. Its place is free for a new one.
    pub fn detach(this: Self) -> M::Connection {
        let mut loan = this.into_loan();
        let inner = loan.get().home.strong();
        inner.conclude(&mut loan, || Outcome::Detached);
        inner.detach(loan)
    }

    /// Ends the lease and closes the connection in the background.
    pub fn discard(this: Self) {
        let mut loan = this.into_loan();
        let inner = loan.get().home.strong();
        let reason = CloseReason::Discarded;
        inner.conclude(&mut loan, || Outcome::Closed(reason));
        inner.close_loan(loan, reason);
    }

    /// What the pool knows about the connection.
    #[must_use]
    pub fn info(this: &Self) -> ConnectionInfo {
        let body = this.loan.get();
        let mut info = body.info(this.loan.face(), body.home.inner().coarse.millis());
        let since = this.loan.face().leased_since.load(Ordering::Relaxed);
        let idle_since = this.loan.face().idle_since.load(Ordering::Relaxed);
        info.idle = std::time::Duration::from_millis(since.saturating_sub(idle_since));
        info
    }

    /// What the request said about itself, if it was made by [`Pool::request`](super::Pool::request).
    #[must_use]
    pub fn request(this: &Self) -> Option<&RequestInfo> {
        this.loan.get().request.as_deref()
    }

    /// Tells the pool about an error the connection gave. It is counted; unless it was harmless the
    /// connection is closed when the lease ends, and those that are idle are asked before their next
    /// use, as after a restart of the far end.
    pub fn report(this: &mut Self, error: &M::Error) -> ErrorClass {
        this.loan.face().note_error();
        let body = this.loan.get_mut();
        let class = body.home.inner().parts.manager.classify(error);
        if class != ErrorClass::Harmless {
            body.condemn(CloseReason::Broken);
            // What took this connection may have taken the others.
            if !mutant(152) {
                body.home.inner().suspect_all_idle();
            }
        }
        class
    }

    /// Which connection it is, and its label.
    #[must_use]
    pub fn candidate(this: &Self) -> Candidate {
        candidate(&this.loan)
    }

    /// Leaves a mark on the connection: it carries state on purpose, for which `label` stands, 0 for
    /// none. Requests whose profile [knows of labels](crate::Profile::label) may get it as it is; for
    /// any other it is [reset](Manager::reset) first, which takes the label off.
    pub fn set_label(this: &mut Self, label: u32) {
        this.loan.face().set_label(label);
        if label != 0 {
            // Whoever gives it back or gets it next must look at it closely.
            this.body_mut().seen = NEVER_SEEN;
        }
    }

    /// Tells the pool's [`Placement`](crate::Placement) that a statement was left in the connection's
    /// cache.
    pub fn note_cached(this: &Self, statement: u32) {
        if let Some(placement) = &this.loan.get().home.inner().parts.placement {
            placement.cached(Self::candidate(this), statement);
        }
    }

    /// Tells the pool's [`Placement`](crate::Placement) that a statement was dropped from the connection's
    /// cache, or all of them if none is named.
    pub fn note_uncached(this: &Self, statement: Option<u32>) {
        if let Some(placement) = &this.loan.get().home.inner().parts.placement {
            placement.uncached(Self::candidate(this), statement);
        }
    }

    pub(super) fn is_labelled(&self) -> bool {
        self.loan.face().label() != 0
    }

    #[inline(always)]
    pub(super) fn loan(&self) -> &Loan<M> {
        &self.loan
    }

    #[inline(always)]
    pub(super) fn body_mut(&mut self) -> &mut Body<M> {
        self.loan.get_mut()
    }

    /// Starts the lease: what is noted about it.
    #[inline(always)]
    pub(super) fn note(&mut self, site: &'static Location<'static>, now: u64) {
        self.loan.face().lease(site, now);
    }

    /// Keeps what the request said about itself. Whoever returns the connection must look at it
    /// closely, and so finds this to drop.
    pub(super) fn tell(&mut self, info: RequestInfo) {
        let body = self.loan.get_mut();
        body.request = Some(Arc::new(info));
        body.seen = NEVER_SEEN;
    }

    pub(super) fn into_loan(self) -> Loan<M> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped, so the loan is taken once.
        unsafe { ManuallyDrop::take(&mut this.loan) }
    }
}

impl<M: Manager> Deref for PooledConnection<M> {
    type Target = M::Connection;

    #[inline(always)]
    fn deref(&self) -> &M::Connection {
        &self.loan.get().conn
    }
}

impl<M: Manager> DerefMut for PooledConnection<M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.loan.get_mut().conn
    }
}

impl<M: Manager> Drop for PooledConnection<M> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this is `drop`, and whatever consumes a lease does not run it.
        let loan = unsafe { ManuallyDrop::take(&mut self.loan) };
        if mutant(171) {
            let inner = loan.get().home.strong();
            inner.start(Box::pin(async move { give_back(loan) }));
            return;
        }
        give_back(loan);
    }
}

impl<M: Manager> fmt::Debug for PooledConnection<M> {
    /// Shows the pool's side only: a connection may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection")
            .field("info", &Self::info(self))
            .finish()
    }
}

impl<M: Manager> InFlight<'_, M> {
    /// The round trip is complete: the connection may be reused.
    pub fn finish(self) {
        if self.redeems {
            self.lease.loan.get_mut().finish();
        }
    }
}

impl<M: Manager> Deref for InFlight<'_, M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.lease
    }
}

impl<M: Manager> DerefMut for InFlight<'_, M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.lease
    }
}

/// Where a returned connection must go.
#[derive(Clone, Copy)]
enum Way {
    Straight,
    Restore(Restore),
    Close(CloseReason),
}

impl Way {
    /// What it means for the request.
    fn outcome(&self) -> Outcome {
        match self {
            Self::Straight | Self::Restore(_) => Outcome::Returned,
            Self::Close(reason) => Outcome::Closed(*reason),
        }
    }
}

/// Ends a lease.
#[inline(always)]
fn give_back<M: Manager>(mut loan: Loan<M>) {
    let home = loan.get().home;
    let inner = home.inner();
    let now = inner.coarse.millis();
    let body = loan.get_mut();
    // All that is rare, in few words: see `Body`.
    let good_until = body.would_be_good_until(now, inner.bypass);
    if inner.features.on_release
        || body.doom.is_some()
        || body.seen != inner.queue.revision()
        || good_until <= now
        || std::thread::panicking()
    {
        return give_back_carefully(loan, now);
    }
    match condition(inner, body) {
        Condition::Clean => {}
        condition => return end_lease(loan, way_of(inner, condition)),
    }
    body.fresh = now;
    body.good_until = good_until;
    loan.face().idle_since.store(now, Ordering::Relaxed);
    // From here on nothing of the pool may be touched, unless the loan comes back.
    // SAFETY: nothing is.
    if let Err(loan) = unsafe { loan.leave() } {
        hand_on(loan, now);
    }
}

/// Asks the manager. A panic of foreign code must not leave `drop`.
#[inline(always)]
fn condition<M: Manager>(inner: &Inner<M>, body: &mut Body<M>) -> Condition {
    if mutant(172) {
        return inner.parts.manager.condition(&mut body.conn);
    }
    catch_unwind(AssertUnwindSafe(|| {
        inner.parts.manager.condition(&mut body.conn)
    }))
    .unwrap_or(Condition::Broken)
}

/// Ends a lease after a look at everything.
#[inline(never)]
fn give_back_carefully<M: Manager>(mut loan: Loan<M>, now: u64) {
    let home = loan.get().home;
    let inner = home.inner();
    let body = loan.get_mut();
    let good_until = body.would_be_good_until(now, inner.bypass);
    let sound = body.doom.is_none()
        && body.seen == inner.queue.revision()
        && good_until > now
        && !std::thread::panicking();
    if !sound {
        let way = way(inner, &mut loan, now);
        return end_lease(loan, way);
    }
    match way_of(inner, condition(inner, body)) {
        Way::Straight => {}
        way => return end_lease(loan, way),
    }
    // It was for the sake of the books only that it came here. One who had said more about itself
    // would have left it unseen.
    inner.conclude_for(&mut loan, RequestInfo::NOTHING, Outcome::Returned);
    let body = loan.get_mut();
    body.fresh = now;
    body.good_until = good_until;
    loan.face().idle_since.store(now, Ordering::Relaxed);
    // SAFETY: nothing of the pool is touched afterwards.
    if let Err(loan) = unsafe { loan.leave() } {
        hand_on(loan, now);
    }
}

#[inline(never)]
fn end_lease<M: Manager>(mut loan: Loan<M>, way: Way) {
    let home = loan.get().home;
    let inner = home.inner();
    inner.conclude(&mut loan, || way.outcome());
    match way {
        Way::Straight => {
            let now = inner.note_return(&mut loan);
            // SAFETY: nothing of the pool is touched afterwards.
            if let Err(loan) = unsafe { loan.leave() } {
                hand_on(loan, now);
            }
        }
        Way::Restore(restore) => home.strong().restore(loan, restore),
        Way::Close(reason) => home.strong().close_loan(loan, reason),
    }
}

/// Decides without I/O.
fn way<M: Manager>(inner: &Inner<M>, loan: &mut Loan<M>, now: u64) -> Way {
    // Before the look at anything: what is decided after it shows in the next revision.
    let revision = inner.queue.revision();
    let evicted = loan.face().is_evicted(loan.get().id);
    let standing = inner.standing(loan);
    let labelled = loan.face().label() != 0;
    let body = loan.get_mut();
    if let Standing::Doomed(reason) = standing {
        body.condemn(reason);
    }
    let in_flight = body.doom == Some(CloseReason::InFlight);
    let doomed = body.doom.is_some() && !(in_flight && mutant(105));
    let stale = !inner.queue.is_current(body.epoch);
    let panicking = std::thread::panicking() && !mutant(151);
    if doomed || evicted || stale || now >= body.expires || panicking {
        return Way::Close(reason(body, evicted, stale));
    }
    if standing == Standing::Recycled(Recycling::Replace) {
        return Way::Close(CloseReason::Replaced);
    }
    // What came back after a suspicion is no longer suspect. One with a label is not for everybody.
    if standing == Standing::Free && now >= inner.suspect_before() && (!labelled || mutant(221)) {
        body.seen = revision;
    }
    let condition = condition(inner, body);
    if mutant(193) {
        body.seen = inner.queue.revision();
    }
    way_of_one(way_of(inner, condition), condition, standing)
}

/// Where a connection goes that a policy has set apart.
fn way_of_one(way: Way, condition: Condition, standing: Standing) -> Way {
    let mut restore = match way {
        Way::Close(_) => return way,
        Way::Restore(restore) => restore,
        Way::Straight => Restore {
            reset: condition == Condition::Dirty,
            released: true,
            fully: false,
            validate: false,
        },
    };
    match standing {
        Standing::Free | Standing::Doomed(_) => return way,
        Standing::Quarantined if mutant(202) => return way,
        Standing::Quarantined => restore.validate = true,
        Standing::Recycled(_) => (restore.reset, restore.fully) = (true, true),
    }
    Way::Restore(restore)
}

/// Where a connection goes for which nothing but its condition matters.
fn way_of<M: Manager>(inner: &Inner<M>, condition: Condition) -> Way {
    match condition {
        Condition::Clean if !inner.features.restores => Way::Straight,
        Condition::Broken if !mutant(106) => Way::Close(CloseReason::Broken),
        Condition::Dirty if mutant(107) => Way::Straight,
        condition => Way::Restore(Restore {
            reset: condition == Condition::Dirty,
            released: true,
            fully: false,
            validate: inner.parts.config.validate_on_return,
        }),
    }
}

/// The first reason that applies, the gravest first.
#[cold]
fn reason<M: Manager>(body: &Body<M>, evicted: bool, stale: bool) -> CloseReason {
    if std::thread::panicking() {
        CloseReason::Panicked
    } else if let Some(doom) = body.doom {
        doom
    } else if evicted {
        CloseReason::Evicted
    } else if stale {
        CloseReason::Stale
    } else {
        CloseReason::Lifetime
    }
}

/// Gives a connection on by way of the lock.
#[inline(never)]
fn hand_on<M: Manager>(loan: Loan<M>, now: u64) {
    // SAFETY: the pool is there as long as the loan is out, and is not touched afterwards, unless the
    // loan was not handed on.
    match unsafe { Queue::hand_last(loan.get().home.queue(), &loan, now, home) } {
        Ok(Some(waker)) => wake(waker),
        Ok(None) => {}
        Err(held) => give_on(loan, held, now),
    }
}

/// As [`hand_on`], where there is more to it than a hand-off.
#[inline(never)]
fn give_on<M: Manager>(loan: Loan<M>, held: Held<'_, Slots<M>>, now: u64) {
    let pool = loan.get().home;
    // SAFETY: as in `hand_on`.
    match unsafe { Queue::give_last(pool.queue(), loan, held, now, home()) } {
        Given::Kept(None) => {}
        Given::Kept(Some(waker)) => wake(waker),
        Given::Retired(loan, phase) => pool.strong().dismiss_loan(loan, phase),
    }
}

impl<M: Manager> Inner<M> {
    /// Gives a good connection to the next waiter, or makes it idle. The caller holds a reference.
    pub(super) fn give(&self, mut loan: Loan<M>) {
        self.note_return(&mut loan);
        self.pass(loan);
    }

    /// Notes that a connection was in use until now, and says when that is.
    fn note_return(&self, loan: &mut Loan<M>) -> u64 {
        let now = self.coarse.millis();
        loan.get_mut().worked(now, self.bypass);
        loan.face().idle_since.store(now, Ordering::Relaxed);
        now
    }

    /// As [`give`](Self::give), for a connection that was not used.
    pub(super) fn pass(&self, loan: Loan<M>) {
        // What was decided while it was in a task's hands, or on its way to a waiter.
        if !self.queue.is_current(loan.get().epoch) && !mutant(108) && !mutant(109) {
            return self.close_loan(loan, CloseReason::Stale);
        }
        if loan.face().is_evicted(loan.get().id) {
            return self.close_loan(loan, CloseReason::Evicted);
        }
        match self.standing(&loan) {
            Standing::Doomed(reason) => self.close_loan(loan, reason),
            Standing::Quarantined => self.restore(loan, Restore::CHECK),
            Standing::Free | Standing::Recycled(_) => self.hand_over(loan),
        }
    }

    /// Brings a connection to the queue, whatever the queue makes of it.
    fn hand_over(&self, loan: Loan<M>) {
        match self.queue.give(loan, self.coarse.millis(), home()) {
            Given::Kept(None) => {}
            Given::Kept(Some(waker)) => wake(waker),
            Given::Retired(loan, phase) => self.dismiss_loan(loan, phase),
        }
    }

    /// Closes a connection for which there is no place any more.
    #[cold]
    fn dismiss_loan(&self, loan: Loan<M>, phase: Phase) {
        let reason = match phase {
            Phase::Closed => CloseReason::PoolClosed,
            _ => CloseReason::Shrunk,
        };
        let (berth, body) = loan.empty();
        self.close_body(berth, body, reason);
    }

    fn detach(&self, loan: Loan<M>) -> M::Connection {
        self.tell_closed(candidate(&loan), loan.face(), CloseReason::Discarded);
        let (berth, body) = self.queue.begin_close(loan);
        self.counters.detached.fetch_add(1, Ordering::Relaxed);
        self.vacate(berth);
        body.conn
    }
}
