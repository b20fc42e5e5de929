//! Opens, checks, resets and closes connections for the pool.

use crate::cancel::Cancel;
use crate::classify::classify;
use crate::config::PostgresManagerBuilder;
use crate::connection::PostgresConnection;
use crate::dsn;
use crate::error::Error;
use crate::hosts::{Target, balance};
use crate::reset::{Reset, full_script, script};
use crate::tls::Tls;
use crate::transport::Endpoint;
use crate::watch::{Look, Status, Taint};
use pool_core::{Condition, ConnectCtx, ErrorClass, Manager, WarmUp};
use std::fmt;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Config, SimpleQueryMessage};

/// Manages connections to one PostgreSQL database.
///
/// ```
/// use pool_postgres::PostgresManager;
///
/// let manager = PostgresManager::new("postgres://app:secret@db.example/shop")?;
/// assert!(!format!("{manager:?}").contains("secret"));
/// # Ok::<(), pool_postgres::Error>(())
/// ```
pub struct PostgresManager {
    pub(crate) config: Config,
    pub(crate) targets: Vec<Target>,
    pub(crate) tls: Tls,
    pub(crate) statement_cache_size: usize,
    pub(crate) reset: Reset,
    pub(crate) cancel: Option<Cancel>,
}

impl PostgresManager {
    /// A manager for a URL (`postgres://user:password@host:5432/database?sslmode=require`) or a
    /// list of keys and values (`host=db user=app dbname=shop`), with default options. Nothing is
    /// connected yet.
    ///
    /// # Errors
    ///
    /// [`Error::Config`], which names the key at fault and never shows the string.
    pub fn new(dsn: &str) -> Result<Self, Error> {
        Self::builder(dsn)?.build()
    }

    /// Options for a URL or a list of keys and values.
    ///
    /// # Errors
    ///
    /// [`Error::Config`], which names the key at fault and never shows the string.
    pub fn builder(dsn: &str) -> Result<PostgresManagerBuilder, Error> {
        Ok(PostgresManagerBuilder::new(dsn::parse(dsn)?))
    }

    /// Options for a configuration of the driver. What it says about `connect_timeout` holds for
    /// each socket; the pool's `connect_timeout` holds for the whole.
    pub fn with_config(config: Config) -> PostgresManagerBuilder {
        PostgresManagerBuilder::new(config)
    }

    /// Opens a connection that belongs to no pool, say for a migration or a long LISTEN. The hosts
    /// and their addresses are tried in order; the error is the last one's.
    ///
    /// # Errors
    ///
    /// Any but the errors of requests.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes whatever it had opened.
    pub async fn open(&self) -> Result<PostgresConnection, Error> {
        let mut targets: Vec<&Target> = self.targets.iter().collect();
        balance(&self.config, &mut targets);
        let mut failed = None;
        for target in targets {
            match self.connect_target(target).await {
                Ok(conn) => return Ok(conn),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or(Error::Closed))
    }

    async fn connect_target(&self, target: &Target) -> Result<PostgresConnection, Error> {
        let mut failed = None;
        for endpoint in target.resolve(&self.config).await? {
            match self.connect_endpoint(endpoint).await {
                Ok(conn) => return Ok(conn),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or(Error::Closed))
    }

    async fn connect_endpoint(&self, endpoint: Endpoint) -> Result<PostgresConnection, Error> {
        let size = self.statement_cache_size;
        let mut conn = PostgresConnection::open(endpoint, &self.config, &self.tls, size).await?;
        let (wanted, read_only) = match self.config.get_target_session_attrs() {
            TargetSessionAttrs::ReadWrite => ("read-write", "off"),
            TargetSessionAttrs::ReadOnly => ("read-only", "on"),
            _ => return Ok(conn),
        };
        let messages = conn.simple_query("SHOW transaction_read_only").await?;
        let fits = messages.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some(read_only),
            _ => false,
        });
        if !fits {
            let endpoint = conn.endpoint().to_string();
            return Err(Error::TargetSession { endpoint, wanted });
        }
        settled_clean(&mut conn).await?;
        Ok(conn)
    }

    fn taint(&self, conn: &PostgresConnection) -> Taint {
        match self.reset {
            Reset::Never => Taint::NONE,
            Reset::WhenTainted | Reset::Always => conn.watch().taint(),
        }
    }
}

impl Manager for PostgresManager {
    type Connection = PostgresConnection;
    type Error = Error;

    async fn connect(&self, cx: &ConnectCtx) -> Result<PostgresConnection, Error> {
        let conn = self.open().await?;
        conn.watch().attend(cx.vitals.clone());
        Ok(conn)
    }

    /// All in one round trip, with more for types that the driver does not know. Statements to
    /// prepare go into the statement cache, which should have room for them. Statements to execute
    /// run again after each reset that touches the session, so that what they set is found by every
    /// user.
    async fn warm_up(&self, conn: &mut PostgresConnection, plan: &WarmUp) -> Result<(), Error> {
        conn.warm_up(plan).await?;
        settled_clean(conn).await
    }

