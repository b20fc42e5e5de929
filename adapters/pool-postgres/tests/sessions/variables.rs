//! Settings follow their session.

use crate::log;
use crate::support::{
    ask_elsewhere, begin, code, occupy, run, sessions, sessions_at, show, show_elsewhere,
};
use pool_multiplex::SessionOptions;
use pool_postgres::tokio_postgres::types::{ToSql, Type};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_setting_is_found_on_another_connection() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    assert_eq!(a.set("work_mem", "7MB").await.unwrap(), "7MB");
    let occupied = occupy(&mut a).await;
    assert_eq!(show(&mut a, "work_mem").await, "7MB");
    occupied.moved(&mut a).await;
    let mut b = sessions.create().unwrap();
    assert_eq!(show(&mut b, "work_mem").await, "4MB", "another session's");
}

#[tokio::test]
async fn set_as_text_is_read_back_as_the_server_spells_it() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.execute("SET work_mem = '8192kB'", &[]).await.unwrap();
    assert_eq!(a.setting("work_mem").unwrap().as_deref(), Some("8MB"));
    a.batch("SET datestyle = 'German'").await.unwrap();
    a.batch("SET datestyle = 'dmy'").await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "datestyle").await, "German, DMY");
    assert_eq!(a.set("datestyle", "iso").await.unwrap(), "ISO, DMY");
    assert_eq!(show_elsewhere(&mut a, "datestyle").await, "ISO, DMY");
}

#[tokio::test]
async fn a_value_that_is_there_already_is_not_set_again() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("SET datestyle = 'iso'").await.unwrap();
    let replayed = sessions.statistics().replayed_settings;
    for _ in 0..5 {
        assert_eq!(show(&mut a, "datestyle").await, "ISO, MDY");
    }
    assert_eq!(sessions.statistics().replayed_settings, replayed);
}

#[tokio::test]
async fn a_hundred_sessions_of_the_same_settings_set_them_once_on_each_connection() {
    const CONNECTIONS: u32 = 10;
    let sessions = sessions_at(&log::server().url(), CONNECTIONS).await;
    let options = (0..5).fold(SessionOptions::new(), |options, at| {
        options.setting(format!("same_five.s{at}"), "1")
    });
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let mut session = sessions.create_with(options.clone()).unwrap();
        tasks.spawn(async move {
            for _ in 0..100 {
                let sql = "SELECT current_setting('same_five.s0')";
                let row = session.query_one(sql, &[]).await.unwrap();
                assert_eq!(row.get::<_, &str>(0), "1");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let lines = log::lines_with("statement: BEGIN; SET \"same_five\".\"s");
    assert!(!lines.is_empty(), "the log is read wrongly");
    assert!(lines.len() <= CONNECTIONS as usize, "{lines:?}");
}

#[tokio::test]
async fn resets_go_back_to_what_the_session_began_with() {
    let sessions = sessions(2).await;
    let options = SessionOptions::new()
        .setting("work_mem", "3MB")
        .setting("app.tier", "gold");
    for reset in [
        "RESET work_mem; RESET app.tier",
        "SET work_mem TO DEFAULT; SET app.tier TO DEFAULT",
        "RESET ALL",
        "DISCARD ALL",
    ] {
        let mut a = sessions.create_with(options.clone()).unwrap();
        run(&mut a, "SET work_mem = '9MB'; SET app.tier = 'lead'").await;
        assert_eq!(show_elsewhere(&mut a, "work_mem").await, "9MB");
        run(&mut a, reset).await;
        assert_eq!(show(&mut a, "work_mem").await, "3MB", "{reset}");
        assert_eq!(show_elsewhere(&mut a, "work_mem").await, "3MB", "{reset}");
        assert_eq!(show_elsewhere(&mut a, "app.tier").await, "gold", "{reset}");
    }
    let mut a = sessions.create_with(options).unwrap();
    a.set("work_mem", "9MB").await.unwrap();
    a.reset("work_mem").await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "3MB");
}

#[tokio::test]
async fn reset_all_keeps_the_role_as_the_server_does() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set_role("pg_monitor").await.unwrap();
    run(&mut a, "SET work_mem = '9MB'; RESET ALL").await;
    let sql = "SELECT current_user || ' ' || current_setting('work_mem')";
    assert_eq!(ask_elsewhere(&mut a, sql).await, "pg_monitor 4MB");
    a.reset_role().await.unwrap();
    assert_eq!(
        ask_elsewhere(&mut a, "SELECT current_user::text").await,
        "postgres"
    );
}

#[tokio::test]
async fn a_local_value_ends_with_the_transaction_and_covers_no_other() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    for (texts, left) in [
        (
            ["SET work_mem = '5MB'", "SET LOCAL work_mem = '6MB'"],
            "5MB",
        ),
        (
            ["SET LOCAL work_mem = '5MB'", "SET work_mem = '6MB'"],
            "6MB",
        ),
    ] {
        begin(&mut a).await;
        for text in texts {
            run(&mut a, text).await;
        }
        assert_eq!(show(&mut a, "work_mem").await, "6MB");
        a.commit().await.unwrap();
        assert_eq!(show(&mut a, "work_mem").await, left);
        assert_eq!(show_elsewhere(&mut a, "work_mem").await, left);
        run(
            &mut a,
            &format!("BEGIN; {}; {}; COMMIT", texts[0], texts[1]),
        )
        .await;
        assert_eq!(show_elsewhere(&mut a, "work_mem").await, left);
    }
    run(&mut a, "SET LOCAL work_mem = '8MB'").await;
    assert_eq!(show(&mut a, "work_mem").await, "6MB", "outside, nothing");
    run(&mut a, "SET work_mem = '7MB'; SET LOCAL work_mem = '8MB'").await;
    assert_eq!(show(&mut a, "work_mem").await, "7MB");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "7MB");
}

