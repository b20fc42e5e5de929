//! Reads SQL just closely enough to tell whether it may change the session.
//!
//! A parser would be exact about the statement and still blind to what a function does, so it
//! would buy little. This scanner knows PostgreSQL's lexical rules (literals, quoted identifiers,
//! dollar quotes, nested comments) and two short lists of words: those that matter as the first
//! word of a statement (`SET` does, the `SET` of an `UPDATE` does not) and those that matter
//! anywhere (`pg_advisory_lock`). Where the text is ambiguous it errs towards a reset, which costs
//! one round trip; it takes its input in pieces and keeps less than 200 bytes.

use super::taint::Taint;

/// Longest word that is told apart from others.
const WORD: usize = 32;
/// Longest tag of a dollar quote, with both dollar signs; an identifier has at most 63 bytes.
const TAG: usize = 66;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Plain,
    Word,
    QuotedWord,
    Literal {
        escapes: bool,
        after_backslash: bool,
    },
    LiteralMayEnd {
        escapes: bool,
    },
    LineComment,
    BlockComment {
        depth: u32,
    },
    DollarTag,
    DollarBody {
        matched: usize,
    },
}

/// What the word before decides about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Nothing,
    Set,
    Deallocate,
    Discard,
}

/// Scans one query text at a time.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    previous: u8,
    word: [u8; WORD],
    word_length: usize,
    tag: [u8; TAG],
    tag_length: usize,
    at_start: bool,
    after: After,
    rollback: Rollback,
    found: Found,
}

/// What a query text holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) taint: Taint,
    /// It is `ROLLBACK` or `ROLLBACK TO` a savepoint, and nothing else.
    pub(super) is_rollback: bool,
}

/// Whether the text so far is a lone ROLLBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rollback {
    /// Nothing but space so far.
    Possible,
    /// It is.
    Lone,
    /// It is not.
    No,
}

