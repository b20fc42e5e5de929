//! Whether an error is worth another attempt.

use std::time::Duration;

/// What an error says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryVerdict {
    /// It would not help, or what was asked for may have been done.
    Never,
    /// It may help, and nothing was done.
    Again,
    /// As `Again`, but not before so long from now.
    After(Duration),
}

/// An error that knows whether trying again may help.
///
/// Not known is no: a request that was sent and whose reply was lost may have been carried out, and a
/// second one would carry it out twice. Only whoever made the request knows whether that matters.
pub trait Retryable {
    /// What this error says about trying again.
    fn verdict(&self) -> RetryVerdict;
}

/// A request for a connection changes nothing at the far end, so any that may find one later is worth
/// another attempt. Not so if connects fail for good (the pool has tried again itself), or the pool is
/// closed.
impl<E: std::error::Error + 'static> Retryable for pool_core::Error<E> {
    fn verdict(&self) -> RetryVerdict {
        match self {
            Self::Refused {
                retry_after: Some(after),
                ..
            } => RetryVerdict::After(*after),
            Self::Refused { .. }
            | Self::Timeout { .. }
            | Self::Suspended
            | Self::QueueFull { .. } => RetryVerdict::Again,
            // Whatever else there will be: not known is no.
            _ => RetryVerdict::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use pool_core::{Cause, Error, Phase, Reason};

    use super::*;

    static REASON: Reason = Reason {
        policy: "test",
        text: "no",
    };

    fn refused(retry_after: Option<Duration>) -> Error<io::Error> {
        Error::Refused {
            reason: &REASON,
            retry_after,
        }
    }

    #[test]
    fn a_refusal_is_tried_again_after_the_time_it_asks_for() {
        let second = Duration::from_secs(1);
        assert_eq!(refused(Some(second)).verdict(), RetryVerdict::After(second));
        assert_eq!(refused(None).verdict(), RetryVerdict::Again);
    }

    #[test]
    fn what_may_pass_by_is_tried_again_and_what_will_not_is_not() {
        let timeout = Error::<io::Error>::Timeout {
            phase: Phase::Waiting,
            waited: Duration::ZERO,
            cause: None,
        };
        assert_eq!(timeout.verdict(), RetryVerdict::Again);
        assert_eq!(Error::<io::Error>::Suspended.verdict(), RetryVerdict::Again);
        let full = Error::<io::Error>::QueueFull { waiting: 3 };
        assert_eq!(full.verdict(), RetryVerdict::Again);
        assert_eq!(Error::<io::Error>::Closed.verdict(), RetryVerdict::Never);
        let connect = Error::<io::Error>::Connect {
            cause: Cause::TaskLost,
            waited: Duration::ZERO,
        };
        assert_eq!(connect.verdict(), RetryVerdict::Never);
    }
}
