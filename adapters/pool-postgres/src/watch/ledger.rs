//! Which requests are unanswered, and what the server last said about its transaction.

use super::frame::STARTUP;
use super::record::Kind;

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
/// Three kinds of request are no work either, but *brief*: the status is unknown until their
/// answer has come, which is soon, and the connection need not be given up for them.
/// - A lone ROLLBACK, once all of it is sent: a transaction guard sends it when it is dropped, and
///   nobody awaits the answer.
/// - One that prepares a statement and runs nothing: its caller goes on when the statement is
///   described, which is just before the ReadyForQuery.
/// - One that has got its ErrorResponse: the server sends that ahead of the ReadyForQuery, so the
///   caller learns of the error first and often ends the lease right away.
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
    /// What that was before the last simple query.
    earlier_work: u64,
    /// Number of the last lone ROLLBACK or preparation.
    last_brief: u64,
    /// Number of the last request that got an ErrorResponse.
    failed: u64,
    /// Number of the last simple query.
    last_query: u64,
    /// How many requests were work or brief.
    work: u64,
    /// Something was run since the last Sync.
    open_work: bool,
    /// Something was prepared since the last Sync.
    open_brief: bool,
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
                self.earlier_work = self.last_work;
                self.count_work();
            }
            b'S' => {
                self.sent += 1;
                if self.open_work {
                    self.count_work();
                } else if self.open_brief {
                    self.last_brief = self.sent;
                    self.work += 1;
                    self.open_brief = false;
                }
            }
            b'P' | b'D' => self.open_brief = true,
            // Close and Flush are no work; passwords belong to the startup; Terminate ends it all.
            b'C' | b'H' | b'p' | b'X' => {}
            _ => self.open_work = true,
        }
    }

    fn count_work(&mut self) {
        self.last_work = self.sent;
        self.work += 1;
        (self.open_work, self.open_brief) = (false, false);
    }

    /// The simple query just sent was a lone ROLLBACK.
    pub(super) fn sent_rollback(&mut self) {
        self.last_brief = self.last_query;
        self.last_work = self.earlier_work;
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

    /// ErrorResponse, which ends the oldest unanswered request.
    pub(super) fn failed(&mut self) {
        if self.answered < self.sent {
            self.failed = self.answered + 1;
        }
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

    /// Something came that this module does not model, or that ends the session.
    pub(super) fn confuse(&mut self) {
        self.confused = true;
    }

    pub(super) const fn is_confused(&self) -> bool {
        self.confused
    }

    /// How many requests were sent, whatever they are.
    pub(super) const fn requests(&self) -> u64 {
        self.sent
    }

    /// How many of them are answered.
    pub(super) const fn answers(&self) -> u64 {
        self.answered
    }

    /// What a Sync would end now.
    pub(super) const fn open(&self) -> Kind {
        match (self.open_work, self.open_brief) {
            (true, _) => Kind::Run,
            (false, true) => Kind::Preparation,
            (false, false) => Kind::Close,
        }
    }

    /// Whether the server has finished the startup.
    pub(super) const fn has_started(&self) -> bool {
        !matches!(self.status, Status::Unknown)
    }

    /// Whether work was sent that is not yet answered.
    pub(super) const fn is_working(&self) -> bool {
        let answered = if self.failed > self.answered {
            self.failed
        } else {
            self.answered
        };
        self.open_work || self.copying || answered < self.last_work
    }

    /// Whether a brief request is unanswered.
    pub(super) const fn is_brief(&self) -> bool {
        self.open_brief || self.answered < self.last_brief || self.answered < self.failed
    }

    pub(super) const fn status(&self) -> Status {
        self.status
    }

    pub(super) const fn work(&self) -> u64 {
        self.work
    }
}
