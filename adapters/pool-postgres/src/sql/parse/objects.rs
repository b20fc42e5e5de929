//! CREATE, DROP and ALTER: which objects are temporary, and what cannot run in a transaction.

use super::{WRITE, WRITE_ALONE};
use crate::sql::cursor::{Cursor, Qualified};
use crate::sql::lexer::TokenKind;
use crate::sql::statement::Kind;

/// Most names of one DROP that are told.
const MOST_NAMES: usize = 64;

pub(super) fn create(mut cursor: Cursor<'_>) -> Option<Kind> {
    cursor.eat_all(&["or", "replace"]);
    let scope = cursor.eat_any(&["local", "global"]);
    if cursor.eat_any(&["temp", "temporary"]).is_some() {
        relation(&mut cursor)?;
        return Some(temporary(cursor.qualified_name()?.name, cursor));
    }
    if scope.is_some() {
        return None;
    }
    cursor.eat("unlogged");
    if relation(&mut cursor).is_some() {
        let name = cursor.qualified_name()?;
        return Some(if name.is_temporary() {
            temporary(name.name, cursor)
        } else {
            WRITE
        });
    }
    Some(of_other_object(cursor))
}

/// Takes `[RECURSIVE] TABLE | VIEW | SEQUENCE [IF NOT EXISTS]`, which a relation's name follows.
fn relation(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.eat("recursive");
    cursor.eat_any(&["table", "view", "sequence"])?;
    cursor.eat_all(&["if", "not", "exists"]);
    Some(())
}

fn temporary(name: String, mut rest: Cursor<'_>) -> Kind {
    let mut on_commit_drop = false;
    while rest.peek().is_some() && !on_commit_drop {
        on_commit_drop = rest.eat_all(&["on", "commit", "drop"]);
        rest.advance();
    }
    Kind::CreateTemporary {
        name,
        on_commit_drop,
    }
}

pub(super) fn drop(mut cursor: Cursor<'_>) -> Option<Kind> {
    if cursor.eat_any(&["table", "view", "sequence"]).is_none() {
        return Some(of_other_object(cursor));
    }
    cursor.eat_all(&["if", "exists"]);
    let mut names: Vec<Qualified> = Vec::new();
    loop {
        if names.len() == MOST_NAMES {
            return None;
        }
        names.push(cursor.qualified_name()?);
        if !cursor.eat_symbol(b',') {
            break;
        }
    }
    cursor.eat_any(&["cascade", "restrict"]);
    cursor.at_end(Kind::Drop { names })
}

pub(super) fn alter(cursor: Cursor<'_>) -> Kind {
    of_other_object(cursor)
}

/// Something that no session has for itself.
fn of_other_object(mut cursor: Cursor<'_>) -> Kind {
    let global = ["database", "tablespace", "subscription", "system"];
    if cursor.eat_any(&global).is_some() {
        return WRITE_ALONE;
    }
    // CREATE INDEX, DROP INDEX, ALTER TABLE … DETACH PARTITION.
    let mut alone = false;
    while let Some(token) = cursor.peek() {
        alone |= token.kind == TokenKind::Word && cursor.is_at("concurrently");
        cursor.advance();
    }
    if alone { WRITE_ALONE } else { WRITE }
}

/// The target of SELECT INTO, from behind that word.
pub(super) fn select_into(mut cursor: Cursor<'_>) -> Option<Kind> {
    let before = cursor;
    let scope = cursor.eat_any(&["local", "global"]);
    let is_temporary = cursor.eat_any(&["temp", "temporary"]).is_some();
    if scope.is_none() && !is_temporary {
        cursor.eat("unlogged");
    }
    cursor.eat("table");
    let Some(name) = cursor.qualified_name() else {
        // TEMP and the others are also names.
        return plain_target(before);
    };
    Some(if is_temporary || name.is_temporary() {
        Kind::CreateTemporary {
            name: name.name,
            on_commit_drop: false,
        }
    } else {
        WRITE
    })
}

fn plain_target(mut cursor: Cursor<'_>) -> Option<Kind> {
    cursor.advance();
    let is_name = cursor
        .peek()
        .is_none_or(|token| token.kind != TokenKind::OddIdentifier);
    is_name.then_some(WRITE)
}
