//! What holds for any text.

use super::kinds;
use crate::sql::classify;
use crate::sql::lexer::{Lexer, TokenKind};
use proptest::prelude::*;
use proptest::sample::select;

/// Pieces of SQL that leave the lexer in every state.
const PIECES: &[&str] = &[
    "SELECT ",
    "SET ",
    "a",
    " = ",
    "1",
    ";",
    "'",
    "''",
    "\"",
    "$$",
    "$a$",
    "$1",
    "--",
    "\n",
    "/*",
    "*/",
    "\\",
    "E'",
    "U&'",
    "U&\"",
    "B'",
    "(",
    ")",
    ",",
    ".",
    "é",
    " ",
    "BEGIN ",
    "ATOMIC ",
    "CREATE ",
    "TEMP ",
    "TABLE ",
    "INTO ",
    "ON COMMIT DROP",
    "set_config(",
    "'a'",
    "TO ",
    "SESSION ",
    "LOCAL ",
    "TRANSACTION ",
    "TIME ZONE ",
    "INTERVAL ",
    "EXPLAIN ",
    "COPY ",
    "FROM STDIN",
    "DROP ",
    "PREPARE ",
    "AS ",
    "-",
    "+",
    "::text",
    "pg_temp",
    "RELEASE ",
    "ROLLBACK ",
    "\0",
];

/// Whole tokens, of which none changes another's meaning by what lies between them. A literal is no
/// neighbour to another, which may be one with it or not.
const TOKENS: &[&str] = &[
    "select",
    "set",
    "a",
    "=",
    "1",
    ";",
    "\"Q\"",
    "$1",
    "(",
    ")",
    ",",
    ".",
    "begin",
    "create",
    "temp",
    "table",
    "into",
    "as",
    "to",
    "session",
    "local",
    "transaction",
    "time",
    "zone",
    "explain",
    "analyze",
    "copy",
    "from",
    "stdin",
    "drop",
    "prepare",
    "release",
    "savepoint",
    "rollback",
    "for",
    "update",
    "with",
    "insert",
    "set_config",
    "nextval",
    "pg_temp",
    "reset",
    "all",
    "listen",
    "isolation",
    "level",
    "serializable",
    "$$;$$ +",
    "E'\\'' +",
    "'it''s;' +",
];

/// What may lie between two tokens.
const BETWEEN: &[&str] = &[
    " ",
    "\n",
    "\t ",
    "/* ; ' */",
    "/* /* */ \" */",
    "-- ; $$\n",
    " --\r",
    "/**/",
];

fn check(text: &str) -> Result<(), TestCaseError> {
    let script = classify(text);
    let mut behind = 0;
    for one in &script.statements {
        prop_assert!(one.range.start >= behind && one.range.start < one.range.end);
        prop_assert!(text.get(one.range.clone()).is_some(), "{:?}", one.range);
        behind = one.range.end;
    }
    prop_assert!(behind <= text.len());
    for token in Lexer::new(text) {
        prop_assert!(token.start < token.end && token.end <= text.len());
        let covered = script
            .statements
            .iter()
            .any(|one| one.range.start <= token.start && token.end <= one.range.end);
        prop_assert!(
            covered || token.kind == TokenKind::Symbol(b';'),
            "{token:?}"
        );
    }
    for call in &script.set_config {
        prop_assert!(call.statement < script.statements.len());
    }
    Ok(())
}

fn join(tokens: &[(&str, &str)], case: impl Fn(&str) -> String) -> String {
    tokens
        .iter()
        .map(|(token, between)| case(token) + between)
        .collect()
}

proptest! {
    #[test]
    fn any_text_is_classified_and_every_token_is_in_a_statement(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn any_bytes_are_classified(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn pieces_of_sql_in_any_order_are_classified(parts in prop::collection::vec(select(PIECES), 0..30)) {
        check(&parts.concat())?;
    }

    #[test]
    fn space_comments_and_case_make_no_difference(
        tokens in prop::collection::vec((select(TOKENS), select(BETWEEN)), 0..20),
    ) {
        let plain: Vec<_> = tokens.iter().map(|(token, _)| (*token, " ")).collect();
        let expected = classify(&join(&plain, str::to_owned));
        let upper = |token: &str| match token {
            quoted if quoted.contains(['"', '\'']) => quoted.to_owned(),
            word => word.to_uppercase(),
        };
        let found = classify(&join(&tokens, upper));
        prop_assert_eq!(&found.set_config, &expected.set_config);
        prop_assert_eq!(found.marks, expected.marks);
        let kinds = |script: crate::sql::Script| -> Vec<_> {
            script.statements.into_iter().map(|one| one.kind).collect()
        };
        prop_assert_eq!(kinds(found), kinds(expected));
    }

    /// A statement is what it is behind any complete text.
    #[test]
    fn nothing_complete_hides_the_next_statement(
        parts in prop::collection::vec(select(&[
            "SELECT 1", "'a;b'", "''", "'it''s'", "E'a\\'b'", "\"a\"\"b\"", "$$ ' $$", "$t$ $$ $t$",
            "-- ' \n", "/* ' */", "/* /* */ $$ */", "$1", "a-b", "a/b", "x$y", "(a)", "1e5", "U&'x'",
        ][..]), 0..12),
    ) {
        let text = format!("{} ; SET a = 1", parts.join(" "));
        let expected = super::set("a", super::literal("1"), false);
        prop_assert_eq!(kinds(&text).pop(), Some(expected), "{}", text);
    }

    /// A value comes out as it was quoted.
    #[test]
    fn values_survive_their_quotes(value in "[^\\x00\\\\]{0,20}") {
        let text = format!("SET a.b = '{}'", value.replace('\'', "''"));
        let expected = super::set("a.b", super::literal(&value), false);
        prop_assert_eq!(kinds(&text), vec![expected]);
    }
}
