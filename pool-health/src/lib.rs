//! Connections that are known to be good, without asking.

mod ageing;
mod error;
mod evidence;
mod mode;
mod per_slot;
mod problems;
mod recycling;
mod trend;
mod turnover;
mod warm_up;

pub use ageing::{Ageing, AgeingBuilder, AgeingPolicy, AgeingStats};
pub use error::ConfigError;
pub use mode::Mode;
pub use recycling::{Recycler, RecyclerBuilder, RecyclingPolicy, RecyclingStats};
pub use trend::{
    Prediction, PredictionBuilder, PredictionStats, Trend, TrendBuilder, TrendConfig, Verdict,
};
pub use warm_up::{Cold, WarmUp, WarmUpBuilder, WarmUpFailure, Warmth};