#[tokio::test]
async fn rolled_back_settings_are_what_they_were_to_the_savepoint() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.savepoint("a").await.unwrap();
    tx.set("work_mem", "5MB").await.unwrap();
    tx.savepoint("a").await.unwrap();
    tx.set("work_mem", "6MB").await.unwrap();
    tx.rollback_to("a").await.unwrap();
    assert_eq!(show(&mut tx, "work_mem").await, "5MB");
    tx.release("a").await.unwrap();
    tx.rollback_to("a").await.unwrap();
    assert_eq!(show(&mut tx, "work_mem").await, "4MB");
    tx.commit().await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "4MB");
}

#[tokio::test]
async fn a_reset_that_is_rolled_back_has_not_happened() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    for reset in ["RESET work_mem", "RESET ALL", "SET work_mem TO DEFAULT"] {
        let mut tx = a.transaction().await.unwrap();
        run(&mut tx, reset).await;
        assert_eq!(show(&mut tx, "work_mem").await, "4MB", "{reset}");
        tx.rollback().await.unwrap();
        assert_eq!(show(&mut a, "work_mem").await, "5MB", "{reset}");
        assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB", "{reset}");
    }
    let mut tx = a.transaction().await.unwrap();
    assert_eq!(show(&mut tx, "work_mem").await, "5MB");
    tx.reset("work_mem").await.unwrap();
    assert_eq!(show(&mut tx, "work_mem").await, "4MB");
    tx.rollback().await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
}

#[tokio::test]
async fn one_text_is_one_transaction_unless_it_says_otherwise() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    a.batch("SET work_mem = '6MB'; SELECT 1/0")
        .await
        .unwrap_err();
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
    a.batch("SET work_mem = '6MB'; BEGIN; SET work_mem = '7MB'; ROLLBACK")
        .await
        .unwrap();
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
    a.batch("SET work_mem = '6MB'; COMMIT; SET work_mem = '7MB'; SELECT 1/0")
        .await
        .unwrap_err();
    assert_eq!(show(&mut a, "work_mem").await, "6MB");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "6MB");
}

#[tokio::test]
async fn set_config_follows_in_every_form_that_can_be_told() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "SELECT set_config('app.a', 'literal', false)").await;
    assert_eq!(show_elsewhere(&mut a, "app.a").await, "literal");
    let sql = "SELECT set_config($1, $2, false)";
    a.query(sql, &[&"app.a", &"parameters"]).await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "app.a").await, "parameters");
    let typed: [(&(dyn ToSql + Sync), Type); 2] = [(&"app.a", Type::TEXT), (&"typed", Type::TEXT)];
    a.query_typed(sql, &typed).await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "app.a").await, "typed");
    run(
        &mut a,
        "SELECT pg_catalog.set_config('app.a', 'local', true)",
    )
    .await;
    assert_eq!(show_elsewhere(&mut a, "app.a").await, "typed");
    a.query("SELECT set_config('app.a', $1, true)", &[&"local"])
        .await
        .unwrap();
    assert_eq!(show(&mut a, "app.a").await, "typed");
    begin(&mut a).await;
    a.query(sql, &[&"app.a", &"rolled back"]).await.unwrap();
    assert_eq!(show(&mut a, "app.a").await, "rolled back");
    a.rollback().await.unwrap();
    assert_eq!(show_elsewhere(&mut a, "app.a").await, "typed");
    run(
        &mut a,
        "SELECT set_config('app.a', 'one', false), set_config('app.b', 'two', false)",
    )
    .await;
    assert_eq!(show_elsewhere(&mut a, "app.a").await, "one");
    assert_eq!(show_elsewhere(&mut a, "app.b").await, "two");
    run(
        &mut a,
        "SELECT set_config('app.a', v, false) FROM (VALUES ('x'), ('last')) AS t (v)",
    )
    .await;
    assert_eq!(show_elsewhere(&mut a, "app.a").await, "last");
    run(
        &mut a,
        "SELECT set_config('app.a', 'never', false) WHERE false",
    )
    .await;
    assert_eq!(show_elsewhere(&mut a, "app.a").await, "last");
}

