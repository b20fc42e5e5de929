//! The heart of the pool.

mod manager;
mod mutant;
mod observer;
#[doc(hidden)]
pub mod queue;
mod runtime;
mod statements;

pub use manager::{Condition, ConnectCtx, ErrorClass, Manager};
pub use observer::{CloseReason, Event, Observer};
pub use runtime::{BoxFuture, Clock, CoarseTime, Spawn, Timer};
pub use statements::{CacheStats, StatementCache};
