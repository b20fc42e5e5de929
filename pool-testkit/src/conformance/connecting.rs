//! Connects that fail, and connections that are lost.

use std::time::Duration;

use pool_core::{Error, Pool};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::support::{Owners, lease, leases, ping, pool, until, until_open};
use super::{Killable, Refusing, Unreachable};

/// Connections that the backend has ended, idle or leased, are replaced: each acquire after that
/// gets one that works.
pub async fn killed_connection_is_replaced<S: Killable>(subject: S) {
    let pool = pool(&subject, 2, |builder| builder).await;
    let mut held = leases(&pool, 2).await;
    let victims: Vec<u64> = held.iter().map(|lease| S::identity(lease)).collect();
    // One is idle when it happens, one is in use.
    held.truncate(1);
    for victim in &victims {
        subject.kill(*victim).await;
    }
    assert!(
        S::ping(&mut held[0]).await.is_err(),
        "the kill is to be felt"
    );
    drop(held);
    let owners = Owners::default();
    let mut claims = Vec::new();
    let mut again = leases(&pool, 2).await;
    for lease in &mut again {
        ping::<S>(lease).await;
        let identity = S::identity(lease);
        assert!(!victims.contains(&identity), "{identity} was killed");
        claims.push(owners.claim(identity));
    }
    until_open(&subject, 2).await;
}

/// A connect that cannot succeed ends all waits at once, long before their deadline, and says why.
pub async fn permanent_connect_error_reaches_waiters_at_once<S: Refusing>(subject: S) {
    let pool = Pool::builder(subject.refused())
        .acquire_timeout(Duration::from_secs(600))
        .build()
        .await
        .expect("a pool is built before anything is connected");
    let mut waiters = JoinSet::new();
    for _ in 0..8 {
        let pool = pool.clone();
        waiters.spawn(async move {
            let error = pool.acquire().await.expect_err("nothing can be connected");
            assert!(matches!(error, Error::Connect { .. }), "{error}");
            assert!(error.manager_error().is_some(), "{error}");
        });
    }
    let all = timeout(Duration::from_secs(10), waiters.join_all()).await;
    assert!(all.is_ok(), "somebody waits still");
    // The first failure has ended all waits; the connects of the others end by themselves.
    until("no place is taken", async || pool.status().size == 0).await;
}

/// A connect that may succeed later is tried again until the deadline, which then names the cause.
pub async fn transient_connect_error_is_retried_and_told<S: Unreachable>(subject: S) {
    let deadline = Duration::from_millis(400);
    let pool = Pool::builder(subject.unreachable())
        .acquire_timeout(deadline)
        .build()
        .await
        .expect("a pool is built before anything is connected");
    let error = pool.acquire().await.expect_err("nothing can be connected");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(error.manager_error().is_some(), "{error}");
    let failures = pool.status().connect_failures;
    assert!(failures >= 2, "{failures} attempts");
    drop(pool);
    // What works for the same subject shows that the fault was in the way there.
    let pool = super::support::pool(&subject, 1, |builder| builder).await;
    ping::<S>(&mut *lease(&pool).await).await;
}
