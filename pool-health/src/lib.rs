//! Connections that are known to be good, without asking.

mod error;
mod mode;

pub use error::ConfigError;
pub use mode::Mode;
