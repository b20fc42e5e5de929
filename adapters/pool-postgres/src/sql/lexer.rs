//! Tokens, by PostgreSQL's lexical rules.
//!
//! Only what the classifier looks at is told apart: every operator character is a symbol of its own,
//! and of a literal it matters here where it ends, not what it says. The rules are those of the
//! server's scanner, with the two that are easily forgotten: a literal goes on behind a line break
//! (`'a'` newline `'b'` is one), and `--` or `/*` begin a comment in the middle of an operator.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword or an identifier without quotes.
    Word,
    /// `"identifier"`.
    Quoted,
    /// `U&"identifier"`, whose spelling depends on escapes (and perhaps on a UESCAPE behind it).
    OddIdentifier,
    /// `'literal'`.
    Literal,
    /// `E'literal'`.
    EscapeLiteral,
    /// `$tag$literal$tag$`.
    DollarLiteral,
    /// `B''`, `X''`, `N''` and `U&''`.
    OddLiteral,
    /// Digits, with a point or an exponent if any; a sign is a symbol.
    Number,
    /// `$1`.
    Parameter,
    /// Any other character.
    Symbol(u8),
    /// What begins here never ends; the server refuses the text.
    Broken,
}

impl TokenKind {
    /// Whether it can be a name, and so that of a function.
    pub(super) const fn is_identifier(self) -> bool {
        matches!(self, Self::Word | Self::Quoted | Self::OddIdentifier)
    }
}

