//! The second pass: a statement that matters, token by token.

use super::keywords::{self, Class};
use super::lexer::{Lexer, Token, TokenKind};
use super::spelling;

/// Reads forward, and looks ahead by copies of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    next: Option<Token>,
}

impl<'a> Cursor<'a> {
    /// Over a text of its own, to its end.
    pub(super) fn new(text: &'a str) -> Self {
        Self::at(text, Lexer::new(text))
    }

    /// Over the text that the lexer reads, from where it is.
    pub(super) fn at(text: &'a str, mut lexer: Lexer<'a>) -> Self {
        let next = lexer.next();
        Self { text, lexer, next }
    }

    /// The next token, left where it is.
    pub(super) const fn peek(&self) -> Option<Token> {
        self.next
    }

    pub(super) fn advance(&mut self) -> Option<Token> {
        std::mem::replace(&mut self.next, self.lexer.next())
    }

    /// A copy that is one token further.
    pub(super) fn after_next(mut self) -> Self {
        self.advance();
        self
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.next.is_none()
    }

    pub(super) fn text(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    pub(super) fn is_at(&self, word: &str) -> bool {
        self.next.is_some_and(|token| {
            token.kind == TokenKind::Word && self.text(token).eq_ignore_ascii_case(word)
        })
    }

    pub(super) fn is_at_symbol(&self, symbol: u8) -> bool {
        self.next
            .is_some_and(|token| token.kind == TokenKind::Symbol(symbol))
    }

    /// Takes the word, if it is the next one.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = self.is_at(word);
        if found {
            self.advance();
        }
        found
    }

    /// Takes these words if they come one after the other, or else none.
    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let mut ahead = *self;
        let found = words.iter().all(|word| ahead.eat(word));
        if found {
            *self = ahead;
        }
        found
    }

    /// Takes one of these words and says which.
    pub(super) fn eat_any(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.eat(word))
    }

    pub(super) fn eat_symbol(&mut self, symbol: u8) -> bool {
        let found = self.is_at_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    /// Takes the name of something that is no function.
    pub(super) fn name(&mut self) -> Option<String> {
        self.identifier(&[Class::Free, Class::Column])
    }

    /// Takes an identifier of these classes; one in quotes is of any.
    pub(super) fn identifier(&mut self, classes: &[Class]) -> Option<String> {
        let token = self.next?;
        let text = self.text(token);
        if token.kind == TokenKind::Word && !classes.contains(&keywords::class(text)) {
            return None;
        }
        let name = spelling::identifier(token.kind, text)?;
        self.advance();
        Some(name)
    }

    /// Takes a name with those of its schema and database, if it has them.
    pub(super) fn qualified_name(&mut self) -> Option<Qualified> {
        let mut name = Qualified {
            schema: None,
            name: self.name()?,
        };
        while self.eat_symbol(b'.') {
            let any = [Class::Free, Class::Column, Class::Function, Class::Reserved];
            let next = self.identifier(&any)?;
            name.schema = Some(std::mem::replace(&mut name.name, next));
        }
        Some(name)
    }

    /// The value, if that is all that is left.
    pub(super) fn at_end<T>(&self, value: T) -> Option<T> {
        self.is_at_end().then_some(value)
    }
}

/// A name and its schema's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Qualified {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Qualified {
    /// Whether the schema is that of the session's temporary objects.
    pub(crate) fn is_temporary(&self) -> bool {
        self.schema
            .as_deref()
            .is_some_and(|schema| schema == "pg_temp" || schema.starts_with("pg_temp_"))
    }
}
