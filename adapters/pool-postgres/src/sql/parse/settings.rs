//! SET and RESET.
//!
//! Values come out as `set_config` takes them, rendered as the server itself renders them before it
//! sets them: identifiers folded, whole numbers normalized, the members of a list of names quoted
//! where they need it.

use super::transaction;
use crate::sql::cursor::Cursor;
use crate::sql::keywords::Class;
use crate::sql::lexer::TokenKind;
use crate::sql::spelling;
use crate::sql::statement::{Assignment, Isolation, Kind, Modes, SetValue};

/// Settings that are lists of names, each of which the server quotes where it must be. No extension
/// can add one.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Settings of the current transaction alone.
const TRANSACTION: [&str; 3] = [
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
];

pub(super) fn set(mut cursor: Cursor<'_>) -> Option<Kind> {
    let is_local = scope(&mut cursor);
    if is_generic(&cursor) {
        return generic(cursor, is_local);
    }
    if cursor.eat("constraints") {
        return Some(Kind::SetConstraints);
    }
    if cursor.eat("transaction") {
        return transaction_modes(cursor);
    }
    if cursor.eat_all(&["session", "characteristics", "as", "transaction"]) {
        return characteristics(cursor, is_local);
    }
    let (name, value) = special(&mut cursor)?;
    let assignments = vec![Assignment {
        name: name.to_owned(),
        value,
    }];
    cursor.at_end(Kind::Set {
        assignments,
        is_local,
    })
}

/// Takes SESSION or LOCAL where it is no part of what follows; true if it is LOCAL.
fn scope(cursor: &mut Cursor<'_>) -> bool {
    let rest = cursor.after_next();
    let is_scope = !is_generic(cursor)
        && (is_generic(&rest) || !(rest.is_at("authorization") || rest.is_at("characteristics")));
    is_scope && cursor.eat_any(&["session", "local"]) == Some("local")
}

/// Whether a setting's own name stands here, whatever word it is.
fn is_generic(cursor: &Cursor<'_>) -> bool {
    let rest = cursor.after_next();
    let is_name = cursor
        .peek()
        .is_some_and(|token| token.kind.is_identifier());
    is_name
        && (rest.is_at_symbol(b'=')
            || rest.is_at_symbol(b'.')
            || rest.is_at("to")
            || rest.is_at("from"))
}

fn generic(mut cursor: Cursor<'_>, is_local: bool) -> Option<Kind> {
    let name = setting(&mut cursor)?;
    let value = if cursor.eat_all(&["from", "current"]) {
        SetValue::FromCurrent
    } else if cursor.eat_symbol(b'=') || cursor.eat("to") {
        values(&mut cursor, &name)?
    } else {
        return None;
    };
    if !cursor.is_at_end() {
        return None;
    }
    if TRANSACTION.contains(&name.as_str()) {
        return Some(Kind::SetTransaction(transaction_setting(&name, &value)?));
    }
    Some(Kind::Set {
        assignments: vec![Assignment { name, value }],
        is_local,
    })
}

/// Reads the name of a setting, which is the same in any case.
fn setting(cursor: &mut Cursor<'_>) -> Option<String> {
    let mut name = cursor.name()?;
    while cursor.eat_symbol(b'.') {
        name.push('.');
        name.push_str(&cursor.name()?);
    }
    name.make_ascii_lowercase();
    Some(match name.as_str() {
        // Their names of long ago, which the server still takes.
        "sort_mem" => "work_mem".to_owned(),
        "vacuum_mem" => "maintenance_work_mem".to_owned(),
        _ => name,
    })
}

fn transaction_setting(name: &str, value: &SetValue) -> Option<Modes> {
    let SetValue::Literal(value) = value else {
        return None;
    };
    let value = value.to_ascii_lowercase();
    let mut modes = Modes::default();
    match name {
        "transaction_isolation" => {
            let mut levels = Isolation::ALL.into_iter();
            modes.isolation = Some(levels.find(|level| level.as_str() == value)?);
        }
        "transaction_read_only" => modes.read_only = Some(boolean(&value)?),
        "transaction_deferrable" => modes.deferrable = Some(boolean(&value)?),
        _ => return None,
    }
    Some(modes)
}