#[tokio::test]
async fn a_set_config_that_cannot_be_followed_is_nobodys_afterwards() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let before = sessions.statistics().tainted;
    run(
        &mut a,
        "SELECT set_config('app.' || 'computed', 'mine', false)",
    )
    .await;
    assert_eq!(sessions.statistics().tainted, before + 1);
    let mut b = sessions.create().unwrap();
    assert_eq!(show(&mut b, "app.computed").await, "");
    assert_eq!(show(&mut a, "app.computed").await, "");
}

#[tokio::test]
async fn a_set_in_a_block_that_rolls_itself_back_has_not_happened() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    let block = |ending: &str| {
        format!(
            "DO $$ BEGIN BEGIN SET work_mem = '9MB'; {ending} \
             EXCEPTION WHEN OTHERS THEN NULL; END; END $$"
        )
    };
    run(&mut a, &block("RAISE EXCEPTION 'back';")).await;
    assert_eq!(show(&mut a, "work_mem").await, "5MB");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
    run(&mut a, &block("")).await;
    assert_eq!(show(&mut a, "work_mem").await, "9MB");
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "9MB");
    run(&mut a, "DO $$ BEGIN RESET work_mem; END $$").await;
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "4MB");
}

#[tokio::test]
async fn a_block_in_a_transaction_leaves_nothing_to_others() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "DO $$ BEGIN SET work_mem = '9MB'; END $$").await;
    assert_eq!(show(&mut tx, "work_mem").await, "9MB");
    tx.commit().await.unwrap();
    let mut b = sessions.create().unwrap();
    assert_eq!(show(&mut b, "work_mem").await, "4MB");
    assert_eq!(show(&mut a, "work_mem").await, "4MB");
}

#[tokio::test]
async fn lists_zones_styles_and_made_up_names_arrive_as_they_were() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    for (set, name, value) in [
        (
            r#"SET search_path = "$user", public, "We, ird""#,
            "search_path",
            r#""$user", public, "We, ird""#,
        ),
        ("SET search_path = ''", "search_path", r#""""#),
        ("SET TIME ZONE 'Europe/Berlin'", "TimeZone", "Europe/Berlin"),
        ("SET TIME ZONE -7", "TimeZone", "<-07>+07"),
        (
            "SET TIME ZONE INTERVAL '+02:30' HOUR TO MINUTE",
            "TimeZone",
            "<+02:30>-02:30",
        ),
        ("SET TIME ZONE LOCAL", "TimeZone", ""),
        ("SET intervalstyle TO iso_8601", "IntervalStyle", "iso_8601"),
        (
            "SET application_name = 'it''s me'",
            "application_name",
            "it's me",
        ),
        ("SET App.\"Mixed\" = 'a\\b'", "app.Mixed", "a\\b"),
        ("SET app.empty = ''", "app.empty", ""),
        ("SET app.unicode = 'żółć'", "app.unicode", "żółć"),
        ("SET XML OPTION DOCUMENT", "xmloption", "document"),
        (
            "SET statement_timeout = 12345",
            "statement_timeout",
            "12345ms",
        ),
    ] {
        run(&mut a, set).await;
        let here = show(&mut a, name).await;
        if !value.is_empty() {
            assert_eq!(here, value, "{set}");
        }
        assert_eq!(show_elsewhere(&mut a, name).await, here, "{set}");
    }
}

#[tokio::test]
async fn a_value_that_the_server_refuses_changes_nothing() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("work_mem", "5MB").await.unwrap();
    let error = a.set("work_mem", "a lot").await.unwrap_err();
    assert_eq!(code(&error), "22023");
    let error = a.set("no_such_setting", "1").await.unwrap_err();
    assert_eq!(code(&error), "42704");
    assert!(a.set("work mem", "1").await.is_err());
    assert!(a.set("app.a", "\0").await.is_err());
    assert_eq!(show_elsewhere(&mut a, "work_mem").await, "5MB");
    assert_eq!(a.setting("no_such_setting").unwrap(), None);
}

#[tokio::test]
async fn defaults_of_transactions_follow() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    run(
        &mut a,
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
    )
    .await;
    let occupied = occupy(&mut a).await;
    begin(&mut a).await;
    assert_eq!(show(&mut a, "transaction_isolation").await, "serializable");
    assert_eq!(show(&mut a, "transaction_read_only").await, "on");
    occupied.moved(&mut a).await;
    a.rollback().await.unwrap();
    occupied.release().await;
    let tx = a.build_transaction().read_only(false);
    let mut tx = tx.start().await.unwrap();
    assert_eq!(show(&mut tx, "transaction_read_only").await, "off");
    assert_eq!(show(&mut tx, "transaction_isolation").await, "serializable");
    tx.rollback().await.unwrap();
}
