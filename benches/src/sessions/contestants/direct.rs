//! The limit: as many tasks as connections, each with its own.

use super::wire::Wire;
use crate::record::Group;
use crate::sessions::contestant::Contestant;
use crate::sessions::site::Site;
use crate::sessions::work::{Identity, Work};

/// Connections of tokio-postgres that nobody shares.
#[derive(Debug)]
pub struct Direct {
    port: u16,
}

impl Contestant for Direct {
    const NAME: &'static str = "direct";
    const GROUP: Group = Group::Limit;
    const REMARKS: &'static [&'static str] = &[
        "has as many clients as connections, so nobody waits for one: its latency is that of the \
         server alone, and the others' holds the time in the queue of a thousand clients",
        "in the stateful scenario each connection has its settings once and for all, as nobody else \
         uses it: the limit of what anything that shares connections can reach",
    ];

    type Client = Wire;

    fn version() -> anyhow::Result<String> {
        Ok(String::new())
    }

    fn admits(work: Work) -> bool {
        work != Work::Groups
    }

    fn clients(site: &Site) -> usize {
        site.connections()
    }

    async fn open(site: &Site, _work: Work) -> anyhow::Result<Self> {
        Ok(Self { port: site.port() })
    }

    async fn client(&self, who: &Identity, work: Work) -> anyhow::Result<Wire> {
        let mut wire = Wire::log_in(self.port, "BEGIN".to_owned()).await?;
        match work {
            Work::ReadOnly | Work::ReadWrite | Work::Groups => {}
            Work::Stateful => {
                let Identity {
                    app, role, schema, ..
                } = who;
                let settings =
                    format!("SET app.id = '{app}'; SET ROLE {role}; SET search_path = {schema}");
                wire.run(&settings).await?;
            }
            Work::Prepared => wire.prepare().await?,
        }
        Ok(wire)
    }

    async fn close(self) {}
}
