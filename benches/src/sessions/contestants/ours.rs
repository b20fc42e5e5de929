//! Sessions of this workspace, in the process of their users.

use anyhow::{Context, ensure};
use pool_core::Pool;
use pool_multiplex::{SessionConfig, SessionPool as _, Sessions};
use pool_postgres::{PostgresManager, Prepared, Session};
use std::time::Duration;
use tokio_postgres::types::Type;

use crate::record::Group;
use crate::sessions::contestant::{Client, Contestant};
use crate::sessions::site::{Site, login};
use crate::sessions::work::{Identity, READ, READ_BACK, Seen, WRITE, Work};

/// A pool and the sessions on it.
#[derive(Debug)]
pub struct Ours {
    sessions: Sessions<PostgresManager>,
}

/// One session.
#[derive(Debug)]
pub struct OurClient {
    session: Session,
    read: Option<Prepared>,
}

impl Contestant for Ours {
    const NAME: &'static str = "ours";
    const GROUP: Group = Group::Ours;
    const REMARKS: &'static [&'static str] = &[
        "default settings, but for the sizes, and for the time to wait: a thousand clients that \
         compete for twenty connections may wait for longer than the default on a machine this small",
        "a session sets its three settings once, as its users would; what differs on the connection \
         that a transaction comes to travels with its BEGIN",
    ];

    type Client = OurClient;

    fn version() -> anyhow::Result<String> {
        Ok(env!("CARGO_PKG_VERSION").to_owned())
    }

    fn admits(work: Work) -> bool {
        work != Work::Groups
    }

    async fn open(site: &Site, _work: Work) -> anyhow::Result<Self> {
        let connections = u32::try_from(site.connections())?;
        let manager = PostgresManager::with_config(login(site.port())).build()?;
        let pool = Pool::builder(manager)
            .max_size(connections)
            .initial_size(connections)
            .max_wait_queue_size(u32::try_from(site.clients())?)
            .acquire_timeout(Duration::from_secs(60))
            .extension(SessionConfig::new().max_sessions(site.clients()))
            .build()
            .await?;
        Ok(Self {
            sessions: pool.sessions(),
        })
    }

    async fn client(&self, who: &Identity, work: Work) -> anyhow::Result<OurClient> {
        let mut session = self.sessions.create()?;
        let mut read = None;
        match work {
            Work::ReadOnly | Work::ReadWrite | Work::Groups => {}
            Work::Stateful => take_on(&mut session, who).await?,
            Work::Prepared => read = Some(session.prepare_typed(READ, &[Type::INT8]).await?),
        }
        Ok(OurClient { session, read })
    }

    async fn close(self) {
        let _ = self.sessions.pool().close(Duration::from_secs(10)).await;
    }
}

impl Client for OurClient {
    async fn read_only(&mut self, item: i64) -> anyhow::Result<i64> {
        let mut tx = self.session.transaction().await?;
        let rows = tx.query_typed(READ, &[(&item, Type::INT8)]).await?;
        tx.commit().await?;
        Ok(rows.first().context("no item")?.get(0))
    }

    async fn read_write(&mut self, item: i64, own: i64) -> anyhow::Result<i64> {
        let mut tx = self.session.transaction().await?;
        let rows = tx.query_typed(READ, &[(&item, Type::INT8)]).await?;
        let written = tx.execute_typed(WRITE, &[(&own, Type::INT8)]).await?;
        tx.commit().await?;
        ensure!(written == 1, "{written} rows were written");
        Ok(rows.first().context("no item")?.get(0))
    }

    async fn read_back(&mut self) -> anyhow::Result<Seen> {
        read_back(&mut self.session).await
    }

    async fn prepared(&mut self, item: i64) -> anyhow::Result<i64> {
        let read = self.read.clone().context("nothing is prepared")?;
        let mut tx = self.session.transaction().await?;
        let row = tx.query_one(&read, &[&item]).await?;
        tx.commit().await?;
        Ok(row.get(0))
    }
}

/// Sets what a client is.
pub(super) async fn take_on(session: &mut Session, who: &Identity) -> anyhow::Result<()> {
    session.set("app.id", &who.app).await?;
    session.set("search_path", &who.schema).await?;
    session.set_role(&who.role).await?;
    Ok(())
}

/// A transaction that reads back what the session is.
pub(super) async fn read_back(session: &mut Session) -> anyhow::Result<Seen> {
    let mut tx = session.transaction().await?;
    let rows = tx.query_typed(READ_BACK, &[(&1_i64, Type::INT8)]).await?;
    tx.commit().await?;
    let row = rows.first().context("no place")?;
    Ok(Seen {
        app: row.get(0),
        role: row.get(1),
        place: row.get(2),
    })
}
