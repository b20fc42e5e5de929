//! Model time: an agenda of events, chance that can be repeated, and theory to be held against.
//!
//! What a policy is worth shows after hours of traffic and hundreds of faults, compared with another
//! policy under the very same traffic and faults. No real clock gives that. Here time jumps from
//! event to event, so that ten minutes of a busy pool take a second, and whatever is drawn by chance
//! is a function of a seed:
//!
//! - [`Agenda`] hands out events in the order of their times, and those of one time in the order in
//!   which they were entered: a run is the same each time.
//! - [`Chance`] is a generator for one purpose (arrivals, work, faults), named when it is made.
//!   A policy that draws more often or later than another changes nothing about the arrivals: what
//!   is compared met the same world (*common random numbers*). The generator is xoshiro256++ of
//!   `rand_xoshiro`, whose stream is defined by its algorithm; `fastrand`, which the pool uses for
//!   jitter, promises none and has changed its own before. [`Spread`]s are drawn with `rand_distr`,
//!   whose changes of values are breaking changes.
//! - [`Account`] measures the law L = λW on a running model: whoever forgets a customer, or counts
//!   one twice, breaks it.
//! - [`Queue`] is the plainest model, servers and a line, and [`erlang_c`] what theory says of it:
//!   the tests of this module hold one against the other.
//!
//! Nothing here reads a clock. Where a policy or vital signs want one, a
//! [`ManualClock`](crate::clock::ManualClock) follows the agenda.
//!
//! ```
//! use std::time::Duration;
//! use pool_testkit::simulation::{Agenda, Chance, Spread};
//!
//! enum Event { Arrives, Leaves }
//!
//! let work = Spread::Exponential { mean: Duration::from_millis(5) };
//! let mut chance = Chance::new(1, "work");
//! let mut agenda = Agenda::new();
//! agenda.after(Duration::from_secs(1), Event::Arrives);
//! let mut left = 0;
//! while let Some(event) = agenda.next() {
//!     match event {
//!         Event::Arrives => agenda.after(chance.draw(work), Event::Leaves),
//!         Event::Leaves => left += 1,
//!     }
//! }
//! assert_eq!((left, agenda.handled()), (1, 2));
//! assert!(agenda.now() > Duration::from_secs(1));
//! ```

mod account;
mod agenda;
mod chance;
mod queue;
mod theory;

pub use account::Account;
pub use agenda::Agenda;
pub use chance::{Chance, Spread};
pub use queue::{Queue, Served};
pub use theory::{erlang_c, mean_wait};

#[cfg(test)]
mod tests;
