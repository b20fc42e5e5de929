//! What the stream tells of the connection's health, as [`Vitals`].
//!
//! A request counts from the moment at which it is known to be work and of which kind, not from its
//! end: one that the far side does not take whole, because it takes nothing any more, is owed an
//! answer all the same. What the server answers with one ReadyForQuery counts as one, by the numbers
//! of the [ledger](super::ledger), and what is no work there is not told here: the answer to a
//! `Close` must not pass for the answer to the query behind it.
//!
//! # Kinds
//!
//! Requests are of one kind if they are the same statement: a hash of its text stands for it, which
//! is remembered by the statement's name for those that run it later. To prepare a statement is
//! another thing than to run it (`SELECT pg_sleep(5)` is prepared in no time), and much the same for
//! all statements; so all that only prepare are of one kind.
//!
//! # What it does not tell
//!
//! The startup, which is the connect's business: nothing is told before the connection has been
//! chosen among the hosts. Nor the silence of a far end that is not listened to, because a caller does
//! not read the rows that he asked for.

use pool_core::{ErrorClass, Vitals};
use std::collections::{HashMap, VecDeque};

/// Most prepared statements whose kinds are remembered; the next ones are of unknown kind.
const REMEMBERED: usize = 1024;

/// Most unanswered requests that are kept apart as no work; the next ones count as work.
const APART: usize = 64;

/// All requests that prepare a statement and run nothing.
const PREPARATION: u32 = 0x7061_7273;

/// Writes the vital signs of one connection.
#[derive(Debug)]
pub(super) struct Signs {
    vitals: Vitals,
    request: Request,
    /// Numbers of unanswered requests that were not told.
    apart: VecDeque<u64>,
    /// The kinds of prepared statements, by the hashes of their names.
    kinds: HashMap<u64, u32>,
    /// A reply has ended in the bytes being read.
    answered: bool,
    /// Its end has been told, or is our own wish.
    over: bool,
}

/// What has been sent since the last Sync.
#[derive(Clone, Copy, Debug, Default)]
struct Request {
    /// Something that is work or prepares some.
    open: bool,
    told: bool,
    /// Something is run, and not only prepared.
    runs: bool,
}

impl Signs {
    pub(super) fn new(vitals: Vitals) -> Self {
        Self {
            vitals,
            request: Request::default(),
            apart: VecDeque::new(),
            kinds: HashMap::new(),
            answered: false,
            over: false,
        }
    }

    /// Whether nobody reads them.
    pub(super) const fn are_lost(&self) -> bool {
        self.vitals.is_deaf()
    }

    /// The client has sent (the header of) a message, and so many requests in all.
    pub(super) fn sent(&mut self, message: u8, requests: u64) {
        match message {
            b'S' => self.synced(requests),
            b'F' => {
                self.tell(0);
                self.request = Request::default();
            }
            b'Q' | b'P' | b'D' | b'B' => self.request.open = true,
            // A copy has an answer to come once all of it is there.
            b'E' | b'c' | b'f' => (self.request.open, self.request.runs) = (true, true),
            b'X' => self.over = true,
            _ => {}
        }
    }

    fn synced(&mut self, requests: u64) {
        if self.request.open && !self.request.told {
            let kind = if self.request.runs { 0 } else { PREPARATION };
            self.tell(kind);
        } else if !self.request.open {
            self.keep_apart(requests);
        }
        self.request = Request::default();
    }

    fn keep_apart(&mut self, request: u64) {
        if self.apart.len() < APART {
            self.apart.push_back(request);
        } else {
            self.tell(0);
        }
    }

    /// The text of a simple query has been sent.
    pub(super) fn queried(&mut self, text: u64) {
        if !self.request.told {
            self.tell(kind_of(text));
        }
        self.request = Request::default();
    }

    /// The text of a statement has been sent.
    pub(super) fn prepared(&mut self, name: u64, text: u64) {
        if self.kinds.len() < REMEMBERED || self.kinds.contains_key(&name) {
            self.kinds.insert(name, kind_of(text));
        }
    }

    /// A prepared statement is to be run.
    pub(super) fn bound(&mut self, name: u64) {
        self.request.runs = true;
        if !self.request.told {
            self.tell(self.kinds.get(&name).copied().unwrap_or(0));
        }
    }

    /// A prepared statement is to be forgotten.
    pub(super) fn closed(&mut self, name: u64) {
        self.kinds.remove(&name);
    }

    /// No more was taken for now. What is open still may wait long for its rest.
    pub(super) fn paused(&mut self) {
        if self.request.open && !self.request.told {
            self.tell(0);
        }
    }

    fn tell(&mut self, kind: u32) {
        self.request.told = true;
        self.vitals.sent(kind);
    }

    /// Whether the driver takes what comes in.
    pub(super) fn listening(&self, listening: bool) {
        self.vitals.listening(listening);
    }

    /// The request with this number has been answered to the end.
    pub(super) fn answered(&mut self, request: u64) {
        if self.apart.front() == Some(&request) {
            self.apart.pop_front();
        } else {
            self.vitals.answered();
            self.answered = true;
        }
    }

    /// All bytes that came have been read.
    pub(super) fn heard(&mut self) {
        if !std::mem::take(&mut self.answered) {
            self.vitals.heard();
        }
    }

    /// The server reported an error, with which the session may be over.
    pub(super) fn failed(&mut self, class: ErrorClass, over: bool) {
        self.over |= over;
        self.vitals.failed(class);
    }

    /// The stream has ended or failed.
    pub(super) fn lost(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.vitals.failed(ErrorClass::Connection);
        }
    }
}

/// The kind that the hash of a text stands for; 0 is nobody's.
fn kind_of(text: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = text.to_be_bytes();
    let folded = u32::from_be_bytes([a ^ e, b ^ f, c ^ g, d ^ h]);
    folded.max(1)
}
