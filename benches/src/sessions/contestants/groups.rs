//! Sessions that share their settings in groups, with a pool that chooses for them and without.

use std::time::Duration;

use pool_facade::SessionBuilder as _;
use pool_facade::affinity::Affinity;
use pool_facade::{Builder, Pool};
use pool_multiplex::{SessionConfig, SessionPool as _, Sessions};
use pool_postgres::{PostgresManager, Session};

use super::ours::{read_back, take_on};
use crate::record::Group;
use crate::sessions::contestant::{Client, Contestant};
use crate::sessions::site::{Site, login};
use crate::sessions::work::{GROUP_COUNT, Identity, Seen, Work};

/// Connections of the pool: one for each group.
const CONNECTIONS: u32 = 8;
/// Clients: twice as many, so that half of them wait.
const CLIENTS: usize = 16;

/// A pool with affinity or without, that matches waiters or serves them in the order in which they came.
#[derive(Debug)]
pub struct Grouped<const AFFINITY: bool, const MATCHING: bool> {
    sessions: Sessions<PostgresManager>,
}

/// A session for each group.
#[derive(Debug)]
pub struct Members(Vec<Session>);

impl<const AFFINITY: bool, const MATCHING: bool> Contestant for Grouped<AFFINITY, MATCHING> {
    const NAME: &'static str = match (AFFINITY, MATCHING) {
        (false, false) => "ours, any connection",
        (false, true) => "ours, waiters matched",
        (true, false) => "ours, affinity",
        (true, true) => "ours, affinity and waiters matched",
    };
    const GROUP: Group = Group::Ours;
    const REMARKS: &'static [&'static str] = &[
        "16 clients on 8 connections, however many there are elsewhere; a client has a session for each \
         group, and settings sent are counted by the pool's own statistics",
    ];

    type Client = Members;

    fn version() -> anyhow::Result<String> {
        Ok(env!("CARGO_PKG_VERSION").to_owned())
    }

    fn admits(work: Work) -> bool {
        work == Work::Groups
    }

    fn clients(_site: &Site) -> usize {
        CLIENTS
    }

    async fn open(site: &Site, _work: Work) -> anyhow::Result<Self> {
        let manager = PostgresManager::with_config(login(site.port())).build()?;
        let builder = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .initial_size(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(60))
            .match_waiters(MATCHING);
        let pool = with_sessions::<AFFINITY>(builder)?.build().await?;
        Ok(Self {
            sessions: pool.sessions(),
        })
    }

    async fn client(&self, _who: &Identity, _work: Work) -> anyhow::Result<Members> {
        let mut members = Vec::with_capacity(GROUP_COUNT);
        for group in 0..GROUP_COUNT {
            let mut session = self.sessions.create()?;
            take_on(&mut session, &Identity::of(group)).await?;
            members.push(session);
        }
        Ok(Members(members))
    }

    fn settings_sent(&self) -> Option<u64> {
        Some(self.sessions.statistics().replayed_settings)
    }

    async fn close(self) {
        let _ = self.sessions.pool().close(Duration::from_secs(10)).await;
    }
}

fn with_sessions<const AFFINITY: bool>(
    builder: Builder<PostgresManager>,
) -> anyhow::Result<Builder<PostgresManager>> {
    let config = SessionConfig::new();
    Ok(match AFFINITY {
        true => builder.sessions(config, Affinity::builder())?.0,
        false => builder.extension(config),
    })
}

impl Client for Members {
    async fn read_only(&mut self, _item: i64) -> anyhow::Result<i64> {
        anyhow::bail!("acts for groups only")
    }

    async fn read_write(&mut self, _item: i64, _own: i64) -> anyhow::Result<i64> {
        anyhow::bail!("acts for groups only")
    }

    async fn read_back(&mut self) -> anyhow::Result<Seen> {
        anyhow::bail!("acts for groups only")
    }

    async fn prepared(&mut self, _item: i64) -> anyhow::Result<i64> {
        anyhow::bail!("acts for groups only")
    }

    async fn act_for(&mut self, group: usize) -> anyhow::Result<Seen> {
        read_back(&mut self.0[group]).await
    }
}
