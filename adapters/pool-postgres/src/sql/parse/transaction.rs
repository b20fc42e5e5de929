//! Transactions and their savepoints.

use crate::sql::cursor::Cursor;
use crate::sql::statement::{Isolation, Kind, Modes};

pub(super) fn begin(mut cursor: Cursor<'_>) -> Option<Kind> {
    cursor.eat_any(&["work", "transaction"]);
    let modes = modes(&mut cursor)?;
    cursor.at_end(Kind::Begin(modes))
}

pub(super) fn start(mut cursor: Cursor<'_>) -> Option<Kind> {
    if !cursor.eat("transaction") {
        return None;
    }
    let modes = modes(&mut cursor)?;
    cursor.at_end(Kind::Begin(modes))
}

pub(super) fn commit(mut cursor: Cursor<'_>) -> Option<Kind> {
    if cursor.eat("prepared") {
        cursor.advance();
        return cursor.at_end(Kind::CommitPrepared);
    }
    cursor.eat_any(&["work", "transaction"]);
    let chain = chain(&mut cursor);
    cursor.at_end(Kind::Commit { chain })
}

pub(super) fn rollback(mut cursor: Cursor<'_>) -> Option<Kind> {
    if cursor.eat("prepared") {
        cursor.advance();
        return cursor.at_end(Kind::RollbackPrepared);
    }
    cursor.eat_any(&["work", "transaction"]);
    if cursor.eat("to") {
        let name = savepoint_name(&mut cursor)?;
        return cursor.at_end(Kind::RollbackTo { name });
    }
    let chain = chain(&mut cursor);
    cursor.at_end(Kind::Rollback { chain })
}

pub(super) fn savepoint(mut cursor: Cursor<'_>) -> Option<Kind> {
    let name = cursor.name()?;
    cursor.at_end(Kind::Savepoint { name })
}

pub(super) fn release(mut cursor: Cursor<'_>) -> Option<Kind> {
    let name = savepoint_name(&mut cursor)?;
    cursor.at_end(Kind::Release { name })
}

/// `[SAVEPOINT] name`, where the name may be that very word.
fn savepoint_name(cursor: &mut Cursor<'_>) -> Option<String> {
    if !cursor.after_next().is_at_end() {
        cursor.eat("savepoint");
    }
    cursor.name()
}

/// `[AND [NO] CHAIN]`.
fn chain(cursor: &mut Cursor<'_>) -> bool {
    let chain = cursor.eat_all(&["and", "chain"]);
    if !chain {
        cursor.eat_all(&["and", "no", "chain"]);
    }
    chain
}

/// Reads modes for as long as there are any, with commas between them or not. Of two that disagree
/// the later one holds.
pub(super) fn modes(cursor: &mut Cursor<'_>) -> Option<Modes> {
    let mut modes = Modes::default();
    if cursor.is_at_end() {
        return Some(modes);
    }
    loop {
        mode(cursor, &mut modes)?;
        let another = cursor.eat_symbol(b',');
        if !another && cursor.is_at_end() {
            return Some(modes);
        }
    }
}

fn mode(cursor: &mut Cursor<'_>, modes: &mut Modes) -> Option<()> {
    if cursor.eat_all(&["isolation", "level"]) {
        modes.isolation = Some(isolation(cursor)?);
    } else if cursor.eat("read") {
        modes.read_only = Some(cursor.eat_any(&["only", "write"])? == "only");
    } else {
        let deferrable = !cursor.eat("not");
        cursor.eat_any(&["deferrable"])?;
        modes.deferrable = Some(deferrable);
    }
    Some(())
}

fn isolation(cursor: &mut Cursor<'_>) -> Option<Isolation> {
    Isolation::ALL.into_iter().find(|level| {
        let mut words = level.as_str().split(' ');
        match (words.next(), words.next()) {
            (Some(first), Some(second)) => cursor.eat_all(&[first, second]),
            (first, _) => first.is_some_and(|word| cursor.eat(word)),
        }
    })
}
