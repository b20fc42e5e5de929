//! The bank in PostgreSQL: a server at a URL, or a private one behind a faulty network.

use std::net::{Ipv4Addr, SocketAddr};
use std::process;
use std::time::Duration;

use anyhow::Context;
use pool_facade::postgres::tokio_postgres::{self, Client, NoTls};
use pool_facade::postgres::{Error, PostgresConnection, PostgresManager};
use pool_testkit::postgres::{PauseScope, PrivateServer, ServerError, ServerOptions, Signal};
use pool_testkit::proxy::{FaultProxy, Mode};

use super::{Audit, Bank, Disturbance, OPENING_BALANCE, Order, PAUSE, Stage};
use crate::clock;

pub(crate) struct PostgresBank {
    /// Where the pool connects to.
    pool_url: String,
    /// Where the checks connect to.
    direct_url: String,
    /// By this the server tells the pool's sessions from others.
    application: String,
    statements: Statements,
    private: Option<Private>,
}

struct Private {
    server: PrivateServer,
    proxy: FaultProxy,
}

/// Statements on the tables of this run, which have a schema of their own.
struct Statements {
    create: String,
    fill: String,
    balances: String,
    update: String,
    insert: String,
    accounts: String,
    ledger: String,
    drop: String,
}

impl Statements {
    fn new(schema: &str) -> Self {
        Self {
            create: format!(
                "CREATE SCHEMA {schema};
                 CREATE TABLE {schema}.account (id bigint PRIMARY KEY, balance bigint NOT NULL);
                 CREATE TABLE {schema}.ledger (
                     transfer bigint PRIMARY KEY,
                     source bigint NOT NULL REFERENCES {schema}.account,
                     target bigint NOT NULL REFERENCES {schema}.account,
                     amount bigint NOT NULL
                 )"
            ),
            fill: format!(
                "INSERT INTO {schema}.account SELECT n, $2::bigint FROM generate_series(0, $1::bigint - 1) AS n"
            ),
            // In the order of the ids, so that two transfers never wait for each other.
            balances: format!(
                "SELECT id, balance FROM {schema}.account WHERE id IN ($1, $2)
                 ORDER BY id FOR UPDATE"
            ),
            update: format!("UPDATE {schema}.account SET balance = $2 WHERE id = $1"),
            insert: format!("INSERT INTO {schema}.ledger VALUES ($1, $2, $3, $4)"),
            accounts: format!("SELECT id, balance FROM {schema}.account"),
            ledger: format!("SELECT transfer, source, target, amount FROM {schema}.ledger"),
            drop: format!("DROP SCHEMA {schema} CASCADE"),
        }
    }
}

/// How long the server may take to come back after a crash.
const PATIENCE: Duration = Duration::from_secs(60);

impl PostgresBank {
    /// A bank on the server at `url`, or on a private one.
    pub(crate) async fn new(url: Option<String>, connections: u32) -> anyhow::Result<Self> {
        let name = format!("pool_demo_{}", process::id());
        let (pool_url, direct_url, private) = match url {
            Some(url) => (url.clone(), url, None),
            None => {
                let private = Private::start(connections).await?;
                let pool_url = format!("postgres://postgres@{}/postgres", private.proxy.address());
                (pool_url, private.server.url(), Some(private))
            }
        };
        Ok(Self {
            pool_url,
            direct_url,
            statements: Statements::new(&name),
            application: name,
            private,
        })
    }

