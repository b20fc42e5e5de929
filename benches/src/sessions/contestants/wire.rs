//! A client that has a connection of its own, be it PgBouncer's or the server's.

use anyhow::{Context, ensure};
use tokio::try_join;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client as Connection, Error, NoTls, Row, Statement};

use crate::sessions::contestant::Client;
use crate::sessions::site;
use crate::sessions::work::{READ, READ_BACK, Seen, WRITE};

/// A connection and what its transactions begin with.
#[derive(Debug)]
pub struct Wire {
    connection: Connection,
    begin: String,
    prepared: Option<Statement>,
}

impl Wire {
    /// Logs in on that port of `127.0.0.1`. Transactions begin with `begin`.
    pub(super) async fn log_in(port: u16, begin: String) -> anyhow::Result<Self> {
        let (connection, io) = site::login(port).connect(NoTls).await.context("a login")?;
        tokio::spawn(io);
        Ok(Self {
            connection,
            begin,
            prepared: None,
        })
    }

    /// Runs statements that belong to no transaction.
    pub(super) async fn run(&self, statements: &str) -> Result<(), Error> {
        self.connection.batch_execute(statements).await
    }

    /// Prepares what [`Client::prepared`] runs.
    pub(super) async fn prepare(&mut self) -> Result<(), Error> {
        self.prepared = Some(self.connection.prepare_typed(READ, &[Type::INT8]).await?);
        Ok(())
    }

    /// Sends BEGIN and the first statement in one go: the driver sends what is asked of it before it
    /// has replies, in the order in which it was asked.
    async fn begin_with(&self, statement: &str, key: i64) -> Result<Row, Error> {
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&key, Type::INT8)];
        let ((), row) = try_join!(
            biased;
            self.connection.batch_execute(&self.begin),
            self.connection.query_typed_one(statement, &parameters),
        )?;
        Ok(row)
    }

    async fn commit(&self) -> Result<(), Error> {
        self.connection.batch_execute("COMMIT").await
    }
}

impl Client for Wire {
    async fn read_only(&mut self, item: i64) -> anyhow::Result<i64> {
        let row = self.begin_with(READ, item).await?;
        self.commit().await?;
        Ok(row.try_get(0)?)
    }

    async fn read_write(&mut self, item: i64, own: i64) -> anyhow::Result<i64> {
        let row = self.begin_with(READ, item).await?;
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&own, Type::INT8)];
        let written = self.connection.execute_typed(WRITE, &parameters).await?;
        ensure!(written == 1, "a write did not write one row");
        self.commit().await?;
        Ok(row.try_get(0)?)
    }

    async fn read_back(&mut self) -> anyhow::Result<Seen> {
        let row = self.begin_with(READ_BACK, 1).await?;
        self.commit().await?;
        Ok(Seen {
            app: row.try_get(0)?,
            role: row.try_get(1)?,
            place: row.try_get(2)?,
        })
    }

    async fn prepared(&mut self, item: i64) -> anyhow::Result<i64> {
        let statement = self.prepared.as_ref().context("nothing was prepared")?;
        let parameters: [&(dyn ToSql + Sync); 1] = [&item];
        let ((), row) = try_join!(
            biased;
            self.connection.batch_execute(&self.begin),
            self.connection.query_one(statement, &parameters),
        )?;
        self.commit().await?;
        Ok(row.try_get(0)?)
    }
}
