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
//! # Sessions
//!
//! With [`pool_multiplex`] a pool of these connections has [sessions](Session): thousands of users,
//! each with settings, a role, prepared statements, transactions and subscriptions of its own, on as
//! many connections as the server likes to have. A session is on one while something runs, in a
//! transaction, and while something pins it there.
//!
//! ```no_run
//! use pool_core::Pool;
//! use pool_multiplex::SessionPool;
//! use pool_postgres::PostgresManager;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = PostgresManager::builder("postgres://app@db.example/shop")?.build()?;
//! let pool = Pool::builder(manager).max_size(20).build().await?;
//! let mut session = pool.sessions().create()?;
//! session.set("app.tenant", "42").await?;
//! session.set_role("reader").await?;
//! let sql = "SELECT current_user::text, current_setting('app.tenant')";
//! let row = session.query_one(sql, &[]).await?; // on any connection
//! assert_eq!((row.get(0), row.get(1)), ("reader", "42"));
//!
//! let mut transaction = session.transaction().await?; // no round trip, no connection yet
//! transaction.set("work_mem", "64MB").await?; // taken back if it is rolled back
//! transaction.execute("INSERT INTO visits VALUES ($1)", &[&42_i64]).await?;
//! transaction.commit().await?;
//! # Ok(()) }
//! ```
//!
//! What follows a session, what holds it where it is and what is refused is in a table at
//! [`Session`]. How it works:
//!
//! ```text
//!  Session ── sql ──── what may this text do to the session?
//!     │
//!     ├── listener ─── LISTEN: one side connection for all sessions
//!     │
//!     └── unit ─────── BEGIN; settings │ statement │ COMMIT      one flight, fails as a whole
//!            │
//!         exchange ─── what the server said: which statements were done, how it ended
//!            │
//!         effects ──── what follows for the session; values are read back where no text tells
//! ```
//!
//! What an access path costs on the wire can be counted: [`PostgresConnection::wire_counts`] gives the
//! messages that a connection has sent and the turns that it took.
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
//! - No statement of a session runs unless its settings are in force: they are one transaction, or are
//!   waited for (`statement_does_not_run_when_a_setting_is_refused`,
//!   `statement_that_no_transaction_may_hold_waits_for_its_settings`), and cost no round trip of
//!   their own (`settings_and_statement_take_one_round_trip_and_are_committed_together`).
//! - What a session has set is found on any connection (`a_setting_is_found_on_another_connection`,
//!   `a_role_follows_and_is_nobody_elses`), as the server spells it
//!   (`set_as_text_is_read_back_as_the_server_spells_it`), and is taken back exactly
//!   (`rolled_back_settings_are_what_they_were_to_the_savepoint`). Thirty sessions on four connections
//!   are as thirty connections (`thirty_sessions_on_four_connections_are_as_thirty_connections`).
//! - Coming to another's connection takes one round trip
//!   (`a_session_comes_to_a_connection_of_anothers_in_one_round_trip`), also for a statement that is
//!   not there yet (`a_statement_that_the_connection_does_not_have_costs_no_round_trip_more`).
//! - Nothing passes between sessions and plain leases
//!   (`a_plain_lease_never_sees_the_state_of_a_session`,
//!   `a_session_never_sees_what_a_plain_lease_has_left`).
//! - A write or a COMMIT whose reply was lost is
//!   [of unknown outcome](pool_multiplex::Error::OutcomeUnknown), and never called repeatable
//!   (`reply_to_the_commit_that_is_cut_leaves_the_outcome_unknown`).
//! - What is notified after a session's [`listen`](Session::listen) has returned is heard
//!   (`a_notification_right_after_listen_is_heard_without_a_connection`), or the session is told that
//!   something is missing (`lost_connection_is_replaced_and_everybody_told_of_the_gap`).
//! - No task outlives its connection (`no_task_is_left_after_close`).
//! - Passwords appear in no error and no `Debug` output (`password_is_never_in_errors_or_debug`).
//!
//! # What it does not do
//!
//! It needs a tokio runtime. Notifications reach [sessions](Session::notification) alone: a `LISTEN`
//! within a plain lease works, and what it would hear is dropped. COPY through the simple protocol
//! costs the connection, as the driver does not support it; a session borrows the connection for COPY
//! ([`Session::raw`]). A connection on which `LOAD`, `setseed`, `DISCARD ALL` or `DEALLOCATE ALL` ran
//! in a plain lease is closed at its end; a session is refused the first, pinned by the second, and
//! for the others gets what does the same to it alone.
//!
//! A session goes by the text of its statements and the server's answers. What a function or a
//! trigger changes in secret is found by an [audit](pool_multiplex::SessionConfig::audit) only, which
//! does not see settings of made-up names. A transaction, a temporary table or a lock is not moved to
//! another connection: it pins. A role is no barrier against whoever may run any SQL: `RESET ROLE` is
//! SQL too. The connection that listens for sessions is a lease like others, and a pool that is closed
//! waits for it: call [`stop_listening`] first.

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
