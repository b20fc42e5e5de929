//! Sessions: many of them on few connections, each with its state intact.
//!
//! A connection to a database is two things: a socket with a server process behind it, which is dear,
//! and what one user has made of it (settings, a role, prepared statements, a transaction), which is
//! some kilobytes. Pools lend both together, and proxies in transaction mode lend the socket and lose
//! the rest. A session is the rest, kept here: it is on a connection only while something runs, finds
//! there what it has set, and leaves nothing that another could meet.
//!
//! ```text
//!  10,000 sessions            books of each: settings by savepoint, transaction, pins, statements
//!        │ run
//!        ▼
//!  attach ─ difference ─ run ─ conclude ─ label        one round trip for all of it
//!        │                                 │
//!        ▼                                 ▼
//!  100 connections            label of each: what is on it, or it is closed
//! ```
//!
//! This crate knows no SQL and no wire. It knows what must be true before an operation runs and what
//! follows from what it did; an adapter makes the one true and tells the other, by
//! [`SessionManager`]. `pool-postgres` and `pool-sqlite` do.
//!
//! ```
//! use pool_multiplex::{Effect, Interner, State};
//! use std::time::Instant;
//!
//! let interner = Interner::new(1_000);
//! let mut session = State::new(interner.clone(), Default::default(), 100);
//! let set = |value: &str| Effect::Set { name: "work_mem".into(), value: value.into() };
//!
//! let now = Instant::now();
//! session.apply(&Effect::Begin(Default::default()), now);
//! session.apply(&set("5MB"), now);
//! session.apply(&Effect::Savepoint("a".into()), now);
//! session.apply(&set("6MB"), now);
//! session.apply(&Effect::RollbackTo("a".into()), now);
//! session.apply(&Effect::Commit { chain: false }, now);
//! assert_eq!(session.wanted().get("work_mem").map(|value| &**value), Some("5MB"));
//! ```
//!
//! # What holds, and the test that holds it
//!
//! - The label of a connection is what is on it, or the connection is reset or closed before anybody
//!   else gets it (`tests/engine/model.rs`).
//! - No operation runs unless what its session wants is in force (`tests/engine/running.rs`).
//! - A rollback takes back exactly what was done since its savepoint (`src/frames/tests.rs`, against
//!   copies of everything).
//! - Lost is never "try again" if it might have been carried out (`tests/engine/losing.rs`).
//! - A future that is dropped anywhere loses no session and no connection's place
//!   (`tests/engine/cancelling.rs`).
//! - What cannot move keeps the session where it is, for reasons that can be read
//!   (`tests/engine/pinning.rs`, `tests/engine/moving.rs`).
//! - A session is exported whole or not at all, and a blob is imported once (`src/transfer/tests`,
//!   `tests/engine/transferring.rs`).
//! - What sessions share goes with the last of them, and is bounded (`src/interner/tests.rs`,
//!   `src/statements/tests.rs`). So is everything else that grows by what a session does: its
//!   settings, savepoints, names, statements and blobs.
//!
//! # What it does not do
//!
//! It does not move a transaction, a temporary table or a lock from one connection to another: those
//! [pin](Pins) the session to its connection until they are gone, and the reasons can be asked for. It
//! cannot see what a function does in secret; adapters can be asked to [look](SessionConfig::audit).
//! What is kept here is lost with the process, unless it was [exported](Session::export) before. It
//! does not read SQL, and it does not choose connections: it says what a session would like of one
//! ([`Profile`](pool_core::Profile)), and a placement such as `pool-affinity` chooses.
//!
//! # What it costs
//!
//! An idle session that has run a hundred statements takes a few KiB, and no more than 8
//! (`tests/memory.rs`). An operation takes a lease, a few short locks of the session's own, and one
//! allocation for the future of its adapter. To compare what a session wants with what a connection
//! has is to compare two addresses, as long as they are the same.

mod carry;
mod config;
mod driver;
mod effect;
mod error;
mod expiry;
mod frames;
mod interner;
mod label;
mod names;
mod pins;
mod raw;
mod registry;
mod run;
mod session;
mod sessions;
mod settings;
mod slot;
mod state;
mod statements;
mod statistics;
mod table;
mod tags;
mod transaction;
pub mod transfer;

pub use config::{SessionConfig, SessionOptions};
pub use driver::{Done, Failed, Failure, Prelude, Residue, SessionManager};
pub use effect::Effect;
pub use error::Error;
pub use frames::{Frames, Scope, TooManySavepoints};
pub use interner::Interner;
pub use label::Label;
pub use names::{Names, Temporaries};
pub use pins::{PinReason, Pins};
pub use raw::Raw;
pub use run::Work;
pub use session::{Session, Waiting};
pub use sessions::{ConnectionDrain, SessionInfo, SessionPool, Sessions};
pub use settings::{Difference, Settings};
pub use state::State;
pub use statements::{Catalogue, SessionStatements, Statement};
pub use statistics::SessionStatistics;
pub use tags::{Tag, TagError, TagName, Tags};
pub use transaction::{Access, Isolation, Modes, TransactionContext, TransactionStatus};
