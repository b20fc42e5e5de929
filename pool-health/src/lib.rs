//! Connections that are known to be good, without asking.

mod adaptive;
mod backoff;
mod endpoint;
mod error;
mod expectation;
mod mode;
mod outbox;
mod schedule;
mod score;
mod silence;
mod slots;
mod statistics;

pub use adaptive::{AdaptiveHealth, AdaptiveHealthBuilder, Part, Round};
pub use backoff::{Backoff, Jitter};
pub use error::ConfigError;
pub use mode::Mode;
pub use score::Score;
pub use silence::phi;
pub use statistics::HealthStatistics;
