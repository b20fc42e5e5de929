//! The rules of [`AdaptiveHealth`](pool_health::AdaptiveHealth), on connections made by hand.

mod endpoint;
mod frontier;
mod schedule;
mod settings;
mod silence;
mod sim;
mod witness;
