//! Time and background work, the two things a pool needs from a runtime.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A boxed future of the kind a runtime can run in the background.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The only source of time.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The time now. Never called by an acquire that finds an idle connection, and seldom by one that
    /// waits.
    fn now(&self) -> Instant;

    /// A timer that fires when its deadline has come.
    fn timer(&self) -> Box<dyn Timer>;

    /// The shared coarse time of this clock, kept up to date by one ticker per clock (not per
    /// pool) at least every `resolution`. Called again whenever a pool starts its driver, so that
    /// a ticker lost with its runtime is replaced. A ticker that may come late ticks by
    /// [`tick_late`](CoarseTime::tick_late), with twice the resolution as the tolerance: waits are
    /// cut short otherwise.
    fn coarse(&self, resolution: Duration) -> Arc<CoarseTime>;
}

/// Whether the clock's timers work here. tokio's panic on a runtime without time.
pub(crate) fn keeps_time(clock: &dyn Clock) -> bool {
    let mut timer = clock.timer();
    timer.reset(clock.now() + Duration::from_secs(1));
    let mut cx = Context::from_waker(Waker::noop());
    let poll = AssertUnwindSafe(|| timer.poll_elapsed(&mut cx).is_pending());
    std::panic::catch_unwind(poll).is_ok()
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
///
/// It lags behind by up to the resolution it was asked for. When it lags by more, because the process
/// or the runtime of its ticker was stopped, that is noted, so that a wait whose beginning was read
/// from it meanwhile does not end early.
#[derive(Debug)]
pub struct CoarseTime {
    origin: Instant,
    millis: AtomicU64,
    stalls: Mutex<Stalls>,
}

#[derive(Debug)]
struct Stalls {
    /// What is no stall yet, in milliseconds: the least that anybody asked for.
    tolerance: u64,
    /// The latest first.
    log: VecDeque<Stall>,
}

/// A time during which a coarse time stood still.
#[derive(Clone, Copy, Debug)]
struct Stall {
    /// What it showed.
    shown: u64,
    /// What it showed next.
    next: u64,
}

/// How many stalls are remembered.
const STALLS: usize = 64;
/// Hardly any wait is longer, in milliseconds: of older stalls the oldest is forgotten, of younger ones
/// the shortest, so that no wait is cut short by much.
const HORIZON: u64 = 3_600_000;

impl Stalls {
    fn note(&mut self, stall: Stall) {
        if self.log.len() == STALLS {
            let old = |oldest: &Stall| oldest.next.saturating_add(HORIZON) < stall.next;
            let length = |at: &usize| self.log[*at].next - self.log[*at].shown;
            let forgotten = match self.log.back().is_some_and(old) {
                true => Some(STALLS - 1),
                false => (0..STALLS).rev().min_by_key(length),
            };
            forgotten.and_then(|at| self.log.remove(at));
        }
        self.log.push_front(stall);
    }
}

impl CoarseTime {
    /// A coarse time that stands at zero.
    #[must_use]
    pub const fn new(origin: Instant) -> Self {
        Self {
            origin,
            millis: AtomicU64::new(0),
            stalls: Mutex::new(Stalls {
                tolerance: u64::MAX,
                log: VecDeque::new(),
            }),
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

    /// As [`tick`](Self::tick), for a ticker that may come late: if the time has stood still for
    /// longer than `tolerance`, that is noted.
    pub fn tick_late(&self, now: Instant, tolerance: Duration) {
        let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let tolerance = u64::try_from(tolerance.as_millis()).unwrap_or(u64::MAX);
        stalls.tolerance = stalls.tolerance.min(tolerance);
        let next = self.millis_at(now);
        let shown = self.millis.fetch_max(next, Ordering::Relaxed);
        if next.saturating_sub(shown) > stalls.tolerance {
            stalls.note(Stall { shown, next });
        }
    }

    /// How much later than `shown` it may have been when this time showed that: by how much it stood
    /// still longer than it should, if it did.
    #[must_use]
    pub fn stood_still(&self, shown: u64) -> Option<u64> {
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let stall = stalls.log.iter().find(|stall| stall.shown == shown)?;
        Some(stall.next - stall.shown)
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

/// The runtime that a pool was built on, where the pool's own clock and spawner are.
#[cfg(feature = "tokio")]
pub(crate) use crate::tokio_runtime::Home;

/// No runtime is known.
#[cfg(not(feature = "tokio"))]
#[derive(Debug)]
pub(crate) enum Home {}

#[cfg(not(feature = "tokio"))]
impl Home {
    pub(crate) fn spawn(&self, _: BoxFuture<'static, ()>) {
        match *self {}
    }
}

#[cfg(all(test, not(pool_loom)))]
#[expect(clippy::disallowed_methods, reason = "an origin is needed")]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_time_that_stood_still_says_for_how_long() {
        let origin = Instant::now();
        let time = CoarseTime::new(origin);
        let at = |millis| origin + Duration::from_millis(millis);
        let tolerance = Duration::from_millis(100);
        time.tick_late(at(100), tolerance);
        time.tick_late(at(60_000), tolerance);
        time.tick_late(at(60_050), tolerance);
        assert_eq!(time.stood_still(0), None, "as late as it may be");
        assert_eq!(time.stood_still(100), Some(59_900));
        assert_eq!(time.stood_still(60_000), None);
        assert_eq!(time.millis(), 60_050);
    }

    #[test]
    fn so_many_stalls_are_remembered_and_the_shortest_forgotten() {
        let origin = Instant::now();
        let time = CoarseTime::new(origin);
        let stand_until =
            |second| time.tick_late(origin + Duration::from_secs(second), Duration::ZERO);
        stand_until(20);
        (21..1020).for_each(stand_until);
        assert_eq!(time.stood_still(0), Some(20_000));
        assert_eq!(time.stood_still(21_000), None);
        assert_eq!(time.stood_still(1_018_000), Some(1000));
        stand_until(6000);
        assert_eq!(time.stood_still(0), None, "older than any wait");
    }

    #[test]
    fn of_several_tolerances_the_least_counts() {
        let origin = Instant::now();
        let time = CoarseTime::new(origin);
        time.tick_late(origin, Duration::from_millis(10));
        time.tick_late(origin + Duration::from_millis(50), Duration::from_secs(1));
        assert_eq!(time.stood_still(0), Some(50));
    }
}
