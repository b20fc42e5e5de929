use super::super::taint::Taint;
use super::{Found, Scanner};
use proptest::prelude::*;

fn scan(text: &str) -> Found {
    let mut scanner = Scanner::new();
    scanner.feed(text.as_bytes());
    scanner.finish()
}

#[test]
fn ordinary_statements_leave_nothing() {
    for text in [
        "",
        "SELECT 1",
        "UPDATE t SET a = 1 WHERE b = $1",
        "INSERT INTO t VALUES ($1) ON CONFLICT DO UPDATE SET a = 2",
        "ALTER TABLE t SET (fillfactor = 70)",
        "BEGIN; SET LOCAL work_mem = '4MB'; COMMIT",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "START TRANSACTION READ ONLY",
        "SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(2)",
        "SELECT 'x; SET work_mem = 1'",
        "SELECT E'it''s \\'; SET a = 1'",
        "SELECT $$; SET a = 1$$, $tag$ $$; LISTEN x $tag$",
        "SELECT /* ; SET a = 1 /* nested */ ; SET a = 1 */ 1",
        "SELECT 1 -- ; SET a = 1",
        "SELECT temperature, template FROM t",
        "SELECT 'temp'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = x AS 'SELECT 1'",
        "DEALLOCATE p; DISCARD PLANS; UNLISTEN *; CLOSE ALL",
    ] {
        assert_eq!(scan(text).taint, Taint::NONE, "{text}");
    }
}

#[test]
fn statements_that_change_the_session_are_seen() {
    for text in [
        "SET work_mem = '4MB'",
        "set session work_mem = 1",
        "SET \"work_mem\" = 1",
        "SET ROLE alice",
        "  \n\tSeT a TO b",
        "/* it's */ SET a = 1",
        "-- comment\nSET a = 1",
        "SELECT 1; SET a = 1",
        "SELECT 'x'; SET a = 1",
        "SELECT '--'; SET a = 1",
        "SELECT '/*'; SET a = 1",
        "SELECT \"--\"; SET a = 1",
        "SELECT $$--$$; SET a = 1",
        "SELECT E'\\\\'; SET a = 1",
        "SELECT $1;SET a = 1",
        "SELECT 1 /* /* */ */; SET a = 1",
        "RESET ALL",
        "LISTEN jobs",
        "DO $$ BEGIN END $$",
        "CALL p()",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "CREATE TEMP TABLE t (a int)",
        "create temporary view v as select 1",
        "SELECT 1 INTO TEMP t",
        "CREATE TABLE pg_temp.t (a int)",
        "SELECT set_config('a.b', 'c', false)",
        "SELECT \"set_config\"('a.b', 'c', false)",
        "SELECT pg_catalog.pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock_shared(1)",
        "SELECT nextval('s')",
    ] {
        assert!(scan(text).taint.has(Taint::SESSION), "{text}");
    }
}

#[test]
fn what_cannot_be_undone_is_told_apart() {
    for text in [
        "LOAD 'auto_explain'",
        "SELECT setseed(0.5)",
        "DISCARD ALL",
        "deallocate all",
        "DEALLOCATE PREPARE ALL",
    ] {
        assert!(scan(text).taint.has(Taint::LASTING), "{text}");
    }
    assert_eq!(scan("PREPARE p AS SELECT 1").taint, Taint::STATEMENTS);
}

#[test]
fn a_literal_whose_end_depends_on_a_setting_counts_as_a_change() {
    assert!(
        scan(r"SELECT 'a\'; SET b = 1 --'")
            .taint
            .has(Taint::SESSION)
    );
}

#[test]
fn only_a_lone_rollback_is_one() {
    for text in [
        "ROLLBACK",
        " rollback ",
        "ROLLBACK TO sp",
        "ROLLBACK TO \"sp\"",
    ] {
        assert!(scan(text).is_rollback, "{text}");
    }
    for text in [
        "",
        "SELECT 1",
        "SELECT 1; ROLLBACK",
        "ROLLBACK; SELECT pg_sleep(9)",
        "ROLLBACK PREPARED 'x'",
    ] {
        assert!(!scan(text).is_rollback, "{text}");
    }
}

proptest! {
    /// Where the text is cut makes no difference.
    #[test]
    fn pieces_read_like_the_whole(
        parts in prop::collection::vec(prop::sample::select(vec![
            "SET ", "SELECT ", "'", "''", "\"", "$$", "$a$", "--", "\n", "/*", "*/", ";", "\\",
            "E", "temp", "LOCAL ", "ROLLBACK", " ", "$", "x", "1", "DISCARD ", "ALL ", "setseed",
        ]), 0..30),
        cut in any::<prop::sample::Index>(),
    ) {
        let text = parts.concat();
        let at = cut.index(text.len() + 1);
        let mut scanner = Scanner::new();
        scanner.feed(&text.as_bytes()[..at]);
        scanner.feed(&text.as_bytes()[at..]);
        prop_assert_eq!(scanner.finish(), scan(&text));
    }

    /// A statement that changes the session is seen behind any complete text before it.
    #[test]
    fn nothing_complete_hides_a_set(
        parts in prop::collection::vec(prop::sample::select(vec![
            "SELECT 1", "'a;b'", "''", "'it''s'", "E'a\\'b'", "\"a\"\"b\"", "$$ ' $$",
            "$t$ $$ $t$", "-- ' \n", "/* ' */", "/* /* */ $$ */", "$1", "a-b", "a/b", "x$y",
        ]), 0..12),
    ) {
        let text = format!("{} ; SET a = 1", parts.join(" "));
        prop_assert!(scan(&text).taint.has(Taint::SESSION), "{}", text);
    }
}