impl Scanner {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Plain,
            previous: 0,
            word: [0; WORD],
            word_length: 0,
            tag: [0; TAG],
            tag_length: 0,
            at_start: true,
            after: After::Nothing,
            rollback: Rollback::Possible,
            found: Found {
                taint: Taint::NONE,
                is_rollback: false,
            },
        }
    }

    /// Ends the text. The scanner is then ready for the next one.
    pub(super) fn finish(&mut self) -> Found {
        if self.state == State::Word {
            self.end_word();
        }
        let found = Found {
            is_rollback: self.rollback == Rollback::Lone,
            ..self.found
        };
        *self = Self::new();
        found
    }

    pub(super) fn feed(&mut self, text: &[u8]) {
        for &byte in text {
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        match self.state {
            State::Plain => self.plain(byte),
            State::Word => self.in_word(byte),
            State::QuotedWord => self.in_quoted_word(byte),
            State::Literal {
                escapes,
                after_backslash,
            } => self.in_literal(byte, escapes, after_backslash),
            State::LiteralMayEnd { escapes } => self.literal_may_end(byte, escapes),
            State::LineComment => {
                if matches!(byte, b'\n' | b'\r') {
                    self.enter(State::Plain);
                }
            }
            State::BlockComment { depth } => self.in_block_comment(byte, depth),
            State::DollarTag => self.in_dollar_tag(byte),
            State::DollarBody { matched } => self.in_dollar_body(byte, matched),
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.previous = 0;
    }

    fn plain(&mut self, byte: u8) {
        match byte {
            b'\'' => self.enter_literal(false),
            b'"' => {
                self.word_length = 0;
                self.enter(State::QuotedWord);
            }
            b'$' => {
                self.tag[0] = b'$';
                self.tag_length = 1;
                self.enter(State::DollarTag);
            }
            b'-' if self.previous == b'-' => self.enter(State::LineComment),
            b'*' if self.previous == b'/' => self.enter(State::BlockComment { depth: 1 }),
            b';' => {
                self.rollback = Rollback::No;
                self.at_start = true;
                self.after = After::Nothing;
                self.previous = byte;
            }
            _ if starts_word(byte) => {
                self.word_length = 0;
                self.push_word(byte);
                self.enter(State::Word);
            }
            _ => self.previous = byte,
        }
    }

    fn in_word(&mut self, byte: u8) {
        if starts_word(byte) || byte.is_ascii_digit() || byte == b'$' {
            self.push_word(byte);
            return;
        }
        let escapes = byte == b'\'' && self.word() == b"e";
        self.end_word();
        self.enter(State::Plain);
        if escapes {
            self.enter_literal(true);
        } else {
            self.plain(byte);
        }
    }

    fn in_quoted_word(&mut self, byte: u8) {
        if byte != b'"' {
            self.push_word(byte);
            return;
        }
        let taint = self.resolve_after(b"") | anywhere(self.word());
        self.found.taint |= taint;
        self.at_start = false;
        self.enter(State::Plain);
    }

    fn enter_literal(&mut self, escapes: bool) {
        self.enter(State::Literal {
            escapes,
            after_backslash: false,
        });
    }

    fn in_literal(&mut self, byte: u8, escapes: bool, after_backslash: bool) {
        if after_backslash && escapes {
            return self.enter_literal(true);
        }
        if byte != b'\'' {
            self.state = State::Literal {
                escapes,
                after_backslash: byte == b'\\',
            };
            return;
        }
        if after_backslash {
            // Ends here or not, depending on standard_conforming_strings.
            self.found.taint |= Taint::SESSION;
        }
        self.enter(State::LiteralMayEnd { escapes });
    }

    fn literal_may_end(&mut self, byte: u8, escapes: bool) {
        if byte == b'\'' {
            return self.enter_literal(escapes);
        }
        self.enter(State::Plain);
        self.plain(byte);
    }

    fn in_block_comment(&mut self, byte: u8, depth: u32) {
        match (self.previous, byte) {
            (b'*', b'/') if depth == 1 => self.enter(State::Plain),
            (b'*', b'/') => self.enter(State::BlockComment { depth: depth - 1 }),
            (b'/', b'*') => self.enter(State::BlockComment { depth: depth + 1 }),
            _ => self.previous = byte,
        }
    }

    fn in_dollar_tag(&mut self, byte: u8) {
        let continues = starts_word(byte) || (byte.is_ascii_digit() && self.tag_length > 1);
        if byte != b'$' && !continues {
            // A parameter such as $1, or an operator.
            self.enter(State::Plain);
            return self.plain(byte);
        }
        if self.tag_length == TAG {
            self.found.taint |= Taint::SESSION;
            return;
        }
        self.tag[self.tag_length] = byte;
        self.tag_length += 1;
        if byte == b'$' {
            self.enter(State::DollarBody { matched: 0 });
        }
    }

    fn in_dollar_body(&mut self, byte: u8, matched: usize) {
        // The tag has dollar signs at its two ends alone, so a mismatch can only begin anew.
        let matched = if self.tag[matched] == byte {
            matched + 1
        } else {
            usize::from(byte == b'$')
        };
        if matched == self.tag_length {
            self.at_start = false;
            self.enter(State::Plain);
        } else {
            self.state = State::DollarBody { matched };
        }
    }

    fn push_word(&mut self, byte: u8) {
        if let Some(slot) = self.word.get_mut(self.word_length) {
            *slot = byte.to_ascii_lowercase();
            self.word_length += 1;
        }
    }

    fn word(&self) -> &[u8] {
        &self.word[..self.word_length]
    }

    fn end_word(&mut self) {
        let (word, length) = (self.word, self.word_length);
        let word = &word[..length];
        let taint = self.resolve_after(word) | anywhere(word);
        self.found.taint |= taint;
        if self.at_start {
            self.at_start = false;
            self.first_word(word);
        }
        self.rollback = match (self.rollback, word) {
            (Rollback::Possible, b"rollback") => Rollback::Lone,
            // ROLLBACK PREPARED ends another transaction than the session's.
            (Rollback::Possible, _) | (_, b"prepared") => Rollback::No,
            (rollback, _) => rollback,
        };
    }

    fn first_word(&mut self, word: &[u8]) {
        match word {
            b"set" => self.after = After::Set,
            b"deallocate" => self.after = After::Deallocate,
            b"discard" => self.after = After::Discard,
            b"reset" | b"listen" | b"declare" | b"do" | b"call" => {
                self.found.taint |= Taint::SESSION
            }
            b"prepare" => self.found.taint |= Taint::STATEMENTS,
            b"load" => self.found.taint |= Taint::LASTING,
            _ => {}
        }
    }

    fn resolve_after(&mut self, word: &[u8]) -> Taint {
        let after = std::mem::replace(&mut self.after, After::Nothing);
        match (after, word) {
            // These end with the transaction.
            (After::Set, b"local" | b"transaction" | b"constraints") => Taint::NONE,
            (After::Set, _) => Taint::SESSION,
            (After::Deallocate, b"prepare") => {
                self.after = After::Deallocate;
                Taint::NONE
            }
            // The driver's own statements go with it, and it does not know.
            (After::Deallocate | After::Discard, b"all") => Taint::LASTING,
            _ => Taint::NONE,
        }
    }
}

const fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Words that matter wherever they stand.
fn anywhere(word: &[u8]) -> Taint {
    match word {
        b"temp" | b"temporary" | b"set_config" | b"nextval" | b"setval" => Taint::SESSION,
        b"setseed" | b"dblink_connect" | b"dblink_connect_u" => Taint::LASTING,
        _ if word.starts_with(b"pg_temp") => Taint::SESSION,
        _ if word.starts_with(b"pg_advisory_lock") => Taint::SESSION,
        _ if word.starts_with(b"pg_try_advisory_lock") => Taint::SESSION,
        _ => Taint::NONE,
    }
}

#[cfg(test)]
mod tests;
