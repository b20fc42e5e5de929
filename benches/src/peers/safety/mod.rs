//! What pools do when things get rough: callers that leave, herds, slow connects, broken connections.
//!
//! A pool may be fast and still lose capacity whenever a caller gives up, or open forty-five
//! connections for a load that five can carry. Such behaviour does not show in operations per second,
//! so these scenarios count: connections opened, thrown away, lost; callers served, and when.
//!
//! Each is a conformance run as well. What no pool may do (open more than its maximum, lose a
//! connection, leave a caller waiting while a connection is free) is not a figure but a *fault*, said
//! in a sentence. Contestants are not trusted: every wait here is bounded, and one that panics or
//! blocks its threads has a fault too, while the run goes on.
//!
//! | scenario | asks |
//! | --- | --- |
//! | [`Waiting`] | what is left of service and capacity when half of the callers leave while they wait |
//! | [`CutShort`] | what becomes of connections whose caller left while they were opened or checked |
//! | [`Heir`] | when the next in line is served after the first has left in a connect or check |
//! | [`Herd`] | what a thousand callers at once do to a cold pool |
//! | [`Spike`] | whether a burst opens connections that come too late to help |
//! | [`Churn`] | how a pool replaces connections that break |
//! | [`Uneven`] | who waits when one hold in twenty is long |
//! | [`First`] | how long a thousand small pools take to get going |
//! | [`Many`] | what a thousand small pools cost |

mod checks;
mod churn;
mod cut_short;
mod first;
mod harness;
mod heir;
mod herd;
mod many;
mod spike;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toys;
mod uneven;
mod waiting;

pub use churn::Churn;
pub use cut_short::CutShort;
pub use first::First;
pub use heir::Heir;
pub use herd::Herd;
pub use many::Many;
pub use spike::Spike;
pub use uneven::Uneven;
pub use waiting::Waiting;

use super::scenario::Visit;

/// Shows every scenario about behaviour to `visitor`, in the order in which they run.
pub fn each(visitor: &mut impl Visit) {
    visitor.visit::<Waiting>();
    visitor.visit::<CutShort>();
    visitor.visit::<Heir>();
    visitor.visit::<Herd>();
    visitor.visit::<Spike>();
    visitor.visit::<Churn>();
    visitor.visit::<Uneven>();
    visitor.visit::<First>();
    visitor.visit::<Many>();
}

/// Rounds that are enough to see what a pool does.
const ENOUGH: usize = 3;
