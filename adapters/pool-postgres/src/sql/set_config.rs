//! Calls of `set_config`, the SET that is a function.

use super::cursor::Cursor;
use super::lexer::{Token, TokenKind};
use super::spelling;

/// Most calls of one text that are read.
pub(super) const MOST: usize = 64;

/// One call, by its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetConfig {
    /// Which statement of the script it stands in, from 0.
    pub(crate) statement: usize,
    /// The statement does nothing but such calls, so that each runs exactly once. All others may
    /// run never or often, and in any order.
    pub(crate) is_certain: bool,
    /// The setting, in lower case.
    pub(crate) name: Argument,
    pub(crate) value: Argument,
    /// Whether it ends with the transaction.
    pub(crate) is_local: Argument,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// A literal, or a boolean as `true` or `false`.
    Literal(String),
    /// NULL: the default.
    Null,
    /// The parameter with that number, from 1.
    Parameter(u32),
    /// Something to be computed.
    Unclear,
}

/// Reads the arguments of a call, from behind its opening parenthesis to behind its closing one.
pub(super) fn call(cursor: &mut Cursor<'_>, statement: usize) -> SetConfig {
    let name = match argument(cursor) {
        Argument::Literal(name) => Argument::Literal(name.to_ascii_lowercase()),
        name => name,
    };
    let value = argument(cursor);
    let is_local = match argument(cursor) {
        Argument::Literal(text) => boolean(&text),
        is_local => is_local,
    };
    cursor.eat_symbol(b')');
    SetConfig {
        statement,
        is_certain: false,
        name,
        value,
        is_local,
    }
}

/// Reads one argument and the comma behind it; leaves the parenthesis behind the last.
fn argument(cursor: &mut Cursor<'_>) -> Argument {
    let mut argument = cursor
        .peek()
        .map_or(Argument::Unclear, |token| plain(cursor, token));
    if argument != Argument::Unclear {
        cursor.advance();
        let is_plain =
            skip_casts(cursor) && (cursor.is_at_symbol(b',') || cursor.is_at_symbol(b')'));
        if !is_plain {
            argument = Argument::Unclear;
        }
    }
    if argument == Argument::Unclear {
        skip_rest(cursor);
    }
    cursor.eat_symbol(b',');
    argument
}

fn plain(cursor: &Cursor<'_>, token: Token) -> Argument {
    let text = cursor.text(token);
    match token.kind {
        TokenKind::Word if cursor.is_at("null") => Argument::Null,
        TokenKind::Word if cursor.is_at("true") || cursor.is_at("false") => {
            Argument::Literal(text.to_ascii_lowercase())
        }
        TokenKind::Parameter => text[1..]
            .parse()
            .map_or(Argument::Unclear, Argument::Parameter),
        kind => spelling::literal(kind, text).map_or(Argument::Unclear, Argument::Literal),
    }
}

/// Skips `::text` and the like, which leave the argument what it is; false at another cast.
fn skip_casts(cursor: &mut Cursor<'_>) -> bool {
    let mut known = true;
    while known && cursor.eat_symbol(b':') {
        let same = ["text", "varchar", "boolean", "bool"];
        known = cursor.eat_symbol(b':') && cursor.eat_any(&same).is_some();
    }
    known
}

fn skip_rest(cursor: &mut Cursor<'_>) {
    let mut depth = 0_u32;
    while let Some(token) = cursor.peek() {
        match token.kind {
            TokenKind::Symbol(b',' | b')') if depth == 0 => return,
            TokenKind::Symbol(b'(' | b'[') => depth += 1,
            TokenKind::Symbol(b')' | b']') => depth = depth.saturating_sub(1),
            TokenKind::Symbol(b';') => return,
            _ => {}
        }
        cursor.advance();
    }
}

fn boolean(text: &str) -> Argument {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Argument::Literal("true".to_owned()),
        "false" | "f" | "no" | "n" | "off" | "0" => Argument::Literal("false".to_owned()),
        _ => Argument::Unclear,
    }
}

/// Whether the statement is a SELECT of such calls and nothing else.
pub(super) fn is_nothing_else(statement: &str) -> bool {
    let mut cursor = Cursor::new(statement);
    if !cursor.eat("select") {
        return false;
    }
    loop {
        if !eat_call(&mut cursor) {
            return false;
        }
        if cursor.eat("as") {
            cursor.advance();
        } else if !cursor.is_at_symbol(b',') && !cursor.is_at_end() && cursor.name().is_none() {
            return false;
        }
        if !cursor.eat_symbol(b',') {
            return cursor.is_at_end();
        }
    }
}

fn eat_call(cursor: &mut Cursor<'_>) -> bool {
    let Some(name) = cursor.qualified_name() else {
        return false;
    };
    let is_the_servers = name
        .schema
        .as_deref()
        .is_none_or(|schema| schema == "pg_catalog");
    if name.name != "set_config" || !is_the_servers || !cursor.eat_symbol(b'(') {
        return false;
    }
    // Arguments that are calls themselves may be of the same function.
    let found = call(cursor, 0);
    let arguments = [&found.name, &found.value, &found.is_local];
    !arguments.contains(&&Argument::Unclear)
}
