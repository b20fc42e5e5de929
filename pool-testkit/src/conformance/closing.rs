//! Ends: no connection stays that nobody wants, and none goes that somebody has.

use std::collections::HashSet;
use std::time::Duration;

use pool_core::{Manager, Pool, PooledConnection, Status};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Subject;
use super::support::{assert_open, lease, leases, ping, pool, until, until_open};

/// How long a close may take.
const CLOSE: Duration = Duration::from_secs(10);

/// Connections that nobody uses go when `idle_timeout` has passed; the one in use stays.
pub async fn idle_connections_close_after_idle_timeout<S: Subject>(subject: S) {
    let idle = Duration::from_millis(60);
    let pool = pool(&subject, 3, |builder| builder.idle_timeout(idle)).await;
    let mut held = leases(&pool, 3).await;
    held.truncate(1);
    until_open(&subject, 1).await;
    ping::<S>(&mut held[0]).await;
    drop(held);
    until_open(&subject, 0).await;
    ping::<S>(&mut *lease(&pool).await).await;
}

/// When `close` says that all is closed, the backend counts none. A lease that is still out works
/// on, is named in the report, and is closed when it comes back.
pub async fn close_leaves_no_connection<S: Subject>(subject: S) {
    let full = pool(&subject, 3, |builder| builder).await;
    drop(leases(&full, 3).await);
    assert_open(&subject, 3).await;
    let report = full.close(CLOSE).await;
    assert!(report.is_complete(), "{report:?}");
    assert_open(&subject, 0).await;

    let held = pool(&subject, 2, |builder| builder).await;
    let mut out = leases(&held, 2).await;
    out.truncate(1);
    let report = held.close(Duration::from_millis(20)).await;
    assert_eq!(report.still_held.len(), 1, "{report:?}");
    ping::<S>(&mut out[0]).await;
    drop(out);
    let report = held.close(CLOSE).await;
    assert!(report.is_complete(), "{report:?}");
    // What comes back after the time was up is ended by its destructor, which waits for nobody.
    until_open(&subject, 0).await;
}

/// The last handle takes the idle connections with it; a lease outlives it and is closed at its
/// end.
pub async fn last_handle_dropped_leaves_no_connection<S: Subject>(subject: S) {
    let pool = pool(&subject, 3, |builder| builder).await;
    let weak = pool.downgrade();
    let mut held = leases(&pool, 3).await;
    held.truncate(1);
    drop(pool);
    assert!(weak.upgrade().is_none());
    until_open(&subject, 1).await;
    ping::<S>(&mut held[0]).await;
    drop(held);
    until_open(&subject, 0).await;
}

/// A detached connection is its holder's alone, and another may be opened in its place.
pub async fn detached_connection_works_and_its_place_is_free<S: Subject>(subject: S) {
    let pool = pool(&subject, 1, |builder| builder).await;
    let mut detached = PooledConnection::detach(lease(&pool).await);
    let mut next = lease(&pool).await;
    assert_ne!(S::identity(&detached), S::identity(&next));
    ping::<S>(&mut detached).await;
    ping::<S>(&mut next).await;
    assert_open(&subject, 2).await;
    pool.close(Duration::from_millis(1)).await;
    ping::<S>(&mut detached).await;
    drop(next);
    until_open(&subject, 1).await;
    drop(detached);
    until_open(&subject, 0).await;
}

/// After `reopen` no connection is lent that was open before.
pub async fn reopen_replaces_every_connection<S: Subject>(subject: S) {
    let pool = pool(&subject, 3, |builder| builder).await;
    let mut held = leases(&pool, 3).await;
    let before: HashSet<u64> = held.iter().map(|lease| S::identity(lease)).collect();
    held.truncate(1);
    pool.reopen();
    ping::<S>(&mut held[0]).await;
    drop(held);
    let after: HashSet<u64> = leases(&pool, 3)
        .await
        .iter()
        .map(|lease| S::identity(lease))
        .collect();
    assert_eq!((before.len(), after.len()), (3, 3));
    assert!(before.is_disjoint(&after), "{before:?} and {after:?}");
    until_open(&subject, 3).await;
}

/// However connections ended, what the pool says it has opened and not closed is what the backend
/// has.
pub async fn opened_less_closed_is_what_the_backend_counts<S: Subject>(subject: S) {
    let pool = pool(&subject, 4, |builder| builder).await;
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let pool = pool.clone();
        tasks.spawn(async move {
            for round in 0..4 {
                end_in_some_way::<S>(&pool, task + round).await;
            }
        });
    }
    tasks.join_all().await;
    let _held = leases(&pool, 2).await;
    let is_at_rest = |status: &Status| status.closing + status.resetting + status.connecting == 0;
    until("the pool is at rest", async || is_at_rest(&pool.status())).await;
    let status = pool.status();
    assert!(status.closed > 0 && status.detached > 0, "{status:?}");
    let open = usize::try_from(status.opened - status.closed).expect("a small number");
    assert_eq!(open, status.size, "{status:?}");
    // Detached connections end by their destructors, which wait for nobody.
    until_open(&subject, open).await;
}

/// Takes a lease and ends it in the way of that number.
async fn end_in_some_way<S: Subject>(pool: &Pool<S::Manager>, way: usize) {
    let mut lease = lease(pool).await;
    match way % 4 {
        0 => ping::<S>(&mut lease).await,
        1 => PooledConnection::discard(lease),
        2 => drop(PooledConnection::detach(lease)),
        _ => give_up_a_call::<S, _>(&mut lease).await,
    }
}

async fn give_up_a_call<S: Subject<Manager = M>, M: Manager>(lease: &mut PooledConnection<M>) {
    let mut call = PooledConnection::begin(lease);
    let ended = timeout(Duration::from_millis(5), S::slow(&mut call)).await;
    assert!(ended.is_err(), "the call is slow");
}
