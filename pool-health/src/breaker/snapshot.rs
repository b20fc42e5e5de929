//! What a breaker shows.

use super::Breaker;
use super::tally::Tally;
use super::transition::Circuit;
use crate::confidence::Bounds;

/// What has been counted since the breaker was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) results: Tally,
    pub(super) admitted: u64,
    pub(super) refused: u64,
    pub(super) entered: [u64; 4],
}

/// A breaker, as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSnapshot {
    /// Its state.
    pub circuit: Circuit,
    /// The share of calls that are let in, from 0 to 1; 0 while only probes are.
    pub share: f64,
    /// What calls within the window came to, as far as they count.
    pub window: Tally,
    /// Between which bounds the failure rate lies.
    pub failure_rate: Bounds,
    /// Between which bounds the share of slow replies lies.
    pub slow_share: Bounds,
    /// What calls came to in all, those included that do not count.
    pub results: Tally,
    /// Calls that [`Breaker::admit`] let in.
    pub admitted: u64,
    /// Calls that it refused.
    pub refused: u64,
    /// How often each state was entered, by [`Circuit::index`].
    pub entered: [u64; 4],
}

impl Breaker {
    /// How it stands, by the time last told.
    #[must_use]
    pub fn snapshot(&self) -> BreakerSnapshot {
        let window = self.window.sum();
        BreakerSnapshot {
            circuit: self.circuit(),
            share: self.share(),
            window,
            failure_rate: self.failure_rate(&window),
            slow_share: self.slow_share(&window),
            results: self.counters.results,
            admitted: self.counters.admitted,
            refused: self.counters.refused,
            entered: self.counters.entered,
        }
    }
}
