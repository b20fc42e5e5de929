//! Which connection suits a request best.

mod affinity;
mod class;
mod error;
mod grades;
mod homes;
mod load;
mod mode;
mod number;
mod per_slot;
mod problems;
mod record;
mod score;
mod sessions;
mod sketch;
mod statistics;
mod strength;
mod whereabouts;

pub use affinity::{Affinity, AffinityBuilder, Preference};
pub use class::{Class, Complexity};
pub use error::ConfigError;
pub use mode::Mode;
pub use number::statement_set;
pub use score::{Features, NotAPart, Score, Weights};
pub use statistics::{
    AffinityStatistics, ClassStatistics, ConnectionStatistics, LoadStatistics, RoutingStatistics,
    SelectionStatistics, SessionStatistics,
};
pub use strength::{ByReason, Reason, Strength};
