//! Prepared statements follow their session, and are shared by those to whom they mean the same.

use crate::log;
use crate::support::{
    ask, begin, code, number, occupy, pid, run, sessions, sessions_at, sessions_of, set_up, url,
};
use pool_multiplex::SessionConfig;
use pool_postgres::tokio_postgres::types::Type;
use pool_postgres::{PostgresManager, SessionError};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_statement_prepared_once_gets_its_name_once_on_each_connection() {
    let sessions = sessions_at(&log::server().url(), 3).await;
    let mut a = sessions.create().unwrap();
    let text = "SELECT $1::int4 + 21";
    let prepared = a.prepare(text).await.unwrap();
    assert_eq!(prepared.parameter_types(), [Type::INT4]);
    let mut occupied = Vec::new();
    let mut pids = Vec::new();
    for at in 0..3 {
        for run in 0..4 {
            let row = a.query_one(&prepared, &[&run]).await.unwrap();
            assert_eq!(row.get::<_, i32>(0), run + 21);
        }
        pids.push(pid(&mut a).await);
        if at < 2 {
            occupied.push(occupy(&mut a).await);
        }
    }
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 3);
    for pid in pids {
        let (named, unnamed) = log::parses(pid, text);
        assert_eq!(named, 1, "{:#?}", log::lines(pid));
        assert!(unnamed <= 1, "{:#?}", log::lines(pid));
    }
    assert_eq!(prepared.sql(), text);
}

#[tokio::test]
async fn the_same_text_with_other_types_is_another_statement() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let text = "SELECT pg_typeof($1)::text";
    for _ in 0..3 {
        let of_int = a.prepare_typed(text, &[Type::INT4]).await.unwrap();
        let of_text = a.prepare_typed(text, &[Type::TEXT]).await.unwrap();
        let row = a.query_one(&of_int, &[&7]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "integer");
        let row = a.query_one(&of_text, &[&"7"]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "text");
        let rows = a.query_typed(text, &[(&7_i64, Type::INT8)]).await.unwrap();
        assert_eq!(rows[0].get::<_, &str>(0), "bigint");
        let rows = a.query_typed(text, &[(&"7", Type::TEXT)]).await.unwrap();
        assert_eq!(rows[0].get::<_, &str>(0), "text");
    }
    begin(&mut a).await;
    let sql = "SELECT count(*) FROM pg_prepared_statements WHERE statement = \
               'SELECT pg_typeof($1)::text'";
    assert_eq!(number(&mut a, sql).await, 3);
}

