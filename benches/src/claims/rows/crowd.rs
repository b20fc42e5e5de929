//! M1: ten thousand sessions on a thousand connections.
//!
//! A session is active for the time of a query, 50 ms and exponential, and idle in between, so that a
//! given part of all sessions is active if nobody has to wait. The part is swept from 1 to 12 %; by
//! arithmetic a thousand connections are enough up to 10 %. What is measured is how long a session
//! waits for a connection. The *knee* is the least part of the sweep at which one query in a hundred
//! waits for more than 5 ms.
//!
//! The baseline gives a session a connection of its own for as long as it lives: a thousand are served,
//! nine thousand wait. Those who still wait at the end count as having waited until then.
//!
//! Each session has a setting of its own, which its query takes along. What all of that costs the
//! processor is no matter of model time and is measured apart: the processor time of this thread for
//! an operation that takes no time, on a connection that another session has left with its settings,
//! six of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pool_core::PooledConnection;
use pool_facade::Pool;
use pool_multiplex::{SessionConfig, SessionPool, Sessions, Work};
use pool_testkit::clock::ManualClock;
use pool_testkit::simulation::{Chance, Spread};

use crate::claims::multiplexed::{Query, Server, own_settings};
use crate::claims::row::{Bound, Contender, Experiment, Landing, Outcome, Row, Target, Trial};

const SESSIONS: u64 = 10_000;
const CONNECTIONS: u32 = 1_000;
const SERVICE: Duration = Duration::from_millis(50);
/// Before anything is measured: ten queries' time.
const WARM_UP: Duration = Duration::from_millis(500);
/// Measured at each part, in milliseconds.
const LENGTH: u64 = 2_000;
/// What counts as having to wait.
const SLOW: f64 = 5e-3;

/// The parts that are active, in percent, with the name of the figure.
const SWEEP: [(u32, &str); 8] = [
    (1, "p99 of acquire at 1 % active"),
    (3, "p99 of acquire at 3 % active"),
    (6, "p99 of acquire at 6 % active"),
    (8, "p99 of acquire at 8 % active"),
    (9, AT_NINE),
    (10, "p99 of acquire at 10 % active"),
    (11, "p99 of acquire at 11 % active"),
    (12, "p99 of acquire at 12 % active"),
];
const AT_NINE: &str = "p99 of acquire at 9 % active";
const SERVED: &str = "sessions served at 9 % active";
const KNEE: &str = "knee: first part with p99 above 5 ms";
const COST: &str = "processor time per attach";

const ROWS: &[Row] = &[Row {
    id: "M1",
    claim: "10,000 sessions on 1,000 connections, up to 9 % active",
    baseline: "a connection for each session that gets one",
    lands: &[Landing {
        figure: SERVED,
        at: 10.0,
        within: 0.1,
    }],
    targets: &[Target {
        figure: AT_NINE,
        bound: Bound::AtMost(5e6),
        stretch: Some(Bound::AtMost(1e6)),
    }],
    beside: &[
        KNEE, COST, SWEEP[0].1, SWEEP[1].1, SWEEP[2].1, SWEEP[3].1, SWEEP[5].1, SWEEP[6].1,
        SWEEP[7].1,
    ],
}];

/// The model of M1.
#[derive(Clone, Copy, Debug)]
pub struct Crowd;

impl Experiment for Crowd {
    fn rows(&self) -> &'static [Row] {
        ROWS
    }

    fn run(&self, trial: Trial) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without drivers needs nothing");
        runtime.block_on(sweep(trial))
    }
}

async fn sweep(trial: Trial) -> Outcome {
    let mut outcome = Outcome::default();
    let mut knee = 13;
    for (percent, name) in SWEEP {
        let seen = part(trial, percent).await;
        let slowest = seen.percentile();
        outcome.time(name, slowest);
        outcome.events += seen.waits.len() as u64;
        if slowest > SLOW {
            knee = knee.min(percent);
        }
        if name == AT_NINE {
            outcome.share(SERVED, seen.served as f64, SESSIONS as f64);
        }
    }
    outcome.push(KNEE, "%", f64::from(knee));
    outcome.measured(COST, "ns", processor_time().await * 1e9);
    outcome
}

/// What was seen at one part.
#[derive(Debug, Default)]
struct Seen {
    /// For a connection, in seconds.
    waits: Vec<f64>,
    served: u64,
}

