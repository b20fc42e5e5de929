//! Background work on open connections: one task per check, reset or close, each holding the slot it
//! works for, none holding a handle. Connects are in `connect`.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::Inner;
use super::admit::candidate;
use super::body::{Berth, Body, Loan};
use super::health::Standing;
use super::lease::PooledConnection;
use super::mailbox::{Chore, Restore};
use super::stop::Level;
use crate::error::Cause;
use crate::hooks::Hook;
use crate::mutant::mutant;
use crate::queue::{Stage, wake};
use crate::{BoxFuture, CloseReason, Condition, Manager, Timer};

/// How the preparation of a connection for a caller ended.
pub(super) enum Prepared<M: Manager> {
    /// It works and the hooks agree.
    Ready(PooledConnection<M>),
    /// It does not, and was sent away.
    Refused,
}

/// Why work under a limit came to nothing.
pub(super) enum Cut {
    /// The limit passed.
    TimedOut,
    /// Foreign code panicked.
    Panicked(String),
}

impl Cut {
    pub(super) fn into_cause<E: std::error::Error>(self, limit: Duration) -> Cause<E> {
        match self {
            Self::TimedOut => Cause::TimedOut(limit),
            Self::Panicked(text) => Cause::Panicked(text.into()),
        }
    }
}

/// For how long a check that was made for one who left may count for the next in line, in
/// milliseconds: until that one is polled.
const VOUCHED: u64 = 1000;

