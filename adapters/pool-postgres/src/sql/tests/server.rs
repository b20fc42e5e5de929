//! What the server makes of the same texts.

use crate::sql::keywords::{self, Class};
use crate::sql::{Kind, SetValue, classify, functions, spelling};
use crate::{PostgresConnection, PostgresManager};
use pool_testkit::postgres::{PrivateServer, ServerOptions};
use tokio_postgres::SimpleQueryMessage;

/// A server and as many connections to it. `POOL_POSTGRES_URL` names one that is there already.
async fn connections<const N: usize>() -> (Option<PrivateServer>, [PostgresConnection; N]) {
    let given = std::env::var("POOL_POSTGRES_URL").ok();
    let server = given
        .is_none()
        .then(|| PrivateServer::start(&ServerOptions::new()).unwrap());
    let url = server.as_ref().map(PrivateServer::url).or(given).unwrap();
    let manager = PostgresManager::new(&url).unwrap();
    let mut all = Vec::new();
    while all.len() < N {
        all.push(manager.open().await.unwrap());
    }
    (server, all.try_into().unwrap())
}

async fn ask(conn: &PostgresConnection, sql: &str, about: &str) -> Option<String> {
    conn.query_one(sql, &[&about]).await.unwrap().get(0)
}

const SETTINGS: &[&str] = &[
    "SET work_mem = '4MB'",
    "SET work_mem TO 4097",
    "SET sort_mem = 5000",
    "SET app.id = 007",
    "SET app.id = - 007",
    "SET app.id = +1.50",
    "SET app.id = .5",
    "SET app.id = 1e5",
    "SET app.id = 0099999999999",
    "SET app.id = -2147483648",
    "SET app.id = -0",
    "SET \"App.Id\" = Foo",
    "SET app.id = \"Foo\"\"Bar\"",
    "SET app.id = ON",
    "SET app.id = TRUE",
    "SET app.id = left",
    "SET app.id = ''",
    "SET app.id = 'it''s; -- x'",
    "SET app.id = 'C:\\x'",
    "SET app.id = E'a\\tb\\'c\\\\\\q'",
    "SET app.id = $$a'b$$",
    "SET app.id = $t$a$$b$t$",
    "SET app.id = 'a' -- x'\n\n -- '\n 'b'\r'c'",
    "SET app.id = E'a\\\\'\n'b\\'c'",
    "SET session.x = 1",
    "SET LOCAL.x = 1",
    "SET transaction.x = 1",
    "SET search_path = Foo, pg_catalog",
    "SET search_path = \"A b\", c",
    "SET search_path = ''",
    "SET search_path = 'a, b'",
    "SET search_path TO \"$user\", \"user\", \"left\", \"values\", \"set\", \"_a1\", \"1a\", \"é\", \"a\"\"b\"",
    "SET temp_tablespaces = ''",
    "SET SCHEMA 'My'",
    "SET datestyle = ISO, DMY",
    "SET datestyle = German",
    "SET intervalstyle = 'iso_8601'",
    "SET TIME ZONE 'Europe/Rome'",
    "SET TIME ZONE UTC",
    "SET TIME ZONE -5",
    "SET TIME ZONE 5.5",
    "SET TIME ZONE INTERVAL '-08:00'",
    "SET TIME ZONE INTERVAL $$+02:30$$",
    "SET NAMES 'UTF8'",
    "SET XML OPTION DOCUMENT",
    "SET ROLE pg_read_all_data",
    "SET ROLE 'pg_read_all_data'",
    "SET ROLE NONE",
    "SET enable_seqscan = off",
    "SET statement_timeout = '90s'",
    "SET extra_float_digits = -3",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, DEFERRABLE, ISOLATION LEVEL SERIALIZABLE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE ISOLATION LEVEL READ UNCOMMITTED",
];

#[tokio::test]
async fn settings_replayed_by_set_config_are_those_that_the_text_sets() {
    let (_server, [original, replayed]) = connections().await;
    for text in SETTINGS {
        original.batch_execute(text).await.unwrap();
        let script = classify(text);
        let Kind::Set { assignments, .. } = &script.statements[0].kind else {
            panic!("{text}: {script:?}");
        };
        for one in assignments {
            let SetValue::Literal(value) = &one.value else {
                panic!("{text}: {one:?}");
            };
            let replay = "SELECT set_config($1, $2, false)";
            replayed.query(replay, &[&one.name, value]).await.unwrap();
            let question = "SELECT current_setting($1)";
            let expected = ask(&original, question, &one.name).await;
            let found = ask(&replayed, question, &one.name).await;
            assert_eq!(found, expected, "{text}");
        }
        for conn in [&original, &replayed] {
            conn.batch_execute("RESET ALL; RESET ROLE").await.unwrap();
        }
    }
}

