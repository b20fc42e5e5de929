//! Connections that are known to be good, without asking.

mod backoff;
mod breaker;
mod confidence;
mod error;
mod mode;
mod monotone;
mod retry;

pub use backoff::{Backoff, Jitter};
pub use breaker::{
    Breaker, BreakerBuilder, BreakerGate, BreakerSnapshot, Circuit, Decision, FailureClass,
    GateSnapshot, Tally, Transition,
};
pub use confidence::Bounds;
pub use error::ConfigError;
pub use mode::Mode;
pub use retry::{Attempt, GaveUp, Retry, RetryBudget, RetryBuilder, Retryable, Verdict, Why};
