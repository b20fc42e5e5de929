//! The rules that every adapter keeps, kept by pool and PostgreSQL together.
//!
//! The server is one for the whole run: a private one, or that of `POOL_POSTGRES_URL`. A test tells
//! its connections from those of others by their application name.
#![cfg(feature = "postgres")]

use std::net::TcpListener;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use pool_facade::postgres::{Error, PostgresConnection, PostgresManager, tokio_postgres};
use pool_testkit::conformance::{Caching, Killable, Refusing, Subject, Unreachable};
use pool_testkit::conformance_suite;
use pool_testkit::postgres::{PrivateServer, ServerOptions};

/// Where the server of this run is. A private one ends with the process.
fn url() -> &'static str {
    static URL: OnceLock<(String, Option<PrivateServer>)> = OnceLock::new();
    let start = || match std::env::var("POOL_POSTGRES_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = PrivateServer::start(&ServerOptions::new()).expect("a private server");
            (server.url(), Some(server))
        }
    };
    &URL.get_or_init(start).0
}

struct Postgres {
    application: String,
    /// Asks the server about the connections of this test.
    observer: PostgresConnection,
}

/// What a user may leave in a session, and a question that says whether it is there. The role
/// comes last, since it may do less.
const RESIDUES: [(&str, &str); 7] = [
    (
        "SET work_mem = '7MB'",
        "SELECT current_setting('work_mem') = '7MB'",
    ),
    (
        "CREATE TEMP TABLE left_behind (n int)",
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'left_behind')",
    ),
    (
        "LISTEN left_behind",
        "SELECT EXISTS (SELECT FROM pg_listening_channels())",
    ),
    (
        "SELECT pg_advisory_lock(4711)",
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
    ),
    (
        "DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1",
        "SELECT EXISTS (SELECT FROM pg_cursors WHERE name = 'left_behind')",
    ),
    (
        "PREPARE left_behind AS SELECT 1",
        "SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE from_sql)",
    ),
    (
        "SET ROLE pg_read_all_data",
        "SELECT current_user <> session_user",
    ),
];

/// Shared by all tests and all runs, as nothing is ever committed to it. The lock is there because
/// two that create it at once would disturb each other.
const TABLE: &str = "BEGIN; SELECT pg_advisory_xact_lock(7041776); \
    CREATE TABLE IF NOT EXISTS pool_conformance (n int); COMMIT";

impl Subject for Postgres {
    type Manager = PostgresManager;

    /// The process of a connection ends a moment after its socket.
    const LINGERS: bool = true;

    async fn start() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let manager = PostgresManager::new(url()).expect("a manager");
        let observer = manager.open().await.expect("a connection");
        observer.batch_execute(TABLE).await.expect("a table");
        Self {
            application: format!("pool-conformance-{}-{number}", process::id()),
            observer,
        }
    }

    fn manager(&self) -> PostgresManager {
        let builder = PostgresManager::builder(url()).expect("a builder");
        let builder = builder.application_name(&self.application);
        builder.build().expect("a manager")
    }

    async fn open_now(&self) -> usize {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        let row = self.observer.query_one(sql, &[&self.application]).await;
        let count: i64 = row.expect("a count").get(0);
        usize::try_from(count).expect("a count is not negative")
    }

    fn identity(conn: &PostgresConnection) -> u64 {
        u64::from(conn.process_id().cast_unsigned())
    }

    async fn ping(conn: &mut PostgresConnection) -> Result<(), Error> {
        let row = conn.query_one("SELECT pg_backend_pid()", &[]).await?;
        assert_eq!(
            row.get::<_, i32>(0),
            conn.process_id(),
            "whose answer it is"
        );
        Ok(())
    }

    async fn slow(conn: &mut PostgresConnection) -> Result<(), Error> {
        conn.query("SELECT pg_sleep(30)", &[]).await?;
        Ok(())
    }

    async fn begin(conn: &mut PostgresConnection) {
        let begun = conn.batch_execute("BEGIN; INSERT INTO pool_conformance VALUES (1)");
        begun.await.expect("a write");
    }

    async fn written(conn: &mut PostgresConnection) -> usize {
        let rows = conn.query("SELECT n FROM pool_conformance", &[]).await;
        rows.expect("the table").len()
    }

    async fn leave_residue(conn: &mut PostgresConnection) -> usize {
        for (statement, _) in RESIDUES {
            conn.batch_execute(statement).await.expect(statement);
        }
        RESIDUES.len()
    }

    async fn residue(conn: &mut PostgresConnection) -> Vec<String> {
        let mut left = Vec::new();
        for (statement, question) in RESIDUES {
            let row = conn.query_one(question, &[]).await.expect(question);
            if row.get(0) {
                left.push(statement.to_owned());
            }
        }
        left
    }
}

impl Killable for Postgres {
    async fn kill(&self, identity: u64) {
        let process = i32::try_from(identity).expect("a process number");
        let sql = "SELECT pg_terminate_backend($1, 10000)";
        let row = self.observer.query_one(sql, &[&process]).await;
        assert!(row.expect("an answer").get::<_, bool>(0), "{process} goes");
    }
}

fn config() -> tokio_postgres::Config {
    url().parse().expect("a URL that the driver can read")
}

impl Refusing for Postgres {
    fn refused(&self) -> PostgresManager {
        let mut config = config();
        config.dbname("there_is_no_such_database");
        let builder = PostgresManager::with_config(config);
        builder.build().expect("a manager")
    }
}

impl Unreachable for Postgres {
    fn unreachable(&self) -> PostgresManager {
        // A port that nobody listens on any more.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let manager = PostgresManager::new(&format!("postgres://nobody@127.0.0.1:{port}/none"));
        manager.expect("a manager")
    }
}

impl Caching for Postgres {
    async fn cached(conn: &mut PostgresConnection) -> bool {
        let before = conn.statement_stats().hits;
        let answer = conn.query("SELECT 'in the cache'", &[]).await;
        answer.expect("an answer");
        conn.statement_stats().hits > before
    }
}

conformance_suite! { Postgres;
    unmarked_dropped_call_never_meets_the_next_user,
    killed_connection_is_replaced,
    permanent_connect_error_reaches_waiters_at_once,
    transient_connect_error_is_retried_and_told,
    statement_cache_outlives_the_lease,
}