impl<M: Manager> Inner<M> {
    /// Runs `work` for at most `limit` from when it first has to wait, catching panics.
    ///
    /// By reference, as [`Stop::unless`](super::stop::Stop::unless): a future that is handed over is
    /// kept twice, and each layer would double the memory of a task.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Cut> {
        let mut timer = None;
        std::future::poll_fn(|cx| {
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
            match polled {
                Err(panic) => Poll::Ready(Err(Cut::Panicked(panic_text(panic.as_ref())))),
                Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
                Ok(Poll::Pending) => {
                    let timer = timer.get_or_insert_with(|| self.timer(limit));
                    timer.poll_elapsed(cx).map(|()| Err(Cut::TimedOut))
                }
            }
        })
        .await
    }

    /// A timer that elapses when `limit` has passed from now on.
    pub(super) fn timer(&self, limit: Duration) -> Box<dyn Timer> {
        let mut timer = self.parts.clock.timer();
        timer.reset(self.parts.clock.now() + limit);
        timer
    }

    /// Starts background work; false, and the work dropped, if nothing can run it.
    pub(super) fn start(&self, task: BoxFuture<'static, ()>) -> bool {
        self.parts.spawner.spawn(task).is_ok()
    }

    /// Readies a connection for a caller: a check if it was idle for long, then the hooks, each
    /// within its own limit; says when the check is over. A caller waits for it as long as it likes
    /// and then lets it run on; it ends at once when the pool closes.
    pub(super) async fn prepare(
        self: Arc<Self>,
        lease: PooledConnection<M>,
        checked: Arc<AtomicBool>,
    ) -> Prepared<M> {
        // The connection came out of the idle ones without a look at the time: see `driver`.
        if !self.keep_driven() {
            // Where nothing keeps the time nothing can be asked.
            self.close_lease(lease, CloseReason::Invalid);
            return Prepared::Refused;
        }
        self.settle_doubt();
        let work = pin!(self.examine(lease, checked));
        let prepared = self.stop.unless(Level::Openings, work).await;
        prepared.unwrap_or(Prepared::Refused)
    }

    /// What `prepare` does. Dropped half way, it closes the connection.
    async fn examine(
        &self,
        mut lease: PooledConnection<M>,
        checked: Arc<AtomicBool>,
    ) -> Prepared<M> {
        lease.loan().enter(Stage::Checking);
        let doubtful = self.is_doubtful(lease.loan().get(), self.now_millis());
        lease.body_mut().vouched = 0;
        if doubtful && self.parts.config.validate_on_acquire && !mutant(110) {
            let limit = self.check_limit();
            if !self.validate(&mut lease, limit).await {
                self.close_lease(lease, CloseReason::Invalid);
                return Prepared::Refused;
            }
        }
        checked.store(true, Ordering::Relaxed);
        let limit = self.parts.config.acquire_timeout;
        let agreed = match self.features.prepares {
            true => {
                self.run_hooks(&self.parts.hooks.before_acquire, &mut lease, limit)
                    .await
            }
            false => Ok(true),
        };
        match agreed {
            Ok(true) => {
                // Decided while the hooks ran.
                match self.standing(lease.loan()) {
                    Standing::Doomed(reason) => {
                        self.close_lease(lease, reason);
                        return Prepared::Refused;
                    }
                    Standing::Quarantined => {
                        self.restore(lease.into_loan(), Restore::CHECK);
                        return Prepared::Refused;
                    }
                    Standing::Free | Standing::Recycled(_) => {}
                }
                lease.loan().enter(Stage::Open);
                #[cfg(pool_mutant)]
                if mutant(121) {
                    self.pass(lease.loan().twin());
                }
                Prepared::Ready(lease)
            }
            Ok(false) | Err(_) => {
                self.close_lease(lease, CloseReason::Hook);
                Prepared::Refused
            }
        }
    }

    /// Asks the far end. Notes the cause of a failure.
    pub(super) async fn validate(&self, lease: &mut PooledConnection<M>, limit: Duration) -> bool {
        let asked = self.parts.clock.now();
        let connection = candidate(lease.loan());
        let body = lease.body_mut();
        // Should the future be dropped half way, the connection is not reused.
        body.begin();
        let outcome = self
            .within(limit, pin!(self.parts.manager.validate(&mut body.conn)))
            .await;
        body.finish();
        let took = self.parts.clock.now().saturating_duration_since(asked);
        self.tell_checked(connection, took, matches!(outcome, Ok(Ok(()))));
        let cause = match outcome {
            Ok(Ok(())) => {
                body.worked(self.coarse.millis_at(asked), self.bypass);
                let old = self.failures().check_passed();
                drop(old);
                return true;
            }
            Ok(Err(error)) => Cause::Manager(Arc::new(error)),
            Err(cut) => {
                if matches!(cut, Cut::TimedOut) {
                    self.suspect_all_idle();
                }
                cut.into_cause(limit)
            }
        };
        self.note_failure(lease, cause);
        false
    }

    /// Runs hooks in order, until one refuses.
    async fn run_hooks(
        &self,
        hooks: &[Hook<M::Connection>],
        lease: &mut PooledConnection<M>,
        limit: Duration,
    ) -> Result<bool, Cut> {
        let info = PooledConnection::info(lease);
        let body = lease.body_mut();
        body.begin();
        let work = async {
            for hook in hooks {
                if hook.run(&mut body.conn, info.clone()).await.is_err() {
                    return false;
                }
            }
            true
        };
        let agreed = self.within(limit, pin!(work)).await;
        body.finish();
        agreed
    }

    /// Lets a preparation whose caller has gone run to its end.
    pub(super) fn finish_alone(self: &Arc<Self>, prepare: BoxFuture<'static, Prepared<M>>) {
        let inner = Arc::clone(self);
        self.start(Box::pin(async move {
            // Nobody used it: it goes on as it is, and who waits for it need not ask again.
            if let Prepared::Ready(mut lease) = prepare.await {
                inner.vouch(&mut lease);
                inner.pass(lease.into_loan());
            }
        }));
    }

    /// Has the check that a connection has just passed count for the next in line, if anybody waits
    /// and if it would not count otherwise.
    fn vouch(&self, lease: &mut PooledConnection<M>) {
        let now = self.now_millis();
        let body = lease.body_mut();
        let counts_anyway = now < body.would_be_good_until(body.fresh, self.bypass);
        if !counts_anyway && self.queue.has_waiters() {
            body.vouched = now.saturating_add(VOUCHED.min(self.hand_off_lease));
        }
    }

    /// Sends a connection to be made clean in the background.
    pub(super) fn restore(&self, loan: Loan<M>, restore: Restore) {
        loan.enter(if restore.reset {
            Stage::Resetting
        } else {
            Stage::Checking
        });
        if let Err(Chore::Restore(loan, _)) = self.mailbox.post(Chore::Restore(loan, restore)) {
            // Nobody is left to do it.
            self.close_loan(loan, CloseReason::ResetFailed);
        }
    }

    /// Makes a connection clean. Notes the cause of a failure.
    async fn reset(&self, lease: &mut PooledConnection<M>, fully: bool) -> bool {
        let limit = self.parts.config.reset_timeout;
        let body = lease.body_mut();
        body.begin();
        let outcome = match fully {
            false => {
                let reset = pin!(self.parts.manager.reset(&mut body.conn));
                self.within(limit, reset).await
            }
            true => {
                let reset = pin!(self.parts.manager.reset_fully(&mut body.conn));
                self.within(limit, reset).await
            }
        };
        body.finish();
        let cause = match outcome {
            Ok(Ok(())) => {
                let clean = self.parts.manager.condition(&mut body.conn) == Condition::Clean;
                if !mutant(219) {
                    PooledConnection::set_label(lease, 0);
                }
                return clean;
            }
            Ok(Err(error)) => Cause::Manager(Arc::new(error)),
            Err(cut) => cut.into_cause(limit),
        };
        self.note_failure(lease, cause);
        false
    }

    fn note_failure(&self, lease: &PooledConnection<M>, cause: Cause<M::Error>) {
        lease.loan().face().note_error();
        let old = self.failures().check_failed(cause);
        drop(old);
    }

    async fn make_clean(
        &self,
        lease: &mut PooledConnection<M>,
        todo: Restore,
    ) -> Option<CloseReason> {
        if todo.reset && !self.reset(lease, todo.fully).await && !mutant(111) {
            return Some(CloseReason::ResetFailed);
        }
        if todo.validate && !self.validate(lease, self.check_limit()).await {
            return Some(CloseReason::Invalid);
        }
        if todo.released && !self.parts.hooks.after_release.is_empty() {
            let limit = self.parts.config.reset_timeout;
            let agreed = self
                .run_hooks(&self.parts.hooks.after_release, lease, limit)
                .await;
            if !matches!(agreed, Ok(true)) {
                return Some(CloseReason::Hook);
            }
        }
        None
    }

    async fn run_restore(
        self: Arc<Self>,
        mut lease: PooledConnection<M>,
        todo: Restore,
        _check: Option<Check<M>>,
    ) {
        lease.body_mut().doom = None;
        let verdict = {
            let work = pin!(self.make_clean(&mut lease, todo));
            self.stop.unless(Level::Openings, work).await
        };
        let verdict = verdict.unwrap_or(Some(CloseReason::PoolClosed));
        if let Some(reason) = verdict {
            return self.close_lease(lease, reason);
        }
        let loan = lease.into_loan();
        if todo.released {
            self.give(loan);
        } else {
            // A check is no use: the connection is as idle as before.
            self.pass(loan);
        }
    }

    /// Does all chores that can be done now, for the driver.
    pub(super) fn do_chores(self: &Arc<Self>, cx: &mut Context<'_>) {
        let mut any = false;
        while let Some(chore) = self.mailbox.chore(self.may_check()) {
            self.run_chore(chore, cx);
            any = true;
        }
        if any {
            self.mailbox.heed();
        }
    }

    fn run_chore(self: &Arc<Self>, chore: Chore<M>, cx: &mut Context<'_>) {
        match chore {
            Chore::Restore(loan, todo) => {
                if !self.queue.is_current(loan.get().epoch) {
                    return self.close_loan(loan, CloseReason::Stale);
                }
                let mut lease = PooledConnection::new(loan);
                let check = todo.is_check().then(|| Check::begin(self));
                // Should nothing run the task, or its runtime drop it, the connection is closed.
                lease.body_mut().condemn(CloseReason::ResetFailed);
                self.start(Box::pin(Arc::clone(self).run_restore(lease, todo, check)));
            }
            Chore::Close(berth, conn) => {
                let mut closing = Closing {
                    inner: Arc::clone(self),
                    berth: Some(berth),
                };
                if mutant(161)
                    && let Some(berth) = closing.berth.take()
                {
                    self.vacate(berth);
                }
                let mut work: BoxFuture<'_, _> = Box::pin(Closing::run(conn, closing));
                // Most need not wait, and so no task of their own.
                if work.as_mut().poll(cx).is_pending() {
                    self.start(work);
                }
            }
        }
    }

    /// Whether one more idle connection may be taken out to be checked: not if it would have to wait.
    pub(super) fn has_room_for_check(&self) -> bool {
        self.checks.load(Ordering::Relaxed) + self.mailbox.checks_waiting() < self.max_checks()
    }

    /// Whether one more idle connection may be checked in the background now.
    pub(super) fn may_check(&self) -> bool {
        // All end at once when the pool closes.
        self.checks.load(Ordering::Relaxed) < self.max_checks() || self.stop.is(Level::Openings)
    }

    fn close_lease(&self, lease: PooledConnection<M>, reason: CloseReason) {
        self.close_loan(lease.into_loan(), reason);
    }

    /// Closes a connection in the background. The caller holds a reference.
    pub(super) fn close_loan(&self, loan: Loan<M>, reason: CloseReason) {
        let (berth, body) = self.queue.begin_close(loan);
        self.close_body(berth, body, reason);
    }

    pub(super) fn close_body(&self, berth: Berth<M>, body: Body<M>, reason: CloseReason) {
        self.count_closed(body.id, reason);
        self.tell_closed_at(&berth, body.id, reason);
        self.note_end(&body, berth.face().uses(), reason);
        let Body { conn, .. } = body;
        if self.stop.is(Level::Everything) {
            return self.drop_connection(berth, conn);
        }
        if let Err(Chore::Close(berth, conn)) = self.mailbox.post(Chore::Close(berth, conn)) {
            // Nobody is left to do it in an orderly way.
            self.drop_connection(berth, conn);
        }
    }

    /// Frees a slot, and lets its capacity go to whoever waits.
    pub(super) fn vacate(&self, berth: Berth<M>) {
        self.free(berth);
        if !mutant(102) {
            self.mailbox.call();
        }
    }

    /// Frees a slot.
    pub(super) fn free(&self, berth: Berth<M>) {
        let vacated = self.queue.vacate(berth);
        for closer in vacated.closers {
            wake(closer);
        }
        // The caller holds a reference of its own, so this is not the last.
        drop(vacated.anchor);
    }
}

