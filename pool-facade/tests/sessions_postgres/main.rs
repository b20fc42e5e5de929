//! Sessions of PostgreSQL on a pool that chooses connections for them: what a move costs at the wire,
//! how many settings are sent, and that nobody meets what is another's.
//!
//! All that is counted is counted twice where it can be: by the pool's own statistics, and by the
//! server's log or a proxy in front of it.
#![cfg(feature = "postgres")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; the lint only knows test functions"
)]

mod crowd;
mod groups;
mod resume;
mod support;
