//! Background work: one task per connect, check, reset or close, each holding the slot it works
//! for, none holding a handle.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::body::{Berth, Body, Home, Loan};
use super::lease::PooledConnection;
use super::mailbox::{Chore, Restore};
use super::stop::Level;
use super::{Inner, millis};
use crate::error::Cause;
use crate::hooks::Hook;
use crate::mutant::mutant;
use crate::queue::Stage;
use crate::{BoxFuture, CloseReason, Condition, ConnectCtx, ErrorClass, Event, Manager};

/// How the preparation of a connection for a caller ended.
pub(super) enum Prepared<M: Manager> {
    /// It works and the hooks agree.
    Ready(PooledConnection<M>),
    /// It does not, and was sent away.
    Refused,
    /// The caller's time ran out meanwhile; the connection was sent away.
    OutOfTime,
}

/// Why work under a limit came to nothing.
pub(super) enum Cut {
    /// The limit passed.
    TimedOut,
    /// Foreign code panicked.
    Panicked(String),
}

impl<M: Manager> Inner<M> {
    /// Runs `work` for at most `limit`, catching panics.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Cut> {
        let mut timer = self.clock.timer();
        timer.reset(self.clock.now() + limit);
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
            match polled {
                Err(panic) => Poll::Ready(Err(Cut::Panicked(panic_text(panic.as_ref())))),
                Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
                Ok(Poll::Pending) => timer.poll_elapsed(cx).map(|()| Err(Cut::TimedOut)),
            }
        })
        .await
    }

    /// Starts background work; false, and the work dropped, if nothing can run it.
    pub(super) fn start(&self, task: BoxFuture<'static, ()>) -> bool {
        self.spawner.spawn(task).is_ok()
    }

    // ---- connect ----

    /// Starts the connect for a claimed slot. `upto`: keep it even if nobody waits, as long as no
    /// more slots than that are in use.
    pub(super) fn start_connect(self: &Arc<Self>, berth: Berth<M>, upto: usize) {
        if let Some(throttle) = &self.throttle {
            let now = self.now_millis();
            let token = throttle
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take(now);
            if let Err(at) = token {
                self.pause_connects(at);
                return self.free(berth);
            }
        }
        let connecting = Connecting {
            inner: Arc::clone(self),
            berth: Some(berth),
        };
        self.start(Box::pin(connecting.run(upto)));
    }

    /// No connect for a waiter before `at`.
    pub(super) fn pause_connects(&self, at: u64) {
        let _ = self
            .queue
            .set_limits(|limits| limits.connect_after = limits.connect_after.max(at));
        self.mailbox.alarm(at);
    }

    /// Starts as many connects as the waiters need and the limits allow.
    pub(super) fn open_for_waiters(self: &Arc<Self>) {
        let now = self.now_millis();
        while let Some(berth) = self.queue.claim_for_waiter(now) {
            self.start_connect(berth, 0);
            if self.throttle.is_some() {
                // One at a time: the next is due when the throttle says so.
                break;
            }
        }
    }

    /// Starts a connect that nobody waits for, if there is room and none is under way.
    pub(super) fn open_one_more(self: &Arc<Self>) {
        let census = self.queue.census();
        if census.connecting == 0
            && census.occupied < census.max
            && self.now_millis() >= self.queue.limits().connect_after
            && let Some(berth) = self.queue.claim_for_refill(census.occupied + 1)
        {
            self.start_connect(berth, census.max);
        }
    }

    async fn open(&self, id: u64, epoch: u64) -> Result<M::Connection, (Cause<M::Error>, bool)> {
        let timeout = self.config.connect_timeout;
        let cx = ConnectCtx {
            attempt: self.failures().attempt(),
            deadline: self.clock.now() + timeout,
            timeout,
            epoch,
            connection_id: id,
        };
        let work = async {
            let mut conn = self
                .manager
                .connect(&cx)
                .await
                .map_err(OpenError::Connect)?;
            let info = self.info_of_new(id, epoch);
            for hook in &self.hooks.after_connect {
                if let Err(refused) = hook.run(&mut conn, info.clone()).await {
                    return Err(OpenError::Hook(refused.to_string()));
                }
            }
            Ok(conn)
        };
        match self.within(timeout, work).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(OpenError::Connect(error))) => {
                let permanent = self.manager.classify(&error) == ErrorClass::Permanent;
                Err((Cause::Manager(Arc::new(error)), permanent))
            }
            Ok(Err(OpenError::Hook(reason))) => Err((Cause::Hook(reason.into()), false)),
            Err(Cut::TimedOut) => Err((Cause::TimedOut(timeout), false)),
            Err(Cut::Panicked(text)) => Err((Cause::Panicked(text.into()), false)),
        }
    }

    fn info_of_new(&self, id: u64, epoch: u64) -> crate::ConnectionInfo {
        crate::ConnectionInfo {
            id,
            epoch,
            created: self.clock.now(),
            age: Duration::ZERO,
            uses: 0,
            errors: 0,
            idle: Duration::ZERO,
        }
    }

    /// Makes a connection the pool's own and gives it to whoever comes first.
    pub(super) fn install(
        self: &Arc<Self>,
        berth: Berth<M>,
        conn: M::Connection,
        (id, epoch): (u64, u64),
    ) {
        let created = self.clock.now();
        let now = self.coarse.millis_at(created);
        let expires = self.config.max_lifetime.map_or(u64::MAX, |lifetime| {
            now + self
                .failures()
                .jittered(millis(lifetime), self.config.lifetime_jitter)
        });
        let body = Body {
            conn,
            home: Home::of(self),
            id,
            epoch,
            created,
            expires,
            fresh: now,
            uses: 0,
            errors: 0,
            in_flight: false,
            doom: None,
            request: None,
        };
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        berth.face().renew(&body, now);
        let loan = berth.fill(body);
        if epoch == self.queue.epoch() || mutant(109) {
            self.give(loan);
        } else {
            // A reopen came in between.
            self.close_loan(loan, CloseReason::Stale);
        }
    }

    fn connect_failed(self: &Arc<Self>, id: u64, cause: Cause<M::Error>, permanent: bool) {
        self.counters
            .connect_failures
            .fetch_add(1, Ordering::Relaxed);
        self.observe_failure(id, &cause);
        let pause = self.failures().connect_failed(cause, permanent);
        self.pause_connects(self.now_millis() + pause);
        if permanent && !mutant(142) {
            self.fail_waiters();
        }
        self.announce_arrival();
    }

    fn observe_failure(&self, id: u64, cause: &Cause<M::Error>) {
        if self.features.observer {
            let reason = &cause.to_string();
            self.observe_slowly(&Event::ConnectFailed {
                connection: id,
                reason,
            });
        }
    }

    /// Ends all waits, unless connections circulate that may still serve them.
    pub(super) fn fail_waiters(&self) {
        loop {
            let batch = self.queue.fail_waiters();
            let done = batch.done;
            batch.wake();
            if done {
                return;
            }
        }
    }

    // ---- check ----

    /// Readies a connection for a caller with `left` milliseconds: a check if it was idle for long,
    /// then the hooks. Ends at once when the pool closes.
    pub(super) async fn prepare(
        self: Arc<Self>,
        lease: PooledConnection<M>,
        left: u64,
    ) -> Prepared<M> {
        let work = self.examine(lease, left);
        let prepared = self.stop.unless(Level::Openings, work).await;
        prepared.unwrap_or(Prepared::Refused)
    }

    /// What `prepare` does. Dropped half way, it closes the connection.
    async fn examine(&self, mut lease: PooledConnection<M>, left: u64) -> Prepared<M> {
        let started = self.now_millis();
        lease.loan().enter(Stage::Checking);
        if self.is_doubtful(lease.loan().get(), started) && !mutant(110) {
            let limit = Duration::from_millis(self.check_limit(left));
            if !self.validate(&mut lease, limit).await {
                self.close_lease(lease, CloseReason::Invalid);
                return Prepared::Refused;
            }
        }
        let spent = self.now_millis().saturating_sub(started);
        let limit = Duration::from_millis(left.saturating_sub(spent).max(1));
        let agreed = match self.features.before_acquire {
            true => {
                self.run_hooks(&self.hooks.before_acquire, &mut lease, limit)
                    .await
            }
            false => Ok(true),
        };
        match agreed {
            Ok(true) => {
                lease.loan().enter(Stage::Open);
                #[cfg(pool_mutant)]
                if mutant(121) {
                    self.pass(lease.loan().twin());
                }
                Prepared::Ready(lease)
            }
            Ok(false) => {
                self.close_lease(lease, CloseReason::Hook);
                Prepared::Refused
            }
            Err(cut) => {
                self.close_lease(lease, CloseReason::Hook);
                match cut {
                    Cut::TimedOut => Prepared::OutOfTime,
                    Cut::Panicked(_) => Prepared::Refused,
                }
            }
        }
    }

    /// Asks the far end. Notes the cause of a failure.
    pub(super) async fn validate(&self, lease: &mut PooledConnection<M>, limit: Duration) -> bool {
        let asked = self.clock.now();
        let body = lease.body_mut();
        // Should the future be dropped half way, the connection is not reused.
        body.in_flight = true;
        let outcome = self
            .within(limit, self.manager.validate(&mut body.conn))
            .await;
        body.in_flight = false;
        let cause = match outcome {
            Ok(Ok(())) => {
                body.fresh = self.coarse.millis_at(asked);
                return true;
            }
            Ok(Err(error)) => Cause::Manager(Arc::new(error)),
            Err(Cut::TimedOut) => {
                self.suspect_all_idle();
                Cause::TimedOut(limit)
            }
            Err(Cut::Panicked(text)) => Cause::Panicked(text.into()),
        };
        body.errors = body.errors.saturating_add(1);
        self.failures().check_failed(cause);
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
        body.in_flight = true;
        let agreed = self
            .within(limit, async {
                for hook in hooks {
                    if hook.run(&mut body.conn, info.clone()).await.is_err() {
                        return false;
                    }
                }
                true
            })
            .await;
        body.in_flight = false;
        agreed
    }

    /// Lets a preparation whose caller has gone run to its end.
    pub(super) fn finish_alone(self: &Arc<Self>, prepare: BoxFuture<'static, Prepared<M>>) {
        self.start(Box::pin(async move {
            // What comes out goes back by its destructor.
            let _ = prepare.await;
        }));
    }

    // ---- restore and close ----

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

    async fn make_clean(
        &self,
        lease: &mut PooledConnection<M>,
        todo: Restore,
    ) -> Option<CloseReason> {
        if todo.reset {
            let body = lease.body_mut();
            body.in_flight = true;
            let reset = self.manager.reset(&mut body.conn);
            let outcome = self.within(self.config.reset_timeout, reset).await;
            body.in_flight = false;
            let clean = matches!(outcome, Ok(Ok(())))
                && self.manager.condition(&mut lease.body_mut().conn) == Condition::Clean;
            if !clean && !mutant(111) {
                return Some(CloseReason::ResetFailed);
            }
        }
        if todo.validate && !self.validate(lease, self.config.validation_timeout).await {
            return Some(CloseReason::Invalid);
        }
        if todo.released && !self.hooks.after_release.is_empty() {
            let limit = self.config.reset_timeout;
            let agreed = self
                .run_hooks(&self.hooks.after_release, lease, limit)
                .await;
            if !matches!(agreed, Ok(true)) {
                return Some(CloseReason::Hook);
            }
        }
        todo.close_after
    }

    async fn run_restore(self: Arc<Self>, mut lease: PooledConnection<M>, todo: Restore) {
        let work = self.make_clean(&mut lease, todo);
        let verdict = match self.stop.unless(Level::Openings, work).await {
            Some(verdict) => verdict,
            None => Some(CloseReason::PoolClosed),
        };
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

    pub(super) fn run_chore(self: &Arc<Self>, chore: Chore<M>) {
        match chore {
            Chore::Restore(loan, todo) => {
                let lease = PooledConnection::new(loan);
                self.start(Box::pin(Arc::clone(self).run_restore(lease, todo)));
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
                self.start(Box::pin(closing.run(conn)));
            }
        }
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
    fn free(&self, berth: Berth<M>) {
        let vacated = self.queue.vacate(berth);
        for closer in vacated.closers {
            closer.wake();
        }
        // The caller holds a reference of its own, so this is not the last.
        drop(vacated.anchor);
    }
}

enum OpenError<E> {
    Connect(E),
    Hook(String),
}

/// A connect under way. Its destructor gives the slot back whatever happens to the task.
struct Connecting<M: Manager> {
    inner: Arc<Inner<M>>,
    berth: Option<Berth<M>>,
}

impl<M: Manager> Connecting<M> {
    async fn run(mut self, upto: usize) {
        let inner = Arc::clone(&self.inner);
        if !inner.queue.still_needed(upto) {
            inner
                .counters
                .connects_elided
                .fetch_add(1, Ordering::Relaxed);
            return self.end();
        }
        let id = inner.next_id.fetch_add(1, Ordering::Relaxed);
        let epoch = inner.queue.epoch();
        inner.observe(|| Event::ConnectStarted { connection: id });
        let started = inner.clock.now();
        let under_way = UnderWay::begin(&inner, id);
        let opened = inner
            .stop
            .unless(Level::Openings, inner.open(id, epoch))
            .await;
        drop(under_way);
        match opened {
            // The pool has closed.
            None => self.end(),
            Some(Ok(conn)) => {
                let took = inner.clock.now().saturating_duration_since(started);
                inner.failures().succeeded();
                inner.note_connect_time(took);
                inner.observe(|| Event::Connected {
                    connection: id,
                    took,
                });
                if let Some(berth) = self.berth.take() {
                    inner.install(berth, conn, (id, epoch));
                }
                inner.mailbox.call();
                inner.announce_arrival();
            }
            Some(Err((cause, permanent))) => {
                self.end();
                inner.connect_failed(id, cause, permanent);
            }
        }
    }

    fn end(&mut self) {
        if let Some(berth) = self.berth.take() {
            self.inner.vacate(berth);
        }
    }
}

impl<M: Manager> Drop for Connecting<M> {
    fn drop(&mut self) {
        // Only if the runtime dropped the task, or could not take it: then trying again at once
        // would spin.
        if let Some(berth) = self.berth.take() {
            self.inner.free(berth);
            if !self.inner.stop.is(Level::Openings) {
                self.inner.connect_failed(0, Cause::TaskLost, true);
            }
        }
    }
}

/// Counts a connect as under way until dropped.
struct UnderWay<'a, M: Manager> {
    inner: &'a Inner<M>,
    connection: u64,
}

impl<'a, M: Manager> UnderWay<'a, M> {
    fn begin(inner: &'a Inner<M>, connection: u64) -> Self {
        inner.connect_began(connection);
        Self { inner, connection }
    }
}

impl<M: Manager> Drop for UnderWay<'_, M> {
    fn drop(&mut self) {
        self.inner.connect_ended(self.connection);
    }
}

/// A close under way. Its destructor frees the slot whatever happens to the task.
struct Closing<M: Manager> {
    inner: Arc<Inner<M>>,
    berth: Option<Berth<M>>,
}

impl<M: Manager> Closing<M> {
    async fn run(self, conn: M::Connection) {
        let inner = Arc::clone(&self.inner);
        let work = inner.within(inner.config.close_timeout, inner.manager.close(conn));
        let _ = inner.stop.unless(Level::Everything, work).await;
        drop(self);
    }
}

impl<M: Manager> Drop for Closing<M> {
    fn drop(&mut self) {
        if let Some(berth) = self.berth.take() {
            self.inner.vacate(berth);
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with something that is no text".to_owned())
}
