//! deadpool: tokio's semaphore and a locked deque.

use std::sync::Arc;

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleError, RecycleResult, Timeouts};

use super::{Connector, HungUp, fill};
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// deadpool.
#[derive(Clone, Debug)]
pub struct Deadpool(Pool<Connector>);

impl Manager for Connector {
    type Type = Conn;
    type Error = HungUp;

    async fn create(&self) -> Result<Conn, HungUp> {
        Ok(self.open().await)
    }

    async fn recycle(&self, conn: &mut Conn, _metrics: &Metrics) -> RecycleResult<HungUp> {
        self.check(conn).await.map_err(RecycleError::Backend)
    }
}

impl Contestant for Deadpool {
    const NAME: &'static str = "deadpool";
    const VERSION: &'static str = "0.13.1";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks::NOTHING;
    const REMARKS: &'static [&'static str] = &[
        "the deadline bounds waiting, connecting and, where there is one, the check, each by itself",
        "has no idle timeout and no lifetime of its own",
    ];

    type Lease<'a> = Object<Connector>;

    async fn build(setup: &Setup) -> Self {
        let connector = Connector {
            backend: Arc::clone(&setup.backend),
            check: setup.check,
        };
        let timeouts = Timeouts {
            wait: setup.deadline,
            create: setup.deadline,
            recycle: setup.deadline.filter(|_| setup.check),
        };
        let pool = Pool::builder(connector)
            .max_size(setup.size)
            .timeouts(timeouts)
            .runtime(deadpool::Runtime::Tokio1)
            .build();
        let pool = Self(pool.expect("a runtime is given"));
        if setup.full {
            fill(&pool, setup.size).await;
        }
        pool
    }

    async fn acquire(&self) -> Option<Object<Connector>> {
        self.0.get().await.ok()
    }

    fn conn(lease: &mut Object<Connector>) -> &mut Conn {
        lease
    }

    fn discard(lease: Object<Connector>) {
        drop(Object::take(lease));
    }
}
