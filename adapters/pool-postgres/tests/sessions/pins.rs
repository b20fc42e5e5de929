//! What keeps a session on its connection, for how long, and that nothing of it is left.

use crate::support::{
    ask, begin, code, is_free, number, occupy, pid, pins, run, sessions, sessions_with, show, user,
};
use pool_multiplex::{PinReason, SessionConfig};
use pool_postgres::{Session, SessionError};

const TEMPORARY: PinReason = PinReason::TemporaryObject;
const LOCK: PinReason = PinReason::AdvisoryLock;

async fn locks(session: &mut Session, key: i64) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {key} AND granted"
    );
    number(session, &sql).await
}

#[tokio::test]
async fn an_advisory_lock_pins_until_it_is_unlocked_as_often_as_locked() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "SELECT pg_advisory_lock(31)").await;
    a.query("SELECT pg_advisory_lock($1)", &[&31_i64])
        .await
        .unwrap();
    let here = pid(&mut a).await;
    assert_eq!(pins(&a), [LOCK]);
    run(&mut a, "SELECT pg_advisory_unlock(31)").await;
    assert_eq!((pins(&a), locks(&mut a, 31).await), (vec![LOCK], 1));
    run(&mut a, "BEGIN; SELECT pg_advisory_lock(31); ROLLBACK").await;
    assert_eq!(pins(&a), [LOCK]);
    let mut tx = a.transaction().await.unwrap();
    tx.savepoint("s").await.unwrap();
    ask(&mut tx, "SELECT pg_advisory_lock(31)::text").await;
    tx.rollback_to("s").await.unwrap();
    tx.rollback().await.unwrap();
    for left in [2, 1] {
        run(&mut a, "SELECT pg_advisory_unlock(31)").await;
        assert_eq!(pins(&a), [LOCK], "{left}");
    }
    assert_eq!(pid(&mut a).await, here);
    run(&mut a, "SELECT pg_advisory_unlock(31)").await;
    assert!(is_free(&a));
    assert_eq!(locks(&mut a, 31).await, 0);
    let occupied = occupy(&mut a).await;
    occupied.moved(&mut a).await;
}

#[tokio::test]
async fn locks_that_were_not_got_or_end_with_the_transaction_pin_nothing() {
    let sessions = sessions(3).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    run(&mut a, "SELECT pg_advisory_lock(3100)").await;
    let got: bool = b
        .query_one("SELECT pg_try_advisory_lock(3100)", &[])
        .await
        .unwrap()
        .get(0);
    assert!(!got && is_free(&b));
    run(&mut b, "SELECT pg_advisory_xact_lock(3101)").await;
    assert!(is_free(&b));
    let mut tx = b.transaction().await.unwrap();
    run(&mut tx, "SELECT pg_advisory_xact_lock(3101)").await;
    assert_eq!(pins(&tx), [PinReason::Transaction]);
    tx.commit().await.unwrap();
    assert!(is_free(&b));
    // Told apart when the transaction ends, and not before.
    let mut tx = b.transaction().await.unwrap();
    run(&mut tx, "SELECT pg_advisory_xact_lock(3105)").await;
    run(&mut tx, "SELECT pg_advisory_lock(3106)").await;
    run(&mut tx, "SELECT pg_advisory_unlock(3106)").await;
    tx.commit().await.unwrap();
    assert!(is_free(&b));
    run(
        &mut a,
        "SELECT pg_advisory_lock(3102); SELECT pg_advisory_unlock_all()",
    )
    .await;
    assert!(is_free(&a));
    // A statement that fails after it has taken one keeps it.
    b.batch("SELECT pg_advisory_lock(3103), 1/0")
        .await
        .unwrap_err();
    let held = locks(&mut a, 3103).await;
    assert_eq!(held == 1, !is_free(&b));
    b.batch("SELECT pg_advisory_lock(3104); SELECT 1/0")
        .await
        .unwrap_err();
    assert_eq!((pins(&b), locks(&mut a, 3104).await), (vec![LOCK], 1));
}

#[tokio::test]
async fn no_lock_outlives_its_session() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    run(
        &mut a,
        "SELECT pg_advisory_lock(3110); SELECT pg_advisory_lock(3110)",
    )
    .await;
    let here = pid(&mut a).await;
    drop(a);
    let mut b = sessions.create().unwrap();
    assert_eq!(pid(&mut b).await, here);
    assert_eq!(locks(&mut b, 3110).await, 0);
}

