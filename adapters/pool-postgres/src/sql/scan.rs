//! The first pass: where each statement ends, and what its tokens tell wherever they stand.
//!
//! Most statements need no other. It keeps three tokens and a depth, and allocates nothing unless it
//! meets `set_config`.

use super::Marks;
use super::cursor::Cursor;
use super::functions;
use super::keywords::{self, Class};
use super::lexer::{Lexer, Token, TokenKind};
use super::set_config::{self, SetConfig};
use super::spelling;
use std::ops::Range;

/// One statement as the first pass sees it.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    pub(super) range: Range<usize>,
    pub(super) marks: Marks,
    /// The first word, behind parentheses if any stand before it.
    pub(super) first: Option<Token>,
    /// It has a WITH, and so can hide a statement that writes.
    pub(super) has_with: bool,
    /// INSERT, UPDATE, DELETE or MERGE stands where it may be a statement.
    pub(super) modifies: bool,
    /// FOR UPDATE, FOR SHARE and the like.
    pub(super) locks_rows: bool,
    /// Where the name behind the INTO of a SELECT begins.
    pub(super) into: Option<usize>,
    /// It has no end, or none that is known for sure.
    pub(super) is_broken: bool,
}

/// Cuts a text into statements.
#[derive(Debug)]
pub(super) struct Splitter<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The last tokens of this statement, the latest first.
    recent: [Option<Token>; 3],
    depth: u32,
    statements: usize,
    /// Calls in all statements so far.
    pub(super) calls: Vec<SetConfig>,
}

impl<'a> Splitter<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            lexer: Lexer::new(text),
            recent: [None; 3],
            depth: 0,
            statements: 0,
            calls: Vec::new(),
        }
    }

    fn note(&mut self, token: Token, extent: &mut Extent) {
        match token.kind {
            TokenKind::Word => self.word(token, extent),
            TokenKind::Quoted => {
                extent.marks |= temp_schema(&self.text.as_bytes()[token.start + 1..token.end - 1]);
            }
            TokenKind::Symbol(b'(') => {
                self.opened(extent);
                self.depth = self.depth.saturating_add(1);
            }
            TokenKind::Symbol(b')') => self.depth = self.depth.saturating_sub(1),
            TokenKind::Broken => extent.is_broken = true,
            _ => {}
        }
        if extent.first.is_none() && token.kind != TokenKind::Symbol(b'(') {
            extent.first = Some(token);
        }
        extent.range.end = token.end;
        self.recent = [Some(token), self.recent[0], self.recent[1]];
    }

    fn bytes(&self, token: Token) -> &'a [u8] {
        &self.text.as_bytes()[token.start..token.end]
    }

    /// Whether the token that many before this one is that word.
    fn was(&self, back: usize, word: &str) -> bool {
        self.recent[back].is_some_and(|token| {
            token.kind == TokenKind::Word && self.bytes(token).eq_ignore_ascii_case(word.as_bytes())
        })
    }

    fn was_symbol(&self, back: usize, symbol: u8) -> bool {
        self.recent[back].is_some_and(|token| token.kind == TokenKind::Symbol(symbol))
    }

    fn word(&self, token: Token, extent: &mut Extent) {
        let word = self.bytes(token);
        extent.marks |= temp_schema(word);
        match telling(word) {
            b"with" => extent.has_with = true,
            b"insert" | b"delete" | b"merge" => extent.modifies |= !self.is_label(),
            b"update" if self.was(0, "for") || self.was(0, "key") => extent.locks_rows = true,
            b"update" => extent.modifies |= !self.is_label(),
            b"share" => extent.locks_rows |= self.was(0, "for") || self.was(0, "key"),
            b"into" if self.is_label() || self.was(0, "insert") || self.was(0, "merge") => {}
            b"into" => extent.into = extent.into.or(Some(token.end)),
            // The body of a function is statements up to an END that only a parser finds.
            b"atomic" => extent.is_broken |= self.was(0, "begin") && self.is_create(extent),
            _ => {}
        }
    }

    fn is_create(&self, extent: &Extent) -> bool {
        extent
            .first
            .is_some_and(|first| self.bytes(first).eq_ignore_ascii_case(b"create"))
    }

    /// Whether a word here can only be a name, whatever word it is.
    fn is_label(&self) -> bool {
        self.was_symbol(0, b'.') || self.was(0, "as")
    }

    /// A parenthesis was opened, perhaps behind the name of a function.
    fn opened(&mut self, extent: &mut Extent) {
        let Some(name) = self.recent[0].filter(|token| token.kind.is_identifier()) else {
            return;
        };
        let mut buffer = [0; 63];
        let spelled = match name.kind {
            TokenKind::Word => spelling::lower(self.bytes(name), &mut buffer),
            TokenKind::Quoted => Some(&self.text.as_bytes()[name.start + 1..name.end - 1]),
            _ => None,
        };
        let marks = spelled.map_or(Marks::NONE, functions::effect);
        if marks.has(Marks::SET_CONFIG) {
            self.remember_call(extent);
        }
        let is_known = !marks.is_none()
            || spelled.is_some_and(functions::is_harmless) && self.is_the_servers()
            || self.is_no_call(name);
        extent.marks |= marks;
        if !is_known {
            extent.marks |= Marks::UNKNOWN_FUNCTION;
        }
    }

    fn remember_call(&mut self, extent: &mut Extent) {
        if self.calls.len() == set_config::MOST {
            extent.is_broken = true;
            return;
        }
        let mut cursor = Cursor::at(self.text, self.lexer);
        self.calls
            .push(set_config::call(&mut cursor, self.statements));
    }

    /// Whether the name before the parenthesis is not that of some schema of one's own.
    fn is_the_servers(&self) -> bool {
        !self.was_symbol(1, b'.') || self.was(2, "pg_catalog")
    }

    /// Whether the word before the parenthesis belongs to the grammar, or names columns behind it.
    fn is_no_call(&self, name: Token) -> bool {
        if self.was_symbol(1, b'.') || name.kind != TokenKind::Word {
            return false;
        }
        let names_columns = ["as", "into", "with", "recursive"]
            .iter()
            .any(|word| self.was(1, word));
        names_columns
            || keywords::class(&self.text[name.start..name.end]) != Class::Free
            || functions::is_grammar(self.bytes(name))
    }
}

