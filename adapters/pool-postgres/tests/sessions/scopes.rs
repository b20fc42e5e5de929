//! One text, and what its names mean.

use crate::support::{occupy, pid, sessions};
use pool_postgres::Session;

async fn two_schemas(session: &mut Session, a: &str, b: &str) {
    let sql = format!(
        "DROP SCHEMA IF EXISTS {a} CASCADE; CREATE SCHEMA {a}; CREATE TABLE {a}.t (id int, v int); \
         INSERT INTO {a}.t VALUES (1, 1); \
         DROP SCHEMA IF EXISTS {b} CASCADE; CREATE SCHEMA {b}; CREATE TABLE {b}.t (id text, v text); \
         INSERT INTO {b}.t VALUES ('x', 'y')"
    );
    session.batch(&sql).await.unwrap();
}

#[tokio::test]
async fn the_same_text_has_other_parameters_in_another_schema() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    two_schemas(&mut a, "scopes_p1", "scopes_p2").await;
    let mut b = sessions.create().unwrap();
    a.set("search_path", "scopes_p1").await.unwrap();
    b.set("search_path", "scopes_p2").await.unwrap();
    const SQL: &str = "SELECT v FROM t WHERE id = $1";
    a.query_one(SQL, &[&1_i32]).await.unwrap();
    let found = b.query_one(SQL, &[&"x"]).await;
    assert!(found.is_ok(), "{found:?}");
}

#[tokio::test]
async fn a_column_of_another_type_is_noticed_some_time() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP TABLE IF EXISTS scopes_alter; CREATE TABLE scopes_alter (id int)")
        .await
        .unwrap();
    const SQL: &str = "SELECT id FROM scopes_alter WHERE id = $1";
    a.query(SQL, &[&1_i32]).await.unwrap();
    a.batch("ALTER TABLE scopes_alter ALTER COLUMN id TYPE text")
        .await
        .unwrap();
    let mut last = None;
    for _ in 0..5 {
        let asked = a.query(SQL, &[&"1"]).await;
        if asked.is_ok() {
            return;
        }
        last = Some(asked);
    }
    panic!("{last:?}");
}

#[tokio::test]
async fn a_local_search_path_does_not_spoil_a_statement_for_other_transactions() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    two_schemas(&mut a, "scopes_s1", "scopes_s2").await;
    for schema in ["scopes_s1", "scopes_s2"] {
        let mut tx = a.transaction().await.unwrap();
        tx.batch(&format!("SET LOCAL search_path = {schema}"))
            .await
            .unwrap();
        let found = tx.query("SELECT v FROM t", &[]).await;
        assert!(found.is_ok(), "{schema}: {found:?}");
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_temporary_table_does_not_spoil_a_statement_for_other_transactions() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP TABLE IF EXISTS scopes_shadow; CREATE TABLE scopes_shadow (v int)")
        .await
        .unwrap();
    a.batch("CREATE TEMP TABLE scopes_shadow (v text, w text)")
        .await
        .unwrap();
    a.query("SELECT * FROM scopes_shadow", &[]).await.unwrap();
    a.batch("DROP TABLE pg_temp.scopes_shadow").await.unwrap();
    let mut b = sessions.create().unwrap();
    let mut tx = b.transaction().await.unwrap();
    let found = tx.query("SELECT * FROM scopes_shadow", &[]).await;
    assert!(found.is_ok(), "{found:?}");
}

#[tokio::test]
async fn a_statement_is_not_prepared_under_anothers_search_path_after_its_own_failure() {
    let sessions = sessions(2).await;
    let mut b = sessions.create().unwrap();
    two_schemas(&mut b, "scopes_f1", "scopes_f2").await;
    b.batch("CREATE UNIQUE INDEX ON scopes_f2.t (id)")
        .await
        .unwrap();
    b.set("search_path", "scopes_f2").await.unwrap();
    const SQL: &str = "INSERT INTO t (id) VALUES ($1)";
    b.query(SQL, &[&"once"]).await.unwrap();
    let occupied = occupy(&mut b).await;
    let mut a = sessions.create().unwrap();
    a.set("search_path", "scopes_f1").await.unwrap();
    b.query(SQL, &[&"once"]).await.unwrap_err();
    let again = b.query(SQL, &[&"twice"]).await;
    occupied.release().await;
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test]
async fn deallocate_all_by_query_does_not_take_the_drivers_statements() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.query("SELECT 1", &[]).await.unwrap();
    tx.query("DEALLOCATE ALL", &[]).await.unwrap();
    let again = tx.query("SELECT 1", &[]).await;
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test]
async fn declared_types_of_a_database_are_kept() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP TYPE IF EXISTS scopes_mood; CREATE TYPE scopes_mood AS ENUM ('sad', 'ok')")
        .await
        .unwrap();
    let known = a.prepare("SELECT $1::scopes_mood").await.unwrap();
    let mood = known.parameter_types()[0].clone();
    let prepared = a
        .prepare_typed("SELECT pg_typeof($1)::text", std::slice::from_ref(&mood))
        .await;
    assert_eq!(prepared.unwrap().parameter_types(), [mood]);
}

#[tokio::test]
async fn discard_all_does_not_cost_the_connection() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let here = pid(&mut a).await;
    a.batch("DISCARD ALL").await.unwrap();
    assert_eq!(pid(&mut a).await, here);
}

#[tokio::test]
async fn a_transaction_reads_the_value_of_its_own_sequence() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch("CREATE SEQUENCE IF NOT EXISTS scopes_seq")
        .await
        .unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.query("SELECT nextval('scopes_seq')", &[]).await.unwrap();
    let read = tx.query("SELECT currval('scopes_seq')", &[]).await;
    assert!(read.is_ok(), "{read:?}");
}

#[tokio::test]
async fn a_functions_lastval_is_not_another_sessions() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.batch(
        "CREATE SEQUENCE IF NOT EXISTS scopes_seq2; CREATE OR REPLACE FUNCTION scopes_last() \
             RETURNS bigint LANGUAGE sql AS 'SELECT lastval()'",
    )
    .await
    .unwrap();
    a.query("SELECT nextval('scopes_seq2')", &[]).await.unwrap();
    drop(a);
    let mut b = sessions.create().unwrap();
    b.query("SELECT scopes_last()", &[]).await.unwrap_err();
}
