//! r2d2: a locked vector and a condition variable; blocks the thread.

use std::sync::Arc;

use super::{ALWAYS_A_DEADLINE, Connector, HungUp, TEN_YEARS};
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// r2d2.
#[derive(Clone, Debug)]
pub struct R2d2(r2d2::Pool<Connector>);

impl r2d2::ManageConnection for Connector {
    type Connection = Conn;
    type Error = HungUp;

    fn connect(&self) -> Result<Conn, HungUp> {
        Ok(self.backend.open_at_once())
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), HungUp> {
        if conn.is_broken() {
            Err(HungUp)
        } else {
            Ok(())
        }
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        conn.is_broken()
    }
}

impl Contestant for R2d2 {
    const NAME: &'static str = "r2d2";
    const VERSION: &'static str = "0.8.10";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks {
        connecting: true,
        checking: true,
        no_deadline: true,
        asynchrony: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] = &[
        "blocks: where others have tasks, it has as many threads",
        ALWAYS_A_DEADLINE,
        "idle timeout and lifetime are on, as by default",
    ];

    type Lease<'a> = r2d2::PooledConnection<Connector>;

    async fn build(setup: &Setup) -> Self {
        let size = u32::try_from(setup.size).expect("pools of this harness are small");
        let connector = Connector {
            backend: Arc::clone(&setup.backend),
            check: setup.check,
        };
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle((!setup.full).then_some(0))
            .test_on_check_out(setup.check)
            .connection_timeout(setup.deadline.unwrap_or(TEN_YEARS))
            .build(connector);
        Self(pool.expect("every connect succeeds"))
    }

    async fn acquire(&self) -> Option<Self::Lease<'_>> {
        self.0.get().ok()
    }

    fn conn<'l>(lease: &'l mut Self::Lease<'_>) -> &'l mut Conn {
        lease
    }
}