impl Iterator for Splitter<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        self.recent = [None; 3];
        self.depth = 0;
        let mut found: Option<Extent> = None;
        while let Some(token) = self.lexer.next() {
            // Within parentheses it separates the commands of a rule.
            let separates = token.kind == TokenKind::Symbol(b';') && self.depth == 0;
            match &mut found {
                None if separates => {}
                Some(extent) if separates && !extent.is_broken => break,
                extent => {
                    let extent = extent.get_or_insert_with(|| Extent::at(token.start));
                    self.note(token, extent);
                }
            }
        }
        let mut extent = found?;
        if self.lexer.is_doubtful() {
            extent.marks |= Marks::BACKSLASH;
        }
        self.statements += 1;
        Some(extent)
    }
}

impl Extent {
    const fn at(start: usize) -> Self {
        Self {
            range: start..start,
            marks: Marks::NONE,
            first: None,
            has_with: false,
            modifies: false,
            locks_rows: false,
            into: None,
            is_broken: false,
        }
    }
}

/// The word in lower case if it is one that tells something wherever it stands, or else nothing. Most
/// words are told from those by their lengths and first letters.
fn telling(word: &[u8]) -> &'static [u8] {
    let candidates: &[&[u8]] = match (word.len(), word[0].to_ascii_lowercase()) {
        (4, b'w') => &[b"with"],
        (4, b'i') => &[b"into"],
        (5, b'm') => &[b"merge"],
        (5, b's') => &[b"share"],
        (6, b'i') => &[b"insert"],
        (6, b'd') => &[b"delete"],
        (6, b'u') => &[b"update"],
        (6, b'a') => &[b"atomic"],
        _ => &[],
    };
    match candidates {
        [one] if one.eq_ignore_ascii_case(word) => one,
        _ => b"",
    }
}

/// Whether a name, without quotes, is that of the schema of temporary objects.
fn temp_schema(name: &[u8]) -> Marks {
    match name.split_at_checked(7) {
        Some((start, [] | [b'_', ..])) if start.eq_ignore_ascii_case(b"pg_temp") => {
            Marks::TEMP_SCHEMA
        }
        _ => Marks::NONE,
    }
}
