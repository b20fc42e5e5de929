//! Settings follow their session.

use crate::support::{ask, occupy, pid, sessions, show};

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
    let occupied = occupy(&mut a).await;
    assert_eq!(show(&mut a, "datestyle").await, "German, DMY");
    occupied.moved(&mut a).await;
}

#[tokio::test]
async fn a_role_follows_and_is_nobody_elses() {
    let sessions = sessions(2).await;
    let mut a = sessions.create().unwrap();
    a.batch("DROP ROLE IF EXISTS follows_me").await.unwrap();
    a.batch("CREATE ROLE follows_me").await.unwrap();
    a.batch("SET ROLE follows_me").await.unwrap();
    let occupied = occupy(&mut a).await;
    assert_eq!(
        ask(&mut a, "SELECT current_user::text").await.unwrap(),
        "follows_me"
    );
    occupied.moved(&mut a).await;
    let here = pid(&mut a).await;
    drop(a);
    occupied.release().await;
    let mut seen = false;
    for _ in 0..2 {
        let mut b = sessions.create().unwrap();
        b.begin(pool_multiplex::Modes::default()).await.unwrap();
        seen |= pid(&mut b).await == here;
        assert_ne!(
            ask(&mut b, "SELECT current_user::text").await.unwrap(),
            "follows_me"
        );
    }
    assert!(seen);
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
    let occupied = occupy(&mut a).await;
    assert_eq!(show(&mut a, "work_mem").await, "4MB");
    occupied.moved(&mut a).await;
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
    a.batch("SET work_mem = '6MB'; BEGIN; SET work_mem = '7MB'; ROLLBACK")
        .await
        .unwrap();
    let here = show(&mut a, "work_mem").await;
    let occupied = occupy(&mut a).await;
    assert_eq!(show(&mut a, "work_mem").await, here);
    occupied.moved(&mut a).await;
    assert_eq!(here, "5MB");
}
