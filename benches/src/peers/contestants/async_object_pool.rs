//! async-object-pool: an async lock around a vector, and an event for those who wait.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use async_object_pool::Pool;

use super::{FOREIGN_DEADLINE, fill, within};
use crate::peers::backend::{Backend, Conn};
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// async-object-pool.
#[derive(Clone)]
pub struct AsyncObjectPool(Arc<Inner>);

struct Inner {
    pool: Pool<Conn>,
    deadline: Option<Duration>,
    backend: Arc<Backend>,
}

impl fmt::Debug for AsyncObjectPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

/// What the pool leaves to its users: a guard that gives the connection back.
#[derive(Debug)]
pub struct Lease<'a> {
    pool: &'a AsyncObjectPool,
    conn: Option<Conn>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        let inner = Arc::clone(&self.pool.0);
        let mut put = Box::pin(async move { inner.pool.put(conn).await });
        let mut cx = Context::from_waker(Waker::noop());
        if put.as_mut().poll(&mut cx).is_pending() {
            tokio::spawn(put);
        }
    }
}

impl Contestant for AsyncObjectPool {
    const NAME: &'static str = "async-object-pool";
    const VERSION: &'static str = "0.2.0";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks {
        connecting: true,
        checking: true,
        discarding: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] = &[
        FOREIGN_DEADLINE,
        "has no guard: a connection is given back by an await; a guard of the harness's own does it \
         in a task where a lease is dropped without one",
        "no check, no idle timeout, no lifetime; opens connections without an await",
    ];

    type Lease<'a> = Lease<'a>;

    async fn build(setup: &Setup) -> Self {
        let pool = Self(Arc::new(Inner {
            pool: Pool::new(setup.size),
            deadline: setup.deadline,
            backend: Arc::clone(&setup.backend),
        }));
        if setup.full {
            fill(&pool, setup.size).await;
        }
        pool
    }

    async fn acquire(&self) -> Option<Lease<'_>> {
        let inner = &*self.0;
        let taken = inner.pool.take_or_create(|| inner.backend.open_at_once());
        let conn = within(inner.deadline, taken).await?;
        Some(Lease {
            pool: self,
            conn: Some(conn),
        })
    }

    fn conn<'l>(lease: &'l mut Lease<'_>) -> &'l mut Conn {
        lease
            .conn
            .as_mut()
            .expect("a lease has its connection until it ends")
    }

    async fn release(mut lease: Self::Lease<'_>) {
        if let Some(conn) = lease.conn.take() {
            lease.pool.0.pool.put(conn).await;
        }
    }
}
