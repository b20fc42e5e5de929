//! Connections that are known to be good, without asking.

mod adaptive;
mod ageing;
mod backoff;
mod breaker;
mod confidence;
mod endpoint;
mod error;
mod evidence;
mod expectation;
mod mode;
mod monotone;
mod outbox;
mod problems;
mod recycling;
mod retry;
mod schedule;
mod score;
mod silence;
mod slots;
mod statistics;
mod trend;
mod turnover;

pub use adaptive::{AdaptiveHealth, AdaptiveHealthBuilder, Part, Round};
pub use ageing::{Ageing, AgeingBuilder, AgeingPolicy, AgeingStatistics};
pub use backoff::{Backoff, Jitter};
pub use breaker::{
    Breaker, BreakerBuilder, BreakerGate, BreakerSnapshot, Circuit, Decision, FailureClass,
    GateSnapshot, Tally, Transition,
};
pub use confidence::Bounds;
pub use error::ConfigError;
pub use mode::Mode;
pub use recycling::{Recycler, RecyclerBuilder, RecyclingPolicy, RecyclingStatistics};
pub use retry::{
    Attempt, GaveUp, Retry, RetryBudget, RetryBuilder, RetryVerdict, Retryable, WhyGaveUp,
};
pub use score::Score;
pub use silence::phi;
pub use statistics::HealthStatistics;
pub use trend::{
    Prediction, PredictionBuilder, PredictionStatistics, Trend, TrendBuilder, TrendConfig, Verdict,
};
