//! Queries, EXPLAIN and COPY: what only reads.

use super::{WRITE, objects, read, session};
use crate::sql::cursor::Cursor;
use crate::sql::lexer::{Lexer, TokenKind};
use crate::sql::scan::Extent;
use crate::sql::statement::Kind;

/// SELECT, VALUES, TABLE, WITH.
pub(super) fn query(text: &str, extent: &Extent) -> Kind {
    if let Some(target) = extent.into {
        let rest = &text[target..extent.range.end];
        return objects::select_into(Cursor::at(rest, Lexer::new(rest))).unwrap_or(Kind::Other);
    }
    if extent.has_with && extent.modifies {
        WRITE
    } else {
        read(extent)
    }
}

pub(super) fn explain(mut cursor: Cursor<'_>, extent: &Extent) -> Option<Kind> {
    let runs = options(&mut cursor);
    while cursor.eat_symbol(b'(') {}
    let mut inner = cursor;
    if inner.eat("execute") {
        return session::execute(inner);
    }
    let is_query = inner
        .eat_any(&["select", "values", "table", "with"])
        .is_some();
    if !runs || (is_query && extent.into.is_none() && !(extent.has_with && extent.modifies)) {
        return Some(read(extent));
    }
    let writes = ["insert", "update", "delete", "merge"];
    let is_write = is_query || inner.eat_any(&writes).is_some();
    (is_write && extent.into.is_none()).then_some(WRITE)
}

/// Takes the options of EXPLAIN; true if the statement is run.
fn options(cursor: &mut Cursor<'_>) -> bool {
    let mut ahead = *cursor;
    if !ahead.eat_symbol(b'(') {
        let runs = cursor.eat_any(&["analyze", "analyse"]).is_some();
        cursor.eat("verbose");
        return runs;
    }
    let is_query = ahead.is_at_symbol(b'(')
        || ["select", "values", "table", "with"]
            .iter()
            .any(|word| ahead.is_at(word));
    if is_query {
        return false;
    }
    let mut runs = false;
    while ahead.peek().is_some() && !ahead.eat_symbol(b')') {
        runs |= ahead.eat_any(&["analyze", "analyse"]).is_some();
        ahead.advance();
    }
    *cursor = ahead;
    runs
}

/// COPY by whichever way; what is in parentheses is a query or a list of columns.
pub(super) fn copy(mut cursor: Cursor<'_>) -> Kind {
    let (mut from_stdin, mut to_stdout) = (false, false);
    let mut depth = 0_u32;
    while let Some(token) = cursor.advance() {
        match token.kind {
            TokenKind::Symbol(b'(') => depth += 1,
            TokenKind::Symbol(b')') => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 => {
                // The server takes either name for either direction.
                let by_client = cursor.is_at("stdin") || cursor.is_at("stdout");
                let word = cursor.text(token);
                from_stdin |= by_client && word.eq_ignore_ascii_case("from");
                to_stdout |= by_client && word.eq_ignore_ascii_case("to");
            }
            _ => {}
        }
    }
    Kind::Copy {
        from_stdin,
        to_stdout,
    }
}
