//! Building a pool.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::error::BuildError;
use crate::extensions::Extensions;
use crate::hooks::{Hook, Hooks};
use crate::pool::{Parts, Pool};
use crate::runtime::Home;
use crate::{Admission, Clock, Config, HealthPolicy, Manager, Observer, Placement, Spawn, WarmUp};

/// Builds a [`Pool`]. From [`Pool::builder`].
///
/// Every setting has a default; `build` checks them all together and reports every problem.
#[must_use = "nothing is built before `build` is called and awaited"]
pub struct Builder<M: Manager> {
    manager: M,
    pub(crate) config: Config,
    hooks: Hooks<M::Connection>,
    observer: Option<Arc<dyn Observer>>,
    admission: Option<Arc<dyn Admission>>,
    placement: Option<Arc<dyn Placement>>,
    health: Option<Arc<dyn HealthPolicy>>,
    warm_up: Option<WarmUp>,
    extensions: Extensions,
    clock: Option<Arc<dyn Clock>>,
    spawner: Option<Arc<dyn Spawn>>,
}

impl<M: Manager> Builder<M> {
    pub(crate) fn new(manager: M) -> Self {
        Self {
            manager,
            config: Config::default(),
            hooks: Hooks::default(),
            observer: None,
            admission: None,
            placement: None,
            health: None,
            warm_up: None,
            extensions: Extensions::default(),
            clock: None,
            spawner: None,
        }
    }

    /// Takes all settings from `config`.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Runs `hook` on each new connection, within `connect_timeout`. A refusal counts as a failed
    /// connect. May be called repeatedly: hooks run in that order.
    pub fn after_connect(mut self, hook: Hook<M::Connection>) -> Self {
        self.hooks.after_connect.push(hook);
        self
    }

    /// Runs `hook` on each connection before it is leased, within `acquire_timeout`. After a refusal
    /// the request goes on with the next connection. A request whose deadline comes earlier leaves
    /// the hook to itself; the connection serves the next one then.
    pub fn before_acquire(mut self, hook: Hook<M::Connection>) -> Self {
        self.hooks.before_acquire.push(hook);
        self
    }

    /// Runs `hook` on each connection after its lease, in the background, within `reset_timeout`.
    pub fn after_release(mut self, hook: Hook<M::Connection>) -> Self {
        self.hooks.after_release.push(hook);
        self
    }

    /// Tells `observer` about every event.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Lets `policy` decide which requests may enter. Default: all may.
    pub fn admission(mut self, policy: Arc<dyn Admission>) -> Self {
        self.admission = Some(policy);
        self
    }

    /// Lets `policy` choose among idle connections. Default: the one used last, as far as that keeps
    /// threads apart.
    pub fn placement(mut self, policy: Arc<dyn Placement>) -> Self {
        self.placement = Some(policy);
        self
    }

    /// Readies each new connection by `plan` before anybody gets it, in the background of the connect
    /// and after its hooks. How is the [`Manager`]'s. Default: nothing is done.
    pub fn warm_up(mut self, plan: WarmUp) -> Self {
        self.warm_up = Some(plan);
        self
    }

    /// Lets `policy` look after the health of connections. Default: they are checked when they were
    /// idle for long, and that is all.
    pub fn health(mut self, policy: Arc<dyn HealthPolicy>) -> Self {
        self.health = Some(policy);
        self
    }

    /// Keeps `value` with the pool, for [`Pool::extension`]; instead of an earlier one of its type.
    pub fn extension<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.extensions.insert(value);
        self
    }

    /// Takes the time from `clock`. Default: tokio's, shared by those pools of a runtime that
    /// need it equally fine. A pool that is given one begins in `build`.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Runs background work through `spawner`. Default: tokio, on the runtime of whoever causes the
    /// work, else on the one that the pool was built on; the one task that keeps its time runs there as
    /// long as that lives. A pool that is given one begins in `build`.
    pub fn spawner(mut self, spawner: Arc<dyn Spawn>) -> Self {
        self.spawner = Some(spawner);
        self
    }

    /// Builds the pool and opens `initial_size` connections.
    ///
    /// # Errors
    ///
    /// See [`BuildError`]. Nothing is left behind.
    pub async fn build(mut self) -> Result<Pool<M>, BuildError<M::Error>> {
        self.config.check(self.warm_up.as_ref())?;
        if self.config.seed == 0 {
            self.config.seed = RandomState::new().hash_one(self.config.name.as_str());
        }
        let initial = self.config.initial_size;
        let resolution = self.config.resolution();
        let home = match (&self.clock, &self.spawner) {
            (None, None) => here(),
            _ => None,
        };
        let parts = Parts {
            manager: self.manager,
            config: self.config,
            hooks: self.hooks,
            observer: self.observer,
            admission: self.admission,
            placement: self.placement,
            health: self.health,
            warm_up: self.warm_up,
            extensions: self.extensions,
            clock: self
                .clock
                .or_else(|| default_clock(resolution))
                .ok_or(BuildError::NoRuntime)?,
            spawner: self
                .spawner
                .or_else(default_spawner)
                .ok_or(BuildError::NoRuntime)?,
        };
        let pool = Pool::new(parts, home).ok_or(BuildError::NoRuntime)?;
        if initial > 0 {
            let opened = pool.inner().open_initial(initial as usize).await;
            opened.map_err(|source| BuildError::Connect {
                wanted: initial,
                source,
            })?;
        }
        Ok(pool)
    }
}

#[cfg(feature = "tokio")]
fn default_clock(resolution: Duration) -> Option<Arc<dyn Clock>> {
    Some(crate::TokioClock::shared(resolution))
}

#[cfg(feature = "tokio")]
fn default_spawner() -> Option<Arc<dyn Spawn>> {
    Some(Arc::new(crate::TokioSpawn::new()))
}

#[cfg(feature = "tokio")]
fn here() -> Option<Home> {
    Home::here()
}

#[cfg(not(feature = "tokio"))]
fn default_clock(_: Duration) -> Option<Arc<dyn Clock>> {
    None
}

#[cfg(not(feature = "tokio"))]
fn default_spawner() -> Option<Arc<dyn Spawn>> {
    None
}

#[cfg(not(feature = "tokio"))]
fn here() -> Option<Home> {
    None
}

impl<M: Manager> fmt::Debug for Builder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
