//! SET, RESET and `set_config`.

use super::{kind, kinds, literal, set};
use crate::sql::{
    Argument, Assignment, Isolation, Kind, Marks, Modes, SetConfig, SetValue, classify,
};

fn assert_settings(table: &[(&str, &str, &str)]) {
    for (text, name, value) in table {
        assert_eq!(kind(text), set(name, literal(value), false), "{text}");
    }
}

#[test]
fn set_tells_the_setting_whatever_its_name() {
    assert_settings(&[
        ("SET work_mem = '4MB'", "work_mem", "4MB"),
        ("set Work_Mem to 4096", "work_mem", "4096"),
        ("SET \"Work_Mem\" = 1", "work_mem", "1"),
        ("SET SESSION work_mem = 1", "work_mem", "1"),
        ("SET app.Id = 'a'", "app.id", "a"),
        ("SET \"a b\".c = 'a'", "a b.c", "a"),
        ("SET session = 5", "session", "5"),
        ("SET session.x = 5", "session.x", "5"),
        ("SET local.x = 5", "local.x", "5"),
        ("SET SESSION local.x = 5", "local.x", "5"),
        ("SET role.x TO 5", "role.x", "5"),
        ("SET time.zone TO 5", "time.zone", "5"),
        ("SET transaction.x TO 5", "transaction.x", "5"),
        ("SET constraints.x TO 5", "constraints.x", "5"),
        ("SET transaction_timeout = 5", "transaction_timeout", "5"),
        ("SET sort_mem = 5", "work_mem", "5"),
    ]);
}

#[test]
fn set_tells_the_value_that_set_config_takes() {
    assert_settings(&[
        ("SET a.b = Foo", "a.b", "foo"),
        ("SET a.b = \"Foo\"", "a.b", "Foo"),
        ("SET a.b = \"F\"\"oo\"", "a.b", "F\"oo"),
        ("SET a.b = ON", "a.b", "on"),
        ("SET a.b = off", "a.b", "off"),
        ("SET a.b = TRUE", "a.b", "true"),
        ("SET a.b = left", "a.b", "left"),
        ("SET a.b = -5", "a.b", "-5"),
        ("SET a.b=-5", "a.b", "-5"),
        ("SET a.b = - 007", "a.b", "-7"),
        ("SET a.b = +1.50", "a.b", "1.50"),
        ("SET a.b = .5", "a.b", ".5"),
        ("SET a.b = 1e-5", "a.b", "1e-5"),
        ("SET a.b = -0", "a.b", "0"),
        ("SET a.b = 0099999999999", "a.b", "0099999999999"),
        ("SET a.b = ''", "a.b", ""),
        ("SET a.b = 'it''s; SET c = d'", "a.b", "it's; SET c = d"),
        ("SET a.b = 'a\\b'", "a.b", "a\\b"),
        ("SET a.b = E'a\\'b\\n\\\\'", "a.b", "a'b\n\\"),
        ("SET a.b = $$a'b$$", "a.b", "a'b"),
        ("SET a.b = $t$a$$b$t$", "a.b", "a$$b"),
        ("SET a.b = 'a' -- x'\n\n 'b'\r'c'", "a.b", "abc"),
        ("SET a.b = E'a\\''\n'\\'b'", "a.b", "a''b"),
        ("SET a.b = 'a', B, \"C d\", 1", "a.b", "a, b, C d, 1"),
    ]);
}

#[test]
fn members_of_a_list_of_names_are_quoted_where_they_need_it() {
    assert_settings(&[
        (
            "SET search_path = Foo, pg_catalog",
            "search_path",
            "foo, pg_catalog",
        ),
        ("SET search_path = \"A b\", c", "search_path", "\"A b\", c"),
        ("SET search_path TO 'a, b'", "search_path", "\"a, b\""),
        (
            "SET search_path TO \"$user\", \"user\", \"left\"",
            "search_path",
            "\"$user\", \"user\", \"left\"",
        ),
        ("SET search_path = ''", "search_path", "\"\""),
        ("SET temp_tablespaces = 'A'", "temp_tablespaces", "\"A\""),
        ("SET datestyle = ISO, DMY", "datestyle", "iso, dmy"),
        ("SET SCHEMA 'My'", "search_path", "\"My\""),
    ]);
}

#[test]
fn set_in_words_of_its_own_is_a_setting_too() {
    assert_settings(&[
        ("SET NAMES 'LATIN1'", "client_encoding", "LATIN1"),
        ("SET TIME ZONE 'Europe/Rome'", "timezone", "Europe/Rome"),
        ("SET TIME ZONE UTC", "timezone", "utc"),
        ("SET TIME ZONE -5", "timezone", "-5"),
        (
            "SET TIME ZONE INTERVAL '-08:00'",
            "timezone",
            "INTERVAL '-08:00'",
        ),
        ("SET ROLE alice", "role", "alice"),
        ("SET ROLE NONE", "role", "none"),
        ("SET ROLE \"Bob\"", "role", "Bob"),
        ("SET ROLE 'Bob'", "role", "Bob"),
        ("SET role = 'Bob'", "role", "Bob"),
        ("SET SESSION ROLE bob", "role", "bob"),
        (
            "SET SESSION AUTHORIZATION Bob",
            "session_authorization",
            "bob",
        ),
        (
            "SET SESSION SESSION AUTHORIZATION 'Bob'",
            "session_authorization",
            "Bob",
        ),
        ("SET XML OPTION DOCUMENT", "xmloption", "document"),
        ("SET seed TO 0.5", "seed", "0.5"),
    ]);
}

