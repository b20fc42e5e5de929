//! The server that all contestants meet, and what is on it.

use anyhow::Context;
use pool_testkit::postgres::{PrivateServer, ServerOptions};
use tokio_postgres::{Client, Config, NoTls};

use super::work::{ITEMS, ROLES, SCHEMAS, role, schema};

/// Whom all clients log in as: not a superuser, who would skip every check of permissions.
pub const LOGIN: &str = "bench_login";
/// The database of all clients.
const DATABASE: &str = "postgres";

/// A private PostgreSQL with tables, roles and schemas.
#[derive(Debug)]
pub struct Site {
    server: PrivateServer,
    clients: usize,
    connections: usize,
}

impl Site {
    /// Starts the server and fills it. Blocks for about a second.
    ///
    /// # Errors
    ///
    /// When there is no server to start, with what would help.
    pub fn start(clients: usize, connections: usize) -> anyhow::Result<Self> {
        let options = ServerOptions::new()
            .max_connections(200)
            // Neither may fall into the turn of whoever is unlucky: tables are made anew each turn.
            .setting("autovacuum", "off")
            .setting("checkpoint_timeout", "1d")
            .setting("max_wal_size", "4GB");
        let site = Self {
            server: PrivateServer::start(&options)?,
            clients,
            connections,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime
            .block_on(site.fill())
            .context("filling the server")?;
        Ok(site)
    }

    /// Where the server listens on `127.0.0.1`.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.server.port()
    }

    /// The server's first process; its others are its children.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.server.pid()
    }

    /// How many clients there are.
    #[must_use]
    pub const fn clients(&self) -> usize {
        self.clients
    }

    /// How many connections of the server a contestant may have open.
    #[must_use]
    pub const fn connections(&self) -> usize {
        self.connections
    }

    /// A connection of the server's owner, to look and to tidy up.
    pub(super) async fn owner(&self) -> anyhow::Result<Client> {
        let (client, io) = self.server.url().parse::<Config>()?.connect(NoTls).await?;
        tokio::spawn(io);
        Ok(client)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let owner = self.owner().await?;
        owner.batch_execute(&statements()).await?;
        Ok(())
    }

    /// Makes the rows of clients as if nobody had ever been here.
    pub(super) async fn freshen(&self, owner: &Client) -> Result<(), tokio_postgres::Error> {
        let rows = format!(
            "TRUNCATE accounts; \
             INSERT INTO accounts SELECT id, 0 FROM generate_series(1, {}) AS id;",
            self.clients
        );
        owner.batch_execute(&rows).await?;
        // Not in the same string, which would be one transaction.
        owner
            .batch_execute("VACUUM (FREEZE, ANALYZE) accounts")
            .await?;
        owner.batch_execute("CHECKPOINT").await
    }
}

/// How clients log in on a port of `127.0.0.1`, be it the server's or that of one in front of it.
#[must_use]
pub fn login(port: u16) -> Config {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(LOGIN)
        .dbname(DATABASE);
    config
}

fn statements() -> String {
    let mut text = format!(
        "CREATE ROLE {LOGIN} LOGIN; \
         CREATE TABLE items (id int8 PRIMARY KEY, value int8 NOT NULL); \
         INSERT INTO items SELECT id, id * 7 + 3 FROM generate_series(1, {ITEMS}) AS id; \
         CREATE TABLE accounts (id int8 PRIMARY KEY, turns int8 NOT NULL) WITH (fillfactor = 50); \
         GRANT SELECT ON items TO {LOGIN}; GRANT SELECT, UPDATE ON accounts TO {LOGIN};"
    );
    for index in 0..ROLES {
        let role = role(index);
        text.push_str(&format!("CREATE ROLE {role}; GRANT {role} TO {LOGIN};"));
    }
    for index in 0..SCHEMAS {
        let schema = schema(index);
        text.push_str(&format!(
            "CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO public; \
             CREATE TABLE {schema}.place (id int8 PRIMARY KEY, name text NOT NULL); \
             INSERT INTO {schema}.place VALUES (1, '{schema}'); \
             GRANT SELECT ON {schema}.place TO public;"
        ));
    }
    text.push_str("ANALYZE;");
    text
}
