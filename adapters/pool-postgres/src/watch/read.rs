//! What the two directions of the stream say.

use super::frame::Visit;
use super::ledger::Ledger;
use super::scan::{Found, Scanner};
use super::taint::{Taint, TaintingStatements};

/// Reads what the client sends: counts requests, and scans the text of statements.
#[derive(Debug)]
pub(super) struct Client {
    section: Section,
    kind: u8,
    name: u64,
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

impl Client {
    pub(super) const fn new() -> Self {
        Self {
            section: Section::Rest,
            kind: 0,
            name: HASH.0,
            scanner: Scanner::new(),
            statements: TaintingStatements::new(),
        }
    }

    fn begin(&mut self, kind: u8) {
        self.kind = kind;
        self.name = HASH.0;
        self.section = match kind {
            b'Q' => Section::Text,
            b'P' => Section::Name,
            b'B' => Section::Portal,
            b'C' => Section::Target,
            _ => Section::Rest,
        };
    }

    /// Reads on and says what the statements that now run leave behind.
    fn body(&mut self, mut bytes: &[u8]) -> Found {
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
            self.piece(piece);
            if end.is_some() {
                // At most one section of a message finds anything.
                found = self.end_section();
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        found
    }

    fn piece(&mut self, piece: &[u8]) {
        match self.section {
            Section::Text => self.scanner.feed(piece),
            Section::Name => {
                for byte in piece {
                    self.name = (self.name ^ u64::from(*byte)).wrapping_mul(HASH.1);
                }
            }
            Section::Portal | Section::Target | Section::Rest => {}
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
/// the first is in the server's language and the second is not.
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
}

/// What a direction of the stream may add to.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) ledger: Ledger,
    pub(super) taint: Taint,
    pub(super) process_id: i32,
}

/// A reader together with what it writes to.
pub(super) struct Reading<'a, R> {
    pub(super) reader: &'a mut R,
    pub(super) findings: &'a mut Findings,
}

impl Visit for Reading<'_, Client> {
    fn begin(&mut self, kind: u8) {
        self.findings.ledger.sent(kind);
        self.reader.begin(kind);
    }

    fn body(&mut self, bytes: &[u8]) {
        let found = self.reader.body(bytes);
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
        match kind {
            b'G' => self.findings.ledger.copy_in(),
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
    }

    fn end(&mut self) {
        let ledger = &mut self.findings.ledger;
        match (self.reader.kind, self.reader.start()) {
            (b'Z', [status, ..]) => ledger.ready(*status),
            (b'Z', []) => ledger.confuse(),
            (b'E', _) if self.reader.is_farewell() => ledger.confuse(),
            (b'E', _) => ledger.failed(),
            (b'K', [a, b, c, d, ..]) => {
                self.findings.process_id = i32::from_be_bytes([*a, *b, *c, *d]);
            }
            _ => {}
        }
    }
}
