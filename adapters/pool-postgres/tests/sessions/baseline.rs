//! What a connection begins with is what sessions are reset to.

use crate::support::{
    ask, ask_elsewhere, occupy, pid, run, sessions, sessions_of, show, show_elsewhere, url,
};
use pool_core::WarmUp;
use pool_multiplex::{SessionConfig, SessionPool as _, Sessions};
use pool_postgres::{PostgresManager, Reset};

#[tokio::test]
async fn options_of_the_connection_string_are_what_resets_go_back_to() {
    let url = format!(
        "{}?options=-c%20work_mem%3D3MB%20-c%20app.tier%3Dgold",
        url()
    );
    let manager = PostgresManager::new(&url).unwrap();
    let sessions = sessions_of(manager, 2, SessionConfig::new()).await;
    let mut a = sessions.create().unwrap();
    for reset in ["RESET work_mem; RESET app.tier", "RESET ALL", "DISCARD ALL"] {
        run(&mut a, "SET work_mem = '9MB'; SET app.tier = 'lead'").await;
        assert_eq!(show_elsewhere(&mut a, "work_mem").await, "9MB");
        run(&mut a, reset).await;
        assert_eq!(show(&mut a, "work_mem").await, "3MB", "{reset}");
        assert_eq!(show_elsewhere(&mut a, "app.tier").await, "gold", "{reset}");
        assert_eq!(show_elsewhere(&mut a, "work_mem").await, "3MB", "{reset}");
    }
}

async fn warm(connections: u32) -> Sessions<PostgresManager> {
    let plan = WarmUp::new()
        .execute("SET work_mem = '3MB'")
        .execute("SET app.tier = 'gold'");
    let manager = PostgresManager::builder(url()).unwrap();
    let manager = manager.reset(Reset::WhenTainted).build().unwrap();
    let builder = crate::support::PostgresPool::builder(manager)
        .max_size(connections)
        .warm_up(plan);
    builder.build().await.unwrap().sessions()
}

#[tokio::test]
async fn settings_of_the_warm_up_are_there_for_every_session_whatever_others_did() {
    let sessions = warm(1).await;
    let mut a = sessions.create().unwrap();
    let mut b = sessions.create().unwrap();
    for change in [
        "SET work_mem = '9MB'; SET app.tier = 'lead'",
        "RESET work_mem",
        "RESET ALL",
        "SET work_mem TO DEFAULT",
        "DISCARD ALL",
        "SET work_mem = '9MB'; RESET work_mem",
        "BEGIN; RESET ALL; COMMIT",
        "DO $$ BEGIN SET work_mem = '9MB'; END $$",
        "DO $$ BEGIN RESET work_mem; RESET app.tier; END $$",
        "DO $$ BEGIN NULL; END $$",
    ] {
        run(&mut a, change).await;
        assert_eq!(show(&mut b, "work_mem").await, "3MB", "{change}");
        assert_eq!(show(&mut b, "app.tier").await, "gold", "{change}");
    }
    for reset in ["RESET work_mem; RESET app.tier", "RESET ALL", "DISCARD ALL"] {
        run(&mut a, "SET work_mem = '9MB'; SET app.tier = 'lead'").await;
        assert_eq!(show(&mut a, "work_mem").await, "9MB");
        run(&mut a, reset).await;
        assert_eq!(show(&mut a, "work_mem").await, "3MB", "{reset}");
        assert_eq!(show(&mut a, "app.tier").await, "gold", "{reset}");
    }
    a.set("work_mem", "9MB").await.unwrap();
    a.reset("work_mem").await.unwrap();
    assert_eq!(show(&mut a, "work_mem").await, "3MB");
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "SET work_mem = '9MB'").await;
    run(&mut tx, "RESET work_mem").await;
    tx.commit().await.unwrap();
    assert_eq!(show(&mut a, "work_mem").await, "3MB");
    assert_eq!(show(&mut b, "work_mem").await, "3MB");
}

#[tokio::test]
async fn discard_all_does_not_cost_the_connection() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let here = pid(&mut a).await;
    run(
        &mut a,
        "SET work_mem = '9MB'; CREATE TEMP TABLE discarded ()",
    )
    .await;
    run(&mut a, "DISCARD ALL").await;
    assert_eq!(show(&mut a, "work_mem").await, "4MB");
    run(&mut a, "DISCARD TEMP; DISCARD PLANS; DISCARD SEQUENCES").await;
    run(&mut a, "DEALLOCATE ALL").await;
    assert_eq!(pid(&mut a).await, here);
    assert_eq!(sessions.statistics().tainted, 0);
}

#[tokio::test]
async fn a_made_up_setting_is_empty_where_it_was_once_and_null_where_it_was_not() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    let occupied = occupy(&mut a).await;
    a.set("app.once", "set").await.unwrap();
    a.reset("app.once").await.unwrap();
    let sql = "SELECT current_setting('app.once', true)";
    assert_eq!(ask(&mut a, sql).await.unwrap_or_default(), "");
    occupied.release().await;
    assert_eq!(ask_elsewhere(&mut a, sql).await, "");
}

#[tokio::test]
async fn what_ends_with_the_transaction_holds_nobody_longer() {
    let sessions = sessions(1).await;
    let mut a = sessions.create().unwrap();
    let here = pid(&mut a).await;
    let mut tx = a.transaction().await.unwrap();
    run(&mut tx, "DECLARE short CURSOR FOR SELECT 1; FETCH short").await;
    run(
        &mut tx,
        "SELECT pg_advisory_xact_lock(33), pg_export_snapshot()",
    )
    .await;
    run(&mut tx, "SELECT lo_open(lo_create(0), 393216)").await;
    run(
        &mut tx,
        "SET CONSTRAINTS ALL DEFERRED; SELECT pg_notify('c', 'x')",
    )
    .await;
    tx.commit().await.unwrap();
    assert!(crate::support::is_free(&a));
    assert_eq!(pid(&mut a).await, here);
    assert_eq!(sessions.statistics().tainted, 0);
}
