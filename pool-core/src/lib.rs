//! The heart of the pool: slots, a queue for idle connections and waiters, and the life of a
//! connection.
//!
//! A pool that is fast in a benchmark is easy to write. One that is still right when a future is
//! dropped at the wrong moment, a manager panics, a server hangs and the pool is resized at the same
//! time is not, because most designs keep what is idle, who waits and how many there are in
//! different places. This one keeps them in one structure, small enough for a model checker, and
//! builds everything else around it.
//!
//! ```text
//!            acquire ─┐                        ┌─ drop
//!                     ▼                        ▼
//!      ┌────────────────────  queue  ───────────────────┐   one CAS each, or
//!      │ idle bits │ SLOW │ waiters │ vacant │ deadlines │   one short lock
//!      └───────────────────────┬────────────────────────┘
//!        slot  slot  slot  ……  │  driver, connect, check, reset, close: tasks of the pool
//!                              ▼
//!                           Manager ── yours, or an adapter's
//! ```
//!
//! Most users depend on `pool-facade`, which re-exports all of this. This crate alone is for those
//! who build on it; it needs no runtime without its default feature `tokio`.
//!
//! ```
//! use std::convert::Infallible;
//! use pool_core::{ConnectCtx, Manager, Pool};
//!
//! struct Numbers;
//!
//! impl Manager for Numbers {
//!     type Connection = u64;
//!     type Error = Infallible;
//!
//!     async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Infallible> {
//!         Ok(cx.connection_id)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::builder(Numbers).max_size(4).build().await?;
//! let conn = pool.acquire().await?;
//! assert_eq!(*conn, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! 1. A connection has one owner at a time (models `L1`…`L4`; `promises`, P1).
//! 2. Nothing is lost: an idle connection and a request that could use it never exist together for
//!    longer than a hand-off (models; P2).
//! 3. Requests are served in order within a priority, and nobody overtakes (P3), unless the pool was
//!    asked to let some pass, within bounds: [`Builder::fair_queue`], [`Builder::match_waiters`].
//! 4. Every wait ends: by a connection, by its deadline, or by a typed reason (P4).
//! 5. A connection in doubt is never given out (P5).
//! 6. There are never more connections than the maximum (P6).
//! 7. Dropping a lease is synchronous, needs no runtime, never blocks and never fails (P7).
//! 8. What is switched off costs one predictable branch (P8).
//!
//! "Model-checked" means by loom, up to the number of preemptions that `cargo xtask loom` prints.
//!
//! # What it does not do
//!
//! It takes no connection away from its holder, however long it is held. It does not retry what a
//! caller does with a connection. It knows nothing of queries, sessions or tenants: other crates of
//! this workspace do.
//!
//! # What it costs
//!
//! Acquire and drop of an idle connection that needs no check: two read-modify-writes on one cache
//! line; no allocation, no lock, no clock, no task. Waiting: one short lock to join, one to be
//! served; no read of the clock, unless an observer is told how long it took or `acquire_timeout`
//! is short; no allocation, once the queue was as long before. The future is 88 bytes, the lease 8.
//!
//! A connection that was closed and the wait for its successor: some 7,600 instructions and three
//! allocations beside what the manager needs, in two tasks, the driver and the connect.
//!
//! A pool: 0.7 KiB, settings mostly, and no task until somebody uses it; some 4 KiB on two cores
//! with its first connection: the slot, the driver, counters, a cache line for each core's idle
//! connections, lanes for four priorities. Unless it keeps connections ready or a policy looks at it, it
//! sleeps until something is due. Pools of a runtime that need the time equally fine share a clock, and
//! all of them a ticker.
//!
//! Where the instructions of an acquire and drop go (x86-64, rustc 1.95, default settings;
//! `cargo xtask counts` holds the sum, and 13 of its own loop):
//!
//! | part | instructions |
//! | --- | --: |
//! | make the future | 8 |
//! | the handle, whether the pool has begun, coarse time | 9 |
//! | the thread's home word | 4 |
//! | look at the word, lowest bit, CAS | 22 |
//! | from the bit to the slot | 7 |
//! | may it be given out: revision, age and bypass window, features | 8 |
//! | note site, time and use; result; end of the future | 20 |
//! | on return: pool, time, good until when | 8 |
//! | features, doom, revision, age, panicking | 15 |
//! | note the time, CAS | 14 |
//!
//! Everything that is rare about a connection (it was evicted, opened before a reopen, is under
//! suspicion) ends in a change of one number, the queue's revision. A connection that was last
//! looked at under another revision gets the close look, which costs some 70 more; so does every
//! lease of a pool with hooks on acquire or release. An observer costs some 220 for both of its
//! events, an [`Admission`] and a [`Placement`] some 170 more for being asked and told; an
//! admission that stands by and a [`HealthPolicy`] next to nothing.

mod mutant;

mod manager;
mod mode;
mod observer;
#[doc(hidden)]
pub mod queue;
mod runtime;
mod statements;

#[cfg(not(pool_loom))]
mod admission;
#[cfg(not(pool_loom))]
mod builder;
#[cfg(not(pool_loom))]
mod config;
#[cfg(not(pool_loom))]
mod error;
#[cfg(not(pool_loom))]
mod extensions;
#[cfg(not(pool_loom))]
mod health;
#[cfg(not(pool_loom))]
mod hooks;
#[cfg(not(pool_loom))]
mod placement;
#[cfg(not(pool_loom))]
mod pool;
#[cfg(not(pool_loom))]
mod problems;
#[cfg(not(pool_loom))]
mod profile;
#[cfg(not(pool_loom))]
mod request;
#[cfg(not(pool_loom))]
mod status;
#[cfg(all(feature = "tokio", not(pool_loom)))]
mod tokio_runtime;
#[cfg(not(pool_loom))]
mod vitals;
#[cfg(not(pool_loom))]
mod warm_up;

pub use manager::{Condition, ConnectCtx, ErrorClass, Manager};
pub use mode::Mode;
pub use observer::{CloseReason, Event, Observer};
pub use runtime::{BoxFuture, Clock, CoarseTime, Spawn, Timer};
pub use statements::{CacheStats, StatementCache};

#[cfg(not(pool_loom))]
pub use self::{
    admission::{Admission, Admit, Outcome, Reason, Token},
    builder::Builder,
    config::Config,
    error::{AddError, BuildError, Cause, Error, Phase, ResizeError},
    health::{Finding, HealthPolicy, Order, Orders, Place, Recycling, Subject},
    hooks::{Hook, Refused},
    placement::{Candidate, Candidates, Placement},
    pool::{Acquire, InFlight, Pool, PooledConnection, WeakPool},
    problems::{ConfigError, Problems},
    profile::{Labels, Profile},
    request::{Priority, Request, RequestInfo},
    status::{CloseReport, ConnectionInfo, Evict, Holder, OnSuspend, PoolPhase, Status},
    vitals::{Errors, Pulse, Vitals},
    warm_up::{OnFailure, WarmUp},
};
#[cfg(all(feature = "tokio", not(pool_loom)))]
pub use tokio_runtime::{TokioClock, TokioSpawn};
