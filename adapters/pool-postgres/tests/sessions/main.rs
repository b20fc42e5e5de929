//! Sessions on a real server: the one behind `POOL_POSTGRES_URL`, or one of its own.
//!
//! Where a test says that something follows a session, it asserts that the session is on another back
//! end than before.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; the lint only knows test functions"
)]

mod listening;
mod processes;
mod review;
mod support;
mod variables;
