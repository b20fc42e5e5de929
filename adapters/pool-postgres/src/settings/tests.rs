//! Settings as text, and as a real server reads them.

use super::{SettingError, Settings};
use crate::connection::PostgresConnection;
use crate::server::open;
use proptest::prelude::*;

#[test]
fn settings_resets_and_role_are_written_in_the_order_asked_for() {
    let mut settings = Settings::new();
    assert!(settings.is_empty());
    settings.reset_role();
    settings.set("work_mem", "7MB").unwrap();
    settings.set("app.id", "O'Neil").unwrap();
    settings.reset("TimeZone").unwrap();
    settings.no_role();
    settings.reset("app.tenant").unwrap();
    settings.set("search_path", r#""a\b", c"#).unwrap();
    settings.role(r#"odd "name""#).unwrap();
    assert_eq!(
        settings.as_sql(),
        "RESET ROLE; SET \"work_mem\" TO '7MB'; SET \"app\".\"id\" TO 'O''Neil'; \
         RESET \"TimeZone\"; SET ROLE NONE; RESET \"app\".\"tenant\"; \
         SELECT pg_catalog.set_config('search_path', E'\"a\\\\b\", c', false); \
         SET ROLE \"odd \"\"name\"\"\"; "
    );
}

#[test]
fn names_that_are_none_are_refused() {
    for name in [
        "", ".", "a.", ".a", "a b", "a'b", "1a", "a-b", "a\"b", "a;b", "a\0b",
    ] {
        let mut settings = Settings::new();
        assert_eq!(settings.set(name, "x"), Err(SettingError::Name), "{name}");
        assert_eq!(settings.reset(name), Err(SettingError::Name), "{name}");
        assert!(settings.is_empty());
    }
    assert_eq!(
        Settings::new().set(&"n".repeat(128), "x"),
        Err(SettingError::Name)
    );
}

#[test]
fn role_is_not_changed_as_a_setting() {
    for name in ["role", "Role", "session_authorization"] {
        assert_eq!(
            Settings::new().set(name, "x"),
            Err(SettingError::RoleAsSetting)
        );
    }
}

#[test]
fn values_and_roles_that_would_make_the_text_unreadable_are_refused() {
    assert_eq!(Settings::new().set("a", "b\0c"), Err(SettingError::Value));
    for role in ["", "none", "a\0b", &"r".repeat(64)] {
        assert_eq!(Settings::new().role(role), Err(SettingError::Role));
    }
}

/// Sets `app.v` to each value in one text, and reads them back as the server says they are.
async fn read_back(values: &[String], conforming: &str) -> Vec<String> {
    let conn = open().await;
    conn.run(&format!(
        "SET standard_conforming_strings = {conforming}; SET escape_string_warning = off"
    ))
    .await
    .unwrap();
    let mut settings = Settings::new();
    for (at, value) in values.iter().enumerate() {
        settings.set(&format!("app.v{at}"), value).unwrap();
    }
    conn.run(settings.as_sql()).await.unwrap();
    let mut told = Vec::new();
    for at in 0..values.len() {
        told.push(setting(&conn, &format!("app.v{at}")).await);
    }
    told
}

async fn setting(conn: &PostgresConnection, name: &str) -> String {
    let sql = "SELECT current_setting($1)";
    conn.query_one(sql, &[&name]).await.unwrap().get(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_value_reads_back_as_it_was_whatever_the_server_thinks_of_backslashes(
        values in prop::collection::vec(r#"(\PC|['\\"$;-]|\n|/\*|E'|\\'){0,12}"#, 1..20),
        conforming in prop::sample::select(vec!["on", "off"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        prop_assert_eq!(runtime.block_on(read_back(&values, conforming)), values);
    }
}

/// A list in one literal is a list, and one name in quotes is one name.
#[tokio::test]
async fn lists_are_set_as_they_are_spelled() {
    let conn = open().await;
    for value in [
        "a",
        "a, b",
        "\"A b\", c",
        "\"a, b\"",
        "\"\"",
        "\"$user\", public",
        "\"A\"",
    ] {
        let mut settings = Settings::new();
        settings.set("search_path", value).unwrap();
        conn.run(settings.as_sql()).await.unwrap();
        assert_eq!(setting(&conn, "search_path").await, value);
    }
    conn.run("CREATE SCHEMA one_word; SET search_path TO 'one_word'")
        .await
        .unwrap();
    let schemas = "SELECT current_schemas(false)::text";
    let here: String = conn.query_one(schemas, &[]).await.unwrap().get(0);
    assert_eq!(here, "{one_word}");
}
