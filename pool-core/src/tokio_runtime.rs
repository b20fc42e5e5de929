//! Clock and spawner on tokio.
//!
//! Both take the runtime from the thread that calls them, so that a pool in a `static` goes on when
//! one runtime has ended and another runs.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id};
use tokio::time::Sleep;

use crate::{BoxFuture, Clock, CoarseTime, Spawn, Timer};

/// tokio's time, which tests can pause.
///
/// The coarse times of all pools on a runtime are kept by one task there. They stand still while
/// that runtime is not driven: between two calls of `block_on` on a `current_thread` runtime, say,
/// or while the process is stopped. The first acquire after such a rest may take a connection for
/// used just before it; until the task has run, `validate_on_acquire` and the times idle
/// connections are closed at lag by as much. A wait
/// that began meanwhile, or right before, ends no earlier than its timeout, but later by as long as
/// the rest.
#[derive(Debug)]
pub struct TokioClock {
    coarse: Arc<CoarseTime>,
    /// The runtime it was made on, for timers that are waited for elsewhere.
    home: Option<Handle>,
}

/// The clocks that pools share by default, by the runtime they were made on and how fine they are.
static CLOCKS: LazyLock<Mutex<Clocks>> = LazyLock::new(Mutex::default);

type Clocks = HashMap<(Id, Duration), Weak<TokioClock>>;

impl TokioClock {
    /// A clock whose coarse time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            coarse: Arc::new(CoarseTime::new(tokio_now())),
            home: Handle::try_current().ok(),
        }
    }

    /// The clock of all pools built here that were given no other and need it as fine, so that a
    /// thousand pools are not a thousand times to tick, and none of them more often than it needs.
    pub(crate) fn shared(resolution: Duration) -> Arc<Self> {
        let clock = Self::new();
        let Some(home) = &clock.home else {
            return Arc::new(clock);
        };
        let id = (home.id(), resolution);
        let mut clocks = CLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clocks.get(&id).and_then(Weak::upgrade) {
            return known;
        }
        clocks.retain(|_, clock| clock.strong_count() > 0);
        let clock = Arc::new(clock);
        clocks.insert(id, Arc::downgrade(&clock));
        clock
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn tokio_now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        tokio_now()
    }

    fn timer(&self) -> Box<dyn Timer> {
        Box::new(TokioTimer {
            deadline: None,
            sleep: None,
            home: self.home.clone(),
        })
    }

    fn coarse(&self, resolution: Duration) -> Arc<CoarseTime> {
        self.coarse.tick_late(tokio_now(), resolution * 2);
        if let Ok(runtime) = Handle::try_current() {
            keep_ticking(&runtime, &self.coarse, resolution);
        }
        Arc::clone(&self.coarse)
    }
}

/// The ticker of one runtime.
#[derive(Default)]
struct Ticker {
    /// Which task ticks: a finer resolution is served at once by a new one, and the old one ends.
    term: u64,
    /// What is ticked, and how often at least.
    times: Vec<(Weak<CoarseTime>, Duration)>,
}

impl Ticker {
    /// The shortest resolution that anybody needs.
    fn every(&self) -> Option<Duration> {
        self.times.iter().map(|(_, every)| *every).min()
    }
}

static NEXT_TERM: AtomicU64 = AtomicU64::new(1);

static TICKERS: LazyLock<Mutex<HashMap<Id, Ticker>>> = LazyLock::new(Mutex::default);

fn keep_ticking(runtime: &Handle, time: &Arc<CoarseTime>, resolution: Duration) {
    let id = runtime.id();
    let term = {
        let mut tickers = lock_tickers();
        let ticker = tickers.entry(id).or_default();
        let before = ticker.every();
        let same = |known: &Weak<CoarseTime>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(time));
        match ticker.times.iter_mut().find(|(known, _)| same(known)) {
            // Pools that share a clock may need it finer, or coarser.
            Some((_, every)) => *every = resolution.min(*every),
            None => ticker.times.push((Arc::downgrade(time), resolution)),
        }
        if before.is_some_and(|every| every <= resolution) {
            return;
        }
        // Unique in the process, so that no task takes another's ticker for its own.
        ticker.term = NEXT_TERM.fetch_add(1, Ordering::Relaxed);
        ticker.term
    };
    // Outside the lock: a runtime that is ending drops the task at once, which takes it.
    #[expect(clippy::disallowed_methods, reason = "this is the spawner")]
    runtime.spawn(tick(TickerTask { runtime: id, term }));
}