    /// A connection outside the pool; waits for a server that is recovering.
    async fn outside(&self) -> anyhow::Result<Client> {
        let gives_up = clock::now() + PATIENCE;
        loop {
            match tokio_postgres::connect(&self.direct_url, NoTls).await {
                Ok((client, connection)) => {
                    clock::spawn(connection);
                    return Ok(client);
                }
                Err(error) if clock::now() >= gives_up || self.private.is_none() => {
                    return Err(error).context("cannot connect to PostgreSQL for the checks");
                }
                Err(_recovering) => clock::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn private(&self) -> anyhow::Result<&Private> {
        self.private
            .as_ref()
            .context("only done to a private server")
    }

    async fn terminate_sessions(&self) -> anyhow::Result<()> {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM (
                       SELECT pid FROM pg_stat_activity WHERE application_name = $1
                       ORDER BY random() LIMIT 3
                   ) AS victims";
        self.outside()
            .await?
            .query_one(sql, &[&self.application])
            .await?;
        Ok(())
    }

    /// Kills a backend that serves the pool. One that ends by itself meanwhile needs no killing.
    fn kill_backend(&self) -> anyhow::Result<()> {
        let server = &self.private()?.server;
        for backend in server.backends() {
            if !backend.serves_client() {
                continue;
            }
            match server.signal(backend.pid, Signal::Kill) {
                Err(ServerError::NotOurs { .. }) => {}
                outcome => return Ok(outcome?),
            }
        }
        Ok(())
    }

    async fn freeze(&self) -> anyhow::Result<()> {
        let server = &self.private()?.server;
        server.pause(PauseScope::All)?;
        clock::sleep(PAUSE).await;
        Ok(server.resume()?)
    }

    async fn black_hole(&self) -> anyhow::Result<()> {
        let proxy = &self.private()?.proxy;
        proxy.set(Mode::BlackHole);
        clock::sleep(PAUSE).await;
        proxy.set(Mode::Pass);
        Ok(())
    }
}

impl Private {
    async fn start(connections: u32) -> anyhow::Result<Self> {
        let options = ServerOptions::new()
            .max_connections(connections.saturating_mul(2) + 20)
            // What was acknowledged must outlive a crash of the server.
            .setting("synchronous_commit", "on");
        let starting = tokio::task::spawn_blocking(move || PrivateServer::start(&options));
        let server = starting
            .await?
            .context("cannot start a private PostgreSQL")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
        let proxy = FaultProxy::start(address).await?;
        Ok(Self { server, proxy })
    }
}

impl Bank for PostgresBank {
    type Manager = PostgresManager;

    fn name(&self) -> String {
        match self.private {
            Some(_) => "a private PostgreSQL server".to_owned(),
            // The URL may hold a password.
            None => "PostgreSQL".to_owned(),
        }
    }

    fn manager(&self) -> anyhow::Result<PostgresManager> {
        let builder = PostgresManager::builder(&self.pool_url)?;
        Ok(builder.application_name(&self.application).build()?)
    }

    async fn prepare(&self, accounts: u32) -> anyhow::Result<()> {
        let client = self.outside().await?;
        let Statements { create, fill, .. } = &self.statements;
        client.batch_execute(create).await?;
        client
            .execute(fill, &[&i64::from(accounts), &OPENING_BALANCE])
            .await?;
        Ok(())
    }

    async fn transfer(
        &self,
        conn: &mut PostgresConnection,
        order: Order,
        stage: &Stage,
    ) -> Result<(), Error> {
        let Statements {
            balances,
            update,
            insert,
            ..
        } = &self.statements;
        let (from, to) = (i64::from(order.from), i64::from(order.to));
        conn.batch_execute("BEGIN").await?;
        let rows = conn.query(balances.as_str(), &[&from, &to]).await?;
        let balance = |account: i64| -> i64 {
            let row = rows.iter().find(|row| row.get::<_, i64>(0) == account);
            row.map_or(0, |row| row.get(1))
        };
        let (source, target) = (balance(from), balance(to));
        let moved = order.amount.min(source);
        conn.execute(update.as_str(), &[&from, &(source - moved)])
            .await?;
        conn.execute(update.as_str(), &[&to, &(target + moved)])
            .await?;
        conn.execute(
            insert.as_str(),
            &[&order.id.cast_signed(), &from, &to, &moved],
        )
        .await?;
        stage.commit_begins();
        conn.batch_execute("COMMIT").await?;
        Ok(())
    }

    fn identity(conn: &PostgresConnection) -> u64 {
        u64::from(conn.process_id().cast_unsigned())
    }

    fn kind(error: &Error) -> String {
        match (error.code(), error) {
            (Some(code), _) => format!("PostgreSQL {}", code.code()),
            (None, Error::Query(source)) if source.is_closed() => "connection closed".to_owned(),
            (None, Error::Query(_)) => "connection lost".to_owned(),
            (None, Error::Startup { .. } | Error::Connect { .. }) => "cannot connect".to_owned(),
            (None, _) => "other".to_owned(),
        }
    }

    async fn open_connections(&self, _manager: &PostgresManager) -> anyhow::Result<u64> {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        let client = self.outside().await?;
        let row = client.query_one(sql, &[&self.application]).await?;
        Ok(row.get::<_, i64>(0).cast_unsigned())
    }

    async fn audit(&self) -> anyhow::Result<Audit> {
        let client = self.outside().await?;
        let accounts = client.query(&self.statements.accounts, &[]).await?;
        let ledger = client.query(&self.statements.ledger, &[]).await?;
        client.batch_execute(&self.statements.drop).await?;
        let account = |row: &tokio_postgres::Row, column: usize| {
            u32::try_from(row.get::<_, i64>(column)).context("an account that nobody made")
        };
        let balances = accounts
            .iter()
            .map(|row| Ok((account(row, 0)?, row.get(1))));
        let orders = ledger.iter().map(|row| {
            Ok(Order {
                id: row.get::<_, i64>(0).cast_unsigned(),
                from: account(row, 1)?,
                to: account(row, 2)?,
                amount: row.get(3),
            })
        });
        Ok(Audit {
            balances: balances.collect::<anyhow::Result<_>>()?,
            ledger: orders.collect::<anyhow::Result<_>>()?,
        })
    }

    fn disturbances(&self) -> &[Disturbance] {
        match self.private {
            Some(_) => &[
                Disturbance::TerminateSessions,
                Disturbance::KillBackend,
                Disturbance::FreezeServer,
                Disturbance::BlackHole,
            ],
            None => &[Disturbance::TerminateSessions],
        }
    }

    async fn disturb(&self, disturbance: Disturbance) -> anyhow::Result<()> {
        match disturbance {
            Disturbance::TerminateSessions => self.terminate_sessions().await,
            Disturbance::KillBackend => self.kill_backend(),
            Disturbance::FreezeServer => self.freeze().await,
            Disturbance::BlackHole => self.black_hole().await,
            task => anyhow::bail!("{task:?} is done to tasks"),
        }
    }
}
