//! A pool, its sessions, and how to move them.

use pool_core::Pool;
use pool_multiplex::{SessionConfig, SessionPool as _, Sessions};
use pool_postgres::{PostgresManager, Session};
use pool_testkit::postgres::{PrivateServer, ServerOptions};
use std::sync::OnceLock;

pub(crate) type PostgresPool = Pool<PostgresManager>;

/// Where the server of this run is. One is started for the process if none is given; it ends with
/// the process.
pub(crate) fn url() -> &'static str {
    static URL: OnceLock<(String, Option<PrivateServer>)> = OnceLock::new();
    let start = || match std::env::var("POOL_POSTGRES_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = PrivateServer::start(&ServerOptions::new()).unwrap();
            (server.url(), Some(server))
        }
    };
    &URL.get_or_init(start).0
}

/// A pool of so many connections, and its sessions.
pub(crate) async fn sessions(connections: u32) -> Sessions<PostgresManager> {
    sessions_with(connections, SessionConfig::new()).await
}

pub(crate) async fn sessions_with(
    connections: u32,
    config: SessionConfig,
) -> Sessions<PostgresManager> {
    let manager = PostgresManager::new(url()).unwrap();
    let builder = PostgresPool::builder(manager)
        .max_size(connections)
        .extension(config);
    builder.build().await.unwrap().sessions()
}

/// The back end that a session runs on.
pub(crate) async fn pid(session: &mut Session) -> i32 {
    let row = session.query_one("SELECT pg_backend_pid()", &[]).await;
    row.unwrap().get(0)
}

/// One text value.
pub(crate) async fn ask(session: &mut Session, sql: &str) -> Option<String> {
    session.query_one(sql, &[]).await.unwrap().get(0)
}

pub(crate) async fn show(session: &mut Session, setting: &str) -> String {
    let sql = format!("SELECT current_setting('{setting}', true)");
    ask(session, &sql).await.unwrap_or_default()
}

/// Another session in a transaction on the connection that `session` had last. As long as it is there,
/// `session` runs elsewhere.
pub(crate) async fn occupy(session: &mut Session) -> Occupied {
    let from = pid(session).await;
    let sessions = session.inner().sessions().clone();
    let mut others = Vec::new();
    loop {
        let mut other = sessions.create().unwrap();
        other.begin(pool_multiplex::Modes::default()).await.unwrap();
        let here = pid(&mut other).await;
        if here == from {
            for mut other in others {
                Session::rollback(&mut other).await.unwrap();
            }
            return Occupied {
                session: other,
                from,
            };
        }
        others.push(other);
    }
}

/// A connection that is taken.
pub(crate) struct Occupied {
    pub(crate) session: Session,
    from: i32,
}

impl Occupied {
    /// Asserts that `session` runs elsewhere.
    pub(crate) async fn moved(&self, session: &mut Session) {
        assert_ne!(pid(session).await, self.from, "the session is where it was");
    }

    pub(crate) async fn release(mut self) {
        self.session.rollback().await.unwrap();
    }
}
