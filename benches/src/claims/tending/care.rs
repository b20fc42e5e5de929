//! Who looks after the connections: a policy of the contract, or one of the naive ways.

use std::time::Duration;

use pool_core::{HealthPolicy, Order, Orders, Subject};

use super::{BYPASS, CHECK_LIMIT, REVIEW};

/// From one probe of a connection to the next.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long a probe may take, and how many must fail back to back.
pub(super) const PROBE_LIMIT: Duration = Duration::from_millis(1500);
pub(super) const PROBE_STRIKES: u32 = 3;

/// How connections are looked after.
pub(crate) enum Care {
    /// A policy, asked and obeyed as a pool does.
    Policy(Box<dyn HealthPolicy>),
    /// Ask the far end before every lease, and nothing else.
    Validate,
    /// Ask the far end of each connection once a second, leased or not, and close it when three
    /// attempts of 1.5 s have failed; a reset one fails at once. What users notice is not listened to.
    Probe,
}

impl Care {
    /// For how long a connection may have been idle and be given out unasked; `None` for ever.
    pub(super) const fn bypass(&self) -> Option<Duration> {
        match self {
            Self::Policy(_) => Some(BYPASS),
            Self::Validate => Some(Duration::ZERO),
            Self::Probe => None,
        }
    }

    /// Whether a closed socket is noticed without asking.
    pub(super) const fn notices(&self) -> bool {
        matches!(self, Self::Policy(_))
    }

    /// How long a check may take. The same for all, unless a policy says something else: what is
    /// compared is how often is asked.
    pub(super) fn check_limit(&self) -> Duration {
        let limit = self.policy().and_then(|policy| policy.check_limit());
        limit.unwrap_or(CHECK_LIMIT)
    }

    /// How many connections are checked at a time in the background.
    pub(super) fn max_checks(&self) -> usize {
        self.policy().map_or(usize::MAX, HealthPolicy::max_checks)
    }

    /// The policy, if it is one.
    pub(super) fn policy(&self) -> Option<&dyn HealthPolicy> {
        match self {
            Self::Policy(policy) => Some(&**policy),
            Self::Validate | Self::Probe => None,
        }
    }
}

/// The jumpy detector: whoever is silent for longer than a fixed time is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watchdog {
    /// That time.
    pub(crate) patience: Duration,
}

impl HealthPolicy for Watchdog {
    fn review(&self, now: Duration, subjects: &[Subject], orders: &mut Orders) -> Option<Duration> {
        let mut next = self.patience;
        for subject in subjects {
            let silence = subject.pulse.silence(now);
            if silence >= self.patience {
                orders.push(Order::Evict(subject.connection));
            } else {
                next = next.min(self.patience - silence);
            }
        }
        Some(next.max(REVIEW))
    }
}
