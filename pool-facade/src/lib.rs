//! One dependency: the composed async connection pool.
//!
//! # A pool in three steps
//!
//! **Say how to connect.** An adapter does (`sqlite`, `postgres`, behind features of these names), or a
//! [`Manager`] of your own, whose one required method is `connect`:
//!
//! ```
//! use pool_facade::{ConnectCtx, Manager, Pool};
//! use tokio::net::TcpStream;
//!
//! struct Tcp(&'static str);
//!
//! impl Manager for Tcp {
//!     type Connection = TcpStream;
//!     type Error = std::io::Error;
//!
//!     async fn connect(&self, _cx: &ConnectCtx) -> std::io::Result<TcpStream> {
//!         TcpStream::connect(self.0).await
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! **Build.** Every setting has a default that says why; `build` checks all of them together.
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! # use pool_facade::{ConnectCtx, Manager, Pool};
//! # struct Numbers;
//! # impl Manager for Numbers {
//! #     type Connection = u64;
//! #     type Error = Infallible;
//! #     async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Infallible> { Ok(cx.connection_id) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::builder(Numbers)
//!     .max_size(20)
//!     .min_idle(2)
//!     .acquire_timeout(Duration::from_secs(5))
//!     .build()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Acquire, use, drop.** The lease derefs to the connection. Dropping it gives it back, from any
//! thread, on or off a runtime.
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! # use pool_facade::{ConnectCtx, Error, Manager, Pool, Priority};
//! # struct Numbers;
//! # impl Manager for Numbers {
//! #     type Connection = u64;
//! #     type Error = Infallible;
//! #     async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Infallible> { Ok(cx.connection_id) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let pool = Pool::builder(Numbers).max_size(1).build().await?;
//! let lease = pool.acquire().await?;
//! assert_eq!(*lease, 1);
//!
//! let hurried = pool.request().priority(Priority::High).within(Duration::from_millis(50));
//! match hurried.acquire().await {
//!     Err(Error::Timeout { phase, waited, cause }) => eprintln!("{phase} for {waited:?}: {cause:?}"),
//!     other => drop(other?),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What comes back, and in which state
//!
//! A clean connection goes straight to the next request. One with an open transaction or changed
//! settings is reset in the background first. One that was dropped in the middle of a round trip, or
//! by a panicking task, is closed. The adapters know which is which; a manager of your own says so in
//! [`condition`](Manager::condition), and callers can mark round trips with
//! [`PooledConnection::begin`]. Tell the pool about errors with [`PooledConnection::report`]: it
//! closes what is broken and looks twice at what else was idle.
//!
//! # Connections that are known to be good
//!
//! By itself the pool asks a connection that was idle for long before it gives it out. A policy of
//! [`health`] knows sooner, and asks less: it reads what the adapter sees of the traffic, keeps back
//! what is silent for too long, replaces what is old or about to fail, and has a breaker keep
//! requests from a server that answers none. Each part is off, in the shadow (it decides and tells,
//! and does nothing) or on; none of it is asked where a connection is acquired or dropped.
//!
//! ```
//! # use std::{convert::Infallible, sync::Arc, time::Duration};
//! # use pool_facade::{ConnectCtx, Manager, Pool};
//! use pool_facade::WarmUp;
//! use pool_facade::health::{AdaptiveHealth, Ageing, Breaker, Mode};
//! # struct Numbers;
//! # impl Manager for Numbers {
//! #     type Connection = u64;
//! #     type Error = Infallible;
//! #     async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Infallible> { Ok(cx.connection_id) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let health = AdaptiveHealth::builder()
//!     .oltp()
//!     .ageing(Ageing::builder().mode(Mode::On).build()?)
//!     .breaker(Breaker::builder().build()?, Mode::Shadow)
//!     .build()?;
//! let health = Arc::new(health);
//! let plan = WarmUp::new().prepare("SELECT name FROM users WHERE id = $1");
//! let pool = health.attach(Pool::builder(Numbers).warm_up(plan)).build().await?;
//! # drop(pool.acquire().await?);
//! println!("{:?}", health.statistics());
//! # Ok(())
//! # }
//! ```
//!
//! # Sessions
//!
//! A session is what one user wants of a connection, without the connection: settings, a transaction,
//! temporary tables. It is on one only while something runs, and while something pins it there, so
//! that thousands of them share a few. Everything it has set is put back before its next statement, in
//! the same round trip; whoever takes a plain lease sees nothing of it. An adapter that can do this
//! implements [`SessionManager`](sessions::SessionManager) and has a session type that speaks its
//! dialect, `sqlite::SqliteSession` or `postgres::Session`; what all of them can do is in [`sessions`].
//! Every pool of such an adapter has sessions:
//!
//! ```
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use pool_facade::Pool;
//! use pool_facade::SessionPool;
//! use pool_facade::sqlite::SqliteManager;
//!
//! let pool = Pool::builder(SqliteManager::in_memory()?).max_size(2).build().await?;
//! let sessions = pool.sessions();
//! let (mut ann, mut bob) = (sessions.create()?, sessions.create()?);
//! ann.set("app.user", "Ann").await?;
//! bob.set("app.user", "Bob").await?;
//! bob.set("query_only", "on").await?;
//! let who = "SELECT session_value('app.user')";
//! assert_eq!(ann.query_row(who, (), |row| row.get::<_, String>(0)).await?, "Ann");
//! assert_eq!(bob.query_row(who, (), |row| row.get::<_, String>(0)).await?, "Bob");
//!
//! let mut transaction = ann.transaction().await?;
//! transaction.execute_batch("CREATE TABLE note (text); INSERT INTO note VALUES ('hello')").await?;
//! transaction.commit().await?;
//! assert!(bob.execute("DELETE FROM note", ()).await.is_err(), "he may only read");
//! # Ok(())
//! # }
//! ```
//!
//! A pool that is built for sessions, by [`SessionBuilder::sessions`], also has them find a connection
//! that has their settings and statements already; on others they take any, and bring more along. With
//! [`match_waiters`](Builder::match_waiters) that goes for those who wait as well: a connection that
//! comes back may pass up to eight of them to go to one that wishes for what is on it, and nobody is
//! passed more than 8 times.
//!
//! On PostgreSQL a session has settings of any name, a role, prepared statements, savepoints and
//! notifications:
//!
//! ```no_run
//! # #[cfg(not(feature = "postgres"))]
//! # fn main() {}
//! # #[cfg(feature = "postgres")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_facade::affinity::Affinity;
//! use pool_facade::postgres::PostgresManager;
//! use pool_facade::sessions::SessionConfig;
//! use pool_facade::{Pool, SessionBuilder, SessionPool};
//!
//! let manager = PostgresManager::builder("postgres://app@db.example/shop")?.build()?;
//! let config = SessionConfig::new().max_sessions(50_000).max_pinned(10);
//! let builder = Pool::builder(manager).max_size(100).match_waiters(true);
//! let (builder, affinity) = builder.sessions(config, Affinity::builder())?;
//! let pool = builder.build().await?;
//!
//! let mut session = pool.sessions().create()?;
//! session.set("app.tenant", "42").await?;
//! session.set_role("reader").await?;
//! let orders = session.prepare("SELECT count(*) FROM orders WHERE shop = $1").await?;
//! let row = session.query_one(&orders, &[&7_i32]).await?; // prepared where it is not yet
//! let count: i64 = row.get(0);
//!
//! let mut transaction = session.transaction().await?;
//! transaction.savepoint("before").await?;
//! transaction.set("work_mem", "64MB").await?;
//! transaction.rollback_to("before").await?; // work_mem is what it was
//! transaction.commit().await?;
//!
//! session.listen("orders").await?; // holds no connection of its own
//! let heard = session.notification().await?;
//! # let _ = (count, heard);
//! println!("{:?} {:?}", pool.sessions().statistics(), affinity.statistics());
//! # Ok(())
//! # }
//! ```
//!
//! What went wrong says what to do about it: [`sessions::Error::is_retryable`] is true where nothing can
//! have been done, and a write or a commit whose reply was lost is
//! [`OutcomeUnknown`](sessions::Error::OutcomeUnknown).
//!
//! # Operating it
//!
//! | to | call |
//! | --- | --- |
//! | see what is going on | [`Pool::status`], [`Pool::holders`], an [`Observer`] |
//! | change its size | [`Pool::resize`], up to `max_size_ceiling` |
//! | hold requests back during a failover | [`Pool::suspend`], [`Pool::reopen`], [`Pool::resume`] |
//! | get rid of connections | [`Pool::evict`], [`Pool::retain`], [`PooledConnection::discard`] |
//! | know that connections are good, and warm | a policy of [`health`], a [`WarmUp`] |
//! | keep requests out that would be too many | an [`Admission`]: refusals are typed and take no place |
//! | see what sessions do | `pool.sessions()`: [`statistics`](sessions::Sessions::statistics), [`list`](sessions::Sessions::list); replayed settings, connections met again, what was lost |
//! | see why a session keeps its connection | its [`pins`](sessions::Session::pins), or those of all in `statistics`; bound them by [`max_pinned`](sessions::SessionConfig::max_pinned) |
//! | take a connection away from its sessions | [`drain_connection`](sessions::Sessions::drain_connection): they go on elsewhere, the pinned leave it last |
//! | put a session aside | [`suspend`](sessions::Session::suspend), [`resume`](sessions::Sessions::resume) by its number |
//! | move sessions to another process | [`export`](sessions::Session::export), [`import`](sessions::Sessions::import): signed, and once |
//! | have sessions set less | [`SessionBuilder`]; where many wait, [`match_waiters`](Builder::match_waiters) |
//! | find state that functions leave | [`audit`](sessions::SessionConfig::audit), for a round trip more |
//! | prefer a connection for a request | a [`Placement`]: a hint among what is idle |
//! | end | [`Pool::close`], which names whoever still holds one; where sessions listen, `postgres::stop_listening` first |
//!
//! # Coming from another pool
//!
//! | here | bb8 | deadpool | sqlx | r2d2 |
//! | --- | --- | --- | --- | --- |
//! | `acquire` | `get` | `get` | `acquire` | `get` |
//! | `acquire_timeout` | `connection_timeout` | `timeouts.wait` and others | `acquire_timeout` | `connection_timeout` |
//! | `max_size`, `min_size` | `max_size`, – | `max_size`, – | `max_connections`, `min_connections` | `max_size`, – |
//! | `min_idle` | `min_idle` | – | – | `min_idle` |
//! | `validate_on_acquire` | `test_on_check_out` | `recycle` | `test_before_acquire` | `test_on_check_out` |
//! | `Manager::condition` | `has_broken` | `recycle` | – | `has_broken` |
//! | `detach` | – | `Object::take` | `detach` | – |
//!
//! # Limits
//!
//! - A lease is never taken from its holder. Bound your own work; [`Pool::holders`] finds the rest.
//! - A pool's work needs a runtime that is driven: tokio by default, or whatever implements
//!   [`Spawn`] and [`Clock`].
//! - A connection that was idle for less than `validation_bypass` is trusted without a round trip.

