//! SQLite connections for the pool.
//!
//! SQLite runs in the process and blocks the thread that calls it: for microseconds when a page is
//! cached, for seconds when another connection holds the write lock. An executor's worker must
//! never wait like that, and a general blocking pool would hop a connection between threads for
//! every call. Here each connection lives on **one thread of its own** for its whole life, and
//! asynchronous callers hand it closures:
//!
//! ```text
//!  task                              thread "sqlite-7"
//!  conn.call(|c| …).await ──job──▶   place for one job ──▶ rusqlite::Connection
//!        ▲                                                        │
//!        └───────────────── oneshot ◀── state of the session ◀────┘
//! ```
//!
//! The place holds a single job, so nothing can queue up behind a job that nobody waits for any
//! more. No async runtime is needed: the thread is the standard library's and the answer comes
//! through a oneshot that any executor can await.
//!
//! ```
//! use pool_sqlite::SqliteManager;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), pool_sqlite::Error> {
//! let manager = SqliteManager::in_memory()?;
//! let mut conn = manager.open().await?;
//! conn.execute_batch("CREATE TABLE t (n INTEGER)").await?;
//! let count: i64 = conn
//!     .call(|c| c.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
//!     .await?;
//! assert_eq!(count, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Sessions
//!
//! More users than connections, each with settings and transactions of its own: with `pool-multiplex`
//! a pool of these connections has [sessions](SqliteSession).
//!
//! ```
//! use pool_core::Pool;
//! use pool_multiplex::SessionPool;
//! use pool_sqlite::SqliteManager;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::builder(SqliteManager::in_memory()?).max_size(2).build().await?;
//! let mut session = pool.sessions().create()?;
//! session.set("recursive_triggers", "on").await?;
//! session.set("app.tenant", "42").await?;
//! let mut transaction = session.transaction().await?;
//! transaction.execute_batch("CREATE TABLE t (tenant)").await?;
//! let insert = "INSERT INTO t VALUES (session_value('app.tenant'))";
//! let row = transaction.insert(insert, ()).await?;
//! transaction.commit().await?;
//! assert_eq!(row, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! 1. A job whose future is dropped before the thread took it never runs
//!    (`src/mailbox/tests.rs`).
//! 2. A future dropped while its job runs interrupts the statement, and the connection counts as
//!    [`Broken`](pool_core::Condition::Broken) until the job has ended: it is never used with a
//!    job outstanding (`tests/cancel.rs`).
//! 3. A panic in a job ends the connection, frees its thread and its file, and reaches the caller
//!    as [`Error::Panicked`] (`tests/panic.rs`).
//! 4. No session state made by SQL reaches the next user: open transactions, temporary tables,
//!    views and triggers, attached databases, pragmas (`tests/session.rs`).
//!    What a warm-up made of a session is what it is made again (`tests/warm_up.rs`).
//! 5. Dropping a connection never blocks; closing one ends its thread (`tests/threads.rs`).
//! 6. A session sees the settings that it has made and no others, whatever connection it runs on; a
//!    lease without a session sees those of none (`tests/sessions/`).
//!
//! # How state is kept from leaking
//!
//! After each job the thread notes whether a transaction is open. An authorizer callback, which
//! SQLite asks while it *compiles* a statement, notes anything that changes the session: `ATTACH`,
//! `CREATE TEMP …`, a pragma with a value. It costs nothing when cached statements run. An open
//! transaction is rolled back by a reset. Any other change makes the reset open the file anew on
//! the same thread, which undoes all of it, known or unknown, for the price of an open (a fraction
//! of a millisecond) and an empty statement cache.
//!
//! Sessions leave settings behind on purpose, so that they need not be made again. These are in the
//! books of the connection's thread, which looks at what a job has touched when it ends; another session
//! changes what differs for it, and a reset puts them back one by one.
//!
//! What this does not see: state set through rusqlite's own methods rather than SQL (functions,
//! hooks, handlers, `set_db_config`, `busy_timeout`), or a replaced [`rusqlite::Connection`]. Call
//! [`SqliteConnection::mark_changed`] after such a change, and make it by [`SqliteSession::raw`] in a
//! session. `last_insert_rowid()`, `changes()` and `total_changes()` of an earlier user, or session, stay
//! readable until the next insert; ask for your own in the call that inserts.
//!
//! # What it does not do
//!
//! It does not retry a statement that met a lock: SQLite's busy timeout does, and what is left
//! after it is the caller's to judge. A closure that computes without calling SQLite cannot be
//! interrupted; its connection stays out of use until it returns.
//!
//! Cost: one thread per connection, and two thread switches and two small allocations per call.

mod config;
mod connection;
mod database;
mod error;
mod mailbox;
mod manager;
mod sessions;
mod signals;
mod vitals;
mod warm_up;
mod worker;

pub use config::{Builder, ConfigError, ConfigProblem, JournalMode, Synchronous};
pub use connection::SqliteConnection;
pub use error::Error;
pub use manager::SqliteManager;
pub use rusqlite;
pub use sessions::{Operation, Reply, SessionError, SessionTransaction, SqliteSession};
