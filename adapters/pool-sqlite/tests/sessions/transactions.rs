//! Transactions and savepoints: what is taken back, and that settings are not.

use pool_multiplex::{Error, Pins, TransactionStatus};
use rusqlite::TransactionBehavior;

use crate::house::{House, connection, number, variable};

const COUNT: &str = "SELECT count(*) FROM t";

#[tokio::test]
async fn a_transaction_is_the_sessions_own_and_ends_as_it_is_told() {
    let house = House::new(2).await;
    let (mut a, mut b) = (house.session(), house.session());
    let mut transaction = a
        .transaction_with(TransactionBehavior::Immediate)
        .await
        .expect("begun");
    transaction
        .execute("INSERT INTO t VALUES (?1)", [1])
        .await
        .expect("an insert");
    assert_eq!(number(&mut b, COUNT).await.expect("one"), 0);
    assert_eq!(number(&mut transaction, COUNT).await.expect("one"), 1);
    transaction.commit().await.expect("committed");
    assert_eq!(number(&mut b, COUNT).await.expect("one"), 1);
    let mut transaction = a.transaction().await.expect("begun");
    transaction
        .execute("DELETE FROM t", ())
        .await
        .expect("a delete");
    transaction.rollback().await.expect("rolled back");
    assert_eq!(number(&mut b, COUNT).await.expect("one"), 1);
    assert_eq!(a.pins().expect("pins"), Pins::NONE);
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back_and_its_lock_goes() {
    let house = House::new(2).await;
    let (mut a, mut b) = (house.session(), house.session());
    a.set("cache_size", "-5").await.expect("set");
    let mut transaction = a
        .transaction_with(TransactionBehavior::Immediate)
        .await
        .expect("begun");
    transaction
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .expect("an insert");
    transaction.set("cache_size", "-6").await.expect("set");
    transaction.set("app.id", "x").await.expect("set");
    drop(transaction);
    b.execute("INSERT INTO t VALUES (2)", ())
        .await
        .expect("nobody holds the lock");
    assert_eq!(
        number(&mut a, "SELECT sum(n) FROM t").await.expect("one"),
        2
    );
    // Settings know no transactions, whichever way it was rolled back.
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -6);
    assert_eq!(variable(&mut a, "app.id").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn a_dropped_transaction_leaves_a_temporary_table_where_it_is() {
    let house = House::new(2).await;
    let mut a = house.session();
    a.execute_batch("CREATE TEMP TABLE x AS SELECT 1 AS n")
        .await
        .expect("a table");
    let mut transaction = a.transaction().await.expect("begun");
    transaction
        .execute("INSERT INTO x VALUES (2)", ())
        .await
        .expect("an insert");
    drop(transaction);
    assert_eq!(
        number(&mut a, "SELECT count(*) FROM x").await.expect("one"),
        1
    );
    assert_eq!(
        a.base().status().expect("a status"),
        TransactionStatus::Idle
    );
}

#[tokio::test]
async fn a_transaction_that_ran_nothing_costs_nothing() {
    let house = House::new(1).await;
    let (mut a, mut b) = (house.session(), house.session());
    let first = a.transaction().await.expect("begun");
    let second = b.transaction().await.expect("begun");
    first.commit().await.expect("committed");
    drop(second);
    assert_eq!(house.sessions.statistics().attaches, 0);
    number(&mut b, "SELECT 1").await.expect("one");
}

#[tokio::test]
async fn savepoints_take_back_rows_and_not_settings() {
    let house = House::new(2).await;
    let mut a = house.session();
    a.set("cache_size", "-10").await.expect("set");
    let mut transaction = a.transaction().await.expect("begun");
    transaction.savepoint("a").await.expect("set");
    transaction
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .expect("an insert");
    transaction.set("cache_size", "-20").await.expect("set");
    transaction.savepoint("A").await.expect("set");
    transaction
        .execute("INSERT INTO t VALUES (2)", ())
        .await
        .expect("an insert");
    transaction.set("cache_size", "-30").await.expect("set");
    transaction
        .set("recursive_triggers", "on")
        .await
        .expect("set");
    transaction.rollback_to("a").await.expect("rolled back");
    assert_eq!(number(&mut transaction, COUNT).await.expect("one"), 1);
    assert_eq!(
        number(&mut transaction, "PRAGMA cache_size")
            .await
            .expect("one"),
        -30
    );
    transaction.release("a").await.expect("released");
    transaction.rollback_to("a").await.expect("the earlier one");
    assert_eq!(number(&mut transaction, COUNT).await.expect("one"), 0);
    transaction.release("a").await.expect("released");
    let outcome = transaction.release("a").await;
    assert!(matches!(outcome, Err(Error::NoSavepoint(_))), "{outcome:?}");
    transaction.rollback().await.expect("rolled back");
    house.swap(&mut a).await;
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -30);
    assert_eq!(
        number(&mut a, "PRAGMA recursive_triggers")
            .await
            .expect("one"),
        1
    );
}

#[tokio::test]
async fn what_was_replayed_for_a_transaction_is_there_after_its_rollback() {
    let house = House::new(1).await;
    let (mut a, mut b) = (house.session(), house.session());
    b.set("cache_size", "-1").await.expect("set");
    b.set("read_uncommitted", "on").await.expect("set");
    a.set("cache_size", "-2").await.expect("set");
    number(&mut b, "SELECT 1")
        .await
        .expect("b is on the connection");
    // The replay and the begin are one job; the rollback takes back one of them.
    let mut transaction = a.transaction().await.expect("begun");
    number(&mut transaction, COUNT).await.expect("one");
    transaction.rollback().await.expect("rolled back");
    assert_eq!(number(&mut b, "PRAGMA cache_size").await.expect("one"), -1);
    assert_eq!(
        number(&mut b, "PRAGMA read_uncommitted")
            .await
            .expect("one"),
        1
    );
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -2);
    assert_eq!(
        number(&mut a, "PRAGMA read_uncommitted")
            .await
            .expect("one"),
        0
    );
}

