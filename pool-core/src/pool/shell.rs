//! What handles share: what the pool was built from, and the pool itself from its first use on.
//!
//! A service with a database for each of its customers builds a thousand pools, and uses a few of
//! them at a time. Until somebody asks a pool for something it has no queue, no task and no timer.
//! A pool that keeps connections, or has a policy that looks at it, is used from the start.

use std::sync::{Arc, OnceLock};

use super::Inner;
use crate::extensions::Extensions;
use crate::hooks::Hooks;
use crate::runtime::keeps_time;
use crate::{
    Admission, Clock, CoarseTime, Config, HealthPolicy, Manager, Observer, Placement, Spawn, WarmUp,
};

/// What the builder hands over.
pub(crate) struct Parts<M: Manager> {
    pub(crate) manager: M,
    pub(crate) config: Config,
    pub(crate) hooks: Hooks<M::Connection>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) admission: Option<Arc<dyn Admission>>,
    pub(crate) placement: Option<Arc<dyn Placement>>,
    pub(crate) health: Option<Arc<dyn HealthPolicy>>,
    pub(crate) warm_up: Option<WarmUp>,
    pub(crate) extensions: Extensions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawner: Arc<dyn Spawn>,
}

impl<M: Manager> Parts<M> {
    /// Whether connections are opened, or looked at by a policy, though nobody asks for one.
    pub(super) fn is_tended(&self) -> bool {
        self.config.min_size > 0 || self.config.min_idle > 0 || self.health.is_some()
    }
}

/// See the module.
pub(super) struct Shell<M: Manager> {
    pub(super) parts: Arc<Parts<M>>,
    /// Ticks where the pool was built, whoever uses it first.
    coarse: Arc<CoarseTime>,
    inner: OnceLock<Arc<Inner<M>>>,
}

impl<M: Manager> Shell<M> {
    /// `None` if timers do not work here.
    pub(super) fn new(parts: Parts<M>) -> Option<Self> {
        if !keeps_time(&*parts.clock) {
            return None;
        }
        let coarse = parts.clock.coarse(parts.config.resolution());
        Some(Self {
            parts: Arc::new(parts),
            coarse,
            inner: OnceLock::new(),
        })
    }

    /// The pool, if it was used.
    pub(super) fn used(&self) -> Option<&Arc<Inner<M>>> {
        self.inner.get()
    }

    /// The pool, which begins to exist if it did not.
    #[inline(always)]
    pub(super) fn inner(&self) -> &Arc<Inner<M>> {
        match self.inner.get() {
            Some(inner) => inner,
            None => self.begin(),
        }
    }

    #[cold]
    #[inline(never)]
    fn begin(&self) -> &Arc<Inner<M>> {
        let make = || {
            Arc::new(Inner::new(
                Arc::clone(&self.parts),
                Arc::clone(&self.coarse),
            ))
        };
        let inner = self.inner.get_or_init(make);
        // Outside: a spawner is foreign code and may use the pool.
        inner.ensure_driver();
        inner
    }
}

impl<M: Manager> Drop for Shell<M> {
    /// The end of the last handle. Leases and tasks may keep the pool's memory.
    fn drop(&mut self) {
        if let Some(inner) = self.inner.get() {
            inner.shut_down();
        }
    }
}
