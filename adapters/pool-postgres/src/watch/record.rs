//! What the server said to each request, kept while its owner wants to know.
//!
//! The driver answers "it failed" or "so many rows", and that is less than the server said: that a
//! COMMIT was answered with `ROLLBACK`, how many statements of a script were done before the one that
//! failed, what the settings it reports are now, and whether a transaction is open. All of it passes
//! through the stream, so it is written down there: one [`Answer`] for each ReadyForQuery.
//!
//! # Whose answers
//!
//! A recording begins with the first request that is *written* after [`Watch::record`](super::Watch::record).
//! An owner who begins it while nothing is outstanding finds his requests in his order, and nothing
//! else: requests that only close a statement, which the driver sends on its own whenever a handle
//! is dropped, are left out. What the driver asks on its own behind a request, for types that it does
//! not know, comes behind what was sent with it.
//!
//! # When it is complete
//!
//! Errors reach their caller ahead of the ReadyForQuery. So a recording may be read once
//! [`Watch::answered`](super::Watch::answered) says that nothing is outstanding, or once every request
//! was answered to its end, as far as its caller can see: an answer is handed over before the driver
//! gets the bytes that end it.
//!
//! # Bounds
//!
//! [`REQUESTS`] answers and [`STATEMENTS`] tags a recording, [`PARAMETERS`] changed parameters an
//! answer, of [`NAME`] and [`VALUE`] bytes. What is beyond is left out, and a flag says so.

use super::ledger::Status;
use std::collections::VecDeque;

/// Most answers kept.
pub(super) const REQUESTS: usize = 64;
/// Most tags kept, in all answers together.
pub(super) const STATEMENTS: usize = 4096;
/// Most changed parameters kept of an answer.
pub(super) const PARAMETERS: usize = 32;
/// Longest name of a parameter, in bytes, and longest name of a routine.
pub(super) const NAME: usize = 64;
/// Longest value of a parameter, in bytes.
pub(super) const VALUE: usize = 1024;

/// Most unanswered requests that are told apart.
const UNANSWERED: usize = 128;

