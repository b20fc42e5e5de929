//! Many sessions on few connections: each sees its own, and those who have no session see nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use pool_facade::SessionPool as _;
use pool_facade::affinity::Affinity;
use pool_facade::postgres::Session;
use pool_facade::postgres::tokio_postgres::types::Type;
use tokio::task::JoinSet;

use crate::support::{builder, server, wired};

const CROWD: usize = if cfg!(debug_assertions) { 400 } else { 2000 };
const CONNECTIONS: u32 = 20;
const TRANSACTIONS: usize = 4;
const TASKS: usize = 64;
/// Roles and schemas; without a common divisor, so that all pairs occur.
const ROLES: usize = 4;
const SCHEMAS: usize = 5;
/// One look in so many has the server count connections.
const SAMPLED: usize = 29;

const LOOK: &str = "SELECT current_setting('app.id'), current_user::text, name, \
    CASE WHEN $1 THEN (SELECT count(*) FROM pg_stat_activity \
        WHERE backend_type = 'client backend' AND application_name = 'crowd') \
    ELSE 0 END FROM place";

/// Nothing is set that the connection did not begin with.
const PLAIN: &str = "SELECT coalesce(current_setting('app.id', true), '') = '' \
    AND current_user = session_user \
    AND NOT EXISTS (SELECT FROM pg_settings WHERE source = 'session')";

/// Makes roles, and schemas with a table each that says which it is.
async fn prepare() {
    let mut script = String::new();
    for number in 0..ROLES {
        script += &format!("CREATE ROLE role_{number};");
    }
    for number in 0..SCHEMAS {
        script += &format!(
            "CREATE SCHEMA place_{number}; \
             CREATE TABLE place_{number}.place AS SELECT 'place_{number}' AS name; \
             GRANT USAGE ON SCHEMA place_{number} TO PUBLIC; \
             GRANT SELECT ON place_{number}.place TO PUBLIC;"
        );
    }
    let pool = builder(&server().url(), "crowd-outside", 1);
    let pool = pool.build().await.unwrap();
    let conn = pool.acquire().await.unwrap();
    conn.batch_execute(&script).await.unwrap();
}

/// Whose session it is, and how often it has changed.
#[derive(Clone, Copy)]
struct Own {
    number: usize,
    round: usize,
}

impl Own {
    fn id(self) -> String {
        format!("{}.{}", self.number, self.round)
    }

    async fn settle(self, session: &mut Session) {
        session.set("app.id", &self.id()).await.unwrap();
        if self.round == 0 {
            let place = format!("place_{}", self.number % SCHEMAS);
            session.set("search_path", &place).await.unwrap();
            let role = format!("role_{}", self.number % ROLES);
            session.set_role(&role).await.unwrap();
        }
    }

    /// Sees that all is its own. Returns how many connections there are, if that was asked for.
    async fn look(self, session: &mut Session) -> i64 {
        let count = (self.number + self.round).is_multiple_of(SAMPLED);
        let rows = session.query_typed(LOOK, &[(&count, Type::BOOL)]).await;
        let row = &rows.unwrap()[0];
        let seen: (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let role = format!("role_{}", self.number % ROLES);
        let place = format!("place_{}", self.number % SCHEMAS);
        assert_eq!(seen, (self.id(), role, place));
        row.get(3)
    }
}

/// A transaction that changes what the session is, after a change that it takes back.
async fn transact(session: &mut Session, own: Own) -> i64 {
    let next = Own {
        round: own.round + 1,
        ..own
    };
    let mut transaction = session.transaction().await.unwrap();
    let before = own.look(&mut transaction).await;
    next.settle(&mut transaction).await;
    let after = next.look(&mut transaction).await;
    transaction.commit().await.unwrap();
    before.max(after)
}

#[tokio::test]
async fn a_crowd_on_twenty_connections_reads_back_only_its_own_and_never_has_more() {
    prepare().await;
    let builder = builder(&server().url(), "crowd", CONNECTIONS);
    let (pool, affinity) = wired(builder, Affinity::builder()).await;
    let sessions = pool.sessions();
    let most = Arc::new(AtomicI64::new(0));
    let mut running = JoinSet::new();
    for task in 0..TASKS {
        let (sessions, most) = (sessions.clone(), Arc::clone(&most));
        running.spawn(async move {
            let numbers = (task..CROWD).step_by(TASKS);
            let create = |number| (number, sessions.create().unwrap());
            let mut own: Vec<_> = numbers.map(create).collect();
            for (number, session) in &mut own {
                let round = 0;
                let number = *number;
                Own { number, round }.settle(session).await;
            }
            for round in 0..TRANSACTIONS {
                for (number, session) in &mut own {
                    let number = *number;
                    let there = transact(session, Own { number, round }).await;
                    most.fetch_max(there, Ordering::Relaxed);
                }
            }
            // They live until all are done.
            own
        });
    }
    let crowd = running.join_all().await;
    let statistics = sessions.statistics();
    assert_eq!(statistics.sessions, CROWD as u64);
    assert_eq!((statistics.tainted, statistics.transactions_lost), (0, 0));
    let most = most.load(Ordering::Relaxed);
    assert!((1..=i64::from(CONNECTIONS)).contains(&most), "{most}");
    assert_eq!(pool.status().opened, u64::from(CONNECTIONS));
    assert!(affinity.statistics().routing.statement_hits > 0);
    drop(crowd);
}

#[tokio::test]
async fn plain_lease_of_a_pool_with_sessions_and_affinity_never_meets_a_label() {
    const ROUNDS: usize = 40;
    let builder = builder(&server().url(), "plain", 4).match_waiters(true);
    let (pool, affinity) = wired(builder, Affinity::builder()).await;
    let sessions = pool.sessions();
    let mut running = JoinSet::new();
    for number in 0..12 {
        let (pool, sessions) = (pool.clone(), sessions.clone());
        running.spawn(async move {
            let mut session = sessions.create().unwrap();
            session.set("work_mem", "9MB").await.unwrap();
            for round in 0..ROUNDS {
                session.set("app.id", &round.to_string()).await.unwrap();
                if number % 3 == 0 {
                    let conn = pool.acquire().await.unwrap();
                    let row = conn.query_one(PLAIN, &[]).await.unwrap();
                    assert!(row.get::<_, bool>(0), "somebody's settings");
                }
                let look = "SELECT current_setting('app.id')";
                let row = session.query_one(look, &[]).await.unwrap();
                assert_eq!(row.get::<_, String>(0), round.to_string());
            }
        });
    }
    running.join_all().await;
    let routing = affinity.statistics().routing;
    assert!(routing.label_hits > 0, "{routing:?}");
}

#[tokio::test]
async fn statements_that_sessions_leave_on_a_connection_are_noted_and_found_again() {
    let builder = builder(&server().url(), "statements", 4).initial_size(4);
    let (pool, affinity) = wired(builder, Affinity::builder()).await;
    let sessions = pool.sessions();
    let hits = || affinity.statistics().routing.statement_hits;
    let mut learned = sessions.create().unwrap();
    for statement in 0..12 {
        let text = format!("SELECT {statement}");
        for _ in 0..2 {
            learned.query(&text, &[]).await.unwrap();
        }
    }
    let before = hits();
    assert!(before >= 12, "{before}");
    // Somebody who was never there finds them, too: they are looked for, not remembered by session.
    let mut other = sessions.create().unwrap();
    for statement in 0..12 {
        let text = format!("SELECT {statement}");
        other.query(&text, &[]).await.unwrap();
    }
    assert_eq!(hits() - before, 12);
}
