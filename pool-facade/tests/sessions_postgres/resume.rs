//! What a move to another connection costs.

use pool_facade::SessionPool as _;
use pool_facade::affinity::Affinity;
use pool_facade::postgres::tokio_postgres::types::Type;
use pool_facade::postgres::{PostgresManager, Session};
use pool_facade::sessions::Sessions;
use pool_testkit::proxy::FaultProxy;

use crate::support::{PostgresPool, builder, pid, server, wired};

const LOOK: &str = "SELECT pg_backend_pid(), current_setting('app.id'), \
    current_setting('work_mem'), $1::int4 + 1";

/// A pool of two connections behind a proxy that counts.
struct Counted {
    proxy: FaultProxy,
    pool: PostgresPool,
    sessions: Sessions<PostgresManager>,
}

/// What was sent.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    /// Seen from outside.
    round_trips: u64,
    /// As the connections that are idle know it themselves.
    turns: u64,
    /// Statements that the server had to parse.
    parses: u64,
}

impl Counted {
    async fn new(name: &str) -> Self {
        let target = ([127, 0, 0, 1], server().port()).into();
        let proxy = FaultProxy::start(target).await.unwrap();
        let [real, counting] = [target, proxy.address()].map(|address| address.to_string());
        let url = server().url().replace(&real, &counting);
        let builder = builder(&url, name, 2).initial_size(2);
        let (pool, _affinity) = wired(builder, Affinity::builder()).await;
        Self {
            proxy,
            sessions: pool.sessions(),
            pool,
        }
    }

    fn sent(&self) -> Sent {
        let passages = self.proxy.passages();
        let (mut turns, mut parses) = (0, 0);
        self.pool.retain(|conn, _| {
            turns += conn.wire_counts().turns;
            parses += conn.wire_counts().parses;
            true
        });
        Sent {
            round_trips: passages.iter().map(|passage| passage.round_trips).sum(),
            turns,
            parses,
        }
    }

    fn since(&self, before: &Sent) -> Sent {
        let now = self.sent();
        Sent {
            round_trips: now.round_trips - before.round_trips,
            turns: now.turns - before.turns,
            parses: now.parses - before.parses,
        }
    }

    /// A session with two settings, left to itself, and the back end that it was on last.
    async fn suspended(&self) -> (u64, i32) {
        let mut session = self.sessions.create().unwrap();
        session.set("app.id", "17").await.unwrap();
        session.set("work_mem", "9MB").await.unwrap();
        let here = look(&mut session).await;
        // From the second time on, it is prepared where the session is.
        assert_eq!(look(&mut session).await, here);
        let suspended = session.suspend().map_err(|(_, error)| error);
        (suspended.unwrap(), here)
    }

    /// A session that keeps this back end for itself.
    async fn squatter(&self, there: i32) -> Session {
        let mut both = [(); 2].map(|()| self.sessions.create().unwrap());
        for one in &mut both {
            one.attach().await.unwrap();
        }
        let [mut one, mut other] = both;
        if pid(&mut one).await != there {
            std::mem::swap(&mut one, &mut other);
        }
        assert_eq!(pid(&mut one).await, there);
        other.detach().await.unwrap();
        one
    }
}

async fn look(session: &mut Session) -> i32 {
    let row = session.query_one(LOOK, &[&4]).await.unwrap();
    let seen: (&str, &str, i32) = (row.get(1), row.get(2), row.get(3));
    assert_eq!(seen, ("17", "9MB", 5));
    row.get(0)
}

#[tokio::test]
async fn a_resume_on_another_connection_costs_one_round_trip_with_its_statement_there_or_not() {
    let counted = Counted::new("resume").await;
    let (id, here) = counted.suspended().await;
    let squatter = counted.squatter(here).await;

    let before = counted.sent();
    let mut session = counted.sessions.resume(id).unwrap();
    let there = look(&mut session).await;
    assert_ne!(there, here, "the session is where it was");
    let sent = counted.since(&before);
    assert_eq!((sent.round_trips, sent.turns), (1, 1));
    assert!(sent.parses > 0, "the statement was there already");
    drop(squatter);

    // Both have it now; the one it goes back to has somebody else's settings.
    let squatter = counted.squatter(there).await;
    let before = counted.sent();
    assert_eq!(look(&mut session).await, here);
    let sent = counted.since(&before);
    assert_eq!((sent.round_trips, sent.turns, sent.parses), (1, 1, 0));
    drop(squatter);
}

#[tokio::test]
async fn a_transaction_that_begins_on_another_connection_costs_one_round_trip_and_its_commit() {
    let counted = Counted::new("resume-in-transaction").await;
    let (id, here) = counted.suspended().await;
    let squatter = counted.squatter(here).await;
    let before = counted.sent();
    let mut session = counted.sessions.resume(id).unwrap();
    let mut transaction = session.transaction().await.unwrap();
    assert_ne!(look(&mut transaction).await, here);
    transaction.commit().await.unwrap();
    let sent = counted.since(&before);
    assert_eq!((sent.round_trips, sent.turns), (2, 2));
    drop(squatter);
}

#[tokio::test]
async fn a_statement_that_nobody_has_run_costs_one_round_trip_where_its_types_are_given() {
    let counted = Counted::new("resume-typed").await;
    let (id, here) = counted.suspended().await;
    let squatter = counted.squatter(here).await;
    let before = counted.sent();
    let mut session = counted.sessions.resume(id).unwrap();
    let asked = "SELECT current_setting('app.id') || $1";
    let rows = session.query_typed(asked, &[(&"!", Type::TEXT)]).await;
    assert_eq!(rows.unwrap()[0].get::<_, &str>(0), "17!");
    let sent = counted.since(&before);
    assert_eq!((sent.round_trips, sent.turns, sent.parses), (1, 1, 1));
    drop(squatter);
}