#[test]
fn identifiers_are_cut_as_the_server_cuts_them_and_literals_are_not() {
    let long = "x".repeat(70);
    assert_settings(&[
        (&format!("SET a.b = {long}"), "a.b", &long[..63]),
        (&format!("SET a.b = '{long}'"), "a.b", &long),
        (
            &format!("SET a.b = \"{}ä\"", &long[..62]),
            "a.b",
            &long[..62],
        ),
    ]);
}

#[test]
fn set_local_and_what_is_no_literal() {
    for (text, expected) in [
        ("SET LOCAL a = 1", set("a", literal("1"), true)),
        (
            "SET LOCAL TIME ZONE 'UTC'",
            set("timezone", literal("UTC"), true),
        ),
        ("SET LOCAL ROLE x", set("role", literal("x"), true)),
        (
            "SET LOCAL SESSION AUTHORIZATION x",
            set("session_authorization", literal("x"), true),
        ),
        ("SET LOCAL a TO DEFAULT", set("a", SetValue::Default, true)),
        (
            "SET TIME ZONE LOCAL",
            set("timezone", SetValue::Default, false),
        ),
        (
            "SET TIME ZONE DEFAULT",
            set("timezone", SetValue::Default, false),
        ),
        (
            "SET NAMES",
            set("client_encoding", SetValue::Default, false),
        ),
        (
            "SET NAMES DEFAULT",
            set("client_encoding", SetValue::Default, false),
        ),
        (
            "SET SESSION AUTHORIZATION DEFAULT",
            set("session_authorization", SetValue::Default, false),
        ),
        (
            "SET a.b FROM CURRENT",
            set("a.b", SetValue::FromCurrent, false),
        ),
        ("SET a = U&'x'", set("a", SetValue::Unclear, false)),
        ("SET a = U&'x' , 'b'", set("a", SetValue::Unclear, false)),
        ("SET a = X'1F'", set("a", SetValue::Unclear, false)),
        ("SET a = E'\\x41'", set("a", SetValue::Unclear, false)),
        ("SET a = E'\\v'", set("a", SetValue::Unclear, false)),
        (
            "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
            set("timezone", SetValue::Unclear, false),
        ),
        (
            "SET TIME ZONE INTERVAL(3) '1'",
            set("timezone", SetValue::Unclear, false),
        ),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn set_that_cannot_be_read_is_other() {
    for text in [
        "SET",
        "SET a",
        "SET a =",
        "SET a = 1 2",
        "SET a = 'a' 'b'",
        "SET a = 1,",
        "SET a = 1 = 2",
        "SET a = -'x'",
        "SET a = $1",
        "SET a = 0x1F",
        "SET a = 1_000",
        "SET a = select",
        "SET a = DEFAULT, 1",
        "SET select = 1",
        "SET U&\"a\" = 1",
        "SET a.U&\"b\" = 1",
        "SET \"\" = 1",
        "SET a = 'open",
        "SET SESSION",
        "SET LOCAL AUTHORIZATION x",
        "SET NAMES utf8",
        "SET SCHEMA x",
        "SET CATALOG 'x'",
        "SET ROLE",
        "SET ROLE DEFAULT",
        "SET ROLE 5",
        "SET TRANSACTION",
        "SET SESSION CHARACTERISTICS AS TRANSACTION",
        "SET transaction_isolation = 'weird'",
        "RESET",
        "RESET a b",
    ] {
        assert_eq!(kind(text), Kind::Other, "{text}");
    }
}

#[test]
fn characteristics_are_settings_and_the_modes_of_a_transaction_are_not() {
    let text = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ NOT DEFERRABLE";
    let of = |name: &str, value: &str| Assignment {
        name: format!("default_transaction_{name}"),
        value: literal(value),
    };
    let assignments = vec![
        of("isolation", "repeatable read"),
        of("read_only", "on"),
        of("deferrable", "off"),
    ];
    let expected = Kind::Set {
        assignments,
        is_local: false,
    };
    assert_eq!(kind(text), expected);

    let serializable = Kind::SetTransaction(Modes {
        isolation: Some(Isolation::Serializable),
        ..Modes::default()
    });
    for text in [
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET LOCAL TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET transaction_isolation TO 'Serializable'",
    ] {
        assert_eq!(kind(text), serializable, "{text}");
    }
    let snapshot = kind("SET TRANSACTION SNAPSHOT '00000003-1'");
    assert_eq!(snapshot, Kind::SetTransaction(Modes::default()));
    assert_eq!(kind("SET CONSTRAINTS ALL DEFERRED"), Kind::SetConstraints);
}

#[test]
fn reset_names_its_setting() {
    for (text, name) in [
        ("RESET Work_Mem", "work_mem"),
        ("RESET app.id", "app.id"),
        ("RESET \"all\"", "all"),
        ("RESET ROLE", "role"),
        ("RESET SESSION AUTHORIZATION", "session_authorization"),
        ("RESET TIME ZONE", "timezone"),
        ("RESET TRANSACTION ISOLATION LEVEL", "transaction_isolation"),
    ] {
        let name = name.to_owned();
        assert_eq!(kind(text), Kind::Reset { name }, "{text}");
    }
    assert_eq!(kind("reset all"), Kind::ResetAll);
}

#[test]
fn settings_that_are_more_than_settings_are_marked() {
    for (text, mark) in [
        ("SET seed = 0.5", Marks::SEED),
        ("SET SESSION seed TO DEFAULT", Marks::SEED),
        ("RESET seed", Marks::SEED),
        ("SELECT set_config('Seed', $1, true)", Marks::SEED),
        ("SET search_path = pg_temp, public", Marks::TEMP_SCHEMA),
        ("SET search_path = 'pg_temp'", Marks::TEMP_SCHEMA),
        ("SET SCHEMA 'pg_temp_3'", Marks::TEMP_SCHEMA),
        (
            "SELECT set_config('search_path', 'a, pg_temp', false)",
            Marks::TEMP_SCHEMA,
        ),
        ("SET a.b = 'C:\\x'", Marks::BACKSLASH),
        ("SELECT set_config('a.b', 'C:\\x', false)", Marks::BACKSLASH),
    ] {
        let script = classify(text);
        assert!(script.marks.has(mark), "{text}: {:?}", script.marks);
        assert!(script.statements[0].marks.has(mark), "{text}");
    }
    assert_eq!(classify("SET search_path = template").marks, Marks::NONE);
}

fn call(name: Argument, value: Argument, is_local: Argument) -> SetConfig {
    SetConfig {
        statement: 0,
        is_certain: true,
        name,
        value,
        is_local,
    }
}

fn text(value: &str) -> Argument {
    Argument::Literal(value.to_owned())
}

#[test]
fn set_config_tells_its_arguments() {
    for (sql, expected) in [
        (
            "SELECT set_config('App.Id', $1, false)",
            call(text("app.id"), Argument::Parameter(1), text("false")),
        ),
        (
            "select pg_catalog.set_config('a', 'it''s', TRUE) AS x",
            call(text("a"), text("it's"), text("true")),
        ),
        (
            "SELECT \"set_config\" ( $2::text , NULL, 'f' ) done",
            call(Argument::Parameter(2), Argument::Null, text("false")),
        ),
        (
            "SELECT set_config('a'::text, $$b$$, $3)",
            call(text("a"), text("b"), Argument::Parameter(3)),
        ),
    ] {
        assert_eq!(classify(sql).set_config, [expected], "{sql}");
        assert!(classify(sql).marks.has(Marks::SET_CONFIG), "{sql}");
    }
}

#[test]
fn set_config_beside_anything_else_is_not_certain() {
    let both = classify("SELECT set_config('a', 'b', false), set_config('c', 'd', true) x");
    assert!(both.set_config.iter().all(|call| call.is_certain));
    assert_eq!(both.set_config.len(), 2);
    for sql in [
        "SELECT set_config('a', 'b', false) WHERE false",
        "SELECT set_config('a', 'b', false) FROM t",
        "SELECT 1, set_config('a', 'b', false)",
        "SELECT coalesce('x', set_config('a', 'b', false))",
        "SELECT set_config('a', 'b', false) || 'x'",
        "SELECT mine.set_config('a', 'b', false)",
        "UPDATE t SET a = set_config('a', 'b', false)",
        "(SELECT set_config('a', 'b', false))",
        "SELECT set_config('a', 'b', false) UNION SELECT 'x'",
        "SELECT set_config('a', 'b' || 'c', false)",
        "SELECT set_config('a', 'b'::name, false)",
        "SELECT set_config('a', (SELECT 'b)'), false)",
        "SELECT set_config('a', f(1, 2), false)",
    ] {
        let calls = classify(sql).set_config;
        assert_eq!(calls.len(), 1, "{sql}");
        assert!(!calls[0].is_certain, "{sql}");
        assert_eq!(calls[0].name, text("a"), "{sql}");
        assert_eq!(calls[0].is_local, text("false"), "{sql}");
    }
    let nested = classify("SELECT set_config('a', set_config('b', 'c', true), false)");
    assert_eq!(nested.set_config.len(), 2);
    assert_eq!(nested.set_config[0].value, Argument::Unclear);
    assert!(nested.set_config.iter().all(|call| !call.is_certain));
}

#[test]
fn calls_of_set_config_know_their_statement_and_have_a_limit() {
    let script = classify("SELECT 1; ; SELECT set_config('a', 'b', true)");
    assert_eq!(script.set_config[0].statement, 1);
    let call = "SELECT set_config('a', 'b', true);";
    assert_eq!(classify(&call.repeat(64)).set_config.len(), 64);
    let many = kinds(&call.repeat(65));
    assert_eq!(many.last(), Some(&Kind::Other));
}
