//! Time and background work, the two things a pool needs from a runtime.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A boxed future of the kind a runtime can run in the background.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The only source of time.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The time now. Never called by an acquire that finds an idle connection.
    fn now(&self) -> Instant;

    /// A timer that fires when its deadline has come.
    fn timer(&self) -> Box<dyn Timer>;

    /// The shared coarse time of this clock, kept up to date by one ticker per clock (not per
    /// pool) at least every `resolution`. Called again whenever a pool starts its driver, so that
    /// a ticker lost with its runtime is replaced.
    fn coarse(&self, resolution: Duration) -> Arc<CoarseTime>;
}

/// A timer that can be set again without an allocation.
pub trait Timer: Send {
    /// Moves the deadline. A task that waits in [`poll_elapsed`](Self::poll_elapsed) must poll
    /// again afterwards.
    fn reset(&mut self, deadline: Instant);

    /// Ready once the deadline has come; pending for ever when none was set.
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Milliseconds since an origin, readable without a system call.
#[derive(Debug)]
pub struct CoarseTime {
    origin: Instant,
    millis: AtomicU64,
}

impl CoarseTime {
    /// A coarse time that stands at zero.
    #[must_use]
    pub const fn new(origin: Instant) -> Self {
        Self {
            origin,
            millis: AtomicU64::new(0),
        }
    }

    /// Milliseconds since [`origin`](Self::origin) at the last tick.
    #[inline]
    #[must_use]
    pub fn millis(&self) -> u64 {
        // Relaxed: the value orders nothing.
        self.millis.load(Ordering::Relaxed)
    }

    /// The instant that counts as zero.
    #[must_use]
    pub const fn origin(&self) -> Instant {
        self.origin
    }

    /// `at` in milliseconds since the origin; zero for anything before it.
    #[must_use]
    pub fn millis_at(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin);
        // Not `as_millis`, whose 128 bits cost more than the clock.
        since.as_secs().saturating_mul(1000) + u64::from(since.subsec_millis())
    }

    /// Moves the time forward to `now`; never back.
    pub fn tick(&self, now: Instant) {
        self.millis
            .fetch_max(self.millis_at(now), Ordering::Relaxed);
    }
}

/// The only way to start background work.
pub trait Spawn: Send + Sync + fmt::Debug + 'static {
    /// Starts `task`, or gives it back when there is no runtime to run it.
    ///
    /// A runtime that ends may drop the task at any point; the pool notices.
    ///
    /// # Errors
    ///
    /// The task itself, when nothing can run it.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>>;
}
