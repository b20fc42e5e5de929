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
use crate::queue::{Limits, Stage, wake};
use crate::{BoxFuture, CloseReason, Condition, ConnectCtx, ErrorClass, Event, Manager};

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
    /// more slots than that are in use. False if it could not be started, or not yet; connects are
    /// paused then.
    pub(super) fn start_connect(self: &Arc<Self>, berth: Berth<M>, upto: usize) -> bool {
        if let Some(throttle) = &self.throttle {
            let now = self.now_millis();
            let token = throttle
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take(now);
            if let Err(at) = token {
                self.pause_connects(at);
                self.free(berth);
                return false;
            }
        }
        let connecting = Connecting {
            inner: Arc::clone(self),
            berth: Some(berth),
        };
        self.start(Box::pin(connecting.run(upto)))
    }

    /// No connect for a waiter before `at`.
    pub(super) fn pause_connects(&self, at: u64) {
        self.pace(|limits| limits.connect_after = limits.connect_after.max(at));
        self.mailbox.alarm(at);
    }

    /// Changes the limits that pace connects; not the maximum, so that nothing has to go for it.
    pub(super) fn pace(&self, change: impl FnOnce(&mut Limits)) {
        let retired = self.queue.set_limits(change);
        debug_assert!(retired.is_empty(), "only a smaller maximum retires slots");
    }

    /// Starts as many connects as the waiters need and the limits allow.
    pub(super) fn open_for_waiters(self: &Arc<Self>) {
        let now = self.now_millis();
        while let Some(berth) = self.queue.claim_for_waiter(now) {
            self.start_connect(berth, 0);
        }
    }

    /// Starts a connect that nobody waits for, if there is room and none is under way.
    pub(super) fn open_one_more(self: &Arc<Self>) {
        if let Some(berth) = self.queue.claim_first(self.now_millis()) {
            self.start_connect(berth, usize::MAX);
        }
    }

    async fn open(
        &self,
        (id, epoch): (u64, u64),
        attempt: u32,
    ) -> Result<M::Connection, (Cause<M::Error>, bool)> {
        let timeout = self.config.connect_timeout;
        let cx = ConnectCtx {
            attempt,
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
                // Foreign code outside the limit's catch.
                let classify = AssertUnwindSafe(|| self.manager.classify(&error));
                let class = std::panic::catch_unwind(classify);
                let permanent = class.is_ok_and(|class| class == ErrorClass::Permanent);
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
        if self.queue.is_current(epoch) || mutant(109) {
            self.give(loan);
        } else {
            // A reopen came in between.
            self.close_loan(loan, CloseReason::Stale);
        }
    }

    fn connect_failed(&self, (id, attempt): (u64, u32), cause: Cause<M::Error>, permanent: bool) {
        self.counters
            .connect_failures
            .fetch_add(1, Ordering::Relaxed);
        let told = cause.clone();
        let (pause, old) = self.failures().connect_failed(attempt, cause, permanent);
        drop(old);
        self.pause_connects(self.now_millis() + pause);
        if permanent && !mutant(142) {
            self.fail_waiters();
        }
        self.announce_arrival();
        self.observe_failure(id, &told);
    }

    fn observe_failure(&self, id: u64, cause: &Cause<M::Error>) {
        if self.features.observer {
            let text = std::panic::catch_unwind(AssertUnwindSafe(|| cause.to_string()));
            let reason = text.as_deref().unwrap_or("an error whose text panics");
            self.observe_slowly(&Event::ConnectFailed {
                connection: id,
                reason,
            });
        }
    }

    fn connect_succeeded(&self) {
        let (paused, old) = self.failures().succeeded();
        drop(old);
        if paused {
            // A throttle sets its own pause again.
            self.pace(|limits| limits.connect_after = 0);
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

    /// Readies a connection for a caller: a check if it was idle for long, then the hooks, each
    /// within its own limit. A caller waits for it as long as it likes and then lets it run on; it
    /// ends at once when the pool closes.
    pub(super) async fn prepare(self: Arc<Self>, lease: PooledConnection<M>) -> Prepared<M> {
        // The connection came out of the idle ones without a look at the time: see `driver`.
        self.keep_driven();
        self.settle_doubt();
        let work = self.examine(lease);
        let prepared = self.stop.unless(Level::Openings, work).await;
        prepared.unwrap_or(Prepared::Refused)
    }

    /// What `prepare` does. Dropped half way, it closes the connection.
    async fn examine(&self, mut lease: PooledConnection<M>) -> Prepared<M> {
        lease.loan().enter(Stage::Checking);
        let doubtful = self.is_doubtful(lease.loan().get(), self.now_millis());
        if doubtful && self.config.validate_on_acquire && !mutant(110) {
            let limit = self.config.validation_timeout;
            if !self.validate(&mut lease, limit).await {
                self.close_lease(lease, CloseReason::Invalid);
                return Prepared::Refused;
            }
        }
        let limit = self.config.acquire_timeout;
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
            Ok(false) | Err(_) => {
                self.close_lease(lease, CloseReason::Hook);
                Prepared::Refused
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
        let old = self.failures().check_failed(cause);
        drop(old);
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
        let inner = Arc::clone(self);
        self.start(Box::pin(async move {
            // Nobody used it: it goes on as it is.
            if let Prepared::Ready(lease) = prepare.await {
                inner.pass(lease.into_loan());
            }
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
        lease.body_mut().doom = None;
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
                let mut lease = PooledConnection::new(loan);
                // Should nothing run the task, or its runtime drop it, the connection is closed.
                lease
                    .body_mut()
                    .doom
                    .get_or_insert(CloseReason::ResetFailed);
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
            wake(closer);
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
        let attempt = inner.failures().attempt();
        inner.observe(|| Event::ConnectStarted { connection: id });
        let started = inner.clock.now();
        let under_way = inner.connect_under_way(id);
        let opened = inner
            .stop
            .unless(Level::Openings, inner.open((id, epoch), attempt))
            .await;
        drop(under_way);
        match opened {
            // The pool has closed.
            None => self.end(),
            Some(Ok(conn)) => {
                let took = inner.clock.now().saturating_duration_since(started);
                inner.connect_succeeded();
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
                // The pause first: what the slot's capacity is used for next must keep to it. A
                // failure from before a reopen says nothing about what is there now.
                if inner.queue.is_current(epoch) {
                    inner.connect_failed((id, attempt), cause, permanent);
                }
                self.end();
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
            if !self.inner.stop.is(Level::Openings) {
                let attempt = self.inner.failures().attempt();
                self.inner
                    .connect_failed((0, attempt), Cause::TaskLost, true);
            }
            self.inner.free(berth);
        }
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