/// One token: bytes `start..end` of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Reads one text; a copy of it looks ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    position: usize,
    doubtful: bool,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            position: 0,
            doubtful: false,
        }
    }

    /// Whether a literal so far ends elsewhere if `standard_conforming_strings` is off.
    pub(super) const fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.position + ahead).copied()
    }

    fn kind(&mut self, first: u8) -> TokenKind {
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word_or_prefix(first),
            b'\'' => self.literal(TokenKind::Literal),
            b'"' => self.quoted(TokenKind::Quoted),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            b'$' => self.dollar(),
            // The server's text ends there.
            0 => self.broken(),
            _ => {
                self.position += 1;
                TokenKind::Symbol(first)
            }
        }
    }

    fn broken(&mut self) -> TokenKind {
        self.position = self.bytes.len();
        TokenKind::Broken
    }

    /// Skips bytes of these classes.
    fn skip(&mut self, classes: u8) {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let length = rest.iter().position(|&byte| !is(byte, classes));
        self.position += length.unwrap_or(rest.len());
    }

    /// Skips space and comments; false if a comment has no end.
    fn skip_space(&mut self) -> bool {
        loop {
            self.skip(SPACE);
            match self.peek(0) {
                Some(b'-') if self.peek(1) == Some(b'-') => self.skip_line(),
                Some(b'/') if self.peek(1) == Some(b'*') => {
                    if !self.skip_block() {
                        return false;
                    }
                }
                _ => return true,
            }
        }
    }

    fn skip_line(&mut self) {
        while self
            .peek(0)
            .is_some_and(|byte| !matches!(byte, b'\n' | b'\r'))
        {
            self.position += 1;
        }
    }

    /// Skips a comment with those in it; leaves the position if it has no end.
    fn skip_block(&mut self) -> bool {
        let start = self.position;
        let mut depth = 0_usize;
        while let Some(pair) = self.bytes.get(self.position..self.position + 2) {
            match pair {
                b"/*" => depth += 1,
                b"*/" => depth -= 1,
                _ => {
                    self.position += 1;
                    continue;
                }
            }
            self.position += 2;
            if depth == 0 {
                return true;
            }
        }
        self.position = start;
        false
    }

    fn word_or_prefix(&mut self, first: u8) -> TokenKind {
        match (first.to_ascii_lowercase(), self.peek(1), self.peek(2)) {
            (b'e', Some(b'\''), _) => self.prefixed(1, TokenKind::EscapeLiteral),
            (b'b' | b'x' | b'n', Some(b'\''), _) => self.prefixed(1, TokenKind::OddLiteral),
            (b'u', Some(b'&'), Some(b'\'')) => self.prefixed(2, TokenKind::OddLiteral),
            (b'u', Some(b'&'), Some(b'"')) => {
                self.position += 2;
                self.quoted(TokenKind::OddIdentifier)
            }
            _ => {
                self.skip(WORD);
                TokenKind::Word
            }
        }
    }

    fn prefixed(&mut self, prefix: usize, kind: TokenKind) -> TokenKind {
        self.position += prefix;
        self.literal(kind)
    }

    fn literal(&mut self, kind: TokenKind) -> TokenKind {
        let escapes = kind == TokenKind::EscapeLiteral;
        loop {
            if !self.skip_segment(escapes) {
                return self.broken();
            }
            match self.continuation() {
                Some(next) => self.position = next,
                None => return kind,
            }
        }
    }

    /// Skips a literal from its opening quote to behind its closing one; false if it has none.
    fn skip_segment(&mut self, escapes: bool) -> bool {
        self.position += 1;
        while let Some(byte) = self.peek(0) {
            let next = self.peek(1);
            self.position += match byte {
                b'\'' if next == Some(b'\'') => 2,
                b'\'' => {
                    self.position += 1;
                    return true;
                }
                b'\\' if escapes => 2,
                b'\\' => {
                    self.doubtful |= next == Some(b'\'');
                    1
                }
                _ => 1,
            };
        }
        false
    }

    /// Where the literal that has just ended goes on: at a quote behind a line break, with nothing
    /// but space and line comments between.
    fn continuation(&self) -> Option<usize> {
        let mut ahead = *self;
        let mut broke_line = false;
        loop {
            match (ahead.peek(0), ahead.peek(1)) {
                (Some(byte), _) if is(byte, SPACE) => {
                    broke_line |= matches!(byte, b'\n' | b'\r');
                    ahead.position += 1;
                }
                (Some(b'-'), Some(b'-')) => ahead.skip_line(),
                (Some(b'\''), _) if broke_line => return Some(ahead.position),
                _ => return None,
            }
        }
    }

    fn quoted(&mut self, kind: TokenKind) -> TokenKind {
        self.position += 1;
        while let Some(byte) = self.peek(0) {
            self.position += 1;
            if byte != b'"' {
                continue;
            }
            if self.peek(0) != Some(b'"') {
                return kind;
            }
            self.position += 1;
        }
        self.broken()
    }

    fn number(&mut self) -> TokenKind {
        self.skip_digits();
        if self.peek(0) == Some(b'.') {
            self.position += 1;
            self.skip_digits();
        }
        let signed = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
        let exponent = self.peek(1 + signed);
        if matches!(self.peek(0), Some(b'e' | b'E'))
            && exponent.is_some_and(|byte| byte.is_ascii_digit())
        {
            self.position += 1 + signed;
            self.skip_digits();
        }
        TokenKind::Number
    }

    fn skip_digits(&mut self) {
        self.skip(DIGIT);
    }

    fn dollar(&mut self) -> TokenKind {
        let start = self.position;
        self.position += 1;
        if self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.skip_digits();
            return TokenKind::Parameter;
        }
        let tag = self.bytes[self.position..]
            .iter()
            .position(|&byte| !is(byte, TAG))
            .map(|length| self.position + length);
        match tag {
            Some(end) if self.bytes[end] == b'$' => self.dollar_body(start, end + 1),
            _ => TokenKind::Symbol(b'$'),
        }
    }

    fn dollar_body(&mut self, start: usize, body: usize) -> TokenKind {
        let (head, rest) = self.bytes.split_at(body);
        let tag = &head[start..];
        let mut from = 0;
        // The tag has dollar signs at its two ends alone, so each candidate begins with one.
        while let Some(found) = rest[from..].iter().position(|&byte| byte == b'$') {
            from += found;
            if rest[from..].starts_with(tag) {
                self.position = body + from + tag.len();
                return TokenKind::DollarLiteral;
            }
            from += 1;
        }
        self.broken()
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let complete = self.skip_space();
        let start = self.position;
        let first = self.peek(0)?;
        let kind = if complete {
            self.kind(first)
        } else {
            self.broken()
        };
        // A backslash at the very end skips what is not there.
        self.position = self.position.min(self.bytes.len());
        Some(Token {
            kind,
            start,
            end: self.position,
        })
    }
}

/// Space. The vertical tab is one since PostgreSQL 16; before, it is an error.
const SPACE: u8 = 1;
const DIGIT: u8 = 1 << 1;
/// What the tag of a dollar quote goes on with.
const TAG: u8 = 1 << 2;
/// What a word goes on with.
const WORD: u8 = 1 << 3;

/// The classes of every byte.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let bits = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => SPACE,
            b'0'..=b'9' => DIGIT | TAG | WORD,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => TAG | WORD,
            b'$' => WORD,
            _ => 0,
        };
        classes[byte as usize] = bits;
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

const fn is(byte: u8, classes: u8) -> bool {
    CLASSES[byte as usize] & classes != 0
}
