//! What keeps a session on its connection, and lets it go.

use pool_multiplex::{PinReason, Pins};
use pool_sqlite::SqliteSession;

use crate::house::{House, connection, number};

fn pins(session: &SqliteSession) -> Pins {
    session.pins().expect("pins")
}

const TEMPORARY: Pins = Pins::NONE.with(PinReason::TemporaryObject);

#[tokio::test]
async fn a_temporary_table_pins_until_it_is_dropped_and_nobody_else_sees_it() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.execute_batch("CREATE TEMP TABLE x (n)")
        .await
        .expect("a table");
    assert_eq!(pins(&a), TEMPORARY);
    let held = connection(&a);
    for n in 0..4 {
        a.execute("INSERT INTO x VALUES (?1)", [n])
            .await
            .expect("an insert");
        assert_eq!(connection(&a), held);
    }
    assert_eq!(
        number(&mut a, "SELECT count(*) FROM x").await.expect("one"),
        4
    );
    a.execute_batch("DROP TABLE x").await.expect("dropped");
    assert_eq!(pins(&a), Pins::NONE);
    let mut b = house.session();
    assert_eq!(
        number(&mut b, "SELECT count(*) FROM temp.sqlite_schema")
            .await
            .expect("one"),
        0
    );
    assert_eq!(house.pool.status().opened, 1);
}

#[tokio::test]
async fn a_temporary_table_goes_with_its_session() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.execute_batch("CREATE TEMP TABLE x (n); CREATE TEMP VIEW y AS SELECT 1")
        .await
        .expect("two");
    drop(a);
    let mut b = house.session();
    assert_eq!(
        number(&mut b, "SELECT count(*) FROM temp.sqlite_schema")
            .await
            .expect("one"),
        0
    );
    let mut lease = house.pool.acquire().await.expect("a lease");
    lease
        .execute_batch("CREATE TEMP TABLE x (n)")
        .await
        .expect("the name is free");
}

#[tokio::test]
async fn a_rollback_takes_a_temporary_table_away_or_gives_it_back() {
    let house = House::new(1).await;
    let mut a = house.session();
    let mut transaction = a.transaction().await.expect("begun");
    transaction.savepoint("s").await.expect("set");
    transaction
        .execute_batch("CREATE TEMP TABLE x (n)")
        .await
        .expect("a table");
    assert!(pins(&transaction).contains(PinReason::TemporaryObject));
    transaction.rollback_to("s").await.expect("rolled back");
    assert!(!pins(&transaction).contains(PinReason::TemporaryObject));
    transaction.commit().await.expect("committed");
    assert_eq!(pins(&a), Pins::NONE);

    a.execute_batch("CREATE TEMP TABLE x (n)")
        .await
        .expect("a table");
    let mut transaction = a.transaction().await.expect("begun");
    transaction
        .execute_batch("DROP TABLE x")
        .await
        .expect("dropped");
    assert!(!pins(&transaction).contains(PinReason::TemporaryObject));
    transaction.rollback().await.expect("rolled back");
    assert_eq!(pins(&a), TEMPORARY);
    number(&mut a, "SELECT count(*) FROM x")
        .await
        .expect("it is back");
}

#[tokio::test]
async fn a_session_that_ends_in_such_a_transaction_leaves_nothing() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.execute_batch("CREATE TEMP TABLE x (n)")
        .await
        .expect("a table");
    a.execute_batch("BEGIN; DROP TABLE x")
        .await
        .expect("dropped");
    drop(a);
    let mut b = house.session();
    assert_eq!(
        number(&mut b, "SELECT count(*) FROM temp.sqlite_schema")
            .await
            .expect("one"),
        0
    );
}

#[tokio::test]
async fn an_attached_database_pins_until_it_is_detached() {
    let house = House::new(1).await;
    let other = house.folder.path().join("b.db");
    let mut a = house.session();
    let path = other.to_string_lossy().into_owned();
    a.execute("ATTACH ?1 AS other", [path])
        .await
        .expect("attached");
    assert_eq!(pins(&a), Pins::NONE.with(PinReason::AttachedDatabase));
    let held = connection(&a);
    a.execute_batch("CREATE TABLE other.u (n)")
        .await
        .expect("a table");
    assert_eq!(connection(&a), held);
    a.execute_batch("DETACH other").await.expect("detached");
    assert_eq!(pins(&a), Pins::NONE);
    let mut b = house.session();
    let databases = "SELECT count(*) FROM pragma_database_list WHERE name = 'other'";
    assert_eq!(number(&mut b, databases).await.expect("one"), 0);
}

#[tokio::test]
async fn a_cached_attach_is_seen_each_time() {
    let house = House::new(1).await;
    let mut a = house.session();
    for round in 0..3 {
        a.execute("ATTACH ':memory:' AS other", ())
            .await
            .expect("attached");
        assert!(
            pins(&a).contains(PinReason::AttachedDatabase),
            "round {round}"
        );
        a.execute("DETACH other", ()).await.expect("detached");
        assert_eq!(pins(&a), Pins::NONE, "round {round}");
    }
}

#[tokio::test]
async fn cached_statements_that_make_and_drop_a_temporary_table_are_seen_each_time() {
    let house = House::new(1).await;
    for round in 0..3 {
        let mut a = house.session();
        let make = "CREATE TEMP TABLE IF NOT EXISTS x (n)";
        a.execute(make, ()).await.expect("made");
        a.execute(make, ()).await.expect("it is there");
        assert_eq!(pins(&a), TEMPORARY, "round {round}");
        a.execute("DROP TABLE IF EXISTS temp.x", ())
            .await
            .expect("dropped");
        assert_eq!(pins(&a), Pins::NONE, "round {round}");
    }
}

#[tokio::test]
async fn an_attached_session_keeps_its_connection_until_it_is_detached() {
    let house = House::new(2).await;
    let mut a = house.session();
    a.attach().await.expect("attached");
    let held = connection(&a);
    let mut b = house.session();
    for _ in 0..3 {
        number(&mut b, "SELECT 1").await.expect("one");
        assert_ne!(connection(&b), held);
    }
    a.detach().await.expect("detached");
    assert_eq!(house.sessions.statistics().attached, 0);
}
