//! The bank in an SQLite file.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use pool_facade::sqlite::rusqlite::{self, Connection, Transaction, TransactionBehavior, params};
use pool_facade::sqlite::{Error, SqliteConnection, SqliteManager};
use tempfile::TempDir;

use super::{Audit, Bank, Disturbance, OPENING_BALANCE, Order, Stage};

pub(crate) struct SqliteBank {
    path: PathBuf,
    /// Removed at the end.
    _folder: Option<TempDir>,
}

const SCHEMA: &str = "
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
    CREATE TABLE ledger (
        transfer INTEGER PRIMARY KEY,
        source INTEGER NOT NULL REFERENCES account,
        target INTEGER NOT NULL REFERENCES account,
        amount INTEGER NOT NULL
    );";

impl SqliteBank {
    /// A bank in a new file, by default a temporary one.
    pub(crate) fn new(database: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = database else {
            let folder = TempDir::with_prefix("pool-demo-").context("cannot make a folder")?;
            return Ok(Self {
                path: folder.path().join("bank.db"),
                _folder: Some(folder),
            });
        };
        ensure!(
            !path.exists(),
            "{} exists already: name a new file, the demo does not touch others",
            path.display()
        );
        Ok(Self {
            path,
            _folder: None,
        })
    }

    /// Runs `work` on a connection outside the pool.
    async fn outside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let manager = SqliteManager::new(&self.path)?;
        let mut conn = manager.open().await?;
        let outcome = conn.call(work).await?;
        conn.close().await?;
        Ok(outcome)
    }
}

impl Bank for SqliteBank {
    type Manager = SqliteManager;

    fn name(&self) -> String {
        format!("SQLite file {}", self.path.display())
    }

    fn manager(&self) -> anyhow::Result<SqliteManager> {
        Ok(SqliteManager::new(&self.path)?)
    }

    async fn prepare(&self, accounts: u32) -> anyhow::Result<()> {
        let fill = move |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            let mut insert = transaction.prepare("INSERT INTO account VALUES (?1, ?2)")?;
            for account in 0..accounts {
                insert.execute(params![account, OPENING_BALANCE])?;
            }
            drop(insert);
            transaction.commit()
        };
        self.outside(fill).await.context("cannot make the tables")
    }

    async fn transfer(
        &self,
        conn: &mut SqliteConnection,
        order: Order,
        stage: &Stage,
    ) -> Result<(), Error> {
        let stage = stage.clone();
        conn.call(move |connection| {
            let behavior = TransactionBehavior::Immediate;
            let transaction = connection.transaction_with_behavior(behavior)?;
            transfer(&transaction, order)?;
            stage.commit_begins();
            transaction.commit()
        })
        .await
    }

    fn identity(conn: &SqliteConnection) -> u64 {
        conn.id()
    }

    fn kind(error: &Error) -> String {
        match error {
            Error::Sqlite(source) => match source.sqlite_error_code() {
                Some(code) => format!("SQLite {code:?}"),
                None => "SQLite, other".to_owned(),
            },
            Error::Outstanding => "a job is outstanding".to_owned(),
            Error::Ended => "the connection has ended".to_owned(),
            Error::Open { .. } => "cannot open".to_owned(),
            _ => "other".to_owned(),
        }
    }

    async fn open_connections(&self, manager: &SqliteManager) -> anyhow::Result<u64> {
        Ok(manager.open_connections() as u64)
    }

    async fn audit(&self) -> anyhow::Result<Audit> {
        self.outside(read_books)
            .await
            .context("cannot read the books")
    }

    fn disturbances(&self) -> &[Disturbance] {
        &[]
    }

    async fn disturb(&self, disturbance: Disturbance) -> anyhow::Result<()> {
        anyhow::bail!("{disturbance:?} is not possible on SQLite")
    }
}

fn transfer(transaction: &Transaction<'_>, order: Order) -> rusqlite::Result<()> {
    let balance = |account: u32| -> rusqlite::Result<i64> {
        transaction
            .prepare_cached("SELECT balance FROM account WHERE id = ?1")?
            .query_row([account], |row| row.get(0))
    };
    let (source, target) = (balance(order.from)?, balance(order.to)?);
    let moved = order.amount.min(source);
    let mut update = transaction.prepare_cached("UPDATE account SET balance = ?2 WHERE id = ?1")?;
    update.execute(params![order.from, source - moved])?;
    update.execute(params![order.to, target + moved])?;
    transaction
        .prepare_cached("INSERT INTO ledger VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![order.id.cast_signed(), order.from, order.to, moved])?;
    Ok(())
}

fn read_books(connection: &mut Connection) -> rusqlite::Result<Audit> {
    let transaction = connection.transaction()?;
    let mut accounts = transaction.prepare("SELECT id, balance FROM account")?;
    let balances = accounts
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut ledger = transaction.prepare("SELECT transfer, source, target, amount FROM ledger")?;
    let orders = ledger.query_map([], |row| {
        Ok(Order {
            id: row.get::<_, i64>(0)?.cast_unsigned(),
            from: row.get(1)?,
            to: row.get(2)?,
            amount: row.get(3)?,
        })
    })?;
    Ok(Audit {
        balances,
        ledger: orders.collect::<rusqlite::Result<_>>()?,
    })
}
