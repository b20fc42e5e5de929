//! Texts that end a transaction and go on.
//!
//! What a session brings to a connection is set inside the transaction that it begins there, so that
//! all of it comes to nothing together. A rollback takes it back, and whatever stands behind the
//! `ROLLBACK` in the same text would run with what the session before has left: with its role. So such
//! a text is sent in parts, each of which ends a transaction or is the last, and what the session wants
//! is put in force before each. To the server that makes no difference: behind the end of a
//! transaction a text begins another one anyway.

use crate::sql::{Kind, Script};
use std::ops::Range;

/// The parts of a text, in order; one, if nothing stands behind the end of a transaction.
pub(crate) fn segments(script: &Script, length: usize) -> Vec<Range<usize>> {
    let mut segments = Vec::new();
    let mut start = 0;
    for two in script.statements.windows(2) {
        if ends_transaction(&two[0].kind) {
            segments.push(start..two[0].range.end);
            start = two[1].range.start;
        }
    }
    segments.push(start..length);
    segments
}

const fn ends_transaction(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Commit { .. } | Kind::Rollback { .. } | Kind::PrepareTransaction
    )
}

#[cfg(test)]
mod tests {
    use super::segments;
    use crate::sql::classify;

    fn parts(text: &str) -> Vec<&str> {
        let script = classify(text);
        let segments = segments(&script, text.len());
        segments.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn a_text_is_cut_behind_the_end_of_a_transaction_and_nowhere_else() {
        assert_eq!(parts(""), [""]);
        assert_eq!(parts("SELECT 1; SELECT 2"), ["SELECT 1; SELECT 2"]);
        assert_eq!(
            parts("BEGIN; SET a.b = 1; ROLLBACK;"),
            ["BEGIN; SET a.b = 1; ROLLBACK;"]
        );
        assert_eq!(parts("ROLLBACK; SELECT 1"), ["ROLLBACK", "SELECT 1"]);
        assert_eq!(
            parts("ROLLBACK TO a; COMMIT AND CHAIN; SELECT ';COMMIT;'; ABORT ; BEGIN"),
            [
                "ROLLBACK TO a; COMMIT AND CHAIN",
                "SELECT ';COMMIT;'; ABORT",
                "BEGIN"
            ]
        );
    }
}
