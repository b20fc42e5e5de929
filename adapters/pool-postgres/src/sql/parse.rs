//! The second pass: what kind of statement it is.
//!
//! Each parser reads the whole of its statement; `None` is what it could not read to the end.

mod objects;
mod queries;
mod session;
mod settings;
mod transaction;

use super::Marks;
use super::cursor::Cursor;
use super::lexer::TokenKind;
use super::scan::Extent;
use super::spelling;
use super::statement::Kind;

const WRITE: Kind = Kind::Write {
    stands_alone: false,
};
const WRITE_ALONE: Kind = Kind::Write { stands_alone: true };

/// The kind of one statement of the text.
pub(super) fn kind(text: &str, extent: &Extent) -> Kind {
    let Some(first) = extent.first else {
        return Kind::Other;
    };
    let mut lower = [0; 10];
    let word = &text.as_bytes()[first.start..first.end];
    let Some(word) = spelling::lower(word, &mut lower) else {
        return Kind::Other;
    };
    if extent.is_broken || first.kind != TokenKind::Word {
        return Kind::Other;
    }
    if matches!(word, b"select" | b"values" | b"table" | b"with") {
        return queries::query(text, extent);
    }
    // Nothing else may stand in parentheses.
    if first.start != extent.range.start {
        return Kind::Other;
    }
    if let Some(kind) = of_first_word(word) {
        return kind;
    }
    let mut cursor = Cursor::new(&text[extent.range.clone()]);
    cursor.advance();
    by_grammar(word, cursor, extent).unwrap_or(Kind::Other)
}

/// Statements of which the first word says all.
fn of_first_word(word: &[u8]) -> Option<Kind> {
    Some(match word {
        b"insert" | b"update" | b"delete" | b"merge" | b"truncate" | b"comment" | b"grant"
        | b"revoke" | b"security" | b"refresh" | b"import" | b"reassign" | b"lock" | b"analyze"
        | b"analyse" | b"checkpoint" => WRITE,
        b"vacuum" | b"cluster" | b"reindex" => WRITE_ALONE,
        b"show" => Kind::Read {
            calls_unknown_function: false,
            locks_rows: false,
        },
        b"fetch" | b"move" => Kind::Fetch,
        b"notify" => Kind::Notify,
        b"load" => Kind::Load,
        b"do" => Kind::Do,
        b"call" => Kind::Call,
        _ => return None,
    })
}

/// Statements that are read; the cursor is behind their first word.
fn by_grammar(word: &[u8], cursor: Cursor<'_>, extent: &Extent) -> Option<Kind> {
    match word {
        b"set" => settings::set(cursor),
        b"reset" => settings::reset(cursor),
        b"begin" => transaction::begin(cursor),
        b"start" => transaction::start(cursor),
        b"commit" | b"end" => transaction::commit(cursor),
        b"rollback" | b"abort" => transaction::rollback(cursor),
        b"savepoint" => transaction::savepoint(cursor),
        b"release" => transaction::release(cursor),
        b"prepare" => session::prepare(cursor),
        b"execute" => session::execute(cursor),
        b"deallocate" => session::deallocate(cursor),
        b"declare" => session::declare(cursor),
        b"close" => session::close(cursor),
        b"listen" => session::listen(cursor),
        b"unlisten" => session::unlisten(cursor),
        b"discard" => session::discard(cursor),
        b"copy" => Some(queries::copy(cursor)),
        b"explain" => queries::explain(cursor, extent),
        b"create" => objects::create(cursor),
        b"drop" => objects::drop(cursor),
        b"alter" => Some(objects::alter(cursor)),
        _ => None,
    }
}

/// A query that writes nothing itself.
const fn read(extent: &Extent) -> Kind {
    Kind::Read {
        // What has a mark is known, and not to be harmless.
        calls_unknown_function: !extent.marks.without(HARMLESS).is_none(),
        locks_rows: extent.locks_rows,
    }
}

const HARMLESS: Marks = Marks::TEMP_SCHEMA.or(Marks::BACKSLASH);
