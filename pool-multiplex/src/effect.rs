//! What an operation did to a session, said without a dialect.
//!
//! An adapter knows what a statement means; this crate knows what follows from it for the session,
//! for the connection it ran on, and for everything that a later rollback takes back. Effects are
//! what passes between the two: in the order in which the server carried them out, and only those
//! that it did carry out.

use crate::pins::PinReason;
use crate::transaction::Modes;
use std::sync::Arc;

/// One thing that the server did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// A setting of the session has this value now. A value that ends with the transaction
    /// (`SET LOCAL`) is no effect: nothing of it is left when the session leaves.
    Set {
        /// The setting, as the server spells it.
        name: Arc<str>,
        /// The value, as the server gives it back.
        value: Arc<str>,
    },
    /// A setting has the value again that the connection was opened with, and the session wants what
    /// its baseline says.
    Reset(Arc<str>),
    /// The same for all settings, but for those that are named here.
    ResetAllBut(&'static [&'static str]),
    /// The statement runs in a transaction of its own that ends with the request, unless another
    /// statement of the same request makes it one that stays.
    BeginImplicit,
    /// The transaction of the request ended well.
    CommitImplicit,
    /// A transaction was begun, or the request's own made one that stays.
    Begin(Modes),
    /// The transaction was committed; with `chain` another one of the same modes has begun.
    Commit {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// It was rolled back.
    Rollback {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// A statement failed: a transaction that stays does nothing more until it is rolled back, the
    /// request's own is rolled back.
    Failed,
    /// A savepoint was set. Names may be used again.
    Savepoint(Arc<str>),
    /// It was let go, with all that were set after it.
    Release(Arc<str>),
    /// Everything after it was rolled back; the savepoint itself is still there.
    RollbackTo(Arc<str>),
    /// The session wants to hear this channel, from the commit on.
    Subscribe(Arc<str>),
    /// It does not any more; without a name, it wants to hear none.
    Unsubscribe(Option<Arc<str>>),
    /// Something was created that lives on this connection only.
    CreateTemporary {
        /// What it is called.
        name: Arc<str>,
        /// It goes when the transaction commits.
        until_commit: bool,
    },
    /// It was dropped; without a name, everything of the kind was.
    DropTemporary(Option<Arc<str>>),
    /// A cursor was opened. With `hold` it outlives its transaction, on this connection only.
    OpenCursor {
        /// What it is called.
        name: Arc<str>,
        /// `WITH HOLD`.
        hold: bool,
    },
    /// It was closed; without a name, all were.
    CloseCursor(Option<Arc<str>>),
    /// The session must stay on this connection.
    Pin(PinReason),
    /// It need not, for this reason.
    Unpin(PinReason),
    /// The connection carries something that nobody can account for, or put on another one: it is
    /// closed when the session leaves it.
    Taint(&'static str),
}
