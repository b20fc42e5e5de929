//! Connections that are known to be good, without asking.

mod backoff;
mod breaker;
mod confidence;
mod error;
mod mode;

pub use backoff::{Backoff, Jitter};
pub use breaker::{
    Breaker, BreakerBuilder, BreakerGate, BreakerSnapshot, Circuit, Decision, FailureClass,
    GateSnapshot, Tally, Transition,
};
pub use confidence::Bounds;
pub use error::ConfigError;
pub use mode::Mode;
