//! Connections that are known to be good, without asking.

mod error;
mod mode;
mod per_slot;
mod problems;
mod trend;
mod turnover;

pub use error::ConfigError;
pub use mode::Mode;
pub use trend::{
    Prediction, PredictionBuilder, PredictionStats, Trend, TrendBuilder, TrendConfig, Verdict,
};
