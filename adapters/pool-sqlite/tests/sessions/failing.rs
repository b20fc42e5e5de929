//! What a failure means for the session.

use std::time::Duration;

use pool_multiplex::{Error, SessionConfig, TransactionStatus};

use crate::house::{House, number};

#[tokio::test]
async fn a_refused_statement_changes_nothing_about_the_session() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.set("cache_size", "-9").await.expect("set");
    let outcome = a
        .execute_batch("PRAGMA recursive_triggers = ON; SELECT * FROM missing")
        .await;
    assert!(matches!(outcome, Err(Error::Operation(_))), "{outcome:?}");
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -9);
    assert_eq!(
        number(&mut a, "PRAGMA recursive_triggers")
            .await
            .expect("it was set"),
        1
    );
    assert_eq!(house.pool.status().opened, 1);
}

#[tokio::test]
async fn a_panic_loses_the_connection_and_not_the_session() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.set("cache_size", "-9").await.expect("set");
    let outcome = a
        .call(|_| -> rusqlite::Result<()> { panic!("on purpose") })
        .await;
    assert!(matches!(outcome, Err(Error::Lost(_))), "{outcome:?}");
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -9);

    let mut transaction = a.transaction().await.expect("begun");
    transaction
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .expect("an insert");
    let outcome = transaction
        .call(|_| -> rusqlite::Result<()> { panic!("on purpose") })
        .await;
    assert!(
        matches!(outcome, Err(Error::TransactionLost(_))),
        "{outcome:?}"
    );
    drop(transaction);
    assert_eq!(
        number(&mut a, "SELECT count(*) FROM t").await.expect("one"),
        0
    );
}

#[tokio::test]
async fn a_panic_after_a_commit_leaves_the_outcome_unknown() {
    let house = House::new(1).await;
    let mut a = house.session();
    let outcome = a
        .call(|c| -> rusqlite::Result<()> {
            c.execute("INSERT INTO t VALUES (1)", [])?;
            panic!("on purpose")
        })
        .await;
    assert!(
        matches!(outcome, Err(Error::OutcomeUnknown(_))),
        "{outcome:?}"
    );
    assert_eq!(
        number(&mut a, "SELECT count(*) FROM t").await.expect("one"),
        1
    );
}

#[tokio::test]
async fn an_interrupted_statement_is_lost_and_can_be_tried_again() {
    let house = House::new(1).await;
    let mut a = house.session();
    let outcome = a
        .call(|c| {
            let interrupt = c.get_interrupt_handle();
            let mut rows = c.prepare("SELECT 1 UNION ALL SELECT 2")?;
            let mut rows = rows.query([])?;
            rows.next()?;
            interrupt.interrupt();
            rows.next().map(drop)
        })
        .await;
    match outcome {
        Err(error @ Error::Lost(_)) => assert!(error.is_retryable()),
        other => panic!("{other:?}"),
    }
    number(&mut a, "SELECT 1")
        .await
        .expect("on another connection");
}

#[tokio::test]
async fn a_call_that_was_given_up_leaves_nothing_and_is_told_of_in_a_transaction() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.set("cache_size", "-9").await.expect("set");
    let slow = "PRAGMA cache_size = -99;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let cut = tokio::time::timeout(Duration::from_millis(50), a.execute_batch(slow)).await;
    cut.expect_err("it never ends by itself");
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -9);
    let mut b = house.session();
    assert_ne!(number(&mut b, "PRAGMA cache_size").await.expect("one"), -99);

    let mut transaction = a.transaction().await.expect("begun");
    transaction
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .expect("an insert");
    let cut =
        tokio::time::timeout(Duration::from_millis(50), transaction.execute_batch(slow)).await;
    cut.expect_err("it never ends by itself");
    let outcome = transaction.execute("INSERT INTO t VALUES (2)", ()).await;
    assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
    drop(transaction);
    assert_eq!(
        a.base().status().expect("a status"),
        TransactionStatus::Idle
    );
    assert_eq!(
        number(&mut a, "SELECT count(*) FROM t").await.expect("one"),
        0
    );
}

#[tokio::test]
async fn an_audit_finds_what_nobody_saw() {
    let house = House::with(1, SessionConfig::new().audit(true)).await;
    let mut a = house.session();
    number(&mut a, "SELECT 1").await.expect("one");
    assert_eq!(house.sessions.statistics().tainted, 0);
    a.call(|c| c.busy_timeout(Duration::from_millis(3)))
        .await
        .expect("by a method, not by SQL");
    assert_eq!(house.sessions.statistics().tainted, 1);
    let mut b = house.session();
    assert_eq!(
        number(&mut b, "PRAGMA busy_timeout").await.expect("one"),
        5000
    );
}