#[tokio::test]
async fn a_reset_in_a_transaction_stays_when_it_is_rolled_back() {
    let house = House::new(2).await;
    let mut a = house.session();
    let opened = number(&mut a, "PRAGMA cache_size").await.expect("one");
    a.set("cache_size", "-2").await.expect("set");
    a.set("app.id", "x").await.expect("set");
    let mut transaction = a.transaction().await.expect("begun");
    transaction.reset("cache_size").await.expect("reset");
    transaction.reset("app.id").await.expect("reset");
    transaction.rollback().await.expect("rolled back");
    house.swap(&mut a).await;
    assert_eq!(
        number(&mut a, "PRAGMA cache_size").await.expect("one"),
        opened
    );
    assert_eq!(variable(&mut a, "app.id").await, None);
}

#[tokio::test]
async fn transactions_in_sql_are_seen() {
    let house = House::new(2).await;
    let mut a = house.session();
    a.execute_batch("BEGIN; INSERT INTO t VALUES (1); PRAGMA cache_size = -3")
        .await
        .expect("begun");
    assert_eq!(
        a.base().status().expect("a status"),
        TransactionStatus::Active
    );
    let held = connection(&a);
    number(&mut a, COUNT).await.expect("one");
    assert_eq!(connection(&a), held);
    a.execute_batch("ROLLBACK; BEGIN; INSERT INTO t VALUES (7)")
        .await
        .expect("another");
    assert_eq!(
        a.base().status().expect("a status"),
        TransactionStatus::Active
    );
    a.execute_batch("COMMIT").await.expect("committed");
    assert_eq!(
        a.base().status().expect("a status"),
        TransactionStatus::Idle
    );
    house.swap(&mut a).await;
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -3);
    assert_eq!(
        number(&mut a, "SELECT sum(n) FROM t").await.expect("one"),
        7
    );
}

