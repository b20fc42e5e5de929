//! One dependency: the composed async connection pool.

pub use pool_core::{
    Acquire, AddError, BoxFuture, BuildError, Builder, CacheStats, Cause, Clock, CloseReason,
    CloseReport, CoarseTime, Condition, Config, ConfigError, ConnectCtx, ConnectionInfo, Error,
    ErrorClass, Event, Evict, Holder, Hook, InFlight, Manager, Observer, OnSuspend, Phase, Pool,
    PoolPhase, PooledConnection, Priority, Refused, Request, RequestInfo, ResizeError, Spawn,
    StatementCache, Status, Timer, TokioClock, TokioSpawn, WeakPool,
};

/// PostgreSQL connections.
#[cfg(feature = "postgres")]
pub use pool_postgres as postgres;
/// SQLite connections.
#[cfg(feature = "sqlite")]
pub use pool_sqlite as sqlite;

/// Compiles and runs the example of the README.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
