//! A2, A3 and M4: a session that comes back to a connection.
//!
//! Forty sessions on eight connections, which are half busy: each query takes 172 ms in the mean, and
//! its session thinks before the next. Each session has five settings of its own and uses ten
//! statements of its own (thirty for M4). Connections are given out as a pool without a placement does.
//!
//! The baseline of A2 and A3 replays everything each time, one by one: 15 round trips. That of M4
//! connects first (15 ms) and then needs 35. Ours sends what differs, and the one statement that is
//! needed if the connection does not have it, along with the query. A2 counts the queries of a session
//! on the connection that it had last, if another session used that one in between; M4 counts those on
//! another connection. The user's own query is left out of A2 with its round trip and its work, and of
//! M4 with its work. Waiting for a connection is shown beside: at this load hardly anybody waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pool_facade::Pool;
use pool_multiplex::{Session, SessionConfig, SessionPool, Work};
use pool_testkit::clock::ManualClock;
use pool_testkit::simulation::{Chance, Spread};

use crate::claims::multiplexed::{Query, ROUND_TRIP, Server, own_settings};
use crate::claims::row::{Bound, Contender, Experiment, Landing, Outcome, Row, Target, Trial};

const CONNECTIONS: u32 = 8;
const SESSIONS: u64 = 40;
const SETTINGS: usize = 5;
const WORK: Spread = Spread::Exponential {
    mean: Duration::from_millis(172),
};
const THINK: Spread = Spread::Exponential {
    mean: Duration::from_millis(1548),
};
const CONNECT: Duration = Duration::from_millis(15);
/// In seconds.
const LENGTH: u64 = 200;

const LAST: &str = "resume on the connection it had last: mean";
const OTHER: &str = "resume on another connection: mean";
const REPLAY: &str = "replay, of the time connections are in use";

const BESIDE: &[&str] = &[
    "settings replayed per query",
    "waited for a connection: mean",
    "queries",
];

const ROWS: &[Row] = &[
    Row {
        id: "A2",
        claim: "resume on the session's connection 15 → 1 ms",
        baseline: "5 SET and 10 PREPARE, one by one",
        lands: &[Landing {
            figure: LAST,
            at: 15e6,
            within: 0.1,
        }],
        targets: &[Target {
            figure: LAST,
            bound: Bound::AtMost(1e6),
            stretch: Some(Bound::AtMost(50e3)),
        }],
        beside: BESIDE,
    },
    Row {
        id: "A3",
        claim: "state transfer 8 → 0.5 % of the time",
        baseline: "5 SET and 10 PREPARE, one by one",
        lands: &[Landing {
            figure: REPLAY,
            at: 8.0,
            within: 0.1,
        }],
        targets: &[Target {
            figure: REPLAY,
            bound: Bound::AtMost(0.5),
            stretch: Some(Bound::AtMost(0.2)),
        }],
        beside: &[],
    },
];

const MOVED: &[Row] = &[Row {
    id: "M4",
    claim: "resume anywhere 50 → 2 ms",
    baseline: "connect, 5 SET and 30 PREPARE, one by one",
    lands: &[Landing {
        figure: OTHER,
        at: 50e6,
        within: 0.1,
    }],
    targets: &[Target {
        figure: OTHER,
        bound: Bound::AtMost(2e6),
        stretch: Some(Bound::AtMost(1.2e6)),
    }],
    beside: BESIDE,
}];

/// The model of A2 and A3.
#[derive(Clone, Copy, Debug)]
pub struct Resumed;

/// The model of M4.
#[derive(Clone, Copy, Debug)]
pub struct Moved;

impl Experiment for Resumed {
    fn rows(&self) -> &'static [Row] {
        ROWS
    }

    fn run(&self, trial: Trial) -> Outcome {
        play(trial, 10, Duration::ZERO)
    }
}

impl Experiment for Moved {
    fn rows(&self) -> &'static [Row] {
        MOVED
    }

    fn run(&self, trial: Trial) -> Outcome {
        play(trial, 30, CONNECT)
    }
}

fn play(trial: Trial, statements: u32, connect: Duration) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without drivers needs nothing");
    runtime.block_on(run(trial, statements, connect))
}

/// Sums and numbers, in seconds.
#[derive(Debug, Default)]
struct Seen {
    last: (f64, u64),
    other: (f64, u64),
    replay: f64,
    used: f64,
    waited: f64,
    replayed: u64,
    queries: u64,
}

/// One user with a session.
struct User {
    number: u64,
    statements: u32,
    connect: Duration,
    server: Server,
    thinks: Chance,
    works: Chance,
    seen: Arc<Mutex<Seen>>,
}

