//! What the tests of the pool stand on: time they own, back ends that fail on command, and
//! private servers of the real ones.
//!
//! Nothing here is published. Every piece exists because a test of the pool would otherwise have
//! to sleep, to hope for an interleaving, or to trust a server that somebody else depends on.
//!
//! | module | for |
//! | --- | --- |
//! | [`clock`] | time that moves when the test says so |
//! | [`spawn`] | background work that is counted, refused or lost |
//! | [`fake`] | a back end that does what the script says and notes what the pool did |
//! | [`alloc`] | counting allocations |
//! | [`stats`] | figures to judge by |
//! | `conformance` (feature `conformance`) | the rules that every adapter keeps |
//! | `model` (feature `model`) | what a pool must do, naively |
//! | `proxy` (feature `proxy`) | a wire that goes silent, slow or away |
//! | `simulation` (feature `simulation`) | hours of traffic in a second, the same each time |
//! | `postgres` (feature `services`) | a PostgreSQL of one's own, to stop, pause and kill |
//! | `pgbouncer` (feature `services`) | a PgBouncer of one's own in front of it, to compare with |

pub mod alloc;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod fake;
pub mod spawn;
pub mod stats;

#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "services")]
pub mod pgbouncer;
#[cfg(feature = "services")]
pub mod postgres;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "simulation")]
pub mod simulation;