    /// An empty query: one round trip, and the server parses nothing.
    async fn validate(&self, conn: &mut PostgresConnection) -> Result<(), Error> {
        let was_clean = !conn.was_used() && conn.watch().taint().is_none();
        conn.run("").await?;
        if was_clean {
            // The check itself is no use of the connection.
            settled_clean(conn).await?;
        }
        Ok(())
    }

    /// Rolls back, and undoes what the last user may have left in the session: nothing, or one
    /// round trip. Statements the connection has prepared stay, and what the warm-up has set is set
    /// again.
    async fn reset(&self, conn: &mut PostgresConnection) -> Result<(), Error> {
        let status = settled_status(conn).await?;
        let mut taint = self.taint(conn);
        if taint.has(Taint::LASTING) {
            return Err(Error::NotResettable);
        }
        if conn.label().awaits_rollback() {
            return roll_back(conn).await;
        }
        let mut policy = self.reset;
        if !conn.label().is_clean() || conn.label().is_open() {
            // Whatever the policy: it is not for those who know nothing of sessions.
            taint |= Taint::SESSION | Taint::STATEMENTS;
            if policy == Reset::Never {
                policy = Reset::WhenTainted;
            }
        }
        if conn.is_warm() && !taint.is_none() {
            // What it prepares by SQL must be gone when it runs again.
            taint |= Taint::STATEMENTS;
        }
        let script = script(policy, status, taint, conn.was_used());
        if script.text.is_empty() {
            return Ok(());
        }
        if script.renews {
            conn.renew(&script.text).await?;
        } else {
            conn.run(&script.text).await?;
        }
        conn.label_mut().clear();
        settled_clean(conn).await
    }

    /// What `DISCARD ALL` does, and the statement cache is emptied; then the warm-up, prepared
    /// statements included, as for a new connection. One round trip, whatever the policy of resets.
    async fn reset_fully(&self, conn: &mut PostgresConnection) -> Result<(), Error> {
        let status = settled_status(conn).await?;
        if conn.watch().taint().has(Taint::LASTING) {
            return Err(Error::NotResettable);
        }
        conn.renew_fully(&full_script(status)).await?;
        conn.label_mut().clear();
        settled_clean(conn).await
    }

    /// Cancels what is still running and drops the connection, or takes leave of the server when
    /// nothing is. Waits for the driver's task to end; the pool's `close_timeout` bounds that, and
    /// dropping the future ends the task.
    async fn close(&self, conn: PostgresConnection) {
        match conn.watch().settled().await {
            Look::Settled(_) => conn.finish().await,
            Look::Lost => drop(conn),
            Look::Working | Look::Uncertain => {
                if let Some(cancel) = &self.cancel {
                    cancel.send(&conn, &self.config, &self.tls).await;
                }
                conn.abort().await;
            }
        }
    }

    /// A few atomic loads. Where the driver's client was used directly and its task is just about
    /// to finish, waits for it up to some microseconds.
    fn condition(&self, conn: &mut PostgresConnection) -> Condition {
        match conn.look() {
            Look::Lost | Look::Working | Look::Settled(Status::Unknown) => Condition::Broken,
            Look::Uncertain => Condition::Dirty,
            Look::Settled(Status::Transaction | Status::Failed) => Condition::Dirty,
            Look::Settled(Status::Idle) => {
                let taint = self.taint(conn);
                if taint.has(Taint::LASTING) {
                    Condition::Broken
                } else if !taint.is_none()
                    || conn.label().is_open()
                    || (self.reset == Reset::Always && conn.was_used())
                {
                    Condition::Dirty
                } else {
                    Condition::Clean
                }
            }
        }
    }

    fn classify(&self, error: &Error) -> ErrorClass {
        classify(error)
    }
}

/// The status of a connection at rest.
async fn settled_status(conn: &PostgresConnection) -> Result<Status, Error> {
    match conn.settle().await? {
        Look::Settled(status) => Ok(status),
        Look::Working | Look::Uncertain => Err(Error::Abandoned),
        Look::Lost => Err(Error::Closed),
    }
}

/// Undoes what a session has left that gave its transaction up: everything else is in the label.
async fn roll_back(conn: &mut PostgresConnection) -> Result<(), Error> {
    conn.run("ROLLBACK").await?;
    settled_clean(conn).await?;
    conn.stay().end(conn, true);
    conn.stay().left();
    conn.label_mut().rolled_back();
    Ok(())
}

/// Takes the session for clean as it is, once it is at rest.
async fn settled_clean(conn: &mut PostgresConnection) -> Result<(), Error> {
    conn.settle_idle().await?;
    conn.mark_clean();
    Ok(())
}

impl fmt::Debug for PostgresManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresManager")
            .field("config", &self.config)
            .field("statement_cache_size", &self.statement_cache_size)
            .field("reset", &self.reset)
            .finish_non_exhaustive()
    }
}
