//! The adapter on a real server: the one behind `POOL_POSTGRES_URL`, or one of its own.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; the lint only knows test functions"
)]

mod cancel;
mod copy;
mod lifetime;
mod pool;
mod session;
mod startup;
mod statements;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod transactions;
mod vitals;
mod warm_up;
mod wire;
