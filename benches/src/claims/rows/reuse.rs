//! A4, and M2, which claims the same: how many leases need no new connection.
//!
//! The pool itself, in model time. Sessions come by chance, four hundred or a third of that a second, by turns
//! of ten seconds, and each makes 1.43 transactions in the mean, geometrically, of 20 ms each with 30 ms
//! between. For the baseline a session is a connection: it opens one and closes it at its end. So
//! 1 − 1 / 1.43 of its transactions find a connection. Ours are sessions of the mind: each transaction
//! leases any connection of a pool, which its profile may choose. Connections of the pool are closed
//! when they are a minute old or were idle for five seconds.
//!
//! That is the merit of any pool whose sessions are not connections; the policy must not spoil it.
//!
//! What is counted is 1 − connects / transactions. A pool that kept all connections open for ever would
//! do best, so how many were open beside how many were used is shown, too.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pool_affinity::Affinity;
use pool_core::{Candidate, Profile};
use pool_facade::{Clock, ConnectCtx, Manager, Pool, PooledConnection};
use pool_testkit::clock::ManualClock;
use pool_testkit::simulation::{Chance, Spread};

use crate::claims::row::{Bound, Contender, Experiment, Landing, Outcome, Row, Target, Trial};

const LENGTH: u64 = 120;
const TURN: Duration = Duration::from_secs(10);
const FAST: Duration = Duration::from_micros(2_500);
const SLOW: Duration = Duration::from_micros(7_500);
/// That a session makes another transaction: 0.43 / 1.43.
const ANOTHER: f64 = 0.3007;
const TRANSACTION: Spread = Spread::Exponential {
    mean: Duration::from_millis(20),
};
const THINKING: Spread = Spread::Exponential {
    mean: Duration::from_millis(30),
};
const CONNECT: Spread = Spread::LogNormal {
    median: Duration::from_millis(15),
    sigma: 0.1,
};
const LIFETIME: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(5);
const MOST: u32 = 400;

const REUSE: &str = "transactions that needed no new connection";
const BASELINE: &str = "a connection for each session";
const LANDS: &[Landing] = &[Landing {
    figure: REUSE,
    at: 30.07,
    within: 0.1,
}];
const TARGETS: &[Target] = &[Target {
    figure: REUSE,
    bound: Bound::AtLeast(95.0),
    stretch: Some(Bound::AtLeast(99.0)),
}];
const BESIDE: &[&str] = &[
    "connects",
    "transactions",
    "connections open",
    "transactions on the session's last connection",
];

const ROWS: &[Row] = &[
    Row {
        id: "A4",
        claim: "reuse of connections 30 → 85 %",
        baseline: BASELINE,
        lands: LANDS,
        targets: TARGETS,
        beside: BESIDE,
    },
    Row {
        id: "M2",
        claim: "reuse of connections 30 → 95 %",
        baseline: BASELINE,
        lands: LANDS,
        targets: TARGETS,
        beside: BESIDE,
    },
];

/// The model of A4 and M2.
#[derive(Clone, Copy, Debug)]
pub struct Reuse;

