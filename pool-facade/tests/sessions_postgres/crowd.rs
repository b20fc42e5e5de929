//! Many sessions on few connections: each sees its own, and those who have no session see nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use pool_facade::SessionPool as _;
use pool_facade::affinity::Affinity;
use pool_facade::postgres::Session;
use tokio::task::JoinSet;

use crate::support::{PostgresPool, builder, server, wired};

const CROWD: usize = if cfg!(debug_assertions) { 400 } else { 2000 };
const CONNECTIONS: u32 = 20;
const TRANSACTIONS: usize = 4;
const TASKS: usize = 64;
/// Roles and schemas; without a common divisor, so that all pairs occur.
const ROLES: usize = 4;
const SCHEMAS: usize = 5;
/// One transaction in so many has the server count connections.
const SAMPLED: usize = 13;

const LOOK: &str = "SELECT current_setting('app.id'), current_user::text, name FROM place";

/// Asked by somebody else, as the roles of the sessions may not see it.
const COUNT: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE backend_type = 'client backend' AND application_name = 'crowd'";

/// Nothing is set that the connection did not begin with.
const PLAIN: &str = "SELECT coalesce(current_setting('app.id', true), '') = '' \
    AND current_user = session_user \
    AND NOT EXISTS (SELECT FROM pg_settings WHERE source = 'session')";

/// Makes roles, and schemas with a table each that says which it is.
async fn prepare(outside: &PostgresPool) {
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
    let conn = outside.acquire().await.unwrap();
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

    /// Sees that all is its own.
    async fn look(self, session: &mut Session) {
        let rows = session.query_typed(LOOK, &[]).await.unwrap();
        let row = &rows[0];
        let seen: (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let role = format!("role_{}", self.number % ROLES);
        let place = format!("place_{}", self.number % SCHEMAS);
        assert_eq!(seen, (self.id(), role, place));
    }
}

/// A transaction that changes what the session is, after a change that it takes back.
async fn transact(session: &mut Session, own: Own) {
    let next = Own {
        round: own.round + 1,
        ..own
    };
    let mut transaction = session.transaction().await.unwrap();
    own.look(&mut transaction).await;
    transaction.savepoint("mistaken").await.unwrap();
    transaction.set("app.id", "somebody").await.unwrap();
    transaction.rollback_to("mistaken").await.unwrap();
    own.look(&mut transaction).await;
    next.settle(&mut transaction).await;
    next.look(&mut transaction).await;
    transaction.commit().await.unwrap();
}

/// Some of the sessions, one after the other in each round.
async fn live(
    mut sessions: Vec<(usize, Session)>,
    outside: PostgresPool,
    most: Arc<AtomicI64>,
) -> Vec<(usize, Session)> {
    for (number, session) in &mut sessions {
        let (number, round) = (*number, 0);
        Own { number, round }.settle(session).await;
    }
    for round in 0..TRANSACTIONS {
        for (number, session) in &mut sessions {
            let number = *number;
            transact(session, Own { number, round }).await;
            if (number + round).is_multiple_of(SAMPLED) {
                let outside = outside.acquire().await.unwrap();
                let count = outside.query_one(COUNT, &[]).await.unwrap().get(0);
                most.fetch_max(count, Ordering::Relaxed);
            }
        }
    }
    // They live until all are done.
    sessions
}

#[tokio::test]
async fn a_crowd_on_twenty_connections_reads_back_only_its_own_and_never_has_more() {
    let outside = builder(&server().url(), "outside", 1);
    let outside = outside.build().await.unwrap();
    prepare(&outside).await;
    let builder = builder(&server().url(), "crowd", CONNECTIONS);
    let (pool, affinity) = wired(builder, Affinity::builder()).await;
    let sessions = pool.sessions();
    let most = Arc::new(AtomicI64::new(0));
    let mut running = JoinSet::new();
    for task in 0..TASKS {
        let numbers = (task..CROWD).step_by(TASKS);
        let own = numbers.map(|number| (number, sessions.create().unwrap()));
        running.spawn(live(own.collect(), outside.clone(), Arc::clone(&most)));
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
async fn statements_that_a_session_leaves_on_a_connection_are_found_there_by_another() {
    // No more, or the load bound would spread them over the pool.
    const STATEMENTS: [&str; 3] = ["SELECT 1", "SELECT 2", "SELECT 3"];
    let builder = builder(&server().url(), "statements", 4).initial_size(4);
    let (pool, affinity) = wired(builder, Affinity::builder()).await;
    let sessions = pool.sessions();
    let found = || {
        let routing = affinity.statistics().routing;
        (routing.statement_hits, routing.statement_misses)
    };
    let [mut one, mut other] = [(); 2].map(|()| sessions.create().unwrap());
    for statement in STATEMENTS {
        one.query(statement, &[]).await.unwrap();
    }
    assert_eq!(found(), (0, 3));
    for session in [&mut one, &mut other] {
        for statement in STATEMENTS {
            session.query(statement, &[]).await.unwrap();
        }
    }
    assert_eq!(found(), (6, 3));
}
