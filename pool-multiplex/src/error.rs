//! Why a session could not do what it was asked for.

use crate::pins::Pins;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

/// Why an operation of a session failed. `E` is the manager's error.
///
/// The session itself survives all of them but [`Expired`](Self::Expired): what it had set before is
/// there at the next operation, on whatever connection that runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: StdError + 'static> {
    /// There was no connection to run it on.
    #[error("no connection for the session: {0}")]
    Pool(#[source] pool_core::Error<E>),
    /// The server refused the operation.
    #[error("{0}")]
    Operation(#[source] E),
    /// The session's state could not be put on the connection, so the operation did not run.
    #[error("the session's settings could not be restored, and nothing was run: {0}")]
    Prelude(#[source] E),
    /// The connection was lost. Nothing was changed; the operation can be tried again.
    #[error("the connection was lost, and nothing was changed; try again: {0}")]
    Lost(#[source] E),
    /// The connection was lost in a transaction, and the transaction with it. Nothing of it was
    /// changed; the session is where it was before, and the transaction can be tried again.
    #[error("the connection was lost, and the transaction with it; try the transaction again{}", cause(.0.as_ref()))]
    TransactionLost(#[source] Option<E>),
    /// The connection was lost when the operation, or a commit, might have been carried out already.
    /// Trying again may do it twice: look first.
    #[error(
        "the connection was lost and it is not known whether the change was made; look before trying again: {0}"
    )]
    OutcomeUnknown(#[source] E),
    /// The transaction was idle for longer than `idle_in_transaction_timeout`, and was rolled back.
    #[error(
        "the transaction was idle for more than {0:?} and was rolled back; try it again, or raise idle_in_transaction_timeout"
    )]
    IdleInTransaction(Duration),
    /// What the connection says about its transaction is not what the session knows. The connection
    /// was closed, and what was not committed by then is lost; the session is where it was before the
    /// transaction. Since something was not understood, nor is it known what was committed: look
    /// before trying again.
    #[error(
        "the server's word on the transaction differs from what the session knows; its connection was closed, and what was not committed is lost; look before trying again"
    )]
    Drift,
    /// An earlier operation was given up half way, in a transaction that is lost with it.
    #[error(
        "an operation in the transaction was given up half way, and the transaction is lost; try it again"
    )]
    Interrupted,
    /// An earlier operation was given up half way that may have committed the transaction. Trying the
    /// transaction again may do it twice: look first.
    #[error(
        "a commit was given up half way, and it is not known whether the transaction was committed; look before trying again"
    )]
    CommitInterrupted,
    /// The session was not used for longer than `session_timeout` and is gone.
    #[error(
        "the session was unused for longer than the session timeout and has ended; create a new one"
    )]
    Expired,
    /// There is no such session here, or it is not suspended.
    #[error("no suspended session has the number {0}")]
    Unknown(u64),
    /// As many sessions exist as may.
    #[error("{limit} sessions exist already; raise max_sessions, or end some")]
    TooMany {
        /// How many may exist.
        limit: usize,
    },
    /// As many sessions are pinned to their connection as may be, and the operation might pin one
    /// more. It did not run.
    #[error(
        "{limit} sessions are pinned to their connections already ({reasons}); raise max_pinned, or have them let go"
    )]
    TooManyPinned {
        /// How many may be.
        limit: usize,
        /// What pins them.
        reasons: Pins,
    },
    /// It cannot be done while the session is pinned to its connection.
    #[error("the session cannot leave its connection: {reasons}")]
    Pinned {
        /// What pins it.
        reasons: Pins,
    },
    /// It can only be done in a transaction.
    #[error("the session is in no transaction; begin one first")]
    NoTransaction,
    /// It cannot be done in a transaction.
    #[error("the session is in a transaction; end it first")]
    InTransaction,
    /// No savepoint of this name is set.
    #[error("no savepoint {0:?} is set in this transaction")]
    NoSavepoint(String),
    /// A session cannot do this, because it could not take it along or keep it from others. It was
    /// not run.
    #[error("{what} cannot be done in a session; {remedy}")]
    Refused {
        /// What was asked for.
        what: Cow<'static, str>,
        /// What to do instead.
        remedy: &'static str,
    },
    /// An export or import was refused.
    #[error(transparent)]
    Transfer(#[from] crate::transfer::TransferError),
}

impl<E: StdError + 'static> Error<E> {
    /// Whether the same can be tried again without danger of doing it twice: the operation, or the
    /// transaction where that is what was lost. It need not help, as with a pool that is closed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Pool(_)
                | Self::Lost(_)
                | Self::TransactionLost(_)
                | Self::IdleInTransaction(_)
                | Self::Interrupted
        )
    }

    /// The manager's error behind it, if there is one.
    #[must_use]
    pub fn manager_error(&self) -> Option<&E> {
        match self {
            Self::Pool(error) => error.manager_error(),
            Self::Operation(error)
            | Self::Prelude(error)
            | Self::Lost(error)
            | Self::OutcomeUnknown(error) => Some(error),
            Self::TransactionLost(error) => error.as_ref(),
            _ => None,
        }
    }
}

fn cause<E: StdError>(cause: Option<&E>) -> String {
    cause.map_or_else(String::new, |cause| format!(": {cause}"))
}
