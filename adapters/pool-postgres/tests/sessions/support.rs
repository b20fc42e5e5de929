//! A pool, its sessions, and how to move them.

use pool_core::{Pool, WarmUp};
use pool_multiplex::{Modes, PinReason, Pins, SessionConfig, SessionPool as _, Sessions};
use pool_postgres::tokio_postgres::Config as TokioConfig;
use pool_postgres::{PostgresConnection, PostgresManager, Session, SessionError};
use pool_testkit::postgres::{PrivateServer, ServerOptions};
use pool_testkit::proxy::FaultProxy;
use std::sync::OnceLock;
use std::time::Duration;

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
    sessions_of(manager, connections, config).await
}

/// Sessions on the server behind `url`.
pub(crate) async fn sessions_at(url: &str, connections: u32) -> Sessions<PostgresManager> {
    let manager = PostgresManager::new(url).unwrap();
    sessions_of(manager, connections, SessionConfig::new()).await
}

pub(crate) async fn sessions_of(
    manager: PostgresManager,
    connections: u32,
    config: SessionConfig,
) -> Sessions<PostgresManager> {
    let builder = PostgresPool::builder(manager)
        .max_size(connections)
        .acquire_timeout(Duration::from_secs(20))
        .extension(config);
    builder.build().await.unwrap().sessions()
}

/// A proxy before the server, and sessions that come through it.
pub(crate) async fn sessions_through_a_proxy(
    connections: u32,
) -> (FaultProxy, Sessions<PostgresManager>) {
    let config: TokioConfig = url().parse().unwrap();
    let port = config.get_ports()[0];
    let target = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let proxy = FaultProxy::start(target).await.unwrap();
    let user = config.get_user().unwrap();
    let database = config.get_dbname().unwrap_or(user);
    let url = format!("postgres://{user}@{}/{database}", proxy.address());
    let sessions = sessions_at(&url, connections).await;
    (proxy, sessions)
}

/// A connection that belongs to no pool.
pub(crate) async fn observer() -> PostgresConnection {
    PostgresManager::new(url()).unwrap().open().await.unwrap()
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

/// One number.
pub(crate) async fn number(session: &mut Session, sql: &str) -> i64 {
    session.query_one(sql, &[]).await.unwrap().get(0)
}

pub(crate) async fn show(session: &mut Session, setting: &str) -> String {
    let sql = format!("SELECT current_setting('{setting}', true)");
    ask(session, &sql).await.unwrap_or_default()
}

pub(crate) async fn user(session: &mut Session) -> String {
    ask(session, "SELECT current_user::text").await.unwrap()
}

/// Statements that must succeed.
pub(crate) async fn run(session: &mut Session, sql: &str) {
    if let Err(error) = session.batch(sql).await {
        panic!("{sql}: {error}");
    }
}

pub(crate) async fn begin(session: &mut Session) {
    session.begin(Modes::default()).await.unwrap();
}

/// The server's code for an error, or nothing.
pub(crate) fn code(error: &SessionError) -> &str {
    let code = error.manager_error().and_then(pool_postgres::Error::code);
    code.map_or("", |code| code.code())
}

pub(crate) fn pins(session: &Session) -> Vec<PinReason> {
    session.pins().unwrap().iter().collect()
}

pub(crate) fn is_free(session: &Session) -> bool {
    session.pins().unwrap() == Pins::NONE
}

/// Another session in a transaction on the connection that `session` had last. As long as it is there,
/// `session` runs elsewhere.
pub(crate) async fn occupy(session: &mut Session) -> Occupied {
    let from = pid(session).await;
    let sessions = session.inner().sessions().clone();
    let mut others = Vec::new();
    loop {
        let mut other = sessions.create().unwrap();
        begin(&mut other).await;
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

/// What `sql` says to the session once it has moved to another back end.
pub(crate) async fn ask_elsewhere(session: &mut Session, sql: &str) -> String {
    let occupied = occupy(session).await;
    let said = ask(session, sql).await.unwrap_or_default();
    occupied.moved(session).await;
    occupied.release().await;
    said
}

pub(crate) async fn show_elsewhere(session: &mut Session, setting: &str) -> String {
    let sql = format!("SELECT current_setting('{setting}', true)");
    ask_elsewhere(session, &sql).await
}

/// Ends a back end, and waits until it is gone.
pub(crate) async fn kill(observer: &PostgresConnection, pid: i32) {
    let sql = "SELECT pg_terminate_backend($1)";
    observer.query_one(sql, &[&pid]).await.unwrap();
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    until("the back end is gone", async || {
        let row = observer.query_one(gone, &[&pid]).await.unwrap();
        row.get::<_, i64>(0) == 0
    })
    .await;
}

/// Asks again and again until the answer is yes.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !holds().await {
            pause(2).await;
        }
    };
    let limit = Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, asking).await.is_ok(), "{what}");
}

/// Waits for so many milliseconds, which the server may use.
#[expect(
    clippy::disallowed_methods,
    reason = "a real server keeps to the machine's time"
)]
pub(crate) async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// Makes tables and the like anew.
pub(crate) async fn set_up(sql: &str) {
    let observer = observer().await;
    observer.batch_execute(sql).await.unwrap();
}

pub(crate) async fn impatient(connections: u32) -> Sessions<PostgresManager> {
    let manager = PostgresManager::new(url()).unwrap();
    let builder = PostgresPool::builder(manager)
        .max_size(connections)
        .acquire_timeout(Duration::from_millis(300));
    builder.build().await.unwrap().sessions()
}

pub(crate) async fn warm(connections: u32, plan: WarmUp) -> Sessions<PostgresManager> {
    let manager = PostgresManager::new(url()).unwrap();
    let builder = PostgresPool::builder(manager)
        .max_size(connections)
        .warm_up(plan);
    builder.build().await.unwrap().sessions()
}

/// Advisory locks of the back end.
pub(crate) async fn locks(session: &mut Session) -> i64 {
    const LOCKS: &str = "SELECT count(*) FROM pg_locks \
        WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    session.query_one(LOCKS, &[]).await.unwrap().get(0)
}
