//! sqlx's pool over a database that is a stub, so that the pool alone is measured.

mod stub;

use std::sync::Arc;

use sqlx_core::pool::{Pool, PoolConnection, PoolOptions};

use self::stub::{Options, Stub};
use super::{ALWAYS_A_DEADLINE, Connector, TEN_YEARS, fill};
use crate::peers::backend::Conn;
use crate::peers::contestant::{Contestant, Lacks, Setup};
use crate::record::Group;

/// sqlx's pool.
#[derive(Clone, Debug)]
pub struct Sqlx(Pool<Stub>);

impl Contestant for Sqlx {
    const NAME: &'static str = "sqlx";
    const VERSION: &'static str = "0.9.0";
    const GROUP: Group = Group::Peer;
    const LACKS: Lacks = Lacks {
        no_deadline: true,
        ..Lacks::NOTHING
    };
    const REMARKS: &'static [&'static str] = &[
        "its pool over a stub of a database",
        ALWAYS_A_DEADLINE,
        "asks the far end on every return, which cannot be switched off; it answers at once",
        "idle timeout and lifetime are on, as by default",
    ];

    type Lease<'a> = PoolConnection<Stub>;

    async fn build(setup: &Setup) -> Self {
        let size = u32::try_from(setup.size).expect("pools of this harness are small");
        let options = Options(Arc::new(Connector {
            backend: Arc::clone(&setup.backend),
            check: setup.check,
        }));
        let pool = Self(
            PoolOptions::new()
                .max_connections(size)
                .test_before_acquire(setup.check)
                .acquire_timeout(setup.deadline.unwrap_or(TEN_YEARS))
                .connect_lazy_with(options),
        );
        if setup.full {
            fill(&pool, setup.size).await;
        }
        pool
    }

    async fn acquire(&self) -> Option<PoolConnection<Stub>> {
        self.0.acquire().await.ok()
    }

    fn conn(lease: &mut PoolConnection<Stub>) -> &mut Conn {
        &mut lease.conn
    }
}
