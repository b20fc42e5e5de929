//! H4: the first use of a new connection.
//!
//! The pool itself, in model time: ten connections kept open, each replaced every five seconds, under
//! a load of four. A connect takes 15 ms, and a new session needs 5 settings and 30 prepared
//! statements. A round trip takes 1 ms in the median, a statement 50 µs of the server's time.
//!
//! The baseline does all of it for the first caller, one by one: 15 + 5 + 30 ms, and then the caller's
//! own query. Ours carries out a [`WarmUp`] plan as an adapter does, as part of the connect, in one
//! pipeline: nothing is saved but round trips, it is done before somebody needs it.
//!
//! What is measured runs from the moment a caller has the connection until the reply to its first
//! query, if it is the first caller; how long the first callers waited to get it stands beside, and so
//! does how long a connect took in the background.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pool_facade::{Clock, ConnectCtx, Manager, Pool, WarmUp};
use pool_testkit::clock::ManualClock;
use pool_testkit::simulation::{Chance, Spread};

use crate::claims::row::{Bound, Contender, Experiment, Landing, Outcome, Row, Target, Trial};

const CONNECTIONS: u32 = 10;
const LENGTH: u64 = 60;
const LIFETIME: Duration = Duration::from_secs(5);
const BETWEEN: Spread = Spread::Exponential {
    mean: Duration::from_millis(5),
};
const HOLD: Spread = Spread::Exponential {
    mean: Duration::from_millis(20),
};
const CONNECT: Spread = Spread::LogNormal {
    median: Duration::from_millis(15),
    sigma: 0.1,
};
const ROUND_TRIP: Spread = Spread::LogNormal {
    median: Duration::from_millis(1),
    sigma: 0.1,
};
const STATEMENT: Duration = Duration::from_micros(50);
const SETTINGS: usize = 5;
const STATEMENTS: usize = 30;

const FIRST: &str = "first use: mean";
const BACKGROUND: &str = "in the background, per connection";

const ROWS: &[Row] = &[Row {
    id: "H4",
    claim: "warm-up 50 → 2 ms",
    baseline: "all by the first caller, one by one",
    lands: &[Landing {
        figure: FIRST,
        at: 50e6,
        within: 0.1,
    }],
    targets: &[
        Target {
            figure: FIRST,
            bound: Bound::AtMost(2e6),
            stretch: Some(Bound::AtMost(1.2e6)),
        },
        Target {
            figure: BACKGROUND,
            bound: Bound::AtMost(20e6),
            stretch: None,
        },
    ],
    beside: &[
        "first use: longest",
        "first callers waited: mean",
        "connections opened",
    ],
}];

/// The model of H4.
#[derive(Clone, Copy, Debug)]
pub struct Warm;

impl Experiment for Warm {
    fn rows(&self) -> &'static [Row] {
        ROWS
    }

    fn run(&self, trial: Trial) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers needs nothing");
        runtime.block_on(run(trial))
    }
}

/// What was seen, in seconds.
#[derive(Debug, Default)]
struct Seen {
    background: Vec<f64>,
    first_uses: Vec<f64>,
    waits: Vec<f64>,
    callers: u64,
}

/// What managers and callers share.
#[derive(Clone)]
struct Place {
    clock: ManualClock,
    seed: u64,
    /// A new session is warmed up by the pool; the baseline does without.
    warms_up: bool,
    seen: Arc<Mutex<Seen>>,
}

/// A session, and its own chance.
struct Session {
    network: Chance,
    began: Instant,
    warm: bool,
    used: bool,
}

impl Place {
    async fn sleep(&self, time: Duration) {
        let mut timer = self.clock.timer();
        timer.reset(self.clock.show() + time);
        poll_fn(|cx| timer.poll_elapsed(cx)).await;
    }

