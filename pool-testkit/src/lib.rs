//! What the tests of the pool stand on: time they own, back ends that fail on command, and
//! private servers of the real ones.
//!
//! Nothing here is published. Every piece exists because a test of the pool would otherwise have
//! to sleep, to hope for an interleaving, or to trust a server that somebody else depends on.
//!
//! | module | for |
//! | --- | --- |
//! | `postgres` (feature `services`) | a PostgreSQL of one's own, to stop, pause and kill |
//! | `proxy` (feature `proxy`) | a wire that goes silent, slow or away |

#[cfg(feature = "services")]
pub mod postgres;
