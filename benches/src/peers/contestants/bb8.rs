//! bb8: a locked deque and tokio's `Notify`; who just returned may overtake who was woken.

use std::sync::Arc;

use super::{ALWAYS_A_DEADLINE, Connector, HungUp, TEN_YEARS, fill};
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// bb8.
#[derive(Clone, Debug)]
pub struct Bb8(bb8::Pool<Connector>);

impl bb8::ManageConnection for Connector {
    type Connection = Conn;
    type Error = HungUp;

    async fn connect(&self) -> Result<Conn, HungUp> {
        Ok(self.open().await)
    }

    async fn is_valid(&self, conn: &mut Conn) -> Result<(), HungUp> {
        self.check(conn).await
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        conn.is_broken()
    }
}

impl Contestant for Bb8 {
    const NAME: &'static str = "bb8";
    const VERSION: &'static str = "0.9.1";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks {
        no_deadline: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] = &[
        ALWAYS_A_DEADLINE,
        "idle timeout and lifetime are on, as by default",
    ];

    type Lease<'a> = bb8::PooledConnection<'a, Connector>;

    async fn build(setup: &Setup) -> Self {
        let size = u32::try_from(setup.size).expect("pools of this harness are small");
        let connector = Connector {
            backend: Arc::clone(&setup.backend),
            check: setup.check,
        };
        let pool = bb8::Pool::builder()
            .max_size(size)
            .test_on_check_out(setup.check)
            .connection_timeout(setup.deadline.unwrap_or(TEN_YEARS))
            .build(connector)
            .await;
        let pool = Self(pool.expect("nothing is opened yet that could fail"));
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
