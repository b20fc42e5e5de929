//! A PgBouncer that belongs to one run, in front of a private PostgreSQL.
//!
//! A pooler in a process of its own is what sessions inside a process are measured against, so it has to
//! be had without touching one that somebody else uses: it lives in a temporary folder, listens on a
//! free port of `127.0.0.1` alone (no Unix socket), trusts the users it was told of, and logs to a file.
//! It is started, looked after and stopped as [the server](crate::postgres) is, by a guardian that
//! stops it also when this process dies, and never runs as root.
//!
//! Its settings are PgBouncer's own defaults but for what is named in [`PgBouncerOptions`]: whoever
//! compares with it says which others it has, and why.
//!
//! ```no_run
//! use pool_testkit::pgbouncer::{PgBouncer, PgBouncerOptions};
//! use pool_testkit::postgres::{PrivateServer, ServerOptions};
//!
//! # fn main() -> Result<(), pool_testkit::postgres::ServerError> {
//! let server = PrivateServer::start(&ServerOptions::new())?;
//! let options = PgBouncerOptions::new(server.port()).setting("pool_mode", "transaction");
//! let bouncer = PgBouncer::start(&options)?;
//! println!("postgres://postgres@127.0.0.1:{}/postgres", bouncer.port());
//! # Ok(())
//! # }
//! ```

mod options;
mod program;
mod server;
#[cfg(test)]
mod tests;

pub use options::PgBouncerOptions;
pub use program::version;
pub use server::PgBouncer;
