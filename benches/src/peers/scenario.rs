//! What a scenario is: a way of using a pool, in a few variants, generic over who takes part.
//!
//! A scenario measures one contestant in one variant for one round and says what came of it. Who
//! runs when, how often and what becomes of the figures is the [runner](super::runner)'s business.
//! What of it is generic is compiled for each of some twenty contestants: that is meant for hot loops,
//! and whatever else there is belongs into functions of an [`Entrant`](super::erased::Entrant).
//! Every scenario also watches over what a pool must keep whatever its speed: the maximum, its
//! connections, and an end to every wait. What is broken is a fault, never a panic or a hang:
//!
//! ```
//! use pool_benches::peers::contestant::{About, Contestant, Setup};
//! use pool_benches::peers::erased::Pool;
//! use pool_benches::peers::scenario::{Outcome, Round, Scenario, intact};
//! use pool_benches::peers::workers::{Crew, sample};
//! use pool_benches::record::Better;
//!
//! struct Once;
//!
//! impl Scenario for Once {
//!     const NAME: &'static str = "once";
//!     const TITLE: &'static str = "one acquire";
//!
//!     fn variants() -> Vec<String> {
//!         vec!["pool of 1".to_owned()]
//!     }
//!
//!     fn admits(about: &About, _variant: usize) -> bool {
//!         !about.lacks.asynchrony
//!     }
//!
//!     fn run<C: Contestant>(_round: &Round) -> Outcome {
//!         Outcome::of(sample(Crew::Current, async |_beat| {
//!             let setup = Setup::new(1, Default::default());
//!             let pool = C::build(&setup).await;
//!             let began = std::time::Instant::now();
//!             let lease = pool.acquire().await;
//!             let mut outcome = Outcome::default();
//!             outcome.value("took", "ns", Better::Lower, began.elapsed().as_nanos() as f64);
//!             drop(lease);
//!             outcome.faults(intact(&Pool::of(pool), &setup).await);
//!             outcome
//!         }))
//!     }
//! }
//! # let round = Round { variant: 0, round: 0, quick: true, seed: 1 };
//! # assert!(Once::run::<pool_benches::peers::contestants::Bb8>(&round).faults.is_empty());
//! ```

use std::time::Duration;

use super::contestant::{About, Contestant, Setup};
use super::erased::Pool;

pub use crate::outcome::{Outcome, Value};

/// A way of using pools.
pub trait Scenario: 'static {
    /// As in records and on the command line.
    const NAME: &'static str;
    /// What it does, for people.
    const TITLE: &'static str;
    /// Whether one round says it all, because chance has no part in it.
    const ONCE: bool = false;
    /// Rounds that are enough, for scenarios that count what happens instead of timing it.
    const ENOUGH: usize = usize::MAX;

    /// Whether a pool that got stuck in one variant would in the others too: it is then spared them,
    /// and the run the time.
    const ALIKE: bool = false;

    /// The variants' names; unique, empty if there is but one.
    fn variants() -> Vec<String>;

    /// Whether a contestant can take part in the variant with this number.
    fn admits(about: &About, variant: usize) -> bool;

    /// Measures `C` once. Blocks for as long as it takes.
    fn run<C: Contestant>(round: &Round) -> Outcome;
}

/// What is done with each scenario.
pub trait Visit {
    /// The next scenario.
    fn visit<S: Scenario>(&mut self);
}

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Index into [`Scenario::variants`].
    pub variant: usize,
    /// Which round, from 0.
    pub round: usize,
    /// Whether there is less time.
    pub quick: bool,
    /// Where chance begins; the same for all contestants of a round.
    pub seed: u64,
}

impl Round {
    /// `full`, or half of it if there is less time.
    #[must_use]
    pub fn time(&self, full: Duration) -> Duration {
        if self.quick { full / 2 } else { full }
    }
}

/// How long a connection that must be there may take to turn up: some pools put it back in a task.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Asks, when all leases have ended, whether the pool has kept its maximum and still has all of its
/// places.
pub async fn intact(pool: &Pool, setup: &Setup) -> Option<String> {
    if pool.about().lacks.limit {
        return None;
    }
    let mut leases = Vec::with_capacity(setup.size);
    for _ in 0..setup.size {
        match tokio::time::timeout(AT_ONCE, pool.acquire()).await {
            Ok(Some(lease)) => leases.push(lease),
            Ok(None) | Err(_) => break,
        }
    }
    let missing = leases.len() < setup.size;
    for lease in leases {
        lease.release().await;
    }
    if setup.backend.most_alive() > setup.size {
        return Some("had more connections than its maximum".to_owned());
    }
    missing.then(|| "lost capacity: fewer connections at the end than its maximum".to_owned())
}
