//! What lives in the session beside its settings: statements, cursors, subscriptions.

use crate::sql::cursor::Cursor;
use crate::sql::lexer::TokenKind;
use crate::sql::statement::Kind;

pub(super) fn prepare(mut cursor: Cursor<'_>) -> Option<Kind> {
    let mut ahead = cursor;
    if ahead.eat("transaction") && is_at_literal(&ahead) {
        return ahead.after_next().at_end(Kind::PrepareTransaction);
    }
    let name = cursor.name()?;
    (cursor.is_at("as") || cursor.is_at_symbol(b'(')).then_some(Kind::Prepare { name })
}

fn is_at_literal(cursor: &Cursor<'_>) -> bool {
    cursor.peek().is_some_and(|token| {
        matches!(
            token.kind,
            TokenKind::Literal | TokenKind::EscapeLiteral | TokenKind::DollarLiteral
        )
    })
}

pub(super) fn execute(mut cursor: Cursor<'_>) -> Option<Kind> {
    let name = cursor.name()?;
    (cursor.is_at_end() || cursor.is_at_symbol(b'(')).then_some(Kind::Execute { name })
}

/// `DEALLOCATE [PREPARE] name | ALL`, where the name may be `prepare`.
pub(super) fn deallocate(mut cursor: Cursor<'_>) -> Option<Kind> {
    if !cursor.after_next().is_at_end() {
        cursor.eat("prepare");
    }
    let name = one_or_all(&mut cursor)?;
    cursor.at_end(Kind::Deallocate { name })
}

pub(super) fn close(mut cursor: Cursor<'_>) -> Option<Kind> {
    let name = one_or_all(&mut cursor)?;
    cursor.at_end(Kind::CloseCursor { name })
}

/// A name, or ALL, which is none.
fn one_or_all(cursor: &mut Cursor<'_>) -> Option<Option<String>> {
    if cursor.eat("all") {
        return Some(None);
    }
    cursor.name().map(Some)
}

pub(super) fn declare(mut cursor: Cursor<'_>) -> Option<Kind> {
    let name = cursor.name()?;
    let options = ["no", "scroll", "binary", "asensitive", "insensitive"];
    while cursor.eat_any(&options).is_some() {}
    if !cursor.eat("cursor") {
        return None;
    }
    let hold = cursor.eat_all(&["with", "hold"]);
    if !hold {
        cursor.eat_all(&["without", "hold"]);
    }
    cursor
        .is_at("for")
        .then_some(Kind::DeclareCursor { name, hold })
}

pub(super) fn listen(mut cursor: Cursor<'_>) -> Option<Kind> {
    let channel = cursor.name()?;
    cursor.at_end(Kind::Listen { channel })
}

pub(super) fn unlisten(mut cursor: Cursor<'_>) -> Option<Kind> {
    let channel = if cursor.eat_symbol(b'*') {
        None
    } else {
        Some(cursor.name()?)
    };
    cursor.at_end(Kind::Unlisten { channel })
}

pub(super) fn discard(mut cursor: Cursor<'_>) -> Option<Kind> {
    let what = cursor.eat_any(&["all", "plans", "sequences", "temp", "temporary"])?;
    cursor.at_end(match what {
        "all" => Kind::DiscardAll,
        "plans" => Kind::DiscardPlans,
        "sequences" => Kind::DiscardSequences,
        _ => Kind::DiscardTemporary,
    })
}