#[tokio::test]
async fn a_rollback_by_sqlite_itself_ends_the_transaction_in_the_books() {
    let house = House::new(2).await;
    let mut a = house.session();
    a.execute_batch("CREATE TABLE u (n UNIQUE ON CONFLICT ROLLBACK); INSERT INTO u VALUES (1)")
        .await
        .expect("a table");
    let mut transaction = a.transaction().await.expect("begun");
    transaction
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .expect("an insert");
    let outcome = transaction.execute("INSERT INTO u VALUES (1)", ()).await;
    assert!(matches!(outcome, Err(Error::Operation(_))), "{outcome:?}");
    assert_eq!(
        transaction.base().status().expect("a status"),
        TransactionStatus::Idle
    );
    transaction.rollback().await.expect("it is gone already");
    assert_eq!(number(&mut a, COUNT).await.expect("one"), 0);
}

#[tokio::test]
async fn a_begin_that_is_refused_can_be_tried_again() {
    let house = House::new(2).await;
    let (mut a, mut b) = (house.session(), house.session());
    b.set("busy_timeout", "1").await.expect("set");
    let mut first = a
        .transaction_with(TransactionBehavior::Immediate)
        .await
        .expect("begun");
    first
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .expect("an insert");
    let mut second = b
        .transaction_with(TransactionBehavior::Immediate)
        .await
        .expect("begun");
    let outcome = second.execute("INSERT INTO t VALUES (2)", ()).await;
    assert!(matches!(outcome, Err(Error::Operation(_))), "{outcome:?}");
    first.commit().await.expect("committed");
    second
        .execute("INSERT INTO t VALUES (2)", ())
        .await
        .expect("now it is free");
    second.commit().await.expect("committed");
    assert_eq!(number(&mut a, COUNT).await.expect("one"), 2);

    let mut first = a
        .transaction_with(TransactionBehavior::Immediate)
        .await
        .expect("begun");
    first
        .execute("INSERT INTO t VALUES (3)", ())
        .await
        .expect("an insert");
    let mut second = b
        .transaction_with(TransactionBehavior::Immediate)
        .await
        .expect("begun");
    second
        .execute("INSERT INTO t VALUES (4)", ())
        .await
        .expect_err("busy");
    drop(second);
    assert_eq!(b.pins().expect("pins"), Pins::NONE);
    assert_eq!(
        house.sessions.statistics().attached,
        1,
        "b has left the connection"
    );
    first.rollback().await.expect("rolled back");
}

#[tokio::test]
async fn a_setting_after_a_savepoint_is_there_when_the_rest_is_committed() {
    let house = House::new(2).await;
    let mut a = house.session();
    a.set("cache_size", "-10").await.expect("set");
    let mut transaction = a.transaction().await.expect("begun");
    transaction
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .expect("an insert");
    transaction.savepoint("s").await.expect("set");
    transaction.set("cache_size", "-20").await.expect("set");
    transaction.rollback_to("s").await.expect("rolled back");
    transaction.commit().await.expect("committed");
    let mut b = house.session();
    assert_ne!(number(&mut b, "PRAGMA cache_size").await.expect("one"), -20);
    house.swap(&mut a).await;
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -20);
}

#[tokio::test]
async fn what_was_replayed_for_a_begin_that_was_refused_is_taken_back() {
    let house = House::new(2).await;
    let (mut a, mut b, mut c) = (house.session(), house.session(), house.session());
    let opened = number(&mut c, "PRAGMA cache_size").await.expect("one");
    let mut first = a
        .transaction_with(TransactionBehavior::Immediate)
        .await
        .expect("begun");
    first
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .expect("an insert");
    b.base_mut()
        .change(|state| state.want("cache_size", "-8") && state.want("busy_timeout", "1"))
        .expect("wanted");
    let mut second = b
        .transaction_with(TransactionBehavior::Immediate)
        .await
        .expect("begun");
    second.execute("SELECT 1", ()).await.expect_err("busy");
    drop(second);
    assert_eq!(
        number(&mut c, "PRAGMA cache_size").await.expect("one"),
        opened
    );
    assert_eq!(connection(&c), connection(&b));
    first.rollback().await.expect("rolled back");
}