#[tokio::test]
async fn a_connection_never_has_more_statements_than_it_may_and_every_result_is_right() {
    const SESSIONS: usize = 8;
    let builder = PostgresManager::builder(url()).unwrap();
    let manager = builder.statement_cache_size(5).build().unwrap();
    let sessions = sessions_of(manager, 2, SessionConfig::new()).await;
    let mut tasks = JoinSet::new();
    for worker in 0..SESSIONS {
        let mut session = sessions.create().unwrap();
        tasks.spawn(async move {
            let mut prepared = Vec::new();
            for at in 0..50 {
                let text = format!("SELECT $1::int4 * 1000 + {at}");
                prepared.push(session.prepare(&text).await.unwrap());
            }
            for run in 0..4 {
                for step in 0..50 {
                    let at = (step * 7 + worker * 11 + run) % 50;
                    let own = i32::try_from(worker).unwrap();
                    let row = session.query_one(&prepared[at], &[&own]).await.unwrap();
                    let expected = own * 1000 + i32::try_from(at).unwrap();
                    assert_eq!(row.get::<_, i32>(0), expected);
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut others = Vec::new();
    for _ in 0..2 {
        let mut other = sessions.create().unwrap();
        begin(&mut other).await;
        let sql = "SELECT count(*) FROM pg_prepared_statements";
        let rows = other.query_typed(sql, &[]).await.unwrap();
        let there: i64 = rows[0].get(0);
        assert!((1..=5).contains(&there), "{there}");
        others.push(other);
    }
}

#[tokio::test]
async fn a_changed_table_costs_one_silent_preparation_and_in_a_transaction_one_error() {
    set_up("DROP TABLE IF EXISTS grows; CREATE TABLE grows (a int4); INSERT INTO grows VALUES (1)")
        .await;
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let all = a.prepare("SELECT * FROM grows").await.unwrap();
    assert_eq!(a.query_one(&all, &[]).await.unwrap().len(), 1);
    set_up("ALTER TABLE grows ADD COLUMN b int4 DEFAULT 2").await;
    assert_eq!(a.query_one(&all, &[]).await.unwrap().len(), 2);
    assert_eq!(a.query_one(&all, &[]).await.unwrap().len(), 2);
    set_up("ALTER TABLE grows ADD COLUMN c int4 DEFAULT 3").await;
    let mut tx = a.transaction().await.unwrap();
    ask(&mut tx, "SELECT 'here'").await;
    let error = tx.query(&all, &[]).await.unwrap_err();
    assert!(matches!(error, SessionError::Operation(_)), "{error:?}");
    assert_eq!(code(&error), "0A000");
    tx.rollback().await.unwrap();
    let mut tx = a.transaction().await.unwrap();
    assert_eq!(tx.query_one(&all, &[]).await.unwrap().len(), 3);
    tx.commit().await.unwrap();
    let occupied = occupy(&mut a).await;
    assert_eq!(a.query_one(&all, &[]).await.unwrap().len(), 3);
    occupied.moved(&mut a).await;
}

#[tokio::test]
async fn another_error_of_the_same_code_is_not_tried_again() {
    let sessions = sessions_at(&log::server().url(), 1).await;
    let mut a = sessions.create().unwrap();
    let sql = "DO $$ BEGIN RAISE feature_not_supported USING MESSAGE = 'once'; END $$";
    run(
        &mut a,
        "CREATE OR REPLACE FUNCTION not_supported() RETURNS int4 LANGUAGE plpgsql AS \
         $$ BEGIN RAISE feature_not_supported USING MESSAGE = 'only once'; END $$",
    )
    .await;
    assert_eq!(code(&a.batch(sql).await.unwrap_err()), "0A000");
    let prepared = a.prepare("SELECT not_supported()").await.unwrap();
    let here = pid(&mut a).await;
    let error = a.query(&prepared, &[]).await.unwrap_err();
    assert_eq!(code(&error), "0A000");
    let lines = log::lines(here);
    let raised = lines
        .iter()
        .filter(|line| line.contains("ERROR:  only once"));
    assert_eq!(raised.count(), 1, "{lines:#?}");
}

#[tokio::test]
async fn one_text_under_two_search_paths_is_two_statements_on_the_same_connection() {
    set_up(
        "DROP SCHEMA IF EXISTS sa CASCADE; DROP SCHEMA IF EXISTS sb CASCADE; \
         CREATE SCHEMA sa; CREATE SCHEMA sb; \
         CREATE TABLE sa.t AS SELECT 'of a' AS v; CREATE TABLE sb.t AS SELECT 'of b' AS v",
    )
    .await;
    let sessions = sessions(1).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    run(&mut a, "SET search_path = sa").await;
    run(&mut b, "SET search_path = sb").await;
    let prepared = a.prepare("SELECT v FROM t").await.unwrap();
    assert_eq!(pid(&mut a).await, pid(&mut b).await);
    for _ in 0..4 {
        for (session, own) in [(&mut a, "of a"), (&mut b, "of b")] {
            assert_eq!(ask(session, "SELECT v FROM t").await.unwrap(), own);
            let row = session.query_one(&prepared, &[]).await.unwrap();
            assert_eq!(row.get::<_, &str>(0), own);
            let rows = session.query_typed("SELECT v FROM t", &[]).await.unwrap();
            assert_eq!(rows[0].get::<_, &str>(0), own);
        }
    }
    run(&mut a, "BEGIN; SET LOCAL search_path = sb").await;
    assert_eq!(ask(&mut a, "SELECT v FROM t").await.unwrap(), "of b");
    run(&mut a, "COMMIT").await;
    assert_eq!(ask(&mut a, "SELECT v FROM t").await.unwrap(), "of a");
}

#[tokio::test]
async fn two_schemas_with_other_column_types_never_meet_not_even_in_transactions() {
    set_up(
        "DROP SCHEMA IF EXISTS one CASCADE; DROP SCHEMA IF EXISTS two CASCADE; \
         CREATE SCHEMA one; CREATE SCHEMA two; \
         CREATE TABLE one.t (k int4, v int4); INSERT INTO one.t VALUES (1, 10); \
         CREATE TABLE two.t (k text, v text); INSERT INTO two.t VALUES ('1', 'ten')",
    )
    .await;
    let sessions = sessions(2).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    run(&mut a, "SET search_path = one").await;
    run(&mut b, "SET search_path = two").await;
    let text = "SELECT v FROM t WHERE k = $1";
    for _ in 0..6 {
        let mut tx = a.transaction().await.unwrap();
        let row = tx.query_one(text, &[&1]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 10);
        tx.commit().await.unwrap();
        let mut tx = b.transaction().await.unwrap();
        let row = tx.query_one(text, &[&"1"]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "ten");
        tx.commit().await.unwrap();
        assert_eq!(a.query_one(text, &[&1]).await.unwrap().get::<_, i32>(0), 10);
        let row = b.query_one(text, &[&"1"]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "ten");
    }
}

#[tokio::test]
async fn a_statement_means_what_it_means_to_the_role() {
    set_up(
        "DROP SCHEMA IF EXISTS painter CASCADE; DROP SCHEMA IF EXISTS plumber CASCADE; \
         DROP ROLE IF EXISTS painter; DROP ROLE IF EXISTS plumber; \
         CREATE ROLE painter; CREATE ROLE plumber; \
         CREATE SCHEMA AUTHORIZATION painter; CREATE SCHEMA AUTHORIZATION plumber; \
         SET ROLE painter; CREATE TABLE painter.tools AS SELECT 'brush' AS v; \
         SET ROLE plumber; CREATE TABLE plumber.tools AS SELECT 7 AS v",
    )
    .await;
    let sessions = sessions(1).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    a.set_role("painter").await.unwrap();
    b.set_role("plumber").await.unwrap();
    for _ in 0..4 {
        // In transactions, where a plan of the other's could not be made anew in silence.
        let mut tx = a.transaction().await.unwrap();
        assert_eq!(ask(&mut tx, "SELECT v FROM tools").await.unwrap(), "brush");
        tx.commit().await.unwrap();
        let mut tx = b.transaction().await.unwrap();
        let row = tx.query_one("SELECT v FROM tools", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 7);
        tx.commit().await.unwrap();
    }
    let mut c = sessions.create().unwrap();
    let error = c.query("SELECT v FROM tools", &[]).await.unwrap_err();
    assert_eq!(code(&error), "42P01");
}

#[tokio::test]
async fn a_path_for_one_transaction_leaves_no_statement_of_its_own_behind() {
    set_up(
        "DROP SCHEMA IF EXISTS mine CASCADE; DROP SCHEMA IF EXISTS lent CASCADE; \
         CREATE SCHEMA mine; CREATE SCHEMA lent; \
         CREATE TABLE mine.t AS SELECT 1::int4 AS v; CREATE TABLE lent.t AS SELECT 'x'::text AS v",
    )
    .await;
    let sessions = sessions(1).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    run(&mut a, "SET search_path = mine").await;
    run(&mut b, "SET search_path = mine").await;
    for _ in 0..3 {
        run(&mut a, "BEGIN; SET LOCAL search_path = lent").await;
        assert_eq!(ask(&mut a, "SELECT v FROM t").await.unwrap(), "x");
        run(&mut a, "COMMIT").await;
        let mut tx = b.transaction().await.unwrap();
        let row = tx.query_one("SELECT v FROM t", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 1);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn types_that_the_driver_does_not_know_are_found_on_every_connection() {
    set_up(
        "DROP TYPE IF EXISTS mood CASCADE; CREATE TYPE mood AS ENUM ('glad', 'sad'); \
         DROP TABLE IF EXISTS moods; CREATE TABLE moods AS SELECT 'glad'::mood AS m",
    )
    .await;
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.set("app.id", "a").await.unwrap();
    for in_transaction in [false, true] {
        let occupied = occupy(&mut a).await;
        if in_transaction {
            begin(&mut a).await;
        }
        for _ in 0..3 {
            let rows = a.query("SELECT m FROM moods WHERE m = $1::text::mood", &[&"glad"]);
            assert_eq!(rows.await.unwrap()[0].columns()[0].type_().name(), "mood");
            assert_eq!(
                ask(&mut a, "SELECT current_setting('app.id')")
                    .await
                    .unwrap(),
                "a"
            );
        }
        occupied.moved(&mut a).await;
        occupied.release().await;
        if in_transaction {
            a.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_prepared_statement_is_any_sessions_and_means_what_it_means_there() {
    let sessions = sessions(1).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    let prepared = a
        .prepare("SELECT current_setting('app.id', true)")
        .await
        .unwrap();
    a.set("app.id", "a").await.unwrap();
    b.set("app.id", "b").await.unwrap();
    drop(a);
    let row = b.query_one(&prepared, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "b");
}

#[tokio::test]
async fn a_column_of_another_type_is_found_out() {
    set_up("DROP TABLE IF EXISTS retyped; CREATE TABLE retyped AS SELECT 1::int4 AS k").await;
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let text = "SELECT k FROM retyped WHERE k = $1";
    for _ in 0..3 {
        a.query_one(text, &[&1_i32]).await.unwrap();
    }
    set_up("ALTER TABLE retyped ALTER COLUMN k TYPE text").await;
    for _ in 0..2 {
        let row = a.query_one(text, &[&"1"]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "1");
        let occupied = occupy(&mut a).await;
        let row = a.query_one(text, &[&"1"]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "1");
        occupied.moved(&mut a).await;
        occupied.release().await;
    }
}
