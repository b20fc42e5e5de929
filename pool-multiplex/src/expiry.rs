//! Ending what is idle for too long.
//!
//! One task for all sessions of a pool looks through them now and then: a timer for each would cost
//! more than all else that an idle session is. It holds neither the pool nor the sessions, ends with
//! them, and passes by what somebody is just at.

use crate::driver::SessionManager;
use crate::registry::Registry;
use crate::slot::{Notice, Place, Slot};
use crate::statistics::count;
use pool_core::Spawn;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

impl<M: SessionManager> Registry<M> {
    /// Sees to it that somebody looks, if anything can be idle for too long.
    pub(crate) fn keep_swept(self: &Arc<Self>, spawner: &dyn Spawn) {
        let Some(every) = self.sweep_every() else {
            return;
        };
        if self.swept.swap(true, Ordering::AcqRel) {
            return;
        }
        let watch = Watching(Arc::downgrade(self));
        // Should nothing run it, the next session asks again: `Watching` sees to that.
        let _ = spawner.spawn(Box::pin(sweep(watch, every)));
    }

    /// One look at all sessions.
    pub(crate) fn sweep(self: &Arc<Self>) {
        let now = self.now();
        self.each(|slot| self.look_at(slot, now));
    }

    fn look_at(&self, slot: &Arc<Slot<M>>, now: u64) {
        // First: who ends a wait says since when, and then that it is over.
        let waits = slot.is_waited_for();
        let idle = Duration::from_millis(now.saturating_sub(slot.used()));
        let passed = |limit: Option<Duration>| limit.is_some_and(|limit| idle > limit);
        if !waits && passed(self.config.session_timeout) {
            self.expire(slot);
        } else if passed(self.config.idle_in_transaction_timeout) {
            self.roll_back(slot);
        }
    }

    fn expire(&self, slot: &Arc<Slot<M>>) {
        let Some(mut place) = slot.try_lock() else {
            return;
        };
        if let Place::Here(_) = &*place
            && let Place::Here(inside) = std::mem::replace(&mut *place, Place::Expired)
        {
            drop(place);
            self.forget(slot.id, inside);
            count(&self.counters.expired);
        }
    }

    /// Rolls an idle transaction back by giving its connection to a reset.
    fn roll_back(&self, slot: &Arc<Slot<M>>) {
        let Some(mut place) = slot.try_lock() else {
            return;
        };
        let Place::Here(inside) = &mut *place else {
            return;
        };
        if !inside.in_transaction() {
            return;
        }
        let limit = self.config.idle_in_transaction_timeout.unwrap_or_default();
        if !inside.owes_rollback {
            inside.notice = Some(Notice::IdleInTransaction(limit));
        }
        let lease = inside.lose();
        self.recount(inside);
        drop(place);
        self.detached(lease.is_some());
        count(&self.counters.idle_in_transaction);
        // Outside the lock: it runs code of the pool's users.
        drop(lease);
    }
}

/// The task's hold on what it looks through. Says that nobody looks any more, however it ends.
struct Watching<M: SessionManager>(Weak<Registry<M>>);

impl<M: SessionManager> Drop for Watching<M> {
    fn drop(&mut self) {
        if let Some(registry) = self.0.upgrade() {
            registry.swept.store(false, Ordering::Release);
        }
    }
}

async fn sweep<M: SessionManager>(watch: Watching<M>, every: Duration) {
    let Some(mut timer) = watch.0.upgrade().map(|registry| registry.timer()) else {
        return;
    };
    loop {
        let Some(registry) = watch.0.upgrade() else {
            return;
        };
        timer.reset(registry.instant() + every);
        drop(registry);
        poll_fn(|cx| timer.poll_elapsed(cx)).await;
        if let Some(registry) = watch.0.upgrade() {
            registry.sweep();
        }
    }
}
