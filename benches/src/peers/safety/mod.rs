//! What pools do when things get rough: callers that leave, herds, slow connects, broken connections.
//!
//! A pool may be fast and still lose capacity whenever a caller gives up, or open forty-five
//! connections for a load that five can carry. Such behaviour does not show in operations per second,
//! so these scenarios count: connections opened, thrown away, lost; callers served, and when.
//!
//! Each is a conformance run as well. What no pool may do (open more than its maximum, lose a
//! connection, leave a caller waiting while a connection is free) is not a figure but a *fault*, said
//! in a sentence. Contestants are not trusted: a trial runs on a runtime of its own, every wait in it
//! is bounded, and if the contestant blocks its threads or panics, that is a fault too, and the run
//! goes on.
//!
//! | scenario | asks |
//! | --- | --- |
//! | [`waiting`] | what is left of service and capacity when half of the callers leave while they wait |
//! | [`cut_short`] | what becomes of connections whose caller left while they were opened or checked |
//! | [`heir`] | when the next in line is served after the first has left in the middle of a connect or check |
//! | [`herd`] | what a thousand callers at once do to a cold pool |
//! | [`spike`] | whether a burst opens connections that come too late to help |
//! | [`churn`] | how a pool replaces connections that break |
//! | [`uneven`] | who waits when one hold in twenty is long |
//! | [`many`] | what a thousand small pools cost |

pub mod churn;
pub mod cut_short;
pub mod findings;
pub mod harness;
pub mod heir;
pub mod herd;
pub mod many;
pub mod spike;
pub mod uneven;
pub mod waiting;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod toys;

use std::time::Duration;

use super::contestant::Contestant;
use findings::Findings;

/// How a trial is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Shorter, for a first impression.
    pub quick: bool,
    /// The seed of all chance.
    pub seed: u64,
    /// How long somebody who ought to be served at once may wait before it is a fault.
    pub patience: Duration,
}

impl Plan {
    /// A plan whose patience tells a stall from a busy machine.
    #[must_use]
    pub fn new(quick: bool, seed: u64) -> Self {
        Self {
            quick,
            seed,
            patience: Duration::from_secs(2),
        }
    }

    /// `full`, or `quick` in a quick run; both in milliseconds.
    fn millis(&self, full: u64, quick: u64) -> Duration {
        Duration::from_millis(if self.quick { quick } else { full })
    }
}

/// The scenarios of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// [`waiting`]
    Waiting,
    /// [`cut_short`]
    CutShort,
    /// [`heir`]
    Heir,
    /// [`herd`]
    Herd,
    /// [`spike`]
    Spike,
    /// [`churn`]
    Churn,
    /// [`uneven`]
    Uneven,
    /// [`many`]
    Many,
}

impl Scenario {
    /// All of them, in the order of this module's table.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::CutShort,
        Self::Heir,
        Self::Herd,
        Self::Spike,
        Self::Churn,
        Self::Uneven,
        Self::Many,
    ];

    /// As in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "cancelled while waiting",
            Self::CutShort => "cancelled while connecting or checking",
            Self::Heir => "next in line",
            Self::Herd => "herd",
            Self::Spike => "spike",
            Self::Churn => "churn",
            Self::Uneven => "uneven holds",
            Self::Many => "many pools",
        }
    }

    /// Whether a contestant can take part: all scenarios are about tasks that wait, most about
    /// connections that are opened while they do.
    #[must_use]
    pub fn suits<C: Contestant>(self) -> bool {
        let lacks = C::LACKS;
        let suits = match self {
            Self::Herd | Self::Spike => !lacks.connecting,
            Self::CutShort => !(lacks.connecting && lacks.checking),
            Self::Heir => !lacks.connecting,
            Self::Churn => !(lacks.connecting || lacks.discarding),
            Self::Waiting | Self::Uneven | Self::Many => true,
        };
        suits && !lacks.waiting && !lacks.asynchrony
    }

    /// Runs one trial of `C`; bounded in time, whatever `C` does.
    #[must_use]
    pub fn run<C: Contestant>(self, plan: Plan) -> Findings {
        use harness::bounded;
        let limit = plan.patience * 5 + LONGEST;
        match self {
            Self::Waiting => bounded(limit, waiting::trial::<C>(plan)),
            Self::CutShort => bounded(limit, cut_short::trial::<C>(plan)),
            Self::Heir => bounded(limit, heir::trial::<C>(plan)),
            Self::Herd => bounded(limit, herd::trial::<C>(plan)),
            Self::Spike => bounded(limit, spike::trial::<C>(plan)),
            Self::Churn => bounded(limit, churn::trial::<C>(plan)),
            Self::Uneven => bounded(limit, uneven::trial::<C>(plan)),
            Self::Many => bounded(limit, many::trial::<C>(plan)),
        }
    }
}

/// What the longest scenario takes by itself, and room to spare; what goes wrong adds a few patiences.
const LONGEST: Duration = Duration::from_secs(10);
