//! What a pool says to a breaker, and a breaker to a pool.

use pool_core::{Outcome, Phase, Reason};

use super::super::tally::last_lease;
use super::super::{Circuit, FailureClass};

const fn because(text: &'static str) -> Reason {
    let policy = "breaker";
    Reason { policy, text }
}

static DEGRADED: Reason = because("many calls fail, so only some are made");
static OPEN: Reason = because("nearly all calls failed, so none is made for now");
static HALF_OPEN: Reason = because("finding out with a few calls whether they succeed again");

/// Why a breaker in this state refuses.
pub(super) const fn reason(circuit: Circuit) -> &'static Reason {
    match circuit {
        Circuit::Open => &OPEN,
        Circuit::HalfOpen => &HALF_OPEN,
        Circuit::Closed | Circuit::Degraded => &DEGRADED,
    }
}

/// How the call of a request ended, by how that ended; `None` if there may have been no call, or
/// nothing is known of it.
pub(super) const fn said(outcome: Outcome) -> Option<Result<(), FailureClass>> {
    match outcome {
        Outcome::Returned => Some(Ok(())),
        Outcome::Closed(reason) => last_lease(reason),
        Outcome::ConnectFailed => Some(Err(FailureClass::Refused)),
        Outcome::TimedOut(Phase::Connecting | Phase::Checking) => Some(Err(FailureClass::Timeout)),
        // Waiting is the doing of the pool's own callers, and the rest may have any cause.
        _ => None,
    }
}
