//! Many sessions on few connections.
//!
//! A connection to SQLite is a thread and a cache of pages, and a file takes one writer at a time, so
//! there is a good number of connections and it is small. What users want of one is often just that it
//! be theirs: their `PRAGMA query_only`, their tenant's number in a view, a transaction in several
//! steps. A [`SqliteSession`] is that without the connection. It is on one while something runs, and
//! while something pins it there: a transaction, a temporary table, an attached database.
//!
//! | what | becomes of it |
//! | --- | --- |
//! | pragmas of the connection | go wherever the session goes, checked by reading them back |
//! | `app.*` values, for `session_value('app.x')` in SQL | as well |
//! | pragmas of the file, of the process, or that cannot be read back | refused, with what to do instead |
//! | transactions and savepoints | pin the session until they end |
//! | temporary tables, views, triggers, indexes | pin it until they are dropped |
//! | attached databases | pin it until they are detached |
//! | `last_insert_rowid()`, `changes()` | belong to the call: ask in the same one |
//! | functions, hooks, handlers | only by [`raw`](SqliteSession::raw), which costs the connection |

mod books;
mod job;
mod manager;
mod pragmas;
mod session;
mod settings;
mod transaction;
mod variables;

pub(crate) use books::Books;
pub use job::{Operation, Reply};
pub(crate) use job::{failure, perform, probe};
pub(crate) use pragmas::Pragma;
pub use session::{SessionError, SqliteSession};
pub use transaction::SessionTransaction;