fn lock_tickers() -> MutexGuard<'static, HashMap<Id, Ticker>> {
    TICKERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ticks until no pool of the runtime is left, or another task does it.
async fn tick(task: TickerTask) {
    while let Some(every) = task.tick() {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        tokio::time::sleep(every).await;
    }
}

struct TickerTask {
    runtime: Id,
    term: u64,
}

impl TickerTask {
    /// Tells all pools the time; says how long to sleep, or that there is nothing left to do.
    fn tick(&self) -> Option<Duration> {
        let mut tickers = lock_tickers();
        let ticker = tickers
            .get_mut(&self.runtime)
            .filter(|ticker| ticker.term == self.term)?;
        let now = tokio_now();
        let late = ticker.every().unwrap_or_default() * 2;
        ticker.times.retain(|(time, _)| {
            let time = time.upgrade();
            time.inspect(|time| time.tick_late(now, late)).is_some()
        });
        let every = ticker.every();
        if every.is_none() {
            // Under the lock, so that nobody joins a ticker that is ending.
            tickers.remove(&self.runtime);
        }
        every
    }
}

impl Drop for TickerTask {
    /// Forgets a ticker that ended with its runtime.
    fn drop(&mut self) {
        let mut tickers = lock_tickers();
        if tickers
            .get(&self.runtime)
            .is_some_and(|ticker| ticker.term == self.term)
        {
            tickers.remove(&self.runtime);
        }
    }
}

/// Makes its `Sleep` when it is first polled: work that does not wait needs none, nor a runtime.
struct TokioTimer {
    deadline: Option<tokio::time::Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    home: Option<Handle>,
}

impl Timer for TokioTimer {
    fn reset(&mut self, deadline: Instant) {
        let deadline = tokio::time::Instant::from_std(deadline);
        self.deadline = Some(deadline);
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(deadline);
        }
    }

    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        if self.sleep.is_none() {
            let foreign = Handle::try_current().is_err();
            let _entered = match (&self.home, foreign) {
                (Some(home), true) => Some(home.enter()),
                // Nobody keeps the time here.
                (None, true) => return Poll::Pending,
                (_, false) => None,
            };
            self.sleep = Some(Box::pin(tokio::time::sleep_until(deadline)));
        }
        let Some(sleep) = &mut self.sleep else {
            return Poll::Pending;
        };
        if Handle::try_current().is_ok() {
            return sleep.as_mut().poll(cx);
        }
        // Elsewhere the timer's runtime may have ended, which tokio answers with a panic. No time
        // will come any more then: it is up.
        let polled = std::panic::AssertUnwindSafe(|| sleep.as_mut().poll(cx));
        std::panic::catch_unwind(polled).unwrap_or(Poll::Ready(()))
    }
}

/// Runs background work on the runtime of the calling thread, else on the one it was made on.
#[derive(Debug)]
pub struct TokioSpawn {
    home: Option<Handle>,
}

impl TokioSpawn {
    /// A spawner that falls back on the present runtime, if there is one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            home: Handle::try_current().ok(),
        }
    }
}

impl Default for TokioSpawn {
    fn default() -> Self {
        Self::new()
    }
}

impl Spawn for TokioSpawn {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
        let here = Handle::try_current().ok();
        let Some(runtime) = here.or_else(|| self.home.clone()) else {
            return Err(task);
        };
        Home(runtime).spawn(task);
        Ok(())
    }
}

/// One runtime, whoever calls.
#[derive(Debug)]
pub(crate) struct Home(Handle);

impl Home {
    /// The present runtime, if there is one.
    pub(crate) fn here() -> Option<Self> {
        Handle::try_current().ok().map(Self)
    }

    /// Runs `task` there. A runtime that has ended drops it at once.
    pub(crate) fn spawn(&self, task: BoxFuture<'static, ()>) {
        #[expect(clippy::disallowed_methods, reason = "this is the spawner")]
        self.0.spawn(task);
    }
}
