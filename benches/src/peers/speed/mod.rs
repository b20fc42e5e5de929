//! How fast pools are, and how fair they are meanwhile.
//!
//! All scenarios run with the common default deadline of 30 s on; variants without one show what it
//! costs, or for pools whose deadline cannot be switched off, nothing.
//!
//! To add a scenario, implement [`Scenario`](super::scenario::Scenario) in a file of its own and name it in [`each`].

mod crowd;
mod crowded;
mod free;
mod heavy;
mod laps;
mod parallel;
mod timed;

use std::time::Duration;

use super::contestant::{About, Setup};
use super::scenario::{Outcome, Visit};
use crate::record::Better;

pub use self::crowded::{Oversubscribed, Sweep};
pub use self::free::Free;
pub use self::heavy::Heavy;
pub use self::parallel::Parallel;
pub use self::timed::TimedHold;

/// Shows every scenario about speed to `visitor`, in the order in which they run.
pub fn each(visitor: &mut impl Visit) {
    visitor.visit::<Free>();
    visitor.visit::<Parallel>();
    visitor.visit::<Oversubscribed>();
    visitor.visit::<Heavy>();
    visitor.visit::<TimedHold>();
    visitor.visit::<Sweep>();
}

/// The deadline of all pools, where there is one.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether an acquire has a deadline, as part of a variant's name.
const WITHOUT: &str = "no deadline";

/// The least overlap of workers of a round that comparisons should use; see
/// [`Busy`](super::workers::Busy).
pub const ENOUGH_OVERLAP: f64 = 1.7;

/// A full pool of connections that cost nothing.
fn setup(size: usize, deadline: Option<Duration>) -> Setup {
    Setup {
        full: true,
        deadline,
        ..Setup::new(size, std::sync::Arc::default())
    }
}

/// Those that can wait without blocking a thread, and have something to wait for.
fn waits(about: &About) -> bool {
    !about.lacks.waiting && !about.lacks.asynchrony
}

/// Records how much the workers overlapped, where the system tells.
fn note_overlap(outcome: &mut Outcome, overlap: Option<f64>) {
    if let Some(overlap) = overlap {
        outcome.value("overlap", "", Better::Neither, overlap);
    }
}

#[cfg(test)]
mod tests;
