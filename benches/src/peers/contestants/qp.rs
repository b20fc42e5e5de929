//! qp: a semaphore of its own and crossbeam's queue.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use qp::resource::Manage;
use qp::{Pool, Pooled};

use super::{Connector, FOREIGN_DEADLINE, HungUp, fill, within};
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// qp.
#[derive(Clone)]
pub struct Qp {
    pool: Pool<Connector>,
    deadline: Option<Duration>,
    check: bool,
}

impl fmt::Debug for Qp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

#[qp::async_trait]
impl Manage for Connector {
    type Output = Conn;
    type Error = HungUp;

    async fn try_create(&self) -> Result<Conn, HungUp> {
        Ok(self.open().await)
    }

    async fn validate(&self, conn: &Conn) -> bool {
        self.check(conn).await.is_ok()
    }
}

impl Contestant for Qp {
    const NAME: &'static str = "qp";
    const VERSION: &'static str = "0.2.1";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks::NOTHING;
    const REMARKS: &'static [&'static str] = &[
        FOREIGN_DEADLINE,
        "not maintained since 2022",
        "has no idle timeout and no lifetime",
    ];

    type Lease<'a> = Pooled<'a, Connector>;

    async fn build(setup: &Setup) -> Self {
        let connector = Connector {
            backend: Arc::clone(&setup.backend),
            check: setup.check,
        };
        let pool = Self {
            pool: Pool::new(connector, setup.size),
            deadline: setup.deadline,
            check: setup.check,
        };
        if setup.full {
            fill(&pool, setup.size).await;
        }
        pool
    }

    async fn acquire(&self) -> Option<Pooled<'_, Connector>> {
        let acquired = within(self.deadline, async {
            if self.check {
                self.pool.acquire().await
            } else {
                self.pool.acquire_unchecked().await
            }
        });
        acquired.await?.ok()
    }

    fn conn<'l>(lease: &'l mut Pooled<'_, Connector>) -> &'l mut Conn {
        lease
    }

    fn discard(lease: Pooled<'_, Connector>) {
        drop(Pooled::take(lease));
    }
}
