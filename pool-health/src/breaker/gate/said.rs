//! What a pool says to a breaker, and a breaker to a pool.

use pool_core::{CloseReason, Outcome, Phase, Reason};

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

/// What the end of a request says about the server, if anything. `returns_count` tells whether a lease
/// that ends without trouble does.
pub(super) const fn said(
    outcome: Outcome,
    returns_count: bool,
) -> Option<Result<(), FailureClass>> {
    match outcome {
        Outcome::Returned
        | Outcome::Closed(CloseReason::Idle | CloseReason::Lifetime | CloseReason::Shrunk) => {
            match returns_count {
                true => Some(Ok(())),
                false => None,
            }
        }
        Outcome::ConnectFailed
        | Outcome::Closed(CloseReason::Broken | CloseReason::Invalid | CloseReason::ResetFailed) => {
            Some(Err(FailureClass::Refused))
        }
        Outcome::TimedOut(Phase::Connecting | Phase::Checking) => Some(Err(FailureClass::Timeout)),
        // Waiting is the doing of the pool's own callers, and the rest may have any cause.
        _ => None,
    }
}
