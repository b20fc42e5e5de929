//! H5: round trips that carry no query.
//!
//! The pool itself, in model time: a hundred connections, half of them busy, 49 ms to a transaction,
//! and a manager that counts how often it is asked to check or to reset. One transaction in five
//! leaves its connection dirty. A statement is prepared already with a fixed probability of .45,
//! which is no merit of this pool: it stands in until connections are chosen by their statements.
//! The baseline checks before each use, resets after each, and prepares as often: 1 + 1 + .55 round
//! trips.
//!
//! What a check or a reset takes is not modelled: their number is the figure.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pool_facade::{Condition, ConnectCtx, Manager, Pool, PooledConnection};
use pool_testkit::clock::ManualClock;
use pool_testkit::simulation::{Account, Agenda, Chance, Spread};

use crate::claims::row::{Bound, Contender, Experiment, Landing, Outcome, Row, Target, Trial};

const CONNECTIONS: u32 = 100;
const TRANSACTIONS: u64 = 40_000;
const BETWEEN: Spread = Spread::Exponential {
    mean: Duration::from_micros(980),
};
const HOLD: Spread = Spread::Exponential {
    mean: Duration::from_millis(49),
};
const DIRTY: f64 = 0.2;
const PREPARED: f64 = 0.45;

const ROUND_TRIPS: &str = "round trips without a query, per transaction";

const ROWS: &[Row] = &[Row {
    id: "H5",
    claim: "overhead of a connection −30 %",
    baseline: "check before and reset after each use",
    lands: &[Landing {
        figure: ROUND_TRIPS,
        at: 2.55,
        within: 0.1,
    }],
    targets: &[Target {
        figure: ROUND_TRIPS,
        bound: Bound::PartOfBaseline(0.7),
        stretch: Some(Bound::PartOfBaseline(0.2)),
    }],
    beside: &["checks", "resets", "prepares"],
}];

/// The model of H5.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep;

impl Experiment for Upkeep {
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

/// Counts what the pool asks for.
#[derive(Debug, Default)]
struct Counting {
    checks: AtomicU64,
    resets: AtomicU64,
}

/// Whether it is dirty.
type Connection = bool;

struct Shared(Arc<Counting>);

impl Manager for Shared {
    type Connection = Connection;
    type Error = Infallible;

    async fn connect(&self, _: &ConnectCtx) -> Result<Connection, Infallible> {
        Ok(false)
    }

    async fn validate(&self, _: &mut Connection) -> Result<(), Infallible> {
        self.0.checks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn reset(&self, conn: &mut Connection) -> Result<(), Infallible> {
        self.0.resets.fetch_add(1, Ordering::Relaxed);
        *conn = false;
        Ok(())
    }

    fn condition(&self, conn: &mut Connection) -> Condition {
        if *conn {
            Condition::Dirty
        } else {
            Condition::Clean
        }
    }
}

enum Event {
    Begins,
    Ends(usize, Duration),
}

async fn run(trial: Trial) -> Outcome {
    let naive = trial.contender != Contender::Ours;
    let clock = ManualClock::new();
    let counting = Arc::new(Counting::default());
    let pool = pool(&clock, Arc::clone(&counting), naive).await;
    let mut arrivals = Chance::new(trial.seed, "arrivals");
    let mut work = Chance::new(trial.seed, "work");
    let (mut agenda, mut account) = (Agenda::new(), Account::new());
    let mut leases: Vec<Option<PooledConnection<Shared>>> = Vec::new();
    let transactions = trial.part_of(TRANSACTIONS);
    let mut prepares = 0u64;
    agenda.after(arrivals.draw(BETWEEN), Event::Begins);
    let mut shown = Duration::ZERO;
    while let Some(event) = agenda.next() {
        let now = agenda.now();
        // Lets the pool's own tasks run, too.
        clock.run_for(now - shown).await;
        shown = now;
        match event {
            Event::Begins => {
                account.enter(now);
                let mut lease = pool
                    .acquire()
                    .await
                    .expect("half of the connections are idle");
                let dirtied = work.happens(DIRTY);
                *lease = naive || dirtied;
                prepares += u64::from(!work.happens(PREPARED));
                agenda.after(work.draw(HOLD), Event::Ends(leases.len(), now));
                leases.push(Some(lease));
                if account.came() < transactions {
                    agenda.after(arrivals.draw(BETWEEN), Event::Begins);
                }
            }
            Event::Ends(which, began) => {
                account.leave(now, began);
                leases[which] = None;
            }
        }
    }
    clock.run_for(Duration::from_millis(1)).await;
    let per_transaction = |count: u64| count as f64 / transactions as f64;
    let checks = per_transaction(counting.checks.load(Ordering::Relaxed));
    let resets = per_transaction(counting.resets.load(Ordering::Relaxed));
    let prepares = per_transaction(prepares);
    let mut outcome = Outcome {
        events: agenda.handled(),
        law_error: Some(account.error(agenda.now())),
        ..Outcome::default()
    };
    outcome.push(ROUND_TRIPS, "", checks + resets + prepares);
    outcome.push("checks", "", checks);
    outcome.push("resets", "", resets);
    outcome.push("prepares", "", prepares);
    outcome
}

/// With defaults but for its size; the naive one trusts nothing.
async fn pool(clock: &ManualClock, counting: Arc<Counting>, naive: bool) -> Pool<Shared> {
    let mut builder = Pool::builder(Shared(counting))
        .max_size(CONNECTIONS)
        .initial_size(CONNECTIONS)
        .seed(1)
        .clock(Arc::new(clock.clone()));
    if naive {
        builder = builder.validation_bypass(Duration::ZERO);
    }
    builder
        .build()
        .await
        .expect("the connections can always be opened")
}