#[tokio::test]
async fn a_temporary_table_is_usable_until_it_is_dropped_and_unseen_by_others() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "CREATE TEMP TABLE scratch (v int4)").await;
    assert_eq!(pins(&a), [TEMPORARY]);
    let here = pid(&mut a).await;
    for value in 0..5_i32 {
        a.execute("INSERT INTO scratch VALUES ($1)", &[&value])
            .await
            .unwrap();
        assert_eq!(pid(&mut a).await, here);
    }
    assert_eq!(number(&mut a, "SELECT count(*) FROM scratch").await, 5);
    let mut b = sessions.create().unwrap();
    let error = b.query("SELECT * FROM scratch", &[]).await.unwrap_err();
    assert_eq!(code(&error), "42P01");
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "DROP TABLE scratch").await;
    tx.rollback().await.unwrap();
    assert_eq!(pins(&a), [TEMPORARY]);
    assert_eq!(number(&mut a, "SELECT count(*) FROM scratch").await, 5);
    run(&mut a, "DROP TABLE scratch").await;
    assert!(is_free(&a));
    let occupied = occupy(&mut a).await;
    occupied.moved(&mut a).await;
}

#[tokio::test]
async fn the_next_user_of_a_connection_cannot_see_a_temporary_table() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "CREATE TEMP TABLE seen_by_nobody AS SELECT 1 AS v").await;
    let here = pid(&mut a).await;
    drop(a);
    let mut b = sessions.create().unwrap();
    assert_eq!(pid(&mut b).await, here);
    let error = b.query("SELECT * FROM seen_by_nobody", &[]).await;
    assert_eq!(code(&error.unwrap_err()), "42P01");
    run(&mut b, "CREATE TEMP TABLE seen_by_nobody AS SELECT 2 AS v").await;
}

#[tokio::test]
async fn temporary_objects_go_with_their_savepoint_commit_or_discard() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let mut tx = a.transaction().await.unwrap();
    tx.savepoint("s").await.unwrap();
    run(&mut tx, "CREATE TEMP TABLE of_savepoint ()").await;
    assert!(pins(&tx).contains(&TEMPORARY));
    tx.rollback_to("s").await.unwrap();
    assert_eq!(pins(&tx), [PinReason::Transaction]);
    tx.commit().await.unwrap();
    assert!(is_free(&a));
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "CREATE TEMP TABLE of_commit () ON COMMIT DROP").await;
    assert!(pins(&tx).contains(&TEMPORARY));
    tx.commit().await.unwrap();
    assert!(is_free(&a));
    run(&mut a, "CREATE TEMP TABLE at_once () ON COMMIT DROP").await;
    assert!(is_free(&a));
    for create in [
        "CREATE TEMP VIEW kept AS SELECT 1",
        "CREATE TEMPORARY SEQUENCE kept",
        "CREATE TABLE pg_temp.kept ()",
        "SELECT 1 AS v INTO TEMP kept",
        "CREATE TEMP TABLE IF NOT EXISTS kept AS SELECT 1",
        "CREATE LOCAL TEMPORARY TABLE \"kept\" (v serial) ON COMMIT DELETE ROWS",
    ] {
        run(&mut a, create).await;
        assert_eq!(pins(&a), [TEMPORARY], "{create}");
        run(&mut a, "DISCARD TEMP").await;
        assert!(is_free(&a), "{create}");
        run(&mut a, create).await;
        run(&mut a, "DISCARD ALL").await;
        assert!(is_free(&a), "{create}");
    }
    a.batch("CREATE TEMP TABLE never (v int4); SELECT 1/0")
        .await
        .unwrap_err();
    assert!(is_free(&a));
}

#[tokio::test]
async fn a_held_cursor_pins_until_it_is_closed_or_its_opening_rolled_back() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let declare = "DECLARE held CURSOR WITH HOLD FOR SELECT generate_series(1, 10)";
    run(&mut a, declare).await;
    assert_eq!(pins(&a), [PinReason::HeldCursor]);
    let here = pid(&mut a).await;
    run(&mut a, "FETCH 3 FROM held").await;
    assert_eq!(pid(&mut a).await, here);
    let open = number(&mut a, "SELECT count(*) FROM pg_cursors WHERE is_holdable").await;
    assert_eq!(open, 1);
    run(&mut a, "CLOSE held").await;
    assert!(is_free(&a));
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, declare).await;
    run(&mut tx, "DECLARE other CURSOR FOR SELECT 1").await;
    tx.rollback().await.unwrap();
    assert!(is_free(&a));
    run(&mut a, &format!("BEGIN; {declare}; COMMIT")).await;
    assert_eq!(pins(&a), [PinReason::HeldCursor]);
    run(&mut a, "CLOSE ALL").await;
    assert!(is_free(&a));
    let occupied = occupy(&mut a).await;
    occupied.moved(&mut a).await;
}

