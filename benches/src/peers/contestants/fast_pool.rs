//! fast_pool: a multi-consumer channel of idle connections and atomic counters.

use std::sync::Arc;

use super::{ALWAYS_A_DEADLINE, Connector, TEN_YEARS, fill};
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// fast_pool.
#[derive(Clone, Debug)]
pub struct FastPool(fast_pool::Pool<Connector>);

impl fast_pool::Manager for Connector {
    type Connection = Conn;
    type Error = String;

    async fn connect(&self) -> Result<Conn, String> {
        Ok(self.open().await)
    }

    async fn check(&self, conn: &mut Conn) -> Result<(), String> {
        Self::check(self, conn)
            .await
            .map_err(|error| error.to_string())
    }
}

impl Contestant for FastPool {
    const NAME: &'static str = "fast_pool";
    const VERSION: &'static str = "1.0.4";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks {
        no_deadline: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] = &[
        "its check cannot be switched off: it is asked each time, and answers at once",
        ALWAYS_A_DEADLINE,
        "has no idle timeout and no lifetime",
    ];

    type Lease<'a> = fast_pool::ConnectionGuard<Connector>;

    async fn build(setup: &Setup) -> Self {
        let pool = Self(fast_pool::Pool::new(Connector {
            backend: Arc::clone(&setup.backend),
            check: setup.check,
        }));
        pool.0.set_max_open(setup.size as u64);
        pool.0.set_max_idle_conns(setup.size as u64);
        pool.0
            .set_timeout_wait(Some(setup.deadline.unwrap_or(TEN_YEARS)));
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
