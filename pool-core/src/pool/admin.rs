//! What an operator does to a pool.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::body::{Berth, Body};
use super::lease::PooledConnection;
use super::mailbox::Chore;
use super::stop::Level;
use super::{Inner, Pool};
use crate::error::{AddError, ResizeError};
use crate::mutant::mutant;
use crate::queue::{Phase, Stage, Whereabouts};
use crate::status::{CloseReport, ConnectionInfo, Evict, Holder, OnSuspend, PoolPhase, Status};
use crate::{CloseReason, Manager, Vitals};

impl<M: Manager> Pool<M> {
    /// The pool in numbers, the sizes taken at one moment under the queue's lock.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.used() {
            Some(inner) => inner.status(),
            None => Status {
                max_size: self.config().max_size as usize,
                ..Status::default()
            },
        }
    }

    /// Who holds connections now, where they asked for them and for how long they have had them.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        self.used().map_or_else(Vec::new, |inner| inner.holders())
    }

    /// Changes the most connections. A smaller pool closes idle connections now and as many of the
    /// leased ones as must go when they come back, exactly; no lease is cut short.
    ///
    /// # Errors
    ///
    /// [`ResizeError`]; nothing has changed then.
    pub fn resize(&self, max_size: u32) -> Result<(), ResizeError> {
        let inner = self.inner();
        let config = &inner.parts.config;
        if max_size == 0 {
            return Err(ResizeError::Zero);
        }
        if max_size > config.ceiling() {
            return Err(ResizeError::AboveCeiling {
                wanted: max_size,
                ceiling: config.ceiling(),
            });
        }
        if max_size < config.min_size {
            return Err(ResizeError::BelowMin {
                wanted: max_size,
                min_size: config.min_size,
            });
        }
        if self.is_closed() {
            return Err(ResizeError::Closed);
        }
        let retired = inner
            .queue
            .set_limits(|limits| limits.max = max_size as usize);
        inner.close_all(retired, CloseReason::Shrunk);
        inner.mailbox.call();
        Ok(())
    }

    /// Stops serving until [`resume`](Self::resume). Leases go on and may be returned; nothing is
    /// opened meanwhile. Returns at once, whoever waits. The deadlines of those who wait run on.
    pub fn suspend(&self, requests: OnSuspend) {
        self.inner().queue.suspend(requests == OnSuspend::Refuse);
    }

    /// Serves again, the oldest waiters first.
    pub fn resume(&self) {
        let inner = self.inner();
        loop {
            let batch = inner.queue.resume(inner.now_millis());
            let done = batch.done;
            batch.wake();
            if done {
                break;
            }
        }
        inner.mailbox.call();
    }

    /// Closes connections, whatever their state. Returns how many idle ones were closed at once;
    /// leased ones are closed when they come back.
    pub fn evict(&self, which: Evict) -> usize {
        let inner = self.inner();
        match which {
            Evict::Idle => inner.evict_idle(),
            Evict::All => {
                inner.queue.bump_epoch();
                inner.drop_stale_checks();
                inner.evict_idle()
            }
            Evict::Connection(id) => usize::from(inner.evict_one(id)),
        }
    }

    /// Starts afresh, as after a failover: connections opened before are closed, idle ones now,
    /// leased ones when they come back, those being opened as soon as they are; pauses after failed
    /// connects are over. Requests that wait are served by new connections.
    pub fn reopen(&self) {
        let inner = self.inner();
        inner.queue.bump_epoch();
        inner.failures().forgive();
        inner.pace(|limits| limits.connect_after = 0);
        inner.drop_stale_checks();
        inner.evict_idle();
        inner.mailbox.call();
    }

    /// Shows each idle connection to `keep` and closes those it refuses. Returns how many that were.
    ///
    /// No lock is held meanwhile, so `keep` may use the pool; it is taken out of the idle ones one
    /// at a time, so requests are served on. If `keep` panics, the connection it saw is closed.
    pub fn retain(
        &self,
        mut keep: impl FnMut(&mut M::Connection, &ConnectionInfo) -> bool,
    ) -> usize {
        let inner = self.inner();
        let mut closed = 0;
        for index in inner.idle_slots() {
            let Some(loan) = inner.queue.take_at(index) else {
                continue;
            };
            let mut lease = PooledConnection::new(loan);
            let info = lease
                .loan()
                .get()
                .info(lease.loan().face(), inner.coarse.millis());
            // Nobody's lease: it is neither counted nor named as one.
            lease.loan().enter(Stage::Checking);
            if keep(&mut lease, &info) {
                lease.loan().enter(Stage::Open);
                inner.put_back(lease.into_loan());
            } else {
                inner.close_loan(lease.into_loan(), CloseReason::Discarded);
                closed += 1;
            }
        }
        closed
    }

    /// Adopts a connection that was opened elsewhere. Hooks after connect are not run.
    ///
    /// # Errors
    ///
    /// The connection comes back if the pool is full or closed.
    pub fn add(&self, conn: M::Connection) -> Result<(), AddError<M::Connection>> {
        let inner = self.inner();
        let Some(berth) = inner.queue.claim_for_adoption() else {
            return Err(if self.is_closed() {
                AddError::Closed(conn)
            } else {
                AddError::Full(conn)
            });
        };
        let id = inner.next_id.fetch_add(1, Ordering::Relaxed);
        let number = (id, inner.queue.epoch());
        inner.install(
            berth,
            (conn, Vitals::deaf()),
            number,
            inner.parts.clock.now(),
        );
        Ok(())
    }

    /// Closes the pool for ever and waits until every connection is closed, for at most `within`.
    ///
    /// Waiting requests end with [`Error::Closed`](crate::Error::Closed), and so do new ones; idle
    /// connections are closed, connects and checks under way are aborted. Leases may go on and are
    /// closed when they come back. The report names those that were still out when time was up,
    /// with the place where each was asked for.
    ///
    /// May be called more than once, also at the same time.
    ///
    /// # Cancel safety
    ///
    /// The pool is closed with the first poll. Dropping the future only ends the wait.
    pub async fn close(&self, within: Duration) -> CloseReport {
        self.inner().close(within).await
    }

    /// Whether the pool was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.used()
            .is_some_and(|inner| inner.queue.phase() == Phase::Closed)
    }
}

