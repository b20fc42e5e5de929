//! What is called, and what is known of it.

use super::kind;
use crate::sql::{Kind, Marks, classify};

#[test]
fn functions_that_are_not_known_are_told() {
    for text in [
        "SELECT f()",
        "SELECT a /* x */ (1)",
        "SELECT mine.lower('A')",
        "SELECT \"Lower\"('A')",
        "SELECT \"in\"(1)",
        "SELECT U&\"lower\"('A')",
        "SELECT * FROM f(1) AS t (a)",
        "EXPLAIN ANALYZE SELECT f()",
    ] {
        let expected = Kind::Read {
            calls_unknown_function: true,
            locks_rows: false,
        };
        assert_eq!(kind(text), expected, "{text}");
        let script = classify(text);
        assert_eq!(script.marks, Marks::UNKNOWN_FUNCTION, "{text}");
        assert!(script.is_plain() && !script.is_read_only(), "{text}");
    }
}

#[test]
fn functions_that_change_the_session_are_marked() {
    for (text, mark) in [
        ("SELECT nextval('s')", Marks::SEQUENCE_MOVED),
        (
            "INSERT INTO t VALUES (setval('s', 1))",
            Marks::SEQUENCE_MOVED,
        ),
        ("SELECT currval('s')", Marks::SEQUENCE_READ),
        ("SELECT LastVal()", Marks::SEQUENCE_READ),
        ("SELECT pg_advisory_lock(1)", Marks::ADVISORY_LOCK),
        (
            "SELECT pg_catalog.pg_advisory_lock_shared(1)",
            Marks::ADVISORY_LOCK,
        ),
        (
            "SELECT \"pg_try_advisory_lock\" /**/ (1)",
            Marks::ADVISORY_LOCK,
        ),
        (
            "SELECT pg_try_advisory_lock_shared(1)",
            Marks::ADVISORY_LOCK,
        ),
        ("SELECT pg_advisory_unlock(1)", Marks::ADVISORY_UNLOCK),
        ("SELECT pg_advisory_unlock_all()", Marks::ADVISORY_UNLOCK),
        ("SELECT setseed(0.5)", Marks::SEED),
        ("SELECT dblink_connect('x')", Marks::DBLINK),
        ("SELECT lo_open(1, 2)", Marks::LARGE_OBJECT),
        ("SELECT loread(1, 2)", Marks::LARGE_OBJECT),
        ("SELECT pg_notify('a', 'b')", Marks::NOTIFY),
        ("SELECT pg_export_snapshot()", Marks::SNAPSHOT),
        ("SELECT * FROM pg_temp.t", Marks::TEMP_SCHEMA),
        ("PREPARE p AS SELECT setseed(1)", Marks::SEED),
        ("EXPLAIN ANALYZE SELECT nextval('s')", Marks::SEQUENCE_MOVED),
    ] {
        let script = classify(text);
        assert_eq!(script.marks, mark, "{text}");
        assert!(!script.is_plain(), "{text}");
    }
    assert!(!classify("SELECT nextval('s')").is_read_only());
    let both = classify("SELECT nextval('s'); SELECT 1");
    assert_eq!(both.statements[1].marks, Marks::NONE);
}
