//! What the two directions of the stream say.

use super::counts::WireCounts;
use super::frame::Visit;
use super::ledger::Ledger;
use super::record::{Kind, Recorder};
use super::scan::{Found, Scanner};
use super::signs::Signs;
use super::taint::{Taint, TaintingStatements};
use crate::classify::of_request;

/// Reads what the client sends: counts requests, and scans the text of statements.
#[derive(Debug)]
pub(super) struct Client {
    section: Section,
    kind: u8,
    name: u64,
    /// Of a statement, as far as it is asked for.
    text: u64,
    scanner: Scanner,
    statements: TaintingStatements,
}

/// The part of a message body that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    /// Nothing in it matters.
    Rest,
    /// The byte that says what to close.
    Target,
    /// The name of a portal.
    Portal,
    /// The name of a statement.
    Name,
    /// The text of a statement.
    Text,
}

/// Where FNV-1a starts, and its prime.
const HASH: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0000_0100_0000_01b3);

fn hash(bytes: &[u8], so_far: u64) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(HASH.1);
    bytes.iter().fold(so_far, step)
}

impl Client {
    pub(super) const fn new() -> Self {
        Self {
            section: Section::Rest,
            kind: 0,
            name: HASH.0,
            text: HASH.0,
            scanner: Scanner::new(),
            statements: TaintingStatements::new(),
        }
    }

    fn begin(&mut self, kind: u8) {
        self.kind = kind;
        (self.name, self.text) = (HASH.0, HASH.0);
        self.section = match kind {
            b'Q' => Section::Text,
            b'P' => Section::Name,
            b'B' => Section::Portal,
            b'C' => Section::Target,
            _ => Section::Rest,
        };
    }

    /// Reads on and says what the statements that now run leave behind.
    fn body(&mut self, mut bytes: &[u8], mut signs: Option<&mut Signs>) -> Found {
        let mut found = Found::default();
        while self.section != Section::Rest && !bytes.is_empty() {
            if self.section == Section::Target {
                self.section = match bytes[0] {
                    b'S' => Section::Name,
                    _ => Section::Rest,
                };
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == 0);
            let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.piece(piece, signs.is_some());
            if end.is_some() {
                if let Some(signs) = &mut signs {
                    self.tell(signs);
                }
                // At most one section of a message finds anything.
                found = self.end_section();
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        found
    }

    fn piece(&mut self, piece: &[u8], wants_text: bool) {
        match self.section {
            Section::Text => {
                self.scanner.feed(piece);
                if wants_text {
                    self.text = hash(piece, self.text);
                }
            }
            Section::Name => self.name = hash(piece, self.name),
            Section::Portal | Section::Target | Section::Rest => {}
        }
    }

    /// Tells what the section that has ended says.
    fn tell(&self, signs: &mut Signs) {
        match (self.kind, self.section) {
            (b'P', Section::Text) => signs.prepared(self.name, self.text),
            (b'Q', Section::Text) => signs.queried(self.text),
            (b'B', Section::Name) => signs.bound(self.name),
            (b'C', Section::Name) => signs.closed(self.name),
            _ => {}
        }
    }

    fn end_section(&mut self) -> Found {
        let mut found = Found::default();
        self.section = match (self.kind, self.section) {
            (b'P', Section::Name) => Section::Text,
            (b'B', Section::Portal) => Section::Name,
            (b'P', Section::Text) => {
                let text = self.scanner.finish();
                self.statements.prepared(self.name, text.taint);
                Section::Rest
            }
            (b'Q', Section::Text) => {
                found = self.scanner.finish();
                Section::Rest
            }
            (b'B', Section::Name) => {
                found.taint = self.statements.executed(self.name);
                Section::Rest
            }
            (b'C', Section::Name) => {
                self.statements.closed(self.name);
                Section::Rest
            }
            _ => Section::Rest,
        };
        found
    }
}

/// Reads what the server sends: transaction status, process id, changed parameters, farewells.
#[derive(Debug)]
pub(super) struct Server {
    kind: u8,
    start: [u8; KEPT],
    filled: usize,
}

/// How much of a body is kept: enough for the two severities that an error begins with, of which
/// the first is in the server's language and the second is not, and for the SQLSTATE behind them.
const KEPT: usize = 64;

impl Server {
    pub(super) const fn new() -> Self {
        Self {
            kind: 0,
            start: [0; KEPT],
            filled: 0,
        }
    }

    fn start(&self) -> &[u8] {
        &self.start[..self.filled]
    }

    /// Whether the error says that the session is over.
    fn is_farewell(&self) -> bool {
        let mut fields = self.start().split(|byte| *byte == 0);
        fields.any(|field| matches!(field, b"VFATAL" | b"VPANIC"))
    }

    /// The error's SQLSTATE; empty if there is none near its start.
    fn code(&self) -> &str {
        let mut fields = self.start().split(|byte| *byte == 0);
        let code = fields.find_map(|field| field.strip_prefix(b"C"));
        code.and_then(|code| str::from_utf8(code).ok())
            .unwrap_or_default()
    }
}

/// What a direction of the stream may add to.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) ledger: Ledger,
    pub(super) taint: Taint,
    pub(super) process_id: i32,
    /// None while nobody wants to know.
    pub(super) signs: Option<Box<Signs>>,
    /// The same.
    pub(super) recorder: Option<Box<Recorder>>,
    pub(super) counts: WireCounts,
    /// The server has said that the session is over.
    pub(super) farewell: bool,
}

impl Findings {
    fn failed(&mut self, code: &str, is_farewell: bool) {
        if is_farewell {
            self.ledger.confuse();
            self.farewell = true;
            if let Some(recorder) = &mut self.recorder {
                recorder.farewell();
            }
        } else {
            self.ledger.failed();
        }
        if let Some(signs) = &mut self.signs {
            signs.failed(of_request(code, is_farewell), is_farewell);
        }
    }