/// What the tag of a completed statement says it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// `BEGIN` or `START TRANSACTION`.
    Begin,
    /// `COMMIT`: it is certain that the transaction was committed.
    Commit,
    /// `ROLLBACK`, to a savepoint too, and the answer to the COMMIT of a failed transaction.
    Rollback,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE`.
    Release,
    /// `SET`, of whatever scope.
    Set,
    /// `RESET`.
    Reset,
    /// `SELECT`.
    Select,
    /// Anything else, two-phase commits included.
    Other,
    /// An empty statement, which has no tag.
    Empty,
    /// Not completed: as many rows as were asked for have come, and there are more.
    Suspended,
}

impl Tag {
    fn parse(tag: &[u8]) -> Self {
        let mut words = tag.split(|byte| *byte == b' ');
        match (words.next().unwrap_or_default(), words.next()) {
            (b"BEGIN", None) | (b"START", Some(b"TRANSACTION")) => Self::Begin,
            (b"COMMIT", None) => Self::Commit,
            (b"ROLLBACK", None) => Self::Rollback,
            (b"SAVEPOINT", None) => Self::Savepoint,
            (b"RELEASE", None) => Self::Release,
            (b"SET", None) => Self::Set,
            (b"RESET", None) => Self::Reset,
            (b"SELECT", _) => Self::Select,
            _ => Self::Other,
        }
    }
}

/// What a request consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A simple query.
    #[default]
    Query,
    /// Something is run by the extended protocol.
    Run,
    /// A statement is prepared, and nothing run.
    Preparation,
    /// A statement or portal is closed.
    Close,
}

/// An ErrorResponse, without its words, which may quote what is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The SQLSTATE; zeros if the server gave none.
    pub(crate) code: [u8; 5],
    /// The routine of the server that reported it, cut at [`NAME`] bytes; often empty.
    pub(crate) routine: String,
}

/// A parameter that the server reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: String,
    /// Its value; none if that is too long to keep.
    pub(crate) value: Option<String>,
}

/// What the server said to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What it answers; never [`Kind::Close`].
    pub(crate) kind: Kind,
    /// The statements that were completed, in order.
    pub(crate) tags: Vec<Tag>,
    /// The error that ended it.
    pub(crate) failure: Option<Failure>,
    /// The parameters reported in it, in order. One that changes twice is there twice.
    pub(crate) parameters: Vec<Parameter>,
    /// More parameters were reported, or one whose name is too long.
    pub(crate) parameters_overflow: bool,
    /// What its ReadyForQuery said. True for the session when it is the last one and nothing is
    /// outstanding.
    pub(crate) status: Status,
}

/// Whatever was said since a recording began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// One for each request that was answered to its end, in order.
    pub(crate) answers: Vec<Answer>,
    /// More was said than is kept: neither answers nor tags are complete.
    pub(crate) overflow: bool,
    /// The server has ended the session, with an error that says so. What was not answered by then
    /// was not begun, except for the first such request.
    pub(crate) farewell: bool,
    /// It had done so before the first request was written, and none was begun.
    pub(crate) too_late: bool,
}

impl Record {
    fn append(&mut self, more: &mut Self) {
        self.answers.append(&mut more.answers);
        self.overflow |= std::mem::take(&mut more.overflow);
        self.farewell |= std::mem::take(&mut more.farewell);
        self.too_late |= std::mem::take(&mut more.too_late);
    }
}

/// A record as the owner and the stream share it.
#[derive(Debug)]
pub(super) struct Shared {
    epoch: u32,
    record: Record,
}

impl Shared {
    pub(super) const fn new() -> Self {
        Self {
            epoch: 0,
            record: Record {
                answers: Vec::new(),
                overflow: false,
                farewell: false,
                too_late: false,
            },
        }
    }

    /// Throws away what there is, and takes what is recorded under another number.
    pub(super) fn begin(&mut self, epoch: u32) {
        *self = Self {
            epoch,
            record: Record::default(),
        };
    }

    /// Takes the record, which goes on.
    pub(super) fn take(&mut self) -> Record {
        std::mem::take(&mut self.record)
    }
}

/// The part of a message that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    /// Nothing in it matters.
    Rest,
    /// The tag of a completed statement.
    Tag,
    /// The byte that says which field of an error follows.
    Field,
    /// A field of an error.
    Of(u8),
    /// The name of a parameter.
    Name,
    /// The value of a parameter.
    Value,
}

impl Section {
    /// How many bytes of it are worth keeping.
    const fn limit(self) -> usize {
        match self {
            Self::Tag | Self::Name | Self::Of(b'R') => NAME,
            Self::Of(b'C') => 5,
            Self::Value => VALUE,
            Self::Rest | Self::Field | Self::Of(_) => 0,
        }
    }
}

/// Writes a record, in the stream.
#[derive(Debug)]
pub(super) struct Recorder {
    epoch: u32,
    /// Requests sent when it began; their answers are not recorded.
    before: u64,
    /// Unanswered requests behind these, oldest first.
    unanswered: VecDeque<Kind>,
    /// There were too many of them to tell whose the next answer is.
    lost_count: bool,
    section: Section,
    text: Vec<u8>,
    too_long: bool,
    /// The name of the parameter whose value is being read.
    name: Option<String>,
    failure: Failure,
    open: Answer,
    finished: Record,
    requests: usize,
    statements: usize,
}

impl Recorder {
    /// Begins behind so many requests, and perhaps behind the end of the session.
    pub(super) fn new(epoch: u32, before: u64, too_late: bool) -> Self {
        Self {
            epoch,
            before,
            unanswered: VecDeque::new(),
            lost_count: false,
            section: Section::Rest,
            text: Vec::new(),
            too_long: false,
            name: None,
            failure: Failure::default(),
            open: Answer::default(),
            finished: Record {
                farewell: too_late,
                too_late,
                ..Record::default()
            },
            requests: 0,
            statements: 0,
        }
    }

    /// A request has been sent.
    pub(super) fn sent(&mut self, kind: Kind) {
        if self.unanswered.len() < UNANSWERED && !self.lost_count {
            self.unanswered.push_back(kind);
        } else {
            self.lost_count = true;
            self.finished.overflow = true;
        }
    }

    /// The Sync of the oldest unanswered request was swallowed: a copy begins, and the answer comes
    /// with the Sync behind it.
    pub(super) fn swallowed(&mut self) {
        self.unanswered.pop_front();
    }

    /// The server says that the session is over.
    pub(super) fn farewell(&mut self) {
        self.finished.farewell = true;
    }

    /// The server has sent the header of a message.
    pub(super) fn begin(&mut self, kind: u8) {
        self.enter(match kind {
            b'C' => Section::Tag,
            b'E' => Section::Field,
            b'S' => Section::Name,
            _ => Section::Rest,
        });
        match kind {
            b'I' => self.completed(Tag::Empty),
            b's' => self.completed(Tag::Suspended),
            b'E' => self.failure = Failure::default(),
            _ => {}
        }
    }

    fn enter(&mut self, section: Section) {
        self.section = section;
        self.text.clear();
        self.too_long = false;
    }

    /// The next piece of its body.
    pub(super) fn body(&mut self, mut bytes: &[u8]) {
        while self.section != Section::Rest && !bytes.is_empty() {
            if self.section == Section::Field {
                self.field(bytes[0]);
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == 0);
            let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            let kept = piece.len().min(self.section.limit() - self.text.len());
            self.text.extend_from_slice(&piece[..kept]);
            self.too_long |= kept < piece.len();
            if end.is_some() {
                self.end_section();
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
    }

    fn field(&mut self, kind: u8) {
        if kind == 0 {
            self.open.failure = Some(std::mem::take(&mut self.failure));
            self.enter(Section::Rest);
        } else {
            self.enter(Section::Of(kind));
        }
    }

    fn end_section(&mut self) {
        let next = match self.section {
            Section::Tag => {
                self.completed(Tag::parse(&self.text));
                Section::Rest
            }
            Section::Of(kind) => {
                self.failure_says(kind);
                Section::Field
            }
            Section::Name => {
                self.name = (!self.too_long).then(|| self.text());
                Section::Value
            }
            Section::Value => {
                self.reported();
                Section::Rest
            }
            Section::Field | Section::Rest => Section::Rest,
        };
        self.enter(next);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    fn failure_says(&mut self, field: u8) {
        match field {
            b'C' => self.failure.code = self.text[..].try_into().unwrap_or_default(),
            b'R' => self.failure.routine = self.text(),
            _ => {}
        }
    }

    fn reported(&mut self) {
        let Some(name) = self.name.take() else {
            self.open.parameters_overflow = true;
            return;
        };
        if self.open.parameters.len() == PARAMETERS {
            self.open.parameters_overflow = true;
            return;
        }
        let value = (!self.too_long).then(|| self.text());
        self.open.parameters.push(Parameter { name, value });
    }

    fn completed(&mut self, tag: Tag) {
        if self.statements < STATEMENTS {
            self.statements += 1;
            self.open.tags.push(tag);
        } else {
            self.finished.overflow = true;
        }
    }

    /// The request with this number has been answered to the end.
    pub(super) fn answered(&mut self, request: u64, status: Status) {
        let said = std::mem::take(&mut self.open);
        if request <= self.before {
            self.statements = 0;
            self.finished.overflow = false;
            return;
        }
        let kind = self.unanswered.pop_front().unwrap_or_default();
        if kind == Kind::Close || self.lost_count {
            return;
        }
        if self.requests == REQUESTS {
            self.finished.overflow = true;
            return;
        }
        self.requests += 1;
        self.finished.answers.push(Answer {
            kind,
            status,
            ..said
        });
    }

    /// Under which number it records.
    pub(super) const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether there is something to hand over.
    pub(super) fn has_news(&self) -> bool {
        self.finished.overflow || self.finished.farewell || !self.finished.answers.is_empty()
    }

    /// Hands over what is finished, if it is still wanted.
    pub(super) fn hand_over(&mut self, shared: &mut Shared) {
        if shared.epoch == self.epoch {
            shared.record.append(&mut self.finished);
        } else {
            self.finished = Record::default();
        }
    }
}

#[cfg(test)]
mod tests;