impl<M: Manager> Inner<M> {
    fn status(&self) -> Status {
        let census = self.queue.census();
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        let closed_by = std::array::from_fn(|at| count(&counters.closed[at]));
        let detached = count(&counters.detached);
        Status {
            phase: match self.queue.phase() {
                Phase::Open => PoolPhase::Open,
                Phase::Suspended { .. } => PoolPhase::Suspended,
                Phase::Closed => PoolPhase::Closed,
            },
            max_size: census.max,
            size: census.occupied,
            idle: census.idle,
            leased: census.leased,
            connecting: census.connecting,
            checking: census.checking,
            resetting: census.resetting,
            closing: census.closing,
            waiting: census.waiting,
            epoch: self.queue.epoch(),
            opened: count(&counters.opened),
            closed: closed_by.iter().sum::<u64>() + detached,
            detached,
            connect_failures: count(&counters.connect_failures),
            connects_elided: count(&counters.connects_elided),
            timeouts: count(&counters.timeouts),
            revoked: count(&counters.revoked),
            handed_off: census.served,
            matched: census.matched,
            skipped: census.skipped,
            longest_skip: census.longest_skip,
            lock_entries: census.entries,
            closed_by,
        }
    }

    fn holders(&self) -> Vec<Holder> {
        let now = self.coarse.millis();
        let mut holders = Vec::new();
        self.queue.survey(|_, place, face| {
            if place == Whereabouts::Leased
                && let Some(site) = face.site()
            {
                let since = face.leased_since.load(Ordering::Relaxed);
                holders.push(Holder {
                    connection: face.id.load(Ordering::Relaxed),
                    site,
                    held_for: Duration::from_millis(now.saturating_sub(since)),
                });
            }
        });
        holders
    }

    pub(super) fn idle_slots(&self) -> Vec<u32> {
        let mut idle = Vec::new();
        self.queue.survey(|index, place, _| {
            if place == Whereabouts::Idle {
                idle.push(index);
            }
        });
        idle
    }

    fn evict_idle(&self) -> usize {
        let taken = self
            .idle_slots()
            .into_iter()
            .filter_map(|index| self.queue.take_at(index));
        taken
            .map(|loan| self.close_loan(loan, CloseReason::Evicted))
            .count()
    }

    fn evict_one(&self, id: u64) -> bool {
        let mut found = None;
        self.queue.survey(|index, _, face| {
            if face.id.load(Ordering::Relaxed) == id {
                face.evict(id);
                found = Some(index);
            }
        });
        // Whoever gets it from here on looks.
        if !mutant(191) {
            self.queue.bump_revision();
        }
        let Some(loan) = found.and_then(|index| self.queue.take_at(index)) else {
            return false;
        };
        if loan.get().id == id {
            self.close_loan(loan, CloseReason::Evicted);
            return true;
        }
        self.put_back(loan);
        false
    }

    pub(super) fn close_all(&self, retired: Vec<(Berth<M>, Body<M>)>, reason: CloseReason) {
        for (berth, body) in retired {
            self.close_body(berth, body, reason);
        }
    }

    async fn close(self: &Arc<Self>, within: Duration) -> CloseReport {
        let driven = self.keep_driven();
        let idle = self.queue.close(None);
        self.stop.raise(Level::Openings);
        self.close_all(idle, CloseReason::PoolClosed);
        self.mailbox.call();
        let mut timer = self.timer(within.min(crate::problems::MAX_TIME));
        std::future::poll_fn(|cx| {
            if self.queue.poll_empty(cx.waker()) {
                return Poll::Ready(());
            }
            // Where nothing keeps the time there is nothing to wait with.
            if driven {
                timer.poll_elapsed(cx)
            } else {
                Poll::Ready(())
            }
        })
        .await;
        let still_held = self.holders();
        let open = self.queue.census().occupied;
        let report = CloseReport {
            still_closing: open.saturating_sub(still_held.len()),
            still_held,
        };
        // Whatever is still being closed has had its time.
        self.stop.raise(Level::Everything);
        self.mailbox.call();
        report
    }

    /// The end of the last handle.
    pub(super) fn shut_down(self: &Arc<Self>) {
        self.stop.raise(Level::Everything);
        let idle = self.queue.close(Some(Arc::clone(self)));
        for (berth, body) in idle {
            self.count_closed(body.id, CloseReason::PoolClosed);
            self.tell_closed_at(&berth, body.id, CloseReason::PoolClosed);
            self.drop_connection(berth, body.conn);
        }
        self.mailbox.call();
    }

    /// Does a chore that no task will do any more: the connection is dropped as it is.
    pub(super) fn do_without_task(&self, chore: Chore<M>) {
        match chore {
            Chore::Restore(loan, _) => self.close_loan(loan, CloseReason::PoolClosed),
            Chore::Close(berth, conn) => self.drop_connection(berth, conn),
        }
    }

    pub(super) fn drop_connection(&self, berth: Berth<M>, conn: M::Connection) {
        // Foreign code: its panic must not stop what is done here.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| drop(conn)));
        self.vacate(berth);
    }
}
