//! Every async pool that a Rust user can pick, and what the hardware allows, side by side.

pub mod backend;
pub mod contestant;
pub mod contestants;
pub mod safety;
pub mod scenario;
pub mod workers;
