//! A PostgreSQL server that belongs to one test.
//!
//! A test that kills, stops and pauses its server must own it: a shared one makes tests depend on
//! each other, and a server that somebody else uses must never be touched at all. Starting one
//! takes about a second, so each test binary (or each test) can have its own.
//!
//! The server lives in a temporary folder of its own, listens on a free port of `127.0.0.1`, and
//! trusts whoever connects from there. It never syncs to disk. When the process is root, the
//! server runs as an unprivileged account, as PostgreSQL demands.
//!
//! # Who is signalled
//!
//! Only processes this module has started: the server is a child of a *guardian* (a small shell
//! script) which is a child of this process, and a child's number is not reused before its parent
//! has collected it. A back end is signalled only after a look at its parent.
//!
//! # How it ends
//!
//! The guardian reads from a pipe that this process holds. When the process ends, however
//! abruptly, the pipe closes, and the guardian stops the server and removes its folder. A parent
//! death signal would be shorter but is bound to the *thread* that started the server, which in a
//! test run ends long before the tests do; it is also Linux only. [`DetachedServer`] has no
//! guardian: it outlives its process until it is told to stop.
//!
//! ```no_run
//! use pool_testkit::postgres::{PrivateServer, ServerOptions, StopMode};
//!
//! # fn main() -> Result<(), pool_testkit::postgres::ServerError> {
//! let mut server = PrivateServer::start(&ServerOptions::new().max_connections(50))?;
//! println!("{}", server.url());
//! server.stop(StopMode::Immediate)?;
//! server.restart()?;
//! # Ok(())
//! # }
//! ```

pub(crate) mod account;
mod binaries;
mod cluster;
mod detached;
pub(crate) mod error;
pub(crate) mod guardian;
pub(crate) mod install;
mod options;
pub(crate) mod process;
mod server;
pub(crate) mod start;
pub(crate) mod wait;

pub use detached::DetachedServer;
pub use error::ServerError;
pub use options::ServerOptions;
pub use server::{Backend, PauseScope, PrivateServer, Signal, StopMode};

#[cfg(test)]
mod tests;
