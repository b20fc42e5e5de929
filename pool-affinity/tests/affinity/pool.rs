//! The policy in a pool.

use std::convert::Infallible;
use std::sync::Arc;

use pool_affinity::{Affinity, Mode, Strength};
use pool_core::{ConnectCtx, Manager, Pool, PooledConnection, Profile};

struct Numbers;

impl Manager for Numbers {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Infallible> {
        Ok(cx.connection_id)
    }
}

async fn pool(affinity: &Arc<Affinity>) -> Pool<Numbers> {
    let builder = affinity.attach(Pool::builder(Numbers));
    builder
        .max_size(4)
        .initial_size(4)
        .build()
        .await
        .expect("all can be opened")
}

#[tokio::test]
async fn sessions_of_a_pool_find_their_connections_again() {
    let affinity = Arc::new(Affinity::builder().build().unwrap());
    let pool = pool(&affinity).await;
    let lease = |session| pool.request().profile(Profile::new(session)).acquire();
    let leases = [
        lease(1).await.unwrap(),
        lease(2).await.unwrap(),
        lease(3).await.unwrap(),
    ];
    let had = [*leases[0], *leases[1], *leases[2]];
    drop(leases);
    for session in [3, 1, 2] {
        assert_eq!(*lease(session).await.unwrap(), had[session as usize - 1]);
    }
    let sessions = affinity.statistics().sessions;
    assert_eq!(sessions.hits.total(), 3);
    assert_eq!(sessions.with_strength(Strength::Weak), 3);
}

#[tokio::test]
async fn a_statement_that_a_holder_cached_is_found_by_another_session() {
    let affinity = Arc::new(Affinity::builder().build().unwrap());
    let pool = pool(&affinity).await;
    let wants = |session: u64| {
        pool.request()
            .profile(Profile::new(session).statement(5))
            .acquire()
    };
    let others = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let lease = wants(1).await.unwrap();
    PooledConnection::note_cached(&lease, 5);
    let number = *lease;
    drop((lease, others));
    assert_eq!(*wants(2).await.unwrap(), number);
    assert_eq!(affinity.statistics().routing.statement_hits, 1);
}

#[tokio::test]
async fn with_all_parts_off_a_pool_is_left_as_it_is() {
    let off = Affinity::builder().sessions(Mode::Off).routing(Mode::Off);
    let affinity = Arc::new(off.build().unwrap());
    let pool = pool(&affinity).await;
    drop(
        pool.request()
            .profile(Profile::new(1))
            .acquire()
            .await
            .unwrap(),
    );
    let statistics = affinity.statistics();
    assert_eq!(statistics.load.connections, 0);
    assert!(affinity.preferred(1).is_none());
}
