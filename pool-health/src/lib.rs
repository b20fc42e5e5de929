//! Connections that are known to be good, without asking.

mod backoff;
mod error;
mod mode;

pub use backoff::{Backoff, Jitter};
pub use error::ConfigError;
pub use mode::Mode;
