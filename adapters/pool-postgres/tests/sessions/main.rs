//! Sessions on a real server: the one behind `POOL_POSTGRES_URL`, or one of its own.
//!
//! Where a test says that something follows a session, it asserts that the session is on another back
//! end than before. What was sent is read from a server's log, or counted by a proxy in between.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; the lint only knows test functions"
)]

mod again;
mod baseline;
mod failures;
mod giving_up;
mod isolation;
mod labels;
mod leftovers;
mod listening;
mod log;
mod model;
mod outcomes;
mod pins;
mod preludes;
mod processes;
mod protocol;
mod refusals;
mod roles;
mod scopes;
mod statements;
mod support;
mod transactions;
mod transfer;
mod variables;
