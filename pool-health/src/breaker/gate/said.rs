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

/// What the end of a request says about the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// How a call ended.
    Ended(Result<(), FailureClass>),
    /// There was a call, and how it ended is told by others.
    ByOthers,
    /// Nothing: there may have been no call.
    Nothing,
}

/// What it says that a request ended like this. `returns_count` tells whether a lease that ends
/// without trouble is told of by nobody else.
pub(super) const fn said(outcome: Outcome, returns_count: bool) -> Said {
    match outcome {
        Outcome::Returned
        | Outcome::Closed(CloseReason::Idle | CloseReason::Lifetime | CloseReason::Shrunk) => {
            match returns_count {
                true => Said::Ended(Ok(())),
                false => Said::ByOthers,
            }
        }
        Outcome::ConnectFailed
        | Outcome::Closed(CloseReason::Broken | CloseReason::Invalid | CloseReason::ResetFailed) => {
            Said::Ended(Err(FailureClass::Refused))
        }
        Outcome::TimedOut(Phase::Connecting | Phase::Checking) => {
            Said::Ended(Err(FailureClass::Timeout))
        }
        // Waiting is the doing of the pool's own callers, and the rest may have any cause.
        _ => Said::Nothing,
    }
}
