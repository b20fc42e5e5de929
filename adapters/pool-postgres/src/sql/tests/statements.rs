//! Every other kind of statement, by table.

use super::{BEGIN, READ, WRITE, WRITE_ALONE, kind, kinds, literal, set};
use crate::sql::cursor::Qualified;
use crate::sql::{Isolation, Kind, MOST_STATEMENTS, Marks, Modes, classify};

fn named(name: &str) -> String {
    name.to_owned()
}

fn assert_kinds<'a>(table: impl IntoIterator<Item = (&'a str, Kind)>) {
    for (text, expected) in table {
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn transactions_begin_with_modes_in_any_order() {
    for text in [
        "BEGIN",
        "begin work",
        "BEGIN TRANSACTION",
        "START TRANSACTION",
    ] {
        assert_eq!(kind(text), BEGIN, "{text}");
    }
    let all = Kind::Begin(Modes {
        isolation: Some(Isolation::ReadUncommitted),
        read_only: Some(true),
        deferrable: Some(false),
    });
    for text in [
        "BEGIN ISOLATION LEVEL READ UNCOMMITTED, READ ONLY, NOT DEFERRABLE",
        "start transaction not deferrable read only isolation level read uncommitted",
        "BEGIN WORK READ WRITE, READ ONLY NOT DEFERRABLE, ISOLATION LEVEL READ UNCOMMITTED",
    ] {
        assert_eq!(kind(text), all, "{text}");
    }
    for text in [
        "START",
        "START WORK",
        "BEGIN nonsense",
        "BEGIN READ",
        "BEGIN READ ONLY,",
        "BEGIN ISOLATION LEVEL CHAOS",
        "BEGIN NOT READ ONLY",
    ] {
        assert_eq!(kind(text), Kind::Other, "{text}");
    }
}

#[test]
fn transactions_end() {
    assert_kinds([
        ("COMMIT", Kind::Commit { chain: false }),
        ("END TRANSACTION", Kind::Commit { chain: false }),
        ("commit work and chain", Kind::Commit { chain: true }),
        ("COMMIT AND NO CHAIN", Kind::Commit { chain: false }),
        ("ROLLBACK", Kind::Rollback { chain: false }),
        ("ABORT", Kind::Rollback { chain: false }),
        ("ROLLBACK AND CHAIN", Kind::Rollback { chain: true }),
        ("PREPARE TRANSACTION 'x'", Kind::PrepareTransaction),
        ("COMMIT PREPARED 'x'", Kind::CommitPrepared),
        ("ROLLBACK PREPARED 'x'", Kind::RollbackPrepared),
        ("COMMIT AND", Kind::Other),
        ("ROLLBACK 5", Kind::Other),
    ]);
}

#[test]
fn savepoints_have_the_names_that_the_server_gives_them() {
    let long = "a".repeat(80);
    let (set_long, cut) = (format!("SAVEPOINT {long}"), long[..63].to_owned());
    assert_kinds([
        ("SAVEPOINT Sp", Kind::Savepoint { name: named("sp") }),
        ("SAVEPOINT \"Sp\"", Kind::Savepoint { name: named("Sp") }),
        (
            "SAVEPOINT \"a\"\"b\"",
            Kind::Savepoint {
                name: named("a\"b"),
            },
        ),
        (
            "SAVEPOINT savepoint",
            Kind::Savepoint {
                name: named("savepoint"),
            },
        ),
        (&set_long, Kind::Savepoint { name: cut }),
        ("RELEASE sp", Kind::Release { name: named("sp") }),
        ("RELEASE SAVEPOINT sp", Kind::Release { name: named("sp") }),
        (
            "RELEASE SAVEPOINT",
            Kind::Release {
                name: named("savepoint"),
            },
        ),
        (
            "RELEASE SAVEPOINT SAVEPOINT",
            Kind::Release {
                name: named("savepoint"),
            },
        ),
        ("ROLLBACK TO sp", Kind::RollbackTo { name: named("sp") }),
        (
            "ROLLBACK WORK TO SAVEPOINT sp",
            Kind::RollbackTo { name: named("sp") },
        ),
        (
            "ABORT TO SAVEPOINT",
            Kind::RollbackTo {
                name: named("savepoint"),
            },
        ),
        ("SAVEPOINT U&\"sp\"", Kind::Other),
        ("SAVEPOINT left", Kind::Other),
        ("SAVEPOINT", Kind::Other),
        ("SAVEPOINT a b", Kind::Other),
    ]);
}

#[test]
fn subscriptions() {
    assert_kinds([
        (
            "LISTEN Jobs",
            Kind::Listen {
                channel: named("jobs"),
            },
        ),
        (
            "LISTEN \"Jobs\"",
            Kind::Listen {
                channel: named("Jobs"),
            },
        ),
        (
            "UNLISTEN jobs",
            Kind::Unlisten {
                channel: Some(named("jobs")),
            },
        ),
        ("UNLISTEN *", Kind::Unlisten { channel: None }),
        ("NOTIFY jobs, 'x'", Kind::Notify),
        ("LISTEN", Kind::Other),
        ("LISTEN 'jobs'", Kind::Other),
        ("LISTEN a, b", Kind::Other),
    ]);
}

#[test]
fn prepared_statements() {
    assert_kinds([
        ("PREPARE P AS SELECT 1", Kind::Prepare { name: named("p") }),
        (
            "PREPARE p (int) AS SELECT $1",
            Kind::Prepare { name: named("p") },
        ),
        (
            "PREPARE transaction AS SELECT 1",
            Kind::Prepare {
                name: named("transaction"),
            },
        ),
        ("EXECUTE p", Kind::Execute { name: named("p") }),
        ("EXECUTE p (1)", Kind::Execute { name: named("p") }),
        (
            "EXPLAIN ANALYZE EXECUTE p",
            Kind::Execute { name: named("p") },
        ),
        (
            "EXPLAIN (COSTS off) EXECUTE p(1)",
            Kind::Execute { name: named("p") },
        ),
        (
            "DEALLOCATE p",
            Kind::Deallocate {
                name: Some(named("p")),
            },
        ),
        (
            "DEALLOCATE PREPARE p",
            Kind::Deallocate {
                name: Some(named("p")),
            },
        ),
        (
            "DEALLOCATE PREPARE",
            Kind::Deallocate {
                name: Some(named("prepare")),
            },
        ),
        ("DEALLOCATE ALL", Kind::Deallocate { name: None }),
        ("DEALLOCATE PREPARE ALL", Kind::Deallocate { name: None }),
        (
            "DEALLOCATE \"all\"",
            Kind::Deallocate {
                name: Some(named("all")),
            },
        ),
        ("PREPARE p", Kind::Other),
    ]);
}

#[test]
fn cursors() {
    let hold = |hold| Kind::DeclareCursor {
        name: named("c"),
        hold,
    };
    assert_kinds([
        ("DECLARE c CURSOR FOR SELECT 1", hold(false)),
        (
            "DECLARE C NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1",
            hold(false),
        ),
        (
            "declare c binary insensitive scroll cursor with hold for select 1",
            hold(true),
        ),
        (
            "CLOSE c",
            Kind::CloseCursor {
                name: Some(named("c")),
            },
        ),
        ("CLOSE ALL", Kind::CloseCursor { name: None }),
        ("FETCH NEXT FROM c", Kind::Fetch),
        ("MOVE 5 c", Kind::Fetch),
        ("DECLARE c FOR SELECT 1", Kind::Other),
    ]);
}

#[test]
fn temporary_objects_by_whatever_words() {
    let of = |name: &str, on_commit_drop| Kind::CreateTemporary {
        name: named(name),
        on_commit_drop,
    };
    assert_kinds([
        ("CREATE TEMP TABLE T (a int)", of("t", false)),
        (
            "CREATE TEMPORARY TABLE IF NOT EXISTS t (a int)",
            of("t", false),
        ),
        (
            "create local temp table t (a int) on commit drop",
            of("t", true),
        ),
        (
            "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1",
            of("t", true),
        ),
        (
            "CREATE TEMP TABLE t ON COMMIT DELETE ROWS AS SELECT 1",
            of("t", false),
        ),
        (
            "CREATE GLOBAL TEMPORARY TABLE t AS SELECT 1",
            of("t", false),
        ),
        ("CREATE TEMP TABLE pg_temp.\"T\" ()", of("T", false)),
        ("CREATE TEMP SEQUENCE s", of("s", false)),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", of("v", false)),
        (
            "CREATE TEMP RECURSIVE VIEW v (a) AS SELECT 1",
            of("v", false),
        ),
        ("CREATE TABLE pg_temp.t (a int)", of("t", false)),
        ("CREATE UNLOGGED TABLE pg_temp_3.t (a int)", of("t", false)),
        ("CREATE TABLE db.pg_temp.t (a int)", of("t", false)),
        ("CREATE VIEW \"pg_temp\".v AS SELECT 1", of("v", false)),
        ("CREATE TABLE if (a int)", WRITE),
        ("SELECT 1 INTO TEMP t", of("t", false)),
        (
            "SELECT a, b INTO LOCAL TEMPORARY TABLE \"T\" FROM x",
            of("T", false),
        ),
        (
            "WITH x AS (SELECT 1) SELECT * INTO TEMP t FROM x",
            of("t", false),
        ),
        ("SELECT 1 INTO pg_temp.t", of("t", false)),
        ("(SELECT 1 INTO TEMP t)", of("t", false)),
        ("SELECT 1INTO TEMP t", of("t", false)),
        ("SELECT 1 INTO temp FROM x", WRITE),
        ("SELECT 1 INTO t", WRITE),
        ("SELECT 1 INTO UNLOGGED TABLE t", WRITE),
        ("CREATE TABLE t (temp int, temporary int)", WRITE),
        ("CREATE TEMP FUNCTION f() RETURNS int", Kind::Other),
        ("CREATE LOCAL TABLE t ()", Kind::Other),
        ("CREATE TABLE U&\"pg\\005ftemp\".t ()", Kind::Other),
        ("SELECT 1 INTO TEMP U&\"t\"", Kind::Other),
    ]);
    let function = classify("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    assert!(function.marks.has(Marks::TEMP_SCHEMA));
    assert!(!function.is_plain());
}

#[test]
fn drop_tells_what_may_have_been_temporary() {
    let of = |schema: Option<&str>, name: &str| Qualified {
        schema: schema.map(str::to_owned),
        name: named(name),
    };
    let names = vec![
        of(None, "a"),
        of(Some("pg_temp"), "B"),
        of(Some("public"), "c"),
    ];
    assert_eq!(
        names
            .iter()
            .map(Qualified::is_temporary)
            .collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_kinds([
        (
            "DROP TABLE IF EXISTS A, pg_temp.\"B\", db.public.c CASCADE",
            Kind::Drop { names },
        ),
        (
            "DROP VIEW v",
            Kind::Drop {
                names: vec![of(None, "v")],
            },
        ),
        (
            "DROP SEQUENCE s RESTRICT",
            Kind::Drop {
                names: vec![of(None, "s")],
            },
        ),
        ("DROP MATERIALIZED VIEW v", WRITE),
        ("DROP INDEX i", WRITE),
        ("DROP TABLE a b", Kind::Other),
    ]);
    let many = format!("DROP TABLE t{}", ", t".repeat(64));
    assert_eq!(kind(&many), Kind::Other);
}

#[test]
fn the_rest_of_the_session() {
    let copy = |from_stdin, to_stdout| Kind::Copy {
        from_stdin,
        to_stdout,
    };
    assert_kinds([
        ("DISCARD ALL", Kind::DiscardAll),
        ("DISCARD PLANS", Kind::DiscardPlans),
        ("DISCARD SEQUENCES", Kind::DiscardSequences),
        ("discard temporary", Kind::DiscardTemporary),
        ("DISCARD TEMP", Kind::DiscardTemporary),
        ("DISCARD", Kind::Other),
        ("LOAD 'auto_explain'", Kind::Load),
        ("DO $$ BEGIN; END $$", Kind::Do),
        ("CALL p(1)", Kind::Call),
        ("COPY t (a) FROM STDIN", copy(true, false)),
        ("COPY t TO stdout WITH (FORMAT csv)", copy(false, true)),
        ("COPY (SELECT a FROM stdin) TO STDOUT", copy(false, true)),
        ("COPY (SELECT a FROM stdin) TO '/x'", copy(false, false)),
        ("COPY t FROM PROGRAM 'x'", copy(false, false)),
    ]);
}

#[test]
fn writes_that_no_transaction_takes_are_told_apart() {
    for text in [
        "VACUUM",
        "VACUUM (ANALYZE) t",
        "CREATE DATABASE d",
        "DROP DATABASE d",
        "ALTER DATABASE d SET TABLESPACE x",
        "CREATE TABLESPACE s LOCATION '/x'",
        "DROP TABLESPACE s",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
        "CLUSTER",
    ] {
        assert_eq!(kind(text), WRITE_ALONE, "{text}");
        assert!(kind(text).stands_alone(), "{text}");
    }
    for text in ["CALL p()", "DO 'x'", "DISCARD ALL", "COMMIT PREPARED 'x'"] {
        assert!(kind(text).stands_alone(), "{text}");
    }
}

#[test]
fn writes_of_data_and_schema() {
    for text in [
        "INSERT INTO t VALUES ($1) ON CONFLICT DO UPDATE SET a = 2 RETURNING a",
        "UPDATE t SET a = 1 WHERE b = $1",
        "DELETE FROM t",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DO NOTHING",
        "TRUNCATE t",
        "CREATE TABLE t (a int)",
        "CREATE INDEX i ON t (a)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = x AS 'SELECT 1; SELECT 2'",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; SET b = 1)",
        "ALTER TABLE t SET (fillfactor = 70)",
        "ALTER ROLE r SET work_mem = '1MB'",
        "GRANT SELECT ON t TO r",
        "LOCK TABLE t",
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "WITH x AS MATERIALIZED (UPDATE t SET a = 1 RETURNING a) TABLE x",
        "SELECT * FROM (WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x) y",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXPLAIN (VERBOSE, ANALYZE true) WITH x AS (DELETE FROM t RETURNING a) SELECT 1",
    ] {
        assert_eq!(kind(text), WRITE, "{text}");
        assert!(!classify(text).is_read_only(), "{text}");
    }
}

#[test]
fn reads_are_known_as_reads() {
    for text in [
        "SELECT 1",
        "select 1 as begin",
        "SELECT 1 AS into, t.into, x.delete FROM t",
        "SELECT \"set\", \"into\", update FROM t WHERE \"begin\" = 1",
        "VALUES (1), (2)",
        "TABLE t",
        "(SELECT 1) UNION (SELECT 2)",
        "((VALUES (1)))",
        "WITH RECURSIVE x (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM x) SELECT a FROM x",
        "SHOW work_mem",
        "EXPLAIN DELETE FROM t",
        "EXPLAIN (COSTS off) UPDATE t SET a = 1",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN (SELECT 1)",
        "SELECT count(*) FILTER (WHERE a IN (1)) OVER (PARTITION BY b ORDER BY (c)) FROM t AS u (a, b, c)",
        "SELECT now(), pg_catalog.lower('A'), current_setting('a', true), coalesce(a, (b)) FROM t LEFT JOIN (SELECT 1) x ON (true)",
        "SELECT extract(year FROM a), substring(a FROM 1 FOR 2), a::numeric(1, 2), ARRAY(SELECT 1)",
        "SELECT pg_sleep(0), pg_backend_pid(), generate_series(1, 2), pg_advisory_xact_lock(1)",
        "SELECT 'x; SET a = 1', $$; SET a = 1$$, $t$ $$; $t$, E'\\'; SET a = 1', $1",
        "SELECT /* ; SET a = 1 /* nested */ ; SET a = 1 */ 1 -- ; SET a = 1",
        "SELECT a-- ;\n+/* ;*/-b",
        "SELECT nextval, setval, set_config FROM t",
    ] {
        assert_eq!(kind(text), READ, "{text}");
        assert!(classify(text).is_plain(), "{text}");
        assert!(classify(text).is_read_only(), "{text}");
    }
    for text in [
        "SELECT 1 FOR UPDATE",
        "SELECT 1 FOR NO KEY UPDATE OF t",
        "SELECT 1 FOR SHARE",
        "SELECT 1 FOR KEY SHARE",
        "WITH x AS (SELECT 1) SELECT * FROM x FOR UPDATE",
    ] {
        let expected = Kind::Read {
            calls_unknown_function: false,
            locks_rows: true,
        };
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn statements_are_cut_where_the_server_cuts_them() {
    let text = " ;; SELECT ';' ; /* ; */ SET a = 1;-- x\nCOMMIT ;";
    let script = classify(text);
    let parts: Vec<_> = script
        .statements
        .iter()
        .map(|one| &text[one.range.clone()])
        .collect();
    assert_eq!(parts, ["SELECT ';'", "SET a = 1", "COMMIT"]);
    assert_eq!(
        kinds(text),
        [
            READ,
            set("a", literal("1"), false),
            Kind::Commit { chain: false }
        ]
    );
    assert!(!script.is_single() && !script.is_plain());
}

#[test]
fn body_of_a_function_leaves_the_rest_of_the_text_unknown() {
    let text =
        "SELECT 1; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS case; END; SELECT 2";
    assert_eq!(kinds(text), [READ, Kind::Other]);
    assert_eq!(kinds("BEGIN; SELECT atomic"), [BEGIN, READ]);
}

#[test]
fn texts_without_an_end_are_other() {
    for text in [
        "SELECT 'x",
        "SELECT E'x\\'",
        "SELECT E'\\",
        "SELECT \"x",
        "SELECT $$x$",
        "SELECT $a$x$b$",
        "SELECT 1 /* /* */",
        "/*",
        "'",
        "SELECT 1\0; SET a = 1",
    ] {
        assert_eq!(kind(text), Kind::Other, "{text}");
        assert!(!classify(text).is_plain(), "{text}");
    }
    assert_eq!(kinds("SELECT 1; SELECT 'x; SET a = 1"), [READ, Kind::Other]);
}

#[test]
fn what_no_list_knows_is_other() {
    for text in [
        "FLY TO moon",
        "5",
        "\"select\" 1",
        "(SET a = 1)",
        "()",
        "selectx 1",
        "é",
    ] {
        assert_eq!(kind(text), Kind::Other, "{text}");
    }
}

#[test]
fn empty_texts_have_no_statement_and_do_nothing() {
    for text in [
        "",
        "  \n",
        ";",
        " ; ;; ",
        "-- SET a = 1",
        "/* SET a = 1 */ ;",
    ] {
        let script = classify(text);
        assert!(
            script.statements.is_empty() && !script.is_single(),
            "{text}"
        );
        assert!(script.is_plain() && script.is_read_only(), "{text}");
    }
}

#[test]
fn more_statements_than_are_told_apart_are_one_that_may_do_anything() {
    let text = "SELECT 1;".repeat(MOST_STATEMENTS);
    assert_eq!(kinds(&text).len(), MOST_STATEMENTS);
    let text = text + "SELECT 1";
    assert_eq!(kinds(&text), [Kind::Other]);
    assert_eq!(classify(&text).statements[0].range, 0..text.len());
}

#[test]
fn literal_whose_end_depends_on_a_setting_is_marked() {
    let script = classify(r"SELECT 'a\'; SET b = 1 --'");
    assert_eq!(script.statements.len(), 2);
    assert!(script.marks.has(Marks::BACKSLASH) && !script.is_plain());
    assert!(classify(r"SELECT 'a\_b'").is_plain());
}
