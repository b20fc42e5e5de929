//! PostgreSQL connections for the pool: [`tokio_postgres`], watched.
//!
//! A pool may lend a connection again only if nothing of its last user is left on it. Drivers do
//! not say: a query future that was dropped halfway, a `BEGIN` sent as plain text, a `SET` before
//! an error all leave the handle looking as good as new. This adapter sits between the driver and
//! the socket and reads the protocol's message headers, so that it knows the transaction status
//! and the unanswered requests of every connection, at no round trip.
//!
//! ```text
//!  lease ── PostgresConnection ── tokio_postgres::Client
//!                  │                      │ queue
//!               looks at           driver task (ends with the connection)
//!                  │                      │
//!                Watch  ◄── notes ── WatchedStream ── TLS ── socket
//! ```
//!
//! ```no_run
//! use pool_postgres::{PostgresManager, Reset};
//!
//! # fn main() -> Result<(), pool_postgres::Error> {
//! let manager = PostgresManager::builder("postgres://app@db.example/shop")?
//!     .application_name("shop")
//!     .reset(Reset::WhenTainted)
//!     .build()?;
//! # let _ = manager;
//! # Ok(()) }
//! ```
//!
//! # What holds, and the test that holds it
//!
//! - A transaction left open is rolled back, however it was begun
//!   (`raw_begin_is_seen_and_rolled_back`).
//! - A connection whose query future was dropped is never lent again; the query is cancelled
//!   (`dropped_query_future_is_caught_and_cancelled`).
//! - Settings, role, temporary tables, subscriptions and advisory locks do not reach the next user
//!   (`settings_of_one_user_do_not_reach_the_next`); what [`Reset::WhenTainted`] cannot see is
//!   said there.
//! - An ordinary query costs no reset (`normal_query_needs_no_reset`).
//! - A warm-up takes one round trip however long it is
//!   (`warm_up_takes_one_round_trip_and_spares_the_first_query_its_own`), and what it has set
//!   outlives resets (`settings_of_the_warm_up_survive_every_reset`).
//! - No task outlives its connection (`no_task_is_left_after_close`).
//! - Passwords appear in no error and no `Debug` output (`password_is_never_in_errors_or_debug`).
//!
//! # What it does not do
//!
//! It needs a tokio runtime. `LISTEN` works within a lease, but the driver drops notifications.
//! COPY through the simple protocol costs the connection, as the driver does not support it. A
//! session that ran `LOAD`, `setseed`, `DISCARD ALL` or `DEALLOCATE ALL` is closed at the end of
//! its lease.

mod cancel;
mod classify;
mod config;
mod connection;
mod driver;
mod dsn;
mod error;
mod exchange;
mod hosts;
mod listener;
mod manager;
mod pipeline;
mod reset;
#[cfg(test)]
mod server;
mod session;
mod settings;
mod sql;
mod statements;
mod tls;
mod transport;
mod unit;
mod warm_up;
mod watch;

pub use config::PostgresManagerBuilder;
pub use connection::PostgresConnection;
pub use error::{ConfigError, Error};
pub use manager::PostgresManager;
pub use reset::Reset;
#[cfg(feature = "tls")]
pub use rustls;
pub use session::{
    AsStatement, Begin, Heard, Operation, Prepared, Reply, Session, SessionError, Tables,
    Transaction, stop_listening,
};
pub use statements::Sql;
pub use tokio_postgres;
pub use watch::WireCounts;