    fn note(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One caller, from asking for a connection to giving it back.
    async fn call(self, pool: Pool<Self>, hold: Duration) {
        let asked = self.clock.show();
        let mut session = pool
            .acquire()
            .await
            .expect("the pool has room for this load");
        let got = self.clock.show();
        let first = !session.used;
        session.used = true;
        if !session.warm {
            let mut takes = session.network.draw(CONNECT);
            for _ in 0..SETTINGS + STATEMENTS {
                takes += session.network.draw(ROUND_TRIP);
            }
            self.sleep(takes).await;
            session.warm = true;
        }
        let query = session.network.draw(ROUND_TRIP);
        self.sleep(query).await;
        let replied = self.clock.show();
        self.sleep(hold).await;
        self.note(|seen| {
            seen.callers += 1;
            if first {
                seen.first_uses.push((replied - got).as_secs_f64());
                seen.waits.push((got - asked).as_secs_f64());
            }
        });
    }
}

impl Manager for Place {
    type Connection = Session;
    type Error = Infallible;

    async fn connect(&self, cx: &ConnectCtx) -> Result<Session, Infallible> {
        let purpose = format!("network of connection {}", cx.connection_id);
        let mut network = Chance::new(self.seed, &purpose);
        let began = self.clock.show();
        if self.warms_up {
            let connect = network.draw(CONNECT);
            self.sleep(connect).await;
        } else {
            self.note(|seen| seen.background.push(0.0));
        }
        Ok(Session {
            network,
            began,
            warm: false,
            used: false,
        })
    }

    /// All statements of a plan at once, and then all replies, as an adapter does.
    async fn warm_up(&self, session: &mut Session, plan: &WarmUp) -> Result<(), Infallible> {
        let statements = plan.statements().len() + plan.prepared().len();
        let work = STATEMENT * u32::try_from(statements).unwrap_or(0);
        let takes = session.network.draw(ROUND_TRIP) + work;
        self.sleep(takes).await;
        session.warm = true;
        let took = (self.clock.show() - session.began).as_secs_f64();
        self.note(|seen| seen.background.push(took));
        Ok(())
    }
}

async fn run(trial: Trial) -> Outcome {
    let place = Place {
        clock: ManualClock::new(),
        seed: trial.seed,
        warms_up: trial.contender == Contender::Ours,
        seen: Arc::default(),
    };
    let mut builder = Pool::builder(place.clone());
    if place.warms_up {
        builder = builder.warm_up(plan());
    }
    let pool = builder
        .max_size(2 * CONNECTIONS)
        .min_size(CONNECTIONS)
        .max_lifetime(LIFETIME)
        .seed(1)
        .clock(Arc::new(place.clock.clone()))
        .build()
        .await
        .expect("nothing has to be opened at once");
    let length = Duration::from_secs(trial.part_of(LENGTH));
    let arrivals = tokio::spawn(arrive(place.clone(), pool, length));
    place.clock.run_for(length + LIFETIME).await;
    arrivals.abort();
    outcome(&place)
}

/// Callers by chance, for so long.
async fn arrive(place: Place, pool: Pool<Place>, length: Duration) {
    let mut arrivals = Chance::new(place.seed, "arrivals");
    let mut work = Chance::new(place.seed, "work");
    let end = place.clock.show() + length;
    while place.clock.show() < end {
        let next = arrivals.draw(BETWEEN);
        place.sleep(next).await;
        let hold = work.draw(HOLD);
        tokio::spawn(place.clone().call(pool.clone(), hold));
    }
}

fn plan() -> WarmUp {
    let settings = (0..SETTINGS).map(|number| format!("SET setting.number{number} = 'on'"));
    let statements = (0..STATEMENTS).map(|number| format!("SELECT {number}"));
    let plan = settings.fold(WarmUp::new(), WarmUp::execute);
    statements.fold(plan, WarmUp::prepare)
}

fn outcome(place: &Place) -> Outcome {
    let seen = place.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    let mut outcome = Outcome {
        events: seen.callers,
        ..Outcome::default()
    };
    outcome.time(FIRST, mean(&seen.first_uses));
    outcome.time(BACKGROUND, mean(&seen.background));
    let longest = seen.first_uses.iter().copied().fold(f64::NAN, f64::max);
    outcome.time("first use: longest", longest);
    outcome.time("first callers waited: mean", mean(&seen.waits));
    outcome.push("connections opened", "", seen.background.len() as f64);
    outcome
}
