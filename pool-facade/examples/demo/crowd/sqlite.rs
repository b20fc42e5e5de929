//! Sessions on an SQLite file, each with a pragma and a value of its own, and a view that shows each
//! the one row that is its own.

use anyhow::Context;
use pool_facade::sqlite::rusqlite::{self, Connection, Row, params};
use pool_facade::sqlite::{SqliteConnection, SqliteManager, SqliteSession};
use tempfile::TempDir;

use super::{Crowd, Own};

pub(crate) struct SqliteCrowd {
    folder: TempDir,
}

const SCHEMA: &str = "
    CREATE TABLE word (session INTEGER PRIMARY KEY, word TEXT NOT NULL);
    CREATE VIEW mine AS
        SELECT word FROM word WHERE session = CAST(session_value('app.session') AS INTEGER);";

const LOOK: &str = "
    SELECT session_value('app.id'), (SELECT word FROM mine), (SELECT * FROM pragma_cache_size)";

impl SqliteCrowd {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("pool-demo-").context("cannot make a folder")?;
        Ok(Self { folder })
    }
}

impl Crowd for SqliteCrowd {
    type Manager = SqliteManager;

    fn name(&self) -> String {
        "an SQLite file".to_owned()
    }

    fn connections(&self) -> u32 {
        16
    }

    fn manager(&self) -> anyhow::Result<SqliteManager> {
        Ok(SqliteManager::new(self.folder.path().join("crowd.db"))?)
    }

    async fn prepare(&self, sessions: u64) -> anyhow::Result<()> {
        let fill = move |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            let mut insert = transaction.prepare("INSERT INTO word VALUES (?1, ?2)")?;
            for session in 0..sessions {
                insert.execute(params![session.cast_signed(), word(session)])?;
            }
            drop(insert);
            transaction.commit()
        };
        let mut conn = self.manager()?.open().await?;
        conn.call(fill).await.context("cannot make the tables")?;
        conn.close().await.context("cannot close the file")
    }

    async fn settle(session: &mut SqliteSession, own: Own) -> anyhow::Result<()> {
        if own.round == 0 {
            session.set("app.session", &own.session.to_string()).await?;
        }
        session.set("app.id", &id(own)).await?;
        session
            .set("cache_size", &cache_size(own).to_string())
            .await?;
        Ok(())
    }

    async fn look(session: &mut SqliteSession, own: Own) -> anyhow::Result<bool> {
        let seen = session.query_row(LOOK, (), read).await?;
        Ok(seen == (Some(id(own)), Some(word(own.session)), cache_size(own)))
    }

    async fn look_and_settle(
        session: &mut SqliteSession,
        own: Own,
        next: Own,
    ) -> anyhow::Result<bool> {
        let mut transaction = session.transaction().await?;
        let before = Self::look(&mut transaction, own).await?;
        Self::settle(&mut transaction, next).await?;
        let after = Self::look(&mut transaction, next).await?;
        // Settings on SQLite know no transactions, so either end is as good as the other.
        match own.session % 2 {
            0 => transaction.commit().await?,
            _ => transaction.rollback().await?,
        }
        Ok(before && after)
    }

    async fn is_plain(conn: &mut SqliteConnection) -> anyhow::Result<bool> {
        let seen = conn
            .call(|connection| connection.query_row(LOOK, [], read))
            .await?;
        Ok(seen.0.is_none() && seen.1.is_none() && seen.2 > -FIRST_SIZE)
    }
}

type Row3 = (Option<String>, Option<String>, i64);

fn read(row: &Row<'_>) -> rusqlite::Result<Row3> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn id(own: Own) -> String {
    format!("{}.{}", own.session, own.round)
}

fn word(session: u64) -> String {
    format!("the word of session {session}")
}

/// Larger than what a connection is opened with, and another one for each session.
const FIRST_SIZE: i64 = 100_000;

/// In kibibytes, which SQLite writes as a number below zero. Nothing near it is used.
const fn cache_size(own: Own) -> i64 {
    -(FIRST_SIZE + own.session.cast_signed() * 2 + (own.round % 2).cast_signed())
}
