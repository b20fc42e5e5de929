//! The paths that are counted, each a function of its own so that a profile names it.
//!
//! A function takes the number of rounds and returns the number of operations it has done, which is
//! a little more where the rounds do not divide among its tasks. The order is that of the report.

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use pool_facade::health::{
    AdaptiveHealth, Ageing, Breaker, ConfigError, Mode, Prediction, Recycler, RecyclingPolicy,
};
use pool_facade::{
    Acquire, Admission, Admit, Candidates, Event, Manager, Observer, Outcome, Placement, Pool,
    PooledConnection, Priority, RequestInfo, Token,
};
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};

use crate::pools::{builder, full_pool, opened, still_builder, still_pool};

/// One thing that is counted.
#[derive(Debug, Serialize)]
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// One operation, in words.
    what: &'static str,
    /// The path that does the same without a pool.
    harness: Option<&'static str>,
    #[serde(skip)]
    pub(crate) run: fn(u64) -> u64,
}

const fn path(
    name: &'static str,
    what: &'static str,
    harness: Option<&'static str>,
    run: fn(u64) -> u64,
) -> Path {
    Path {
        name,
        what,
        harness,
        run,
    }
}

const LOOP: Option<&str> = Some("loop");

/// All of them.
pub(crate) const PATHS: [Path; 15] = [
    path("loop", "an await that is ready", None, bare_loop),
    path("yield-64", "64 tasks yield", None, yield_64),
    path("yield-9", "9 tasks yield", None, yield_9),
    path(
        "acquire",
        "acquire and drop, idle connection",
        LOOP,
        acquire,
    ),
    path(
        "try-acquire",
        "try_acquire and drop, idle connection",
        LOOP,
        try_acquire,
    ),
    path(
        "request",
        "the same with a user and a priority",
        LOOP,
        request,
    ),
    path(
        "observed",
        "acquire and drop, an observer attached",
        LOOP,
        observed,
    ),
    path(
        "hooked",
        "the same with an admission and a placement too",
        LOOP,
        hooked,
    ),
    path(
        "healthy",
        "acquire and drop, every policy of health and a breaker on",
        LOOP,
        healthy,
    ),
    path(
        "busy",
        "64 tasks on 8 connections, a yield per hold",
        Some("yield-64"),
        busy,
    ),
    path(
        "edge",
        "9 tasks on 8 connections, a yield per hold",
        Some("yield-9"),
        edge,
    ),
    path("cancel", "a wait that is given up", LOOP, cancel),
    path(
        "pass-on",
        "a hand-off to one who leaves, and on to the next",
        LOOP,
        pass_on,
    ),
    path(
        "renew",
        "a connection that breaks, and a wait for its successor",
        LOOP,
        renew,
    ),
    path("status", "status", LOOP, status),
];

/// Runs `work` on this thread, with the timers that programs have on.
fn block_on<F: Future>(work: F) -> F::Output {
    runtime().block_on(work)
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime can be built")
}

fn bare_loop(rounds: u64) -> u64 {
    block_on(async move {
        for round in 0..rounds {
            black_box(std::future::ready(round).await);
        }
    });
    rounds
}

fn yield_64(rounds: u64) -> u64 {
    yielding(64, rounds)
}

fn yield_9(rounds: u64) -> u64 {
    yielding(9, rounds)
}

fn yielding(tasks: u64, rounds: u64) -> u64 {
    block_on(among(tasks, rounds, |share| async move {
        for _ in 0..share {
            yield_now().await;
        }
    }))
}

/// Has each of `tasks` tasks do its share of the rounds; returns the sum of the shares.
async fn among<F>(tasks: u64, rounds: u64, task: impl Fn(u64) -> F) -> u64
where
    F: Future<Output = ()> + Send + 'static,
{
    let share = rounds.div_ceil(tasks);
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        set.spawn(task(share));
    }
    while let Some(ended) = set.join_next().await {
        ended.expect("no task panics");
    }
    share * tasks
}

fn acquire(rounds: u64) -> u64 {
    block_on(async move {
        let pool = full_pool::<1>(8).await;
        lease_again_and_again(&pool, rounds).await;
    });
    rounds
}

async fn lease_again_and_again<M: Manager>(pool: &Pool<M>, rounds: u64) {
    for _ in 0..rounds {
        drop(black_box(pool.acquire().await).expect("a connection is idle"));
    }
}

fn try_acquire(rounds: u64) -> u64 {
    block_on(async move {
        let pool = full_pool::<2>(8).await;
        for _ in 0..rounds {
            drop(black_box(pool.try_acquire()).expect("a connection is idle"));
        }
    });
    rounds
}

fn request(rounds: u64) -> u64 {
    block_on(async move {
        let pool = full_pool::<3>(8).await;
        for _ in 0..rounds {
            let request = pool.request().user("somebody").priority(Priority::High);
            drop(black_box(request.acquire().await).expect("a connection is idle"));
        }
    });
    rounds
}

/// Is told everything and does nothing.
struct Silent;

