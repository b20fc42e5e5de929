//! Sessions on PostgreSQL, each with a setting, a role and a search path of its own, of which a table
//! of each schema and the role's own rights tell.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use pool_facade::postgres::tokio_postgres::types::Type;
use pool_facade::postgres::tokio_postgres::{self, Client, NoTls};
use pool_facade::postgres::{PostgresConnection, PostgresManager, Session};
use pool_testkit::postgres::{PrivateServer, ServerOptions};

use super::{Crowd, Own};
use crate::clock;

pub(crate) struct PostgresCrowd {
    url: String,
    connections: u32,
    private: Option<PrivateServer>,
}

/// Connections that are wanted, and that are left to others on a server that has fewer.
const CONNECTIONS: u32 = 100;
const OTHERS: u32 = 10;

/// How many roles and schemas there are; without a common divisor, so that all pairs occur.
const ROLES: u64 = 4;
const SCHEMAS: u64 = 5;

/// What a session is, and how many connections the server counts.
const LOOK: &str = "SELECT current_setting('app.id'), current_user::text, name, \
    CASE WHEN $1::bool THEN (SELECT count(*) FROM pg_stat_activity \
        WHERE backend_type = 'client backend' AND application_name = 'pool-demo-crowd') \
    ELSE 0 END FROM place";

/// One look in so many has the server count.
const COUNTED: u64 = 97;

static MOST: AtomicU64 = AtomicU64::new(0);

impl PostgresCrowd {
    /// On the server at `url`, or on a private one.
    pub(crate) async fn new(url: Option<String>) -> anyhow::Result<Self> {
        let (url, private) = match url {
            Some(url) => (url, None),
            None => {
                let most = u16::try_from(CONNECTIONS + OTHERS)?;
                let options = ServerOptions::new().max_connections(most.into());
                let server =
                    tokio::task::spawn_blocking(move || PrivateServer::start(&options)).await??;
                (server.url(), Some(server))
            }
        };
        let outside = connect(&url).await?;
        let row = outside
            .query_one("SELECT current_setting('max_connections')::int4", &[])
            .await?;
        let most = u32::try_from(row.get::<_, i32>(0))?;
        Ok(Self {
            url,
            connections: CONNECTIONS.min(most.saturating_sub(OTHERS)).max(1),
            private,
        })
    }
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let connecting = tokio_postgres::connect(url, NoTls).await;
    let (client, connection) = connecting.context("cannot connect to PostgreSQL")?;
    clock::spawn(connection);
    Ok(client)
}

fn role(number: u64) -> String {
    format!("pool_crowd_{}_role_{number}", process::id())
}

fn schema(number: u64) -> String {
    format!("pool_crowd_{}_place_{number}", process::id())
}

fn id(own: Own) -> String {
    format!("{}.{}", own.session, own.round)
}

impl Crowd for PostgresCrowd {
    type Manager = PostgresManager;

    fn name(&self) -> String {
        match &self.private {
            Some(_) => "a private PostgreSQL".to_owned(),
            None => "PostgreSQL".to_owned(),
        }
    }

    fn connections(&self) -> u32 {
        self.connections
    }

    fn manager(&self) -> anyhow::Result<PostgresManager> {
        let manager = PostgresManager::builder(&self.url)?;
        Ok(manager.application_name("pool-demo-crowd").build()?)
    }

    async fn prepare(&self, _sessions: u64) -> anyhow::Result<()> {
        let mut script = String::new();
        for number in 0..ROLES {
            // Of other users' connections a role sees next to nothing, and could not count them.
            script += &format!("CREATE ROLE {} IN ROLE pg_read_all_stats;", role(number));
        }
        for number in 0..SCHEMAS {
            let schema = schema(number);
            script += &format!(
                "CREATE SCHEMA {schema}; CREATE TABLE {schema}.place (name text NOT NULL); \
                 INSERT INTO {schema}.place VALUES ('{schema}'); \
                 GRANT USAGE ON SCHEMA {schema} TO PUBLIC; \
                 GRANT SELECT ON {schema}.place TO PUBLIC;"
            );
        }
        let outside = connect(&self.url).await?;
        let made = outside.batch_execute(&script).await;
        made.context("cannot make roles and schemas")
    }

    async fn tidy_up(&self) -> anyhow::Result<()> {
        let mut script = String::new();
        for number in 0..SCHEMAS {
            script += &format!("DROP SCHEMA {} CASCADE;", schema(number));
        }
        for number in 0..ROLES {
            script += &format!("DROP ROLE {};", role(number));
        }
        let outside = connect(&self.url).await?;
        let dropped = outside.batch_execute(&script).await;
        dropped.context("cannot drop roles and schemas")
    }

    async fn settle(session: &mut Session, own: Own) -> anyhow::Result<()> {
        session.set("app.id", &id(own)).await?;
        if own.round == 0 {
            session.set_role(&role(own.session % ROLES)).await?;
            let place = schema(own.session % SCHEMAS);
            session.set("search_path", &place).await?;
        }
        Ok(())
    }

    async fn look(session: &mut Session, own: Own) -> anyhow::Result<bool> {
        let counts = own.session.is_multiple_of(COUNTED);
        let rows = session.query_typed(LOOK, &[(&counts, Type::BOOL)]).await?;
        let row = rows.first().context("the table of places is empty")?;
        let most: i64 = row.get(3);
        MOST.fetch_max(most.cast_unsigned(), Ordering::Relaxed);
        let seen: (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let expected = (
            id(own),
            role(own.session % ROLES),
            schema(own.session % SCHEMAS),
        );
        Ok(seen == expected)
    }

    async fn look_and_settle(session: &mut Session, own: Own, next: Own) -> anyhow::Result<bool> {
        let mut transaction = session.transaction().await?;
        let before = Self::look(&mut transaction, own).await?;
        transaction.savepoint("mistaken").await?;
        transaction.set("app.id", "somebody else").await?;
        transaction.rollback_to("mistaken").await?;
        let same = Self::look(&mut transaction, own).await?;
        Self::settle(&mut transaction, next).await?;
        let after = Self::look(&mut transaction, next).await?;
        transaction.commit().await?;
        Ok(before && same && after)
    }

    async fn is_plain(conn: &mut PostgresConnection) -> anyhow::Result<bool> {
        const PLAIN: &str = "SELECT coalesce(current_setting('app.id', true), '') = '' \
            AND current_user = session_user \
            AND NOT EXISTS (SELECT FROM pg_settings WHERE source = 'session')";
        Ok(conn.query_one(PLAIN, &[]).await?.get(0))
    }

    fn most_connections() -> Option<u64> {
        Some(MOST.load(Ordering::Relaxed))
    }
}
