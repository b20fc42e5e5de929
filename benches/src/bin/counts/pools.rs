//! The pools that are counted: a type of pool for each path, and a time that stands still.
//!
//! What the compiler makes of a function depends on how often it is called: with one caller it goes
//! in line, with two perhaps not. Each path therefore has a [`Manager`] type of its own, and with it
//! its own copy of the pool's code, so that a new path does not move the counts of the others.
//!
//! A request that waits reads the clock, and pays for that; so it does with [`StillClock`]. But a
//! time that moved would wake the driver of the pool and the ticker now and then, more often in a
//! slow run than in a fast one, and a count must not know how fast the machine is.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pool_facade::{Builder, Clock, CoarseTime, ConnectCtx, Manager, Pool, Timer};

/// Opens connections that are numbers, for the path number `PATH` alone.
#[derive(Debug)]
pub(crate) struct Numbers<const PATH: u8>;

impl<const PATH: u8> Manager for Numbers<PATH> {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self, cx: &ConnectCtx) -> Result<u64, Infallible> {
        Ok(cx.connection_id)
    }
}

/// A pool in the making, with default settings but for its size; all connections will be open.
pub(crate) fn builder<const PATH: u8>(size: u32) -> Builder<Numbers<PATH>> {
    Pool::builder(Numbers).max_size(size).initial_size(size)
}

/// A pool of `size` open connections with default settings.
pub(crate) async fn full_pool<const PATH: u8>(size: u32) -> Pool<Numbers<PATH>> {
    opened(builder(size)).await
}

/// The same, with a [`StillClock`].
pub(crate) async fn still_pool<const PATH: u8>(size: u32) -> Pool<Numbers<PATH>> {
    opened(still_builder(size)).await
}

/// A pool in the making, with a [`StillClock`].
pub(crate) fn still_builder<const PATH: u8>(size: u32) -> Builder<Numbers<PATH>> {
    builder(size).clock(Arc::new(StillClock::new()))
}

/// The pool, once its connections are open.
pub(crate) async fn opened<M: Manager>(builder: Builder<M>) -> Pool<M> {
    let built = builder.build().await;
    built.expect("numbers can always be opened")
}

/// A clock that takes as long to read as the real one and always shows the same time.
#[derive(Debug)]
struct StillClock {
    shown: Instant,
    coarse: Arc<CoarseTime>,
}

impl StillClock {
    fn new() -> Self {
        let shown = Instant::now();
        Self {
            shown,
            coarse: Arc::new(CoarseTime::new(shown)),
        }
    }
}

impl Clock for StillClock {
    fn now(&self) -> Instant {
        black_box(Instant::now());
        self.shown
    }

    fn timer(&self) -> Box<dyn Timer> {
        Box::new(Never)
    }

    fn coarse(&self, _: Duration) -> Arc<CoarseTime> {
        Arc::clone(&self.coarse)
    }
}

/// No deadline comes where time stands still.
struct Never;

impl Timer for Never {
    fn reset(&mut self, _: Instant) {}

    fn poll_elapsed(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