#[tokio::test]
async fn a_statement_prepared_by_sql_pins_until_it_is_deallocated() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "PREPARE plus (int4) AS SELECT $1 + 1").await;
    assert_eq!(pins(&a), [PinReason::PreparedBySql]);
    let here = pid(&mut a).await;
    run(&mut a, "EXECUTE plus (1)").await;
    assert_eq!(pid(&mut a).await, here);
    // Nothing takes it back but DEALLOCATE, no rollback for one.
    run(&mut a, "BEGIN; PREPARE minus AS SELECT 1; ROLLBACK").await;
    run(&mut a, "DEALLOCATE plus").await;
    assert_eq!(pins(&a), [PinReason::PreparedBySql]);
    run(&mut a, "DEALLOCATE PREPARE minus").await;
    assert!(is_free(&a));
    let kept = a.prepare("SELECT 'of the session'").await.unwrap();
    run(&mut a, "PREPARE one AS SELECT 1; PREPARE two AS SELECT 2").await;
    run(&mut a, "DEALLOCATE ALL").await;
    assert!(is_free(&a));
    a.query_one(&kept, &[]).await.unwrap();
    let error = a.batch("DEALLOCATE one").await.unwrap_err();
    assert_eq!(code(&error), "26000");
    run(&mut a, "PREPARE remains AS SELECT 1").await;
    let here = pid(&mut a).await;
    drop(a);
    let mut others = Vec::new();
    let mut seen = false;
    for _ in 0..2 {
        let mut other = sessions.create().unwrap();
        begin(&mut other).await;
        seen |= pid(&mut other).await == here;
        let sql = "SELECT count(*) FROM pg_prepared_statements WHERE from_sql";
        assert_eq!(number(&mut other, sql).await, 0);
        others.push(other);
    }
    assert!(seen);
}

#[tokio::test]
async fn a_seeded_connection_is_closed_when_its_session_leaves_it() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "SELECT setseed(0.5)").await;
    assert_eq!(pins(&a), [PinReason::Seed]);
    let here = pid(&mut a).await;
    let first: f64 = a.query_one("SELECT random()", &[]).await.unwrap().get(0);
    run(&mut a, "SET seed = 0.5").await;
    let again: f64 = a.query_one("SELECT random()", &[]).await.unwrap().get(0);
    assert_eq!(first.to_bits(), again.to_bits());
    assert_eq!(pid(&mut a).await, here);
    drop(a);
    let mut b = sessions.create().unwrap();
    assert_ne!(pid(&mut b).await, here);
    assert!(is_free(&b));
}

