//! What a session costs in memory while it does nothing, on real PostgreSQL.
//!
//! Sessions that were all used: each has six settings, five of them shared with some others and one of
//! its own, and has run a hundred statements out of a thousand, each its own choice. What they share,
//! the statements' texts and what connections hold, is there before the first is made, kept by
//! sessions that are not counted. What the tables of sessions and settings grow by is counted.
#![cfg(feature = "postgres")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; the lint only knows test functions"
)]

use pool_facade::affinity::Affinity;
use pool_facade::postgres::{PostgresManager, Session};
use pool_facade::sessions::{SessionConfig, Sessions};
use pool_facade::{Pool, SessionBuilder as _, SessionPool as _};
use pool_testkit::alloc::{CountingAllocator, thread_cost};
use pool_testkit::postgres::{PrivateServer, ServerOptions};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const CONNECTIONS: u32 = 4;
const SESSIONS: usize = if cfg!(debug_assertions) { 200 } else { 500 };
const STATEMENTS: usize = 1000;
/// Of these, each session uses so many.
const USED: usize = 100;
/// Where all of them look for names: what is known of a statement is shared by those who do.
const PLACE: &str = "place";
/// Bytes for a session.
const MOST: i64 = 8 * 1024;

fn statement(number: usize) -> String {
    format!("SELECT {number} AS number, $1::int4 AS parameter")
}

fn settings(number: usize) -> [(&'static str, String); 6] {
    [
        ("app.id", format!("session {number}")),
        ("app.tenant", format!("tenant {}", number % 10)),
        ("search_path", PLACE.to_owned()),
        ("statement_timeout", format!("{}s", 30 + number % 3)),
        ("work_mem", format!("{}MB", 4 + number % 5)),
        ("TimeZone", "UTC".to_owned()),
    ]
}

async fn pool(server: &PrivateServer) -> Pool<PostgresManager> {
    let builder = Pool::builder(PostgresManager::new(&server.url()).unwrap());
    let builder = builder.max_size(CONNECTIONS).initial_size(CONNECTIONS);
    let (builder, _affinity) = builder
        .sessions(SessionConfig::new(), Affinity::builder())
        .unwrap();
    builder.build().await.unwrap()
}

async fn run(session: &mut Session, number: usize) {
    let rows = session.query(&statement(number), &[&7]).await;
    assert_eq!(rows.unwrap()[0].get::<_, i32>(0), number as i32);
}

/// Sessions that have run all statements, and so keep them known. Twice, so that all connections have
/// their caches full.
async fn keepers(sessions: &Sessions<PostgresManager>) -> Vec<Session> {
    let mut keepers = Vec::new();
    for first in (0..STATEMENTS).step_by(USED) {
        let mut keeper = sessions.create().unwrap();
        keeper.set("search_path", PLACE).await.unwrap();
        for number in (first..first + USED).chain(first..first + USED) {
            run(&mut keeper, number).await;
        }
        keepers.push(keeper);
    }
    keepers
}

async fn used(sessions: &Sessions<PostgresManager>, number: usize) -> Session {
    let mut chance = fastrand::Rng::with_seed(number as u64);
    let mut session = sessions.create().unwrap();
    for (name, value) in settings(number) {
        session.set(name, &value).await.unwrap();
    }
    for statement in chance.choose_multiple(0..STATEMENTS, USED) {
        run(&mut session, statement).await;
    }
    let statements = |state: &pool_facade::sessions::State| state.statements().len();
    assert_eq!(session.inner().look(statements).unwrap(), USED);
    assert!(session.pins().unwrap().is_empty());
    session
}

/// All of it runs on one thread, whose memory is counted.
#[tokio::test]
async fn an_idle_used_detached_session_takes_at_most_eight_kilobytes() {
    let server = PrivateServer::start(&ServerOptions::new()).unwrap();
    let pool = pool(&server).await;
    let sessions = pool.sessions();
    let keepers = keepers(&sessions).await;

    let before = thread_cost().live();
    let mut all = Vec::with_capacity(SESSIONS);
    let handles = thread_cost().live() - before;
    for number in 0..SESSIONS {
        all.push(used(&sessions, number).await);
    }
    let each = (thread_cost().live() - before) / SESSIONS as i64;
    println!(
        "{each} bytes for each of {SESSIONS} sessions, {} of them its handle",
        handles / SESSIONS as i64
    );
    assert_eq!(sessions.statistics().attached, 0);
    // A hundred addresses and as many numbers are more than this, so they were counted.
    assert!(each > 16 * USED as i64, "{each}");
    assert!(each <= MOST, "{each}");

    drop(all);
    let left = (thread_cost().live() - before) / SESSIONS as i64;
    assert!(
        left < each / 4,
        "{left} bytes for each session that is gone"
    );
    drop(keepers);
}