/// Texts that run, each with a name in it, and what the server calls that.
const NAMES: &[(&str, &str)] = &[
    (
        "PREPARE {} AS SELECT 1",
        "SELECT name FROM pg_prepared_statements WHERE from_sql",
    ),
    (
        "DECLARE {} CURSOR WITH HOLD FOR SELECT 1",
        "SELECT name FROM pg_cursors WHERE is_holdable",
    ),
    ("LISTEN {}", "SELECT pg_listening_channels()"),
    (
        "CREATE TEMP TABLE {} (a int)",
        "SELECT relname::text FROM pg_class WHERE relnamespace = pg_my_temp_schema()",
    ),
];

#[tokio::test]
async fn names_are_those_that_the_server_uses() {
    let (_server, [conn]) = connections().await;
    let long = format!("{}é", "a".repeat(62));
    for spelled in [
        "Foo",
        "\"Foo\"",
        "\"a\"\"b\"",
        "x$1",
        "ÉcolE",
        "savepoint",
        "int",
        &long,
    ] {
        for (text, question) in NAMES {
            let text = text.replace("{}", spelled);
            conn.batch_execute(&text).await.unwrap();
            let found: String = conn.query_one(*question, &[]).await.unwrap().get(0);
            let name = match classify(&text).statements.swap_remove(0).kind {
                Kind::Prepare { name }
                | Kind::DeclareCursor { name, .. }
                | Kind::CreateTemporary { name, .. } => name,
                Kind::Listen { channel } => channel,
                kind => panic!("{text}: {kind:?}"),
            };
            assert_eq!(name, found, "{text}");
            let tidy = "CLOSE ALL; UNLISTEN *; DISCARD TEMP";
            conn.batch_execute(tidy).await.unwrap();
            if text.starts_with("PREPARE") {
                let tidy = format!("DEALLOCATE PREPARE {spelled}");
                conn.batch_execute(&tidy).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn texts_are_cut_into_as_many_statements_as_the_server_runs() {
    let (_server, [conn]) = connections().await;
    for text in [
        ";; SELECT 1; ; SELECT 2;",
        "SELECT ';'; SELECT ';;'",
        "SELECT E'\\';'; SELECT 1",
        "SELECT 'a'\n';'; SELECT 1",
        "SELECT E'a'\n'\\';'; SELECT 1",
        "SELECT 'a' -- '\n ';'; SELECT 1",
        "SELECT $$;$$; SELECT $a$;$b$;$a$; SELECT $a$$a$",
        "SELECT $a$ $a $a$; SELECT 1",
        "SELECT 1 AS a$b; SELECT 1 AS c$;",
        "SELECT 1 AS \";\"; SELECT 1 AS \"a\"\";\"",
        "SELECT U&';\\0041'; SELECT 1 AS U&\";\"; SELECT B'1'; SELECT X'1'",
        "SELECT /* ; /* ; */ ; */ 1; SELECT 1 -- ;\r; SELECT 1",
        "SELECT 2 -/* ; */ 1; SELECT 2 *-- ;\n 1",
        "CREATE TEMP TABLE t (a int); CREATE RULE r AS ON DELETE TO t DO ALSO (INSERT INTO t VALUES (1); DELETE FROM t); DROP TABLE t",
    ] {
        let messages = conn.simple_query(text).await.unwrap();
        let ran = messages
            .iter()
            .filter(|message| matches!(message, SimpleQueryMessage::CommandComplete(_)))
            .count();
        assert_eq!(classify(text).statements.len(), ran, "{text}");
    }
}

#[tokio::test]
async fn keywords_are_those_of_the_server() {
    let (_server, [conn]) = connections().await;
    let sql = "SELECT word, catcode::text, quote_ident(word) FROM pg_get_keywords()";
    for row in conn.query(sql, &[]).await.unwrap() {
        let (word, code, quoted): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let expected = match code.as_str() {
            "C" => Class::Column,
            "T" => Class::Function,
            "R" => Class::Reserved,
            _ => Class::Free,
        };
        assert_eq!(keywords::class(&word), expected, "{word}");
        assert_eq!(spelling::quote_identifier(&word), quoted);
    }
}

#[tokio::test]
async fn harmless_functions_are_the_servers_own() {
    let (_server, [conn]) = connections().await;
    let sql = "SELECT EXISTS (SELECT FROM pg_proc \
        WHERE proname = $1 AND pronamespace = 'pg_catalog'::regnamespace)";
    for name in functions::HARMLESS {
        let name = std::str::from_utf8(name).unwrap();
        let exists: bool = conn.query_one(sql, &[&name]).await.unwrap().get(0);
        assert!(exists, "{name}");
    }
}
