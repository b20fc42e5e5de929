//! The sessions of a pool.

use crate::config::{SessionConfig, SessionOptions};
use crate::driver::SessionManager;
use crate::error::Error;
use crate::interner::Interner;
use crate::pins::Pins;
use crate::registry::Registry;
use crate::session::Session;
use crate::slot::Place;
use crate::statements::Catalogue;
use crate::statistics::{SessionStatistics, count};
use crate::transaction::TransactionStatus;
use crate::transfer::{Import, Keys, UnixSeconds};
use pool_core::{Evict, Pool};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The sessions of a pool. A cheap handle.
pub struct Sessions<M: SessionManager> {
    pool: Pool<M>,
    registry: Arc<Registry<M>>,
}

/// Gives a pool its sessions.
pub trait SessionPool<M: SessionManager> {
    /// The sessions of this pool: the same for all handles. Their settings are those that the pool
    /// was built with, as an [extension](pool_core::Builder::extension) of type [`SessionConfig`],
    /// else the defaults.
    fn sessions(&self) -> Sessions<M>;
}

impl<M: SessionManager> SessionPool<M> for Pool<M> {
    fn sessions(&self) -> Sessions<M> {
        let config = self.extension(SessionConfig::default);
        let registry = self.extension(|| {
            let registry = Registry::<M>::new((*config).clone(), Arc::clone(self.clock()));
            Shared(Arc::new(registry))
        });
        Sessions {
            pool: self.clone(),
            registry: Arc::clone(&registry.0),
        }
    }
}

/// What is kept with the pool.
struct Shared<M: SessionManager>(Arc<Registry<M>>);

/// One session, as seen from outside.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its number.
    pub id: u64,
    /// For how long it has not been used.
    pub idle: Duration,
    /// Whether it is in a transaction.
    pub transaction: TransactionStatus,
    /// What pins it.
    pub pins: Pins,
    /// The number of the connection that it holds, if it does.
    pub connection: Option<u64>,
    /// Whether it is suspended.
    pub suspended: bool,
}

/// What became of the sessions of a connection that is to go.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ConnectionDrain {
    /// Sessions that had the connection last, and will find their state on another.
    pub moved: usize,
    /// Sessions that are on it now, with what pins them, and leave it when nothing does any more; the
    /// connection is closed then.
    pub held: Vec<(u64, Pins)>,
    /// Sessions that were just at work, here or elsewhere. One that was here leaves when it is done.
    pub busy: usize,
}

impl<M: SessionManager> Sessions<M> {
    /// A new session. It costs some kilobytes and no connection, and nobody is asked.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`].
    pub fn create(&self) -> Result<M::Session, Error<M::Error>> {
        self.create_with(SessionOptions::default())
    }

    /// A new session with a baseline and tags of its own.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`].
    pub fn create_with(&self, options: SessionOptions) -> Result<M::Session, Error<M::Error>> {
        let state = self.registry.state(options);
        let slot = self.registry.enter(state)?;
        self.registry.keep_swept(&**self.pool.spawner());
        Ok(Session::new(self.clone(), slot).into())
    }