impl Observer for Silent {
    fn event(&self, event: &Event<'_>) {
        black_box(event);
    }
}

fn observed(rounds: u64) -> u64 {
    block_on(async move {
        let observed = builder::<4>(8).observer(Arc::new(Silent));
        let pool = opened(observed).await;
        lease_again_and_again(&pool, rounds).await;
    });
    rounds
}

impl Admission for Silent {
    fn admit(&self, _: Duration, request: &RequestInfo) -> Admit {
        black_box(request);
        Admit::Enter(Token::default())
    }

    fn leave(&self, _: Duration, token: Token, _: Outcome) {
        black_box(token);
    }
}

impl Placement for Silent {
    fn choose(&self, request: &RequestInfo, _: &Candidates<'_>) -> Option<u32> {
        black_box(request);
        None
    }
}

fn hooked(rounds: u64) -> u64 {
    block_on(async move {
        let hooked = builder::<10>(8)
            .observer(Arc::new(Silent))
            .admission(Arc::new(Silent))
            .placement(Arc::new(Silent));
        let pool = opened(hooked).await;
        lease_again_and_again(&pool, rounds).await;
    });
    rounds
}

fn healthy(rounds: u64) -> u64 {
    block_on(async move {
        let health = Arc::new(every_policy().expect("the defaults are good"));
        let pool = opened(health.attach(still_builder::<11>(8))).await;
        lease_again_and_again(&pool, rounds).await;
    });
    rounds
}

fn every_policy() -> Result<AdaptiveHealth, ConfigError> {
    let ageing = Ageing::builder().mode(Mode::On).build()?;
    let prediction = Prediction::builder().mode(Mode::On).build()?;
    let recycler = Recycler::builder().mode(Mode::On);
    AdaptiveHealth::builder()
        .ageing(ageing)
        .prediction(prediction)
        .recycling(recycler.policy(RecyclingPolicy::Adaptive).build()?)
        .breaker(Breaker::builder().build()?, Mode::On)
        .build()
}

fn busy(rounds: u64) -> u64 {
    contended::<5>(64, rounds)
}

fn edge(rounds: u64) -> u64 {
    contended::<6>(9, rounds)
}

fn contended<const PATH: u8>(tasks: u64, rounds: u64) -> u64 {
    block_on(async move {
        let pool = still_pool::<PATH>(8).await;
        among(tasks, rounds, |share| {
            let pool = pool.clone();
            async move {
                for _ in 0..share {
                    let lease = pool.acquire().await.expect("nobody waits for long");
                    yield_now().await;
                    drop(black_box(lease));
                }
            }
        })
        .await
    })
}

/// Asks once; true if the request has to wait.
async fn waits<M: Manager>(mut acquire: Pin<&mut Acquire<'_, M>>) -> bool {
    poll_fn(|cx| Poll::Ready(acquire.as_mut().poll(cx).is_pending())).await
}

/// Lets the driver see a waiter and go to sleep until its deadline, as it would be in a pool that
/// somebody has waited in before.
async fn settle<M: Manager>(pool: &Pool<M>) {
    let mut acquire = pin!(pool.acquire());
    assert!(waits(acquire.as_mut()).await, "no connection is idle");
    for _ in 0..16 {
        yield_now().await;
    }
}

fn cancel(rounds: u64) -> u64 {
    block_on(async move {
        let pool = still_pool::<7>(1).await;
        let held = pool.acquire().await.expect("a connection is idle");
        settle(&pool).await;
        for _ in 0..rounds {
            let mut acquire = pin!(pool.acquire());
            assert!(waits(acquire.as_mut()).await, "the connection is held");
        }
        drop(held);
    });
    rounds
}

fn pass_on(rounds: u64) -> u64 {
    block_on(async move {
        let pool = still_pool::<8>(1).await;
        let mut held = pool.acquire().await.expect("a connection is idle");
        settle(&pool).await;
        let before = pool.status().handed_off;
        for _ in 0..rounds {
            let mut leaves = pin!(Some(pool.acquire()));
            let mut stays = pin!(pool.acquire());
            let first = leaves.as_mut().as_pin_mut().expect("it is still there");
            assert!(waits(first).await && waits(stays.as_mut()).await);
            drop(held);
            leaves.set(None);
            held = stays.await.expect("the connection was passed on");
        }
        let handed = pool.status().handed_off - before;
        assert_eq!(handed, 2 * rounds, "to one who left and on to the next");
        drop(held);
    });
    rounds
}

fn renew(rounds: u64) -> u64 {
    block_on(async move {
        let pool = still_pool::<12>(1).await;
        for _ in 0..rounds {
            let lease = pool.acquire().await.expect("a successor is opened");
            PooledConnection::discard(black_box(lease));
        }
        let opened = pool.status().opened;
        assert!(opened >= rounds, "each connection was used once");
    });
    rounds
}

fn status(rounds: u64) -> u64 {
    block_on(async move {
        let pool = full_pool::<9>(8).await;
        for _ in 0..rounds {
            black_box(pool.status());
        }
    });
    rounds
}