mod wiring;

pub use pool_core::{
    Acquire, AddError, Admission, Admit, BoxFuture, BuildError, Builder, CacheStats, Candidate,
    Candidates, Cause, Clock, CloseReason, CloseReport, CoarseTime, Condition, Config, ConfigError,
    ConnectCtx, ConnectionInfo, Error, ErrorClass, Errors, Event, Evict, Finding, HealthPolicy,
    Holder, Hook, InFlight, Labels, Manager, Observer, OnFailure, OnSuspend, Order, Orders,
    Outcome, Phase, Place, Placement, Pool, PoolPhase, PooledConnection, Priority, Profile, Pulse,
    Reason, Recycling, Refused, Request, RequestInfo, ResizeError, Spawn, StatementCache, Status,
    Subject, Timer, Token, TokioClock, TokioSpawn, Vitals, WarmUp, WeakPool,
};

/// Policies of choice: which idle connection suits a request best.
pub use pool_affinity as affinity;
/// Policies of health: broken connections out of rotation, checks only where they tell something, a
/// breaker, ageing, retries.
pub use pool_health as health;
/// Sessions: many of them on few connections, each with its state intact.
pub use pool_multiplex as sessions;
pub use pool_multiplex::SessionPool;
/// PostgreSQL connections.
#[cfg(feature = "postgres")]
pub use pool_postgres as postgres;
/// SQLite connections.
#[cfg(feature = "sqlite")]
pub use pool_sqlite as sqlite;
pub use wiring::SessionBuilder;

/// Compiles and runs the example of the README.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
