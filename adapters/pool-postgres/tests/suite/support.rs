use pool_core::{Clock, Condition, ConnectCtx, Manager, TokioClock, Vitals};
use pool_postgres::{PostgresConnection, PostgresManager};
use pool_testkit::postgres::{PrivateServer, ServerOptions};
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

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

pub(crate) fn manager() -> PostgresManager {
    PostgresManager::new(url()).unwrap()
}

pub(crate) async fn open() -> (PostgresManager, PostgresConnection) {
    let manager = manager();
    let conn = manager.open().await.unwrap();
    (manager, conn)
}

/// Brings a connection to its next user as a pool does.
pub(crate) async fn hand_over(manager: &PostgresManager, conn: &mut PostgresConnection) {
    match manager.condition(conn) {
        Condition::Clean => {}
        Condition::Dirty => {
            manager.reset(conn).await.unwrap();
            assert_eq!(manager.condition(conn), Condition::Clean);
        }
        Condition::Broken => panic!("{conn:?} is broken"),
    }
}

/// One text value.
pub(crate) async fn ask(conn: &PostgresConnection, sql: &str) -> Option<String> {
    conn.query_one(sql, &[]).await.unwrap().get(0)
}

/// Polls once and leaves the rest.
pub(crate) fn poll_once<F: Future>(future: &mut std::pin::Pin<&mut F>) {
    let poll = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
}

/// Asks again and again until the answer is yes.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let asking = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, asking).await.is_ok(), "{what}");
}

/// Whether the back end runs a statement.
pub(crate) async fn is_active(observer: &PostgresConnection, process_id: i32) -> bool {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
    let row = observer.query_one(sql, &[&process_id]).await.unwrap();
    row.get::<_, i64>(0) > 0
}

/// Whether the back end exists.
pub(crate) async fn exists(observer: &PostgresConnection, process_id: i32) -> bool {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    let row = observer.query_one(sql, &[&process_id]).await.unwrap();
    row.get::<_, i64>(0) > 0
}

/// How to connect with vital signs that are read.
pub(crate) fn watched_connect() -> (ConnectCtx, Vitals) {
    let clock = Arc::new(TokioClock::new());
    let mut cx = ConnectCtx::standalone(clock.now(), Duration::from_secs(20));
    cx.vitals = Vitals::new(Arc::clone(&clock) as _, clock.now());
    let vitals = cx.vitals.clone();
    (cx, vitals)
}