impl Seen {
    /// What one in a hundred exceeds.
    fn percentile(&self) -> f64 {
        let mut waits = self.waits.clone();
        waits.sort_by(f64::total_cmp);
        let at = (waits.len() * 99).div_ceil(100).saturating_sub(1);
        waits.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// What all users share.
#[derive(Clone)]
struct Place {
    server: Server,
    sessions: Sessions<Server>,
    from: Instant,
    think: Spread,
    seed: u64,
    seen: Arc<Mutex<Seen>>,
    /// Since when each waits for its first connection.
    waiting: Arc<Mutex<Vec<Option<Instant>>>>,
}

impl Place {
    fn note(&self, asked: Instant, began: Instant) {
        if asked >= self.from {
            let waited = (began - asked).as_secs_f64();
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.waits.push(waited);
        }
    }

    fn waits(&self, number: u64, since: Option<Instant>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting[number as usize] = since;
    }

    fn chance(&self, what: &str, number: u64) -> Chance {
        Chance::new(self.seed, &format!("{what} of {number}"))
    }

    /// A session that is on a connection while it is active.
    async fn share(self, number: u64) {
        let (mut thinks, mut works) = (self.chance("thinks", number), self.chance("work", number));
        let session = self.sessions.create_with(own_settings(number, 1));
        let mut session = session.expect("there is room for all");
        let mut is_new = true;
        loop {
            let think = thinks.draw(self.think);
            self.server.sleep(think).await;
            let asked = self.server.now();
            let query = Query {
                user: number,
                statement: 0,
                work: works.draw(Spread::Exponential { mean: SERVICE }),
            };
            self.waits(number, Some(asked));
            let ran = session.run(query, Work::default()).await;
            let ran = ran.expect("whoever waits is served in time");
            self.waits(number, None);
            self.note(asked, ran.began);
            if std::mem::take(&mut is_new) {
                self.serve();
            }
        }
    }

    /// A session that keeps its connection.
    async fn keep(self, number: u64) {
        let (mut thinks, mut works) = (self.chance("thinks", number), self.chance("work", number));
        let mut mine: Option<PooledConnection<Server>> = None;
        loop {
            let think = thinks.draw(self.think);
            self.server.sleep(think).await;
            let asked = self.server.now();
            if mine.is_none() {
                self.waits(number, Some(asked));
                let leased = self.sessions.pool().acquire().await;
                mine = Some(leased.expect("the model ends before anybody gives up"));
                self.waits(number, None);
                self.serve();
            }
            self.note(asked, self.server.now());
            let work = works.draw(Spread::Exponential { mean: SERVICE });
            self.server.sleep(work).await;
        }
    }

    fn serve(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.served += 1;
    }
}

/// So many percent of the sessions active, for a while.
async fn part(trial: Trial, percent: u32) -> Seen {
    let clock = ManualClock::new();
    let server = Server::near(clock.clone());
    let sessions = sessions(&server, &clock, CONNECTIONS).await;
    let idle = f64::from(100 - percent) / f64::from(percent);
    let place = Place {
        from: clock.show() + WARM_UP,
        server,
        sessions,
        think: Spread::Exponential {
            mean: SERVICE.mul_f64(idle),
        },
        seed: trial.seed,
        seen: Arc::default(),
        waiting: Arc::new(Mutex::new(vec![None; SESSIONS as usize])),
    };
    let mut users = Vec::new();
    for number in 0..SESSIONS {
        let place = place.clone();
        users.push(match trial.contender {
            Contender::Ours => tokio::spawn(place.share(number)),
            Contender::Baseline(_) => tokio::spawn(place.keep(number)),
        });
    }
    let length = Duration::from_millis(trial.part_of(LENGTH));
    clock.run_for(WARM_UP + length).await;
    users.iter().for_each(tokio::task::JoinHandle::abort);
    let now = clock.show();
    let waiting = place.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, asked) in waiting.iter().enumerate() {
        if let Some(asked) = asked
            && !place.server.is_at_work(number as u64)
        {
            place.note((*asked).max(place.from), now);
        }
    }
    drop(waiting);
    std::mem::take(&mut *place.seen.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn sessions(server: &Server, clock: &ManualClock, size: u32) -> Sessions<Server> {
    let pool = Pool::builder(server.clone())
        .max_size(size)
        .initial_size(size)
        .max_connecting(size)
        .idle_timeout(None)
        .acquire_timeout(Duration::from_secs(3600))
        .seed(1)
        .extension(SessionConfig::new().session_timeout(None))
        .clock(Arc::new(clock.clone()))
        .build()
        .await;
    pool.expect("everything can be opened").sessions()
}

/// Processor time of an operation on a connection that another session has left, in seconds.
async fn processor_time() -> f64 {
    const ROUNDS: u64 = 10_000;
    let clock = ManualClock::new();
    let server = Server::timeless(clock.clone());
    let sessions = sessions(&server, &clock, 1).await;
    let create = |number| sessions.create_with(own_settings(number, 6));
    let mut two = [1, 2].map(|number| create(number).expect("there is room for two"));
    let before = thread_time();
    for _ in 0..ROUNDS {
        for session in &mut two {
            let query = Query {
                user: 0,
                statement: 0,
                work: Duration::ZERO,
            };
            let ran = session.run(query, Work::default()).await;
            ran.expect("nothing fails here");
        }
    }
    (thread_time() - before) / (2 * ROUNDS) as f64
}

/// What this thread has used, in seconds.
#[cfg(unix)]
fn thread_time() -> f64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
    now.map_or(0.0, |now| Duration::from(now).as_secs_f64())
}

/// Not known here.
#[cfg(not(unix))]
const fn thread_time() -> f64 {
    0.0
}