/// One query, in times.
struct Times {
    /// From having a connection to the reply.
    used: Duration,
    /// Of that, the query's own work.
    work: Duration,
    waited: Duration,
    replayed: usize,
    /// Which mean it goes into.
    on_last: bool,
    on_other: bool,
}

impl User {
    async fn query(
        &mut self,
        statement: u32,
        work: Duration,
        session: &mut Session<Server>,
    ) -> Times {
        let asked = self.server.now();
        let last = session.connection().ok().flatten();
        let query = Query {
            user: self.number,
            statement,
            work,
        };
        let running = session.run(query, Work::default().statement(statement));
        let ran = running.await.expect("nothing fails here");
        let same = last.is_some_and(|last| last.connection == ran.connection);
        Times {
            used: self.since(ran.began),
            work,
            waited: ran.began - asked,
            replayed: ran.replayed,
            on_last: same && ran.after != self.number,
            on_other: last.is_some() && !same,
        }
    }

    /// As somebody does who knows nothing of the connection.
    async fn replay_all(&self, work: Duration, pool: &Pool<Server>) -> Times {
        let asked = self.server.now();
        let conn = pool.acquire().await.expect("nothing fails here");
        let began = self.server.now();
        self.server.sleep(self.connect).await;
        for _ in 0..SETTINGS as u32 + self.statements {
            self.server.sleep(ROUND_TRIP).await;
        }
        self.server.sleep(ROUND_TRIP + work).await;
        drop(conn);
        Times {
            used: self.since(began),
            work,
            waited: began - asked,
            replayed: SETTINGS,
            on_last: true,
            on_other: true,
        }
    }

    fn since(&self, then: Instant) -> Duration {
        self.server.now() - then
    }

    fn note(&self, times: &Times) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let own = ROUND_TRIP + times.work;
        let replay = (times.used - own).as_secs_f64();
        seen.replay += replay;
        seen.used += times.used.as_secs_f64();
        seen.waited += times.waited.as_secs_f64();
        seen.replayed += times.replayed as u64;
        seen.queries += 1;
        if times.on_last {
            seen.last.0 += replay;
            seen.last.1 += 1;
        }
        if times.on_other {
            seen.other.0 += replay + ROUND_TRIP.as_secs_f64();
            seen.other.1 += 1;
        }
    }

    async fn live(mut self, pool: Pool<Server>, ours: bool) {
        let options = own_settings(self.number, SETTINGS);
        let session = pool.sessions().create_with(options);
        let mut session = session.expect("there is room for all");
        loop {
            let think = self.thinks.draw(THINK);
            self.server.sleep(think).await;
            let work = self.works.draw(WORK);
            let which = self.works.below(self.statements as usize) as u32;
            let statement = 1 + self.number as u32 * self.statements + which;
            let times = if ours {
                self.query(statement, work, &mut session).await
            } else {
                self.replay_all(work, &pool).await
            };
            self.note(&times);
        }
    }
}

async fn run(trial: Trial, statements: u32, connect: Duration) -> Outcome {
    let clock = ManualClock::new();
    let server = Server::new(clock.clone());
    let pool = Pool::builder(server.clone())
        .max_size(CONNECTIONS)
        .initial_size(CONNECTIONS)
        .seed(1)
        .extension(SessionConfig::new().session_timeout(None))
        .clock(Arc::new(clock.clone()))
        .build()
        .await
        .expect("everything can be opened");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let ours = trial.contender == Contender::Ours;
    let users: Vec<_> = (1..=SESSIONS)
        .map(|number| User {
            number,
            statements,
            connect,
            server: server.clone(),
            thinks: Chance::new(trial.seed, &format!("thinks of {number}")),
            works: Chance::new(trial.seed, &format!("work of {number}")),
            seen: Arc::clone(&seen),
        })
        .map(|user| tokio::spawn(user.live(pool.clone(), ours)))
        .collect();
    clock
        .run_for(Duration::from_secs(trial.part_of(LENGTH)))
        .await;
    users.iter().for_each(tokio::task::JoinHandle::abort);
    outcome(&seen.lock().unwrap_or_else(PoisonError::into_inner))
}

fn outcome(seen: &Seen) -> Outcome {
    let mean = |(sum, number): (f64, u64)| sum / number as f64;
    let mut outcome = Outcome {
        events: seen.queries,
        ..Outcome::default()
    };
    outcome.time(LAST, mean(seen.last));
    outcome.time(OTHER, mean(seen.other));
    outcome.share(REPLAY, seen.replay, seen.used);
    let per_query = mean((seen.replayed as f64, seen.queries));
    outcome.push("settings replayed per query", "", per_query);
    outcome.time(
        "waited for a connection: mean",
        mean((seen.waited, seen.queries)),
    );
    outcome.push("queries", "", seen.queries as f64);
    outcome
}
