//! Opening connections: who starts a connect, what a connect does, and what follows when it fails.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::body::{Berth, Body, Home, NEVER_SEEN};
use super::stop::Level;
use super::tasks::Cut;
use super::{Inner, millis};
use crate::error::Cause;
use crate::mutant::mutant;
use crate::queue::Limits;
use crate::{Candidate, CloseReason, Condition, ConnectCtx, ErrorClass, Event, Manager, Vitals};

impl<M: Manager> Inner<M> {
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

    /// Starts as many connects as the waiters need and the limits allow at `now`.
    pub(super) fn open_for_waiters(self: &Arc<Self>, now: u64) {
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
        (attempt, started): (u32, Instant),
        vitals: &Vitals,
    ) -> Result<M::Connection, (Cause<M::Error>, ErrorClass)> {
        let timeout = self.parts.config.connect_timeout;
        let cx = ConnectCtx {
            attempt,
            deadline: started + timeout,
            timeout,
            epoch,
            connection_id: id,
            vitals: vitals.clone(),
        };
        let work = pin!(async {
            let mut conn = self
                .parts
                .manager
                .connect(&cx)
                .await
                .map_err(OpenError::Connect)?;
            for hook in &self.parts.hooks.after_connect {
                let info = self.info_of_new(id, epoch);
                if let Err(refused) = hook.run(&mut conn, info).await {
                    return Err(OpenError::Hook(refused.to_string()));
                }
            }
            self.warm_up(id, &mut conn).await?;
            Ok(conn)
        });
        match self.within(timeout, work).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(OpenError::Connect(error))) => {
                // Foreign code outside the limit's catch.
                let classify = AssertUnwindSafe(|| self.parts.manager.classify(&error));
                let class = std::panic::catch_unwind(classify);
                let class = class.unwrap_or(ErrorClass::Connection);
                Err((Cause::Manager(Arc::new(error)), class))
            }
            Ok(Err(OpenError::Hook(reason))) => {
                Err((Cause::Hook(reason.into()), ErrorClass::Connection))
            }
            Ok(Err(OpenError::Cut(limit, cut))) => {
                Err((cut.into_cause(limit), ErrorClass::Connection))
            }
            Err(cut) => Err((cut.into_cause(timeout), ErrorClass::Endpoint)),
        }
    }

    /// Does what the plan says, if there is one.
    async fn warm_up(&self, id: u64, conn: &mut M::Connection) -> Result<(), OpenError<M::Error>> {
        let Some(plan) = &self.parts.warm_up else {
            return Ok(());
        };
        let outcome = {
            let work = pin!(self.parts.manager.warm_up(conn, plan));
            self.within(plan.limit(), work).await
        };
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if plan.keeps() && self.condition_of(conn) != Condition::Broken => {
                self.observe_text(&error, |reason| Event::WarmUpFailed {
                    connection: id,
                    reason,
                });
                Ok(())
            }
            Ok(Err(error)) => Err(OpenError::Connect(error)),
            Err(cut) => Err(OpenError::Cut(plan.limit(), cut)),
        }
    }

    fn condition_of(&self, conn: &mut M::Connection) -> Condition {
        let asked = AssertUnwindSafe(|| self.parts.manager.condition(conn));
        std::panic::catch_unwind(asked).unwrap_or(Condition::Broken)
    }

    fn info_of_new(&self, id: u64, epoch: u64) -> crate::ConnectionInfo {
        crate::ConnectionInfo {
            id,
            epoch,
            created: self.parts.clock.now(),
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
        (conn, vitals): (M::Connection, Vitals),
        (id, epoch): (u64, u64),
        created: Instant,
    ) {
        let now = self.coarse.millis_at(created);
        let expires = self.parts.config.max_lifetime.map_or(u64::MAX, |lifetime| {
            now + self
                .failures()
                .jittered(millis(lifetime), self.parts.config.lifetime_jitter)
        });
        let body = Body {
            conn,
            home: Home::of(self),
            id,
            epoch,
            created,
            seen: NEVER_SEEN,
            good_until: 0,
            expires,
            fresh: now,
            vouched: 0,
            doom: None,
            request: None,
            lent: false,
            token: None,
        };
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        berth.face().renew(&body, now);
        let connection = Candidate::new(berth.index(), id);
        self.enrol(connection, vitals, now);
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
        self.observe_text(&told, |reason| Event::ConnectFailed {
            connection: id,
            reason,
        });
    }

    /// Tells the observer of something that an error says.
    fn observe_text(&self, error: &dyn Display, event: impl FnOnce(&str) -> Event<'_>) {
        if self.features.observer {
            let text = std::panic::catch_unwind(AssertUnwindSafe(|| error.to_string()));
            let reason = text.as_deref().unwrap_or("an error whose text panics");
            self.observe_slowly(&event(reason));
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

    /// A connection that came to nothing before its first use is as bad as a failed connect: its
    /// successor must not follow at once, or a far end that takes connections and drops them would
    /// be asked in a loop.
    pub(super) fn note_end(&self, body: &Body<M>, uses: u64, reason: CloseReason) {
        let unfit = matches!(
            reason,
            CloseReason::Broken
                | CloseReason::Invalid
                | CloseReason::Hook
                | CloseReason::ResetFailed
        );
        if !unfit || uses > 0 {
            return;
        }
        let now = self.now_millis();
        let age = now.saturating_sub(self.coarse.millis_at(body.created));
        if age < INFANCY {
            let pause = self.failures().stillborn(now);
            self.pause_connects(now + pause);
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
}

/// Milliseconds within which an unused connection that ends counts as one that came to nothing.
const INFANCY: u64 = 1000;

enum OpenError<E> {
    Connect(E),
    Hook(String),
    Cut(Duration, Cut),
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
        let (attempt, successes) = inner.failures().so_far();
        inner.observe(|| Event::ConnectStarted { connection: id });
        let started = inner.parts.clock.now();
        let vitals = inner.vitals();
        let under_way = inner.connect_under_way(id, inner.coarse.millis_at(started));
        let opened = {
            let work = pin!(inner.open((id, epoch), (attempt, started), &vitals));
            inner.stop.unless(Level::Openings, work).await
        };
        let ended = inner.parts.clock.now();
        let took = ended.saturating_duration_since(started);
        let now = inner.coarse.millis_at(ended);
        match &opened {
            Some(Ok(_)) => under_way.succeeded(now, took),
            _ => drop(under_way),
        }
        match opened {
            // The pool has closed.
            None => self.end(),
            Some(Ok(conn)) => {
                inner.connect_succeeded();
                inner.observe(|| Event::Connected {
                    connection: id,
                    took,
                });
                if let Some(berth) = self.berth.take() {
                    let slot = berth.index();
                    let connection = id;
                    // Before anybody may have it, or it may be closed.
                    inner.tell_connected(took, Ok(Candidate::new(slot, connection)));
                    inner.install(berth, (conn, vitals), (id, epoch), ended);
                }
                if inner.parts.is_tended() || inner.may_open_others() {
                    inner.mailbox.call();
                }
                inner.announce_arrival();
            }
            Some(Err((cause, class))) => {
                let permanent = class == ErrorClass::Permanent;
                inner.tell_connected(took, Err(class));
                // The pause first: what the slot's capacity is used for next must keep to it. A
                // failure from before a reopen says nothing about what is there now.
                // Nor does how often connects had failed before others succeeded.
                let outdone = inner.failures().successes() != successes;
                let attempt = if outdone { 1 } else { attempt };
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
