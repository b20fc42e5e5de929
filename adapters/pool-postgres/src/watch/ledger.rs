//! Which requests are unanswered, and what the server last said about its transaction.

use super::frame::STARTUP;

/// The transaction status of the last ReadyForQuery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    /// No ReadyForQuery has come yet.
    #[default]
    Unknown,
    /// `I`: no transaction.
    Idle,
    /// `T`: in a transaction.
    Transaction,
    /// `E`: in a transaction that has failed.
    Failed,
}

/// Requests sent against requests answered.
///
/// A request is whatever the server answers with one ReadyForQuery: the startup message, a
/// `Query`, a `FunctionCall`, or everything up to a `Sync`. One that holds nothing but `Close`
/// (a statement handle was dropped) can neither change the session nor take time: it is counted,
/// because it is answered, but it is not *work*, and a connection may be lent while its reply is
/// still on the way.
///
/// The one exception to "one `Sync`, one ReadyForQuery" is COPY FROM STDIN: the server ignores
/// every `Sync` it reads between its CopyInResponse and the client's CopyDone or CopyFail, and
/// drivers send one there, because they cannot know beforehand that a statement is a COPY.
/// CopyInResponse therefore counts that `Sync` as answered, and the copy itself counts as work
/// until the next ReadyForQuery.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sent: u64,
    answered: u64,
    /// Number of the last request that was work.
    last_work: u64,
    /// Number of the last simple query.
    last_query: u64,
    /// How many requests were work.
    work: u64,
    /// Something other than Close was sent since the last Sync.
    open_work: bool,
    copying: bool,
    confused: bool,
    status: Status,
}

impl Ledger {
    /// The client has sent (the header of) a message.
    pub(super) fn sent(&mut self, kind: u8) {
        match kind {
            STARTUP | b'Q' | b'F' => {
                self.sent += 1;
                self.last_query = self.sent;
                self.count_work();
            }
            b'S' => {
                self.sent += 1;
                if self.open_work {
                    self.count_work();
                }
            }
            // Close and Flush are no work; passwords belong to the startup; Terminate ends it all.
            b'C' | b'H' | b'p' | b'X' => {}
            _ => self.open_work = true,
        }
    }

    fn count_work(&mut self) {
        self.last_work = self.sent;
        self.work += 1;
        self.open_work = false;
    }

    /// ReadyForQuery.
    pub(super) fn ready(&mut self, status: u8) {
        self.answered += 1;
        self.copying = false;
        // An answer nobody asked for: the count would run ahead and hide work from now on.
        self.confused |= self.answered > self.sent;
        self.status = match status {
            b'I' => Status::Idle,
            b'T' => Status::Transaction,
            b'E' => Status::Failed,
            _ => {
                self.confused = true;
                Status::Unknown
            }
        };
    }

    /// CopyInResponse.
    pub(super) fn copy_in(&mut self) {
        self.copying = true;
        if self.last_query > self.answered {
            // A COPY within a simple query has no Sync to be ignored. Drivers do not send it; the
            // connection counts as busy from here on and is closed.
            self.confused = true;
        } else {
            self.answered += 1;
        }
    }

    /// Something came that this module does not model.
    pub(super) fn confuse(&mut self) {
        self.confused = true;
    }

    pub(super) const fn is_confused(&self) -> bool {
        self.confused
    }

    /// Whether the server has finished the startup.
    pub(super) const fn has_started(&self) -> bool {
        !matches!(self.status, Status::Unknown)
    }

    /// Whether work was sent that is not yet answered.
    pub(super) const fn is_working(&self) -> bool {
        self.open_work || self.copying || self.answered < self.last_work
    }

    pub(super) const fn status(&self) -> Status {
        self.status
    }

    pub(super) const fn work(&self) -> u64 {
        self.work
    }
}