fn boolean(value: &str) -> Option<bool> {
    match value {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn transaction_modes(mut cursor: Cursor<'_>) -> Option<Kind> {
    if cursor.eat("snapshot") {
        cursor.advance();
        return cursor.at_end(Kind::SetTransaction(Modes::default()));
    }
    if cursor.is_at_end() {
        return None;
    }
    let modes = transaction::modes(&mut cursor)?;
    Some(Kind::SetTransaction(modes))
}

fn characteristics(mut cursor: Cursor<'_>, is_local: bool) -> Option<Kind> {
    if cursor.is_at_end() {
        return None;
    }
    let modes = transaction::modes(&mut cursor)?;
    Some(Kind::Set {
        assignments: modes.as_defaults(),
        is_local,
    })
}

/// The settings with words of their own.
fn special(cursor: &mut Cursor<'_>) -> Option<(&'static str, SetValue)> {
    if cursor.eat_all(&["time", "zone"]) {
        return Some(("timezone", zone(cursor)?));
    }
    if cursor.eat("schema") {
        return Some(("search_path", literal(cursor, "search_path")?));
    }
    if cursor.eat("names") {
        let is_default = cursor.is_at_end() || cursor.eat("default");
        let value = if is_default {
            SetValue::Default
        } else {
            literal(cursor, "client_encoding")?
        };
        return Some(("client_encoding", value));
    }
    if cursor.eat("role") {
        return Some(("role", word_or_literal(cursor)?));
    }
    if cursor.eat_all(&["session", "authorization"]) {
        let is_default = cursor.eat("default");
        let value = if is_default {
            SetValue::Default
        } else {
            word_or_literal(cursor)?
        };
        return Some(("session_authorization", value));
    }
    if cursor.eat_all(&["xml", "option"]) {
        let option = cursor.eat_any(&["document", "content"])?;
        return Some(("xmloption", SetValue::Literal(option.to_owned())));
    }
    None
}

fn zone(cursor: &mut Cursor<'_>) -> Option<SetValue> {
    if cursor.eat("local") || cursor.eat("default") {
        return Some(SetValue::Default);
    }
    let is_interval = cursor.is_at("interval") && !cursor.after_next().is_at_end();
    if !is_interval {
        return value(cursor, "timezone");
    }
    cursor.advance();
    let token = cursor.advance()?;
    let text = spelling::literal(token.kind, cursor.text(token));
    Some(match text {
        Some(text) if cursor.is_at_end() && !text.contains('\'') => {
            SetValue::Literal(format!("INTERVAL '{text}'"))
        }
        _ => {
            // With HOUR, or a precision: the number means something else then.
            while cursor.advance().is_some() {}
            SetValue::Unclear
        }
    })
}

fn word_or_literal(cursor: &mut Cursor<'_>) -> Option<SetValue> {
    let is_number = cursor.peek()?.kind == TokenKind::Number;
    let value = value(cursor, "role")?;
    (!is_number).then_some(value)
}

fn literal(cursor: &mut Cursor<'_>, name: &str) -> Option<SetValue> {
    let kind = cursor.peek()?.kind;
    let value = value(cursor, name)?;
    let is_literal = !kind.is_identifier() && kind != TokenKind::Number;
    is_literal.then_some(value)
}

/// One or more values, up to the end, as one text.
fn values(cursor: &mut Cursor<'_>, name: &str) -> Option<SetValue> {
    if cursor.eat("default") {
        return Some(SetValue::Default);
    }
    let mut all = value(cursor, name)?;
    while cursor.eat_symbol(b',') {
        all = match (all, value(cursor, name)?) {
            (SetValue::Literal(all), SetValue::Literal(next)) => {
                SetValue::Literal(all + ", " + &next)
            }
            _ => SetValue::Unclear,
        };
    }
    Some(all)
}

fn value(cursor: &mut Cursor<'_>, name: &str) -> Option<SetValue> {
    let is_negative = cursor.is_at_symbol(b'-');
    let is_signed = cursor.eat_symbol(b'-') || cursor.eat_symbol(b'+');
    let token = cursor.peek()?;
    let text = cursor.text(token);
    let said = match token.kind {
        TokenKind::Number => {
            cursor.advance();
            return Some(SetValue::Literal(spelling::number(text, is_negative)));
        }
        _ if is_signed => return None,
        TokenKind::Word => Some(word(cursor)?),
        TokenKind::Quoted => Some(cursor.name()?),
        TokenKind::Symbol(_) | TokenKind::Parameter | TokenKind::Broken => return None,
        _ => {
            cursor.advance();
            spelling::literal(token.kind, text)
        }
    };
    Some(match said {
        Some(said) if LISTS.contains(&name) => SetValue::Literal(spelling::quote_identifier(&said)),
        Some(said) => SetValue::Literal(said),
        None => SetValue::Unclear,
    })
}

/// An identifier; three reserved words pass for one.
fn word(cursor: &mut Cursor<'_>) -> Option<String> {
    if let Some(word) = cursor.eat_any(&["true", "false", "on"]) {
        return Some(word.to_owned());
    }
    cursor.identifier(&[Class::Free, Class::Column, Class::Function])
}

pub(super) fn reset(mut cursor: Cursor<'_>) -> Option<Kind> {
    if cursor.eat("all") {
        return cursor.at_end(Kind::ResetAll);
    }
    let special = [
        (&["time", "zone"][..], "timezone"),
        (&["session", "authorization"], "session_authorization"),
        (
            &["transaction", "isolation", "level"],
            "transaction_isolation",
        ),
    ];
    let name = match special.into_iter().find(|(words, _)| cursor.eat_all(words)) {
        Some((_, name)) => name.to_owned(),
        None => setting(&mut cursor)?,
    };
    cursor.at_end(Kind::Reset { name })
}
