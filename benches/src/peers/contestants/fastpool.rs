//! fastpool: a semaphore of its own and a locked deque.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fastpool::bounded::{Object, Pool, PoolConfig};
use fastpool::{ManageObject, ObjectStatus};

use super::{Connector, FOREIGN_DEADLINE, HungUp, fill, within};
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// fastpool.
#[derive(Clone)]
pub struct Fastpool {
    pool: Arc<Pool<Connector>>,
    deadline: Option<Duration>,
}

impl fmt::Debug for Fastpool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

impl ManageObject for Connector {
    type Object = Conn;
    type Error = HungUp;

    async fn create(&self) -> Result<Conn, HungUp> {
        Ok(self.open().await)
    }

    async fn is_recyclable(&self, conn: &mut Conn, _status: &ObjectStatus) -> Result<(), HungUp> {
        self.check(conn).await
    }
}

impl Contestant for Fastpool {
    const NAME: &'static str = "fastpool";
    const VERSION: &'static str = "1.1.2";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks::NOTHING;
    const REMARKS: &'static [&'static str] = &[
        FOREIGN_DEADLINE,
        "deprecated by its authors, who name asyncband in its stead",
        "has no idle timeout and no lifetime",
    ];

    type Lease<'a> = Object<Connector>;

    async fn build(setup: &Setup) -> Self {
        let connector = Connector {
            backend: Arc::clone(&setup.backend),
            check: setup.check,
        };
        let pool = Self {
            pool: Pool::new(PoolConfig::new(setup.size), connector),
            deadline: setup.deadline,
        };
        if setup.full {
            fill(&pool, setup.size).await;
        }
        pool
    }

    async fn acquire(&self) -> Option<Object<Connector>> {
        within(self.deadline, self.pool.get()).await?.ok()
    }

    fn conn(lease: &mut Object<Connector>) -> &mut Conn {
        lease
    }

    fn discard(lease: Object<Connector>) {
        drop(lease.detach());
    }
}
