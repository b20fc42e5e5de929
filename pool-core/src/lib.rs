//! The heart of the pool.

mod mutant;

mod manager;
mod observer;
#[doc(hidden)]
pub mod queue;
mod runtime;
mod statements;

#[cfg(not(pool_loom))]
mod builder;
#[cfg(not(pool_loom))]
mod config;
#[cfg(not(pool_loom))]
mod error;
#[cfg(not(pool_loom))]
mod hooks;
#[cfg(not(pool_loom))]
mod pool;
#[cfg(not(pool_loom))]
mod request;
#[cfg(not(pool_loom))]
mod status;
#[cfg(all(feature = "tokio", not(pool_loom)))]
mod tokio_runtime;

pub use manager::{Condition, ConnectCtx, ErrorClass, Manager};
pub use observer::{CloseReason, Event, Observer};
pub use runtime::{BoxFuture, Clock, CoarseTime, Spawn, Timer};
pub use statements::{CacheStats, StatementCache};

#[cfg(not(pool_loom))]
pub use self::{
    builder::Builder,
    config::{Config, ConfigError},
    error::{AddError, BuildError, Cause, Error, Phase, ResizeError},
    hooks::{Hook, Refused},
    pool::{Acquire, InFlight, Pool, PooledConnection, WeakPool},
    request::{Priority, Request, RequestInfo},
    status::{CloseReport, ConnectionInfo, Evict, Holder, OnSuspend, PoolPhase, Status},
};
#[cfg(all(feature = "tokio", not(pool_loom)))]
pub use tokio_runtime::{TokioClock, TokioSpawn};