    fn ready(&mut self, status: u8) {
        self.ledger.ready(status);
        self.answered();
        if let Some(recorder) = &mut self.recorder {
            recorder.answered(self.ledger.answers(), self.ledger.status());
        }
    }

    fn copy_in(&mut self) {
        let before = self.ledger.answers();
        self.ledger.copy_in();
        if self.ledger.answers() > before {
            self.answered();
            if let Some(recorder) = &mut self.recorder {
                recorder.swallowed();
            }
        }
    }

    fn answered(&mut self) {
        if let Some(signs) = &mut self.signs {
            signs.answered(self.ledger.answers());
        }
    }
}

/// A reader together with what it writes to.
pub(super) struct Reading<'a, R> {
    pub(super) reader: &'a mut R,
    pub(super) findings: &'a mut Findings,
}

impl Visit for Reading<'_, Client> {
    fn begin(&mut self, kind: u8) {
        let findings = &mut *self.findings;
        let request = match kind {
            b'S' => Some(findings.ledger.open()),
            b'Q' | b'F' => Some(Kind::Query),
            _ => None,
        };
        let Findings {
            ledger,
            signs,
            recorder,
            counts,
            ..
        } = findings;
        ledger.sent(kind);
        counts.sent(kind);
        if let (Some(recorder), Some(request)) = (recorder, request) {
            recorder.sent(request);
        }
        if let Some(signs) = signs {
            signs.sent(kind, ledger.requests());
        }
        self.reader.begin(kind);
    }

    fn body(&mut self, bytes: &[u8]) {
        let found = self.reader.body(bytes, self.findings.signs.as_deref_mut());
        self.findings.taint |= found.taint;
        if found.is_rollback {
            self.findings.ledger.sent_rollback();
        }
    }

    fn end(&mut self) {}
}

impl Visit for Reading<'_, Server> {
    fn begin(&mut self, kind: u8) {
        (self.reader.kind, self.reader.filled) = (kind, 0);
        if let Some(recorder) = &mut self.findings.recorder {
            recorder.begin(kind);
        }
        match kind {
            b'G' => self.findings.copy_in(),
            // CopyBoth: replication, which nobody pools.
            b'W' => self.findings.ledger.confuse(),
            // A parameter changed after the startup: by a statement, or by the server's own
            // reload, which costs one reset too many.
            b'S' if self.findings.ledger.has_started() => self.findings.taint |= Taint::SESSION,
            _ => {}
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        let Server { start, filled, .. } = &mut *self.reader;
        let kept = bytes.len().min(KEPT - *filled);
        start[*filled..*filled + kept].copy_from_slice(&bytes[..kept]);
        *filled += kept;
        if let Some(recorder) = &mut self.findings.recorder {
            recorder.body(bytes);
        }
    }

    fn end(&mut self) {
        let findings = &mut *self.findings;
        match (self.reader.kind, self.reader.start()) {
            (b'Z', [status, ..]) => findings.ready(*status),
            (b'Z', []) => findings.ledger.confuse(),
            (b'E', _) => findings.failed(self.reader.code(), self.reader.is_farewell()),
            (b'K', [a, b, c, d, ..]) => {
                findings.process_id = i32::from_be_bytes([*a, *b, *c, *d]);
            }
            _ => {}
        }
    }
}