impl Experiment for Reuse {
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

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    connects: AtomicU64,
    open: AtomicU64,
    /// Sums over all sessions as they come.
    sessions: AtomicU64,
    open_then: AtomicU64,
    transactions: AtomicU64,
    /// Transactions of a session after its first.
    further: AtomicU64,
    same: AtomicU64,
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// What managers and sessions share.
#[derive(Clone)]
struct Place {
    clock: ManualClock,
    seed: u64,
    seen: Arc<Seen>,
}

/// An open connection.
struct Open(Arc<Seen>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    async fn sleep(&self, time: Duration) {
        let mut timer = self.clock.timer();
        timer.reset(self.clock.show() + time);
        poll_fn(|cx| timer.poll_elapsed(cx)).await;
    }

    /// Takes as long as this connection does, whoever opens it.
    async fn open(&self, number: u64) -> Open {
        count(&self.seen.connects, 1);
        count(&self.seen.open, 1);
        let open = Open(Arc::clone(&self.seen));
        let purpose = format!("network of connection {number}");
        let takes = Chance::new(self.seed, &purpose).draw(CONNECT);
        self.sleep(takes).await;
        open
    }

    /// A session, from its first transaction to its last; the baseline has no pool.
    async fn session(self, number: u64, pool: Option<(Pool<Self>, Arc<Affinity>)>) {
        let mut chance = Chance::new(self.seed, &format!("session {number}"));
        let mut last = None;
        let own = match pool {
            Some(_) => None,
            None => Some(self.open(number).await),
        };
        loop {
            let lease = match &pool {
                Some((pool, _)) => Some(self.lease(pool, number, &mut last).await),
                None => None,
            };
            count(&self.seen.transactions, 1);
            self.sleep(chance.draw(TRANSACTION)).await;
            drop(lease);
            if !chance.happens(ANOTHER) {
                break;
            }
            self.sleep(chance.draw(THINKING)).await;
        }
        drop(own);
        if let Some((_, affinity)) = pool {
            affinity.release(number, None);
        }
    }

    async fn lease(
        &self,
        pool: &Pool<Self>,
        session: u64,
        last: &mut Option<Candidate>,
    ) -> PooledConnection<Self> {
        let profile = Profile::new(session).last(*last);
        let lease = pool.request().profile(profile).acquire().await;
        let lease = lease.expect("the pool has room for this load");
        let connection = PooledConnection::candidate(&lease);
        if let Some(before) = last.replace(connection) {
            count(&self.seen.further, 1);
            count(&self.seen.same, u64::from(before == connection));
        }
        lease
    }
}

impl Manager for Place {
    type Connection = Open;
    type Error = Infallible;

    async fn connect(&self, cx: &ConnectCtx) -> Result<Open, Infallible> {
        Ok(self.open(cx.connection_id).await)
    }
}

async fn run(trial: Trial) -> Outcome {
    let place = Place {
        clock: ManualClock::new(),
        seed: trial.seed,
        seen: Arc::default(),
    };
    let pool = match trial.contender {
        Contender::Ours => Some(pool(&place).await),
        Contender::Baseline(_) => None,
    };
    let length = Duration::from_secs(trial.part_of(LENGTH));
    let arrivals = tokio::spawn(arrive(place.clone(), pool, length));
    place.clock.run_for(length + IDLE).await;
    arrivals.abort();
    outcome(&place.seen)
}

async fn pool(place: &Place) -> (Pool<Place>, Arc<Affinity>) {
    let affinity = Affinity::builder().build();
    let affinity = Arc::new(affinity.expect("the defaults are sound"));
    let pool = affinity
        .attach(Pool::builder(place.clone()))
        .max_size(MOST)
        .max_lifetime(LIFETIME)
        .idle_timeout(IDLE)
        .seed(1)
        .clock(Arc::new(place.clock.clone()))
        .build()
        .await
        .expect("nothing has to be opened at once");
    (pool, affinity)
}

/// Sessions by chance, for so long.
async fn arrive(place: Place, pool: Option<(Pool<Place>, Arc<Affinity>)>, length: Duration) {
    let mut arrivals = Chance::new(place.seed, "arrivals");
    let began = place.clock.show();
    let mut number = 0;
    loop {
        let passed = place.clock.show() - began;
        if passed >= length {
            return;
        }
        let fast = (passed.as_secs() / TURN.as_secs()).is_multiple_of(2);
        let mean = if fast { FAST } else { SLOW };
        place
            .sleep(arrivals.draw(Spread::Exponential { mean }))
            .await;
        number += 1;
        count(&place.seen.sessions, 1);
        count(
            &place.seen.open_then,
            place.seen.open.load(Ordering::Relaxed),
        );
        tokio::spawn(place.clone().session(number, pool.clone()));
    }
}

fn outcome(seen: &Seen) -> Outcome {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let (connects, transactions) = (read(&seen.connects), read(&seen.transactions));
    let mut outcome = Outcome {
        events: seen.transactions.load(Ordering::Relaxed),
        ..Outcome::default()
    };
    outcome.share(REUSE, transactions - connects, transactions);
    outcome.push("connects", "", connects);
    outcome.push("transactions", "", transactions);
    let open = read(&seen.open_then) / read(&seen.sessions);
    outcome.push("connections open", "", open);
    let same = "transactions on the session's last connection";
    // A session of the baseline has no other.
    let further = read(&seen.further).max(1.0);
    outcome.share(same, read(&seen.same), further);
    outcome
}