#[tokio::test]
async fn values_of_sequences_are_never_anothers() {
    crate::support::set_up("DROP SEQUENCE IF EXISTS mine_alone; CREATE SEQUENCE mine_alone").await;
    let sessions = sessions(1).await;
    let (mut a, mut b) = (sessions.create().unwrap(), sessions.create().unwrap());
    assert_eq!(number(&mut a, "SELECT nextval('mine_alone')").await, 1);
    assert!(is_free(&a));
    assert_eq!(pid(&mut a).await, pid(&mut b).await);
    for session in [&mut b, &mut a] {
        for sql in ["SELECT currval('mine_alone')", "SELECT lastval()"] {
            let error = session.query(sql, &[]).await.unwrap_err();
            assert_eq!(code(&error), "55000", "{sql}");
            let error = session.batch(sql).await.unwrap_err();
            assert_eq!(code(&error), "55000", "{sql}");
        }
    }
    run(
        &mut a,
        "SELECT nextval('mine_alone'); SELECT currval('mine_alone')",
    )
    .await;
    let mut tx = a.transaction().await.unwrap();
    assert_eq!(number(&mut tx, "SELECT nextval('mine_alone')").await, 3);
    assert_eq!(number(&mut tx, "SELECT currval('mine_alone')").await, 3);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_session_that_keeps_its_last_value_stays_where_it_got_it() {
    crate::support::set_up("DROP SEQUENCE IF EXISTS kept_value; CREATE SEQUENCE kept_value").await;
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.keep_last_value(true).await.unwrap();
    assert_eq!(number(&mut a, "SELECT nextval('kept_value')").await, 1);
    assert_eq!(pins(&a), [PinReason::LastValue]);
    let here = pid(&mut a).await;
    let mut b = sessions.create().unwrap();
    assert_eq!(number(&mut b, "SELECT nextval('kept_value')").await, 2);
    assert_eq!(number(&mut a, "SELECT currval('kept_value')").await, 1);
    assert_eq!(number(&mut a, "SELECT lastval()").await, 1);
    assert_eq!(pid(&mut a).await, here);
    a.keep_last_value(false).await.unwrap();
    assert!(is_free(&a));
    let error = a.query("SELECT currval('kept_value')", &[]).await;
    assert_eq!(code(&error.unwrap_err()), "55000");
}

#[tokio::test]
async fn the_third_pin_of_two_fails_at_once_with_all_reasons_and_a_raised_limit_lets_it() {
    let sessions = sessions_with(4, SessionConfig::new().max_pinned(2)).await;
    let mut all: Vec<_> = (0..3).map(|_| sessions.create().unwrap()).collect();
    run(&mut all[0], "CREATE TEMP TABLE first ()").await;
    run(&mut all[1], "SELECT pg_advisory_lock(39)").await;
    let gauges = sessions.statistics().pinned;
    assert_eq!(gauges, [(TEMPORARY, 1), (LOCK, 1)]);
    let third = "DECLARE third CURSOR WITH HOLD FOR SELECT 1";
    let error = all[2].batch(third).await.unwrap_err();
    match error {
        SessionError::TooManyPinned { limit: 2, reasons } => {
            assert_eq!(reasons.iter().collect::<Vec<_>>(), [TEMPORARY, LOCK]);
        }
        other => panic!("{other:?}"),
    }
    assert!(is_free(&all[2]));
    // A transaction is no pin that counts.
    begin(&mut all[2]).await;
    assert_eq!(show(&mut all[2], "work_mem").await, "4MB");
    all[2].rollback().await.unwrap();
    sessions.set_max_pinned(3);
    run(&mut all[2], third).await;
    assert_eq!(sessions.statistics().pinned.len(), 3);
    run(&mut all[0], "DROP TABLE first").await;
    run(&mut all[0], "CREATE TEMP TABLE first ()").await;
    all.clear();
    assert_eq!(sessions.statistics().pinned, []);
}

#[tokio::test]
async fn a_pinned_session_has_its_settings_and_role_and_cannot_migrate() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    run(
        &mut a,
        "SET work_mem = '7MB'; CREATE TEMP TABLE pinned_here ()",
    )
    .await;
    a.set("work_mem", "8MB").await.unwrap();
    a.set_role("pg_monitor").await.unwrap();
    assert_eq!(show(&mut a, "work_mem").await, "8MB");
    assert_eq!(user(&mut a).await, "pg_monitor");
    match a.migrate().await.unwrap_err() {
        SessionError::Pinned { reasons } => {
            assert_eq!(reasons.iter().collect::<Vec<_>>(), [TEMPORARY]);
        }
        other => panic!("{other:?}"),
    }
    run(&mut a, "DISCARD ALL").await;
    assert_eq!(show(&mut a, "work_mem").await, "4MB");
    assert_eq!(user(&mut a).await, "postgres");
    let last = |session: &Session| session.inner().connection().unwrap().unwrap().connection;
    let here = last(&a);
    a.migrate().await.unwrap();
    assert_ne!(last(&a), here);
    a.attach().await.unwrap();
    assert_eq!(pins(&a), [PinReason::Manual]);
    a.detach().await.unwrap();
    assert!(is_free(&a));
}

#[tokio::test]
async fn what_a_block_sets_is_kept_and_what_it_makes_up_is_gone_at_no_connections_cost() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    a.set("app.mine", "it's").await.unwrap();
    a.set("search_path", "\"$user\", public").await.unwrap();
    a.set_role("pg_monitor").await.unwrap();
    let here = pid(&mut a).await;
    run(
        &mut a,
        "DO $$ BEGIN PERFORM set_config('work_mem', '9MB', false), \
             set_config('app.made_up', 'x', false); END $$",
    )
    .await;
    assert!(is_free(&a));
    let mut b = sessions.create().unwrap();
    assert_eq!(
        (pid(&mut b).await, user(&mut b).await),
        (here, "postgres".into())
    );
    for (name, value) in [("work_mem", "4MB"), ("app.mine", ""), ("app.made_up", "")] {
        assert_eq!(show(&mut b, name).await, value, "{name}");
    }
    let mine = [
        ("work_mem", "9MB"),
        ("app.mine", "it's"),
        ("search_path", "\"$user\", public"),
        ("app.made_up", ""),
    ];
    for (name, value) in mine {
        assert_eq!(show(&mut a, name).await, value, "{name}");
    }
    assert_eq!(user(&mut a).await, "pg_monitor");
}

