//! What handles share: what the pool was built from, and the pool itself from its first use on.
//!
//! A service with a database for each of its customers builds a thousand pools, and uses a few of
//! them at a time. Until somebody asks a pool for something it has no queue, no task and no timer.
//! A pool that keeps connections, or has a policy that looks at it, is used from the start; and so is
//! one that was given a clock or a spawner, since only its own can be told where it is at home.

use std::sync::{Arc, OnceLock};

use super::Inner;
use super::home_word::homes;
use crate::extensions::Extensions;
use crate::hooks::Hooks;
use crate::runtime::{Home, keeps_time};
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
    inner: OnceLock<Arc<Inner<M>>>,
    /// Ticks where the pool was built, whoever uses it first.
    pub(super) coarse: Arc<CoarseTime>,
    /// Where that was, for the driver. None if the clock or the spawner is not the pool's own: who knows
    /// where they are at home.
    pub(super) home: Option<Home>,
    /// What the admission said of itself.
    pub(super) stands_by: Option<bool>,
    /// How many words the idle connections are worth there.
    pub(super) homes: usize,
}

impl<M: Manager> Shell<M> {
    /// `None` if timers do not work here, or tasks do not run.
    pub(super) fn new(parts: Parts<M>, home: Option<Home>) -> Option<Self> {
        if !keeps_time(&*parts.clock) {
            return None;
        }
        let shell = Self {
            inner: OnceLock::new(),
            coarse: parts.clock.coarse(parts.config.resolution()),
            home,
            stands_by: parts
                .admission
                .as_ref()
                .and_then(|policy| policy.stands_by()),
            homes: homes().min((parts.config.max_size as usize).next_power_of_two()),
            parts: Arc::new(parts),
        };
        let begins = shell.home.is_none() || shell.parts.is_tended();
        let well = !begins || shell.inner().ensure_driver();
        well.then_some(shell)
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
        let mut first = false;
        let inner = self.inner.get_or_init(|| {
            first = true;
            Arc::new(Inner::new(self))
        });
        if let (true, Some(home)) = (first, &self.home) {
            // Until it runs it counts as alive. If the runtime has ended it is dropped at once, and does
            // so no more: the next request that waits starts one where it is.
            let clock = &self.parts.clock;
            home.spawn(inner.driver(clock.timer(), inner.now_millis()));
        }
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