/// A close under way. Its destructor frees the slot whatever happens to the task.
struct Closing<M: Manager> {
    inner: Arc<Inner<M>>,
    berth: Option<Berth<M>>,
}

impl<M: Manager> Closing<M> {
    /// The connection first: should the task never run, arguments are dropped in this order, and the
    /// slot must not be free before its connection is gone.
    async fn run(conn: M::Connection, closing: Self) {
        let inner = Arc::clone(&closing.inner);
        // Called where a panic is caught: this may run in the driver.
        {
            let work = pin!(async { inner.parts.manager.close(conn).await });
            let work = pin!(inner.within(inner.parts.config.close_timeout, work));
            let _ = inner.stop.unless(Level::Everything, work).await;
        }
        drop(closing);
    }
}

impl<M: Manager> Drop for Closing<M> {
    fn drop(&mut self) {
        if let Some(berth) = self.berth.take() {
            self.inner.vacate(berth);
        }
    }
}

/// A check of an idle connection in the background, counted.
struct Check<M: Manager>(Arc<Inner<M>>);

impl<M: Manager> Check<M> {
    fn begin(inner: &Arc<Inner<M>>) -> Self {
        inner.checks.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(inner))
    }
}

impl<M: Manager> Drop for Check<M> {
    fn drop(&mut self) {
        self.0.checks.fetch_sub(1, Ordering::Relaxed);
        // The next one may begin.
        self.0.mailbox.call();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with something that is no text".to_owned())
}