#[tokio::test]
async fn a_lock_of_a_block_in_a_transaction_that_fails_is_known_at_its_end() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    begin(&mut a).await;
    let block = "DO $$ BEGIN PERFORM pg_advisory_lock(3130); RAISE 'x'; END $$";
    a.batch(block).await.unwrap_err();
    a.rollback().await.unwrap();
    assert_eq!(pins(&a), [LOCK]);
    run(&mut a, "SELECT pg_advisory_unlock(3130)").await;
    assert!(is_free(&a));
    begin(&mut a).await;
    let none = "DO $$ BEGIN PERFORM pg_advisory_xact_lock(3130); RAISE 'x'; END $$";
    a.batch(none).await.unwrap_err();
    a.rollback().await.unwrap();
    assert!(is_free(&a));
}

#[tokio::test]
async fn objects_of_a_block_go_with_their_savepoint_commit_or_drop() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let block = |what: &str| format!("DO $$ BEGIN EXECUTE '{what}'; END $$");
    let mut tx = a.transaction().await.unwrap();
    tx.savepoint("s").await.unwrap();
    run(&mut tx, &block("CREATE TEMP TABLE of_block ()")).await;
    assert!(pins(&tx).contains(&TEMPORARY));
    tx.rollback_to("s").await.unwrap();
    assert_eq!(pins(&tx), [PinReason::Transaction]);
    run(
        &mut tx,
        &block("CREATE TEMP TABLE of_block () ON COMMIT DROP"),
    )
    .await;
    assert!(pins(&tx).contains(&TEMPORARY));
    tx.commit().await.unwrap();
    assert!(is_free(&a));
    run(&mut a, &block("CREATE TYPE pg_temp.of_block AS ENUM ()")).await;
    assert_eq!(pins(&a), [TEMPORARY]);
    run(&mut a, "DROP TYPE of_block").await;
    assert!(is_free(&a));
}

#[tokio::test]
async fn a_temporary_table_is_there_again_after_its_drop_was_rolled_back() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    run(&mut a, "CREATE TEMP TABLE renamed ()").await;
    run(&mut a, "ALTER TABLE renamed RENAME TO another").await;
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "DROP TABLE another").await;
    assert_eq!(pins(&tx), [PinReason::Transaction]);
    tx.rollback().await.unwrap();
    assert_eq!(pins(&a), [TEMPORARY]);
    run(&mut a, "DROP TABLE another").await;
    assert!(is_free(&a));
}

#[tokio::test]
async fn a_held_cursor_of_a_block_pins_until_it_is_closed() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let block = "DO $$ BEGIN EXECUTE 'DECLARE of_block CURSOR WITH HOLD FOR SELECT 1'; END $$";
    run(&mut a, block).await;
    assert_eq!(pins(&a), [PinReason::HeldCursor]);
    run(&mut a, "CLOSE of_block").await;
    assert!(is_free(&a));
}

#[tokio::test]
async fn a_seed_set_by_text_keeps_the_session_where_it_is_and_does_not_follow_it() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    run(
        &mut a,
        "SET seed = 0.5; SELECT set_config('seed', '0.5', false)",
    )
    .await;
    assert_eq!(pins(&a), [PinReason::Seed]);
    assert_eq!(a.setting("seed").unwrap(), None);
}

#[tokio::test]
async fn a_user_that_a_block_becomes_is_nobody_elses() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    run(
        &mut a,
        "DROP ROLE IF EXISTS of_a_block; CREATE ROLE of_a_block",
    )
    .await;
    run(
        &mut a,
        "DO $$ BEGIN SET SESSION AUTHORIZATION of_a_block; END $$",
    )
    .await;
    let mut b = sessions.create().unwrap();
    for session in [&mut a, &mut b] {
        let user = ask(session, "SELECT session_user::text").await;
        assert_eq!(user.as_deref(), Some("postgres"));
    }
}
