//! How sessions come and go, move and travel.

use std::time::Duration;

use pool_multiplex::transfer::{Exporter, Keys, TransferError, UnixSeconds};
use pool_multiplex::{Error, PinReason, SessionConfig, SessionPool};
use pool_sqlite::{SessionError, SqliteManager, SqliteSession};

use crate::house::{House, connection, number, variable};

#[expect(
    clippy::disallowed_methods,
    reason = "what is waited for happens in a task of the pool, which shows in numbers only"
)]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

#[tokio::test]
async fn a_suspended_session_is_resumed_with_all_it_had() {
    let house = House::new(2).await;
    let mut a = house.session();
    a.set("cache_size", "-9").await.expect("set");
    a.set("app.id", "a").await.expect("set");
    let id = a
        .into_base()
        .suspend()
        .map_err(|(_, error)| error)
        .expect("suspended");
    assert_eq!(house.sessions.statistics().suspended, 1);
    let mut a = house.sessions.resume(id).expect("resumed");
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -9);
    assert_eq!(variable(&mut a, "app.id").await.as_deref(), Some("a"));
    assert!(matches!(house.sessions.resume(id), Err(Error::Unknown(_))));
}

#[tokio::test]
async fn a_pinned_session_cannot_be_suspended_and_says_why() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.execute_batch("CREATE TEMP TABLE x (n)")
        .await
        .expect("a table");
    let (a, error) = a.into_base().suspend().expect_err("pinned");
    match error {
        Error::Pinned { reasons } => assert!(reasons.contains(PinReason::TemporaryObject)),
        other => panic!("{other:?}"),
    }
    drop(a);
}

#[tokio::test]
async fn a_session_that_is_unused_for_too_long_ends_and_its_transaction_with_it() {
    let config = SessionConfig::new().session_timeout(Some(Duration::from_millis(80)));
    let house = House::with(1, config).await;
    let mut a = house.session();
    a.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")
        .await
        .expect("begun");
    while !a.base().is_expired() {
        pause().await;
    }
    let outcome = a.execute("INSERT INTO t VALUES (2)", ()).await;
    assert!(matches!(outcome, Err(Error::Expired)), "{outcome:?}");
    let mut b = house.session();
    assert_eq!(
        number(&mut b, "SELECT count(*) FROM t").await.expect("one"),
        0
    );
    assert_eq!(house.sessions.statistics().expired, 1);
}

#[tokio::test]
async fn a_transaction_that_is_idle_for_too_long_is_rolled_back_and_the_session_goes_on() {
    let limit = Duration::from_millis(60);
    let config = SessionConfig::new().idle_in_transaction_timeout(Some(limit));
    let house = House::with(1, config).await;
    let mut a = house.session();
    a.set("cache_size", "-9").await.expect("set");
    let mut transaction = a.transaction().await.expect("begun");
    transaction
        .execute("INSERT INTO t VALUES (1)", ())
        .await
        .expect("an insert");
    while house.sessions.statistics().idle_in_transaction == 0 {
        pause().await;
    }
    let outcome = transaction.execute("INSERT INTO t VALUES (2)", ()).await;
    assert!(
        matches!(outcome, Err(Error::IdleInTransaction(_))),
        "{outcome:?}"
    );
    drop(transaction);
    assert_eq!(
        number(&mut a, "SELECT count(*) FROM t").await.expect("one"),
        0
    );
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -9);
}

#[tokio::test]
async fn a_session_migrates_with_all_it_had() {
    let house = House::new(2).await;
    let mut a = house.session();
    a.set("cache_size", "-9").await.expect("set");
    let before = connection(&a);
    a.migrate().await.expect("migrated");
    assert_ne!(connection(&a), before);
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -9);
    assert_eq!(house.sessions.statistics().migrated, 1);
    a.execute_batch("CREATE TEMP TABLE x (n)")
        .await
        .expect("a table");
    assert!(matches!(a.migrate().await, Err(Error::Pinned { .. })));
}

#[tokio::test]
async fn a_drained_connection_is_replaced_and_its_sessions_go_on() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.set("cache_size", "-9").await.expect("set");
    let before = connection(&a).expect("it was on one");
    let drain = house.sessions.drain_connection(before);
    assert_eq!((drain.moved, drain.held.len()), (1, 0));
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -9);
    assert_ne!(connection(&a), Some(before));
}

#[tokio::test]
async fn an_exported_session_goes_on_where_it_is_imported_and_only_on_its_database() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.set("cache_size", "-9").await.expect("set");
    a.set("app.id", "travels").await.expect("set");
    let keys = Keys::new(1, [7; 32]).expect("a key");
    let now = UnixSeconds(1_000_000);
    let exporter = Exporter::default();
    let blob = a
        .into_base()
        .export(&exporter, &keys, now)
        .map_err(|(_, error)| error);
    let blob = blob.expect("exported");
    assert_eq!(house.sessions.statistics().sessions, 0);

    let elsewhere = House::new(1).await;
    let outcome = elsewhere.sessions.import(blob.as_bytes(), &keys, now);
    assert!(matches!(outcome, Err(Error::Transfer(_))), "another file");

    let manager = SqliteManager::new(house.folder.path().join("a.db")).expect("a manager");
    let other = pool_core::Pool::builder(manager)
        .max_size(1)
        .build()
        .await
        .expect("a pool");
    let mut a = other
        .sessions()
        .import(blob.as_bytes(), &keys, now)
        .expect("imported");
    assert_eq!(number(&mut a, "PRAGMA cache_size").await.expect("one"), -9);
    assert_eq!(variable(&mut a, "app.id").await.as_deref(), Some("travels"));
    let again = other.sessions().import(blob.as_bytes(), &keys, now);
    assert!(matches!(again, Err(Error::Transfer(_))), "once only");
}

#[tokio::test]
async fn an_open_transaction_is_not_exported() {
    let house = House::new(1).await;
    let mut a = house.session();
    a.execute_batch("BEGIN").await.expect("begun");
    let keys = Keys::new(1, [7; 32]).expect("a key");
    let refused = a
        .into_base()
        .export(&Exporter::default(), &keys, UnixSeconds(1));
    let (mut a, error) = refused.expect_err("it is in a transaction");
    assert!(
        matches!(error, Error::Transfer(TransferError::NotExportable { .. })),
        "{error:?}"
    );
    a.abandon_transaction();
    a.export(&Exporter::default(), &keys, UnixSeconds(1))
        .map_err(|(_, error)| error)
        .expect("exported");
}

fn in_a_task<'a, T>(
    work: impl Future<Output = T> + Send + 'a,
) -> impl Future<Output = T> + Send + 'a {
    work
}

#[tokio::test]
async fn the_futures_of_a_session_can_be_sent_to_other_threads() {
    async fn work(session: &mut SqliteSession, id: &str) -> Result<i64, SessionError> {
        session.set("app.id", id).await?;
        let mut transaction = session.transaction().await?;
        let seen = transaction
            .query_row("SELECT 5", (), |row| row.get(0))
            .await?;
        transaction.commit().await?;
        session.attach().await?;
        session.detach().await?;
        session.migrate().await?;
        session.call(|_| Ok(())).await?;
        session.get("cache_size").await?;
        session.reset_all().await?;
        Ok(seen)
    }
    let house = House::new(2).await;
    let mut a = house.session();
    assert_eq!(in_a_task(work(&mut a, "a")).await.expect("five"), 5);
}
