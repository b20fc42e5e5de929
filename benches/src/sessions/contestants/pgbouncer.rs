//! PgBouncer in transaction mode, and a thousand connections to it.

use anyhow::Context;
use pool_testkit::pgbouncer::{self, PgBouncer as Private, PgBouncerOptions};

use super::wire::Wire;
use crate::record::Group;
use crate::sessions::contestant::Contestant;
use crate::sessions::site::{LOGIN, Site};
use crate::sessions::work::{Identity, Work};

/// Connections that it accepts besides those of the clients.
const SPARE: usize = 50;

/// A PgBouncer of its own for each turn.
#[derive(Debug)]
pub struct PgBouncer {
    process: Private,
}

/// Its settings where they differ from its defaults.
fn options(site: &Site) -> PgBouncerOptions {
    let connections = site.connections().to_string();
    PgBouncerOptions::new(site.port())
        .user(LOGIN)
        // The only mode in which a connection serves another client between two transactions.
        .setting("pool_mode", "transaction")
        .setting("default_pool_size", &connections)
        // All open as soon as clients are there, so that no login falls into the measured time.
        .setting("min_pool_size", &connections)
        .setting("max_client_conn", (site.clients() + SPARE).to_string())
        // A thousand logins are not worth a line each, nor a line of figures every minute.
        .setting("log_connections", "0")
        .setting("log_disconnections", "0")
        .setting("log_stats", "0")
}

impl Contestant for PgBouncer {
    const NAME: &'static str = "pgbouncer";
    const GROUP: Group = Group::Peer;
    const REMARKS: &'static [&'static str] = &[
        "pool_mode transaction, default_pool_size and min_pool_size at the number of connections, \
         max_client_conn above that of the clients, log_connections, log_disconnections and log_stats \
         off; everything else is its default, as its manual advises (packets of 4 kB, last in first \
         out, no reset query in transaction mode)",
        "auth_type trust on both sides and no TLS, so that neither a login nor a cipher is measured; \
         TCP without delay on both sides, a Unix socket would be faster than what a service on \
         another machine has",
        "one process, which uses one core: several that share a port (so_reuseport) would split the \
         connections between them",
        "its thousand clients are connections of tokio-postgres, each with a task that reads and writes \
         it: a part of what a pooler outside the process costs the process",
        "in the stateful scenario BEGIN and the three SET LOCAL are one string, sent in one message and \
         in one round trip with the query",
        "does not take part with prepared statements: its versions before 1.21, and so Debian's, do not \
         keep them in transaction mode",
    ];

    type Client = Wire;

    fn version() -> anyhow::Result<String> {
        pgbouncer::version(true)
            .context("PgBouncer cannot take part (`--contestant` leaves it out: name the others)")
    }

    fn admits(work: Work) -> bool {
        !matches!(work, Work::Prepared | Work::Groups)
    }

    async fn open(site: &Site, _work: Work) -> anyhow::Result<Self> {
        let options = options(site);
        let process = tokio::task::spawn_blocking(move || Private::start(&options)).await??;
        Ok(Self { process })
    }

    async fn client(&self, who: &Identity, work: Work) -> anyhow::Result<Wire> {
        let begin = match work {
            Work::Stateful => with_settings(who),
            _ => "BEGIN".to_owned(),
        };
        Wire::log_in(self.process.port(), begin).await
    }

    fn process(&self) -> Option<u32> {
        self.process.pid()
    }

    async fn close(self) {
        // Stopping waits for the process: not on a thread that others run on.
        let stopped = tokio::task::spawn_blocking(move || drop(self.process)).await;
        stopped.expect("stopping does not panic");
    }
}

fn with_settings(who: &Identity) -> String {
    let Identity {
        app, role, schema, ..
    } = who;
    format!(
        "BEGIN; SET LOCAL app.id = '{app}'; SET LOCAL ROLE {role}; SET LOCAL search_path = {schema}"
    )
}
