//! Every async pool that a Rust user can pick, and what the hardware allows, side by side.
//!
//! A [contestant] is a pool behind one small trait; a [scenario] is a way of using it,
//! generic over contestants where it is hot, and for contestants whose type is [erased] where it is
//! not; the [runner] lets everybody run in every scenario, round by round, and
//! makes a [record](crate::record) of it.

pub mod backend;
pub mod command;
pub mod contestant;
pub mod contestants;
pub mod costs;
pub mod erased;
pub mod runner;
pub mod safety;
pub mod scenario;
pub mod speed;
pub mod workers;
