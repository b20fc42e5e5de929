//! mobc: tokio's semaphore and an async lock; every return is a task.

use std::sync::Arc;

use super::{Connector, HungUp, fill};
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// mobc.
#[derive(Clone, Debug)]
pub struct Mobc(mobc::Pool<Connector>);

#[mobc::async_trait]
impl mobc::Manager for Connector {
    type Connection = Conn;
    type Error = HungUp;

    async fn connect(&self) -> Result<Conn, HungUp> {
        Ok(self.open().await)
    }

    async fn check(&self, conn: Conn) -> Result<Conn, HungUp> {
        Self::check(self, &conn).await.map(|()| conn)
    }

    fn validate(&self, conn: &mut Conn) -> bool {
        !conn.is_broken()
    }
}

impl Contestant for Mobc {
    const NAME: &'static str = "mobc";
    const VERSION: &'static str = "0.9.0";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks::NOTHING;
    const REMARKS: &'static [&'static str] = &[
        "all connections may be idle (its default keeps two and closes the others)",
        "has no idle timeout and no lifetime by default",
        "records metrics, which nobody collects here",
    ];

    type Lease<'a> = mobc::Connection<Connector>;

    async fn build(setup: &Setup) -> Self {
        let connector = Connector {
            backend: Arc::clone(&setup.backend),
            check: setup.check,
        };
        let size = setup.size as u64;
        let pool = Self(
            mobc::Pool::builder()
                .max_open(size)
                .max_idle(size)
                .test_on_check_out(setup.check)
                .get_timeout(setup.deadline)
                .build(connector),
        );
        if setup.full {
            fill(&pool, setup.size).await;
        }
        pool
    }

    async fn acquire(&self) -> Option<Self::Lease<'_>> {
        self.0.get().await.ok()
    }

    fn conn<'l>(lease: &'l mut Self::Lease<'_>) -> &'l mut Conn {
        lease
    }
}