    /// A session that was [suspended](Session::suspend).
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] if there is none of this number, or it is not suspended, or has timed out.
    pub fn resume(&self, id: u64) -> Result<M::Session, Error<M::Error>> {
        let slot = self.registry.find(id).ok_or(Error::Unknown(id))?;
        match &mut *slot.lock() {
            Place::Here(inside) if inside.suspended => {
                inside.suspended = false;
                slot.touch(self.registry.now());
            }
            _ => return Err(Error::Unknown(id)),
        }
        self.registry
            .counters
            .suspended
            .fetch_sub(1, Ordering::Relaxed);
        Ok(Session::new(self.clone(), slot).into())
    }

    /// A session that was [exported](Session::export), here or elsewhere, by a manager of the same
    /// identity. A blob can be imported once. The session gets a number of its own; channels that it
    /// listened to are for its adapter to take up again.
    ///
    /// # Errors
    ///
    /// [`Error::Transfer`] says what is wrong with the blob; then nothing has happened.
    /// [`Error::TooMany`].
    pub fn import(
        &self,
        blob: &[u8],
        keys: &Keys,
        now: UnixSeconds,
    ) -> Result<M::Session, Error<M::Error>> {
        let identity = self.pool.manager().identity();
        let import = self.registry.importer.open(blob, keys, &identity, now)?;
        self.take_up(import)
    }

    /// As [`import`](Self::import), from a blob as [text](crate::transfer::Blob::to_text).
    ///
    /// # Errors
    ///
    /// As [`import`](Self::import).
    pub fn import_text(
        &self,
        blob: &str,
        keys: &Keys,
        now: UnixSeconds,
    ) -> Result<M::Session, Error<M::Error>> {
        let identity = self.pool.manager().identity();
        let import = self
            .registry
            .importer
            .open_text(blob, keys, &identity, now)?;
        self.take_up(import)
    }

    fn take_up(&self, import: Import) -> Result<M::Session, Error<M::Error>> {
        let state = self.registry.restore(import.snapshot());
        let slot = self.registry.enter(state)?;
        import.confirm();
        count(&self.registry.counters.imported);
        self.registry.keep_swept(&**self.pool.spawner());
        Ok(Session::new(self.clone(), slot).into())
    }

    /// Has the connection of this number closed as soon as nobody is on it: now if it is idle. Its
    /// sessions go on with all their state on others. Waits for nothing; the numbers of connections
    /// are in [`list`](Self::list), [`Session::connection`] and `Pool::holders`.
    pub fn drain_connection(&self, connection: u64) -> ConnectionDrain {
        self.pool.evict(Evict::Connection(connection));
        let mut drain = ConnectionDrain::default();
        self.registry.each(|slot| match slot.try_lock().as_deref() {
            Some(Place::Here(inside)) => {
                let is_it = |other: u64| other == connection;
                let here = inside
                    .lease
                    .as_ref()
                    .map(pool_core::PooledConnection::candidate);
                if here.is_some_and(|here| is_it(here.connection)) {
                    drain.held.push((slot.id, inside.state.pins()));
                } else if inside.last.is_some_and(|last| is_it(last.connection)) {
                    drain.moved += 1;
                }
            }
            Some(Place::Busy) | None => drain.busy += 1,
            Some(Place::Expired) => {}
        });
        drain
    }

    /// The sessions there are at this moment, but for those that are just at work.
    #[must_use]
    pub fn list(&self) -> Vec<SessionInfo> {
        let now = self.registry.now();
        let mut list = Vec::with_capacity(self.registry.len());
        self.registry.each(|slot| {
            if let Some(Place::Here(inside)) = slot.try_lock().as_deref() {
                let lease = inside.lease.as_ref();
                let here = lease.map(pool_core::PooledConnection::candidate);
                list.push(SessionInfo {
                    id: slot.id,
                    idle: Duration::from_millis(now.saturating_sub(slot.used())),
                    transaction: inside.state.frames().status(),
                    pins: inside.state.pins(),
                    connection: here.map(|here| here.connection),
                    suspended: inside.suspended,
                });
            }
        });
        list
    }

    /// The sessions in numbers.
    #[must_use]
    pub fn statistics(&self) -> SessionStatistics {
        let registry = &self.registry;
        let sessions = registry.len() as u64;
        let connections = self.pool.status().size;
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
        let ratio = sessions as f64 / connections.max(1) as f64;
        SessionStatistics {
            sessions,
            ratio,
            statements: registry.catalogue.len() as u64,
            settings: registry.interner.len() as u64,
            ..registry.counters.read()
        }
    }

    /// How many sessions may be pinned for more than a transaction from now on, instead of
    /// [`max_pinned`](SessionConfig::max_pinned). Those that are stay so.
    pub fn set_max_pinned(&self, limit: usize) {
        self.registry.set_max_pinned(limit);
    }

    /// The pool under the sessions.
    #[must_use]
    pub const fn pool(&self) -> &Pool<M> {
        &self.pool
    }

    /// The statements that sessions share.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.registry.catalogue
    }

    /// The lists of settings that sessions and connections share; as [labels](pool_core::Labels) it
    /// tells a placement what one costs that has another.
    #[must_use]
    pub fn interner(&self) -> &Interner {
        &self.registry.interner
    }

    pub(crate) const fn registry(&self) -> &Arc<Registry<M>> {
        &self.registry
    }
}

impl<M: SessionManager> Clone for Sessions<M> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            registry: Arc::clone(&self.registry),
        }
    }
}

impl<M: SessionManager> fmt::Debug for Sessions<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
