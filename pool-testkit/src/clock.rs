//! Time that stands still until the test moves it.
//!
//! A pool is full of time: deadlines, ages, idle limits, back-off. A test that waits for them is
//! slow and still unsure; a paused runtime moves by itself, as soon as nothing else can run, and
//! so hides a task that should not have been asleep. This clock moves only by
//! [`advance`](ManualClock::advance), fires timers in the order of their deadlines (equal ones in
//! the order in which they were waited for), each at its exact time, and counts how often it was
//! read: a fast path that must not ask for the time can be held to it.
//!
//! Waking is not running: whoever was woken runs when its runtime gets to it, at the time the
//! clock shows by then. [`run_for`](ManualClock::run_for) stops at each deadline and lets the
//! other tasks of a `current_thread` runtime go first.
//!
//! ```
//! use std::time::Duration;
//! use pool_core::Clock;
//! use pool_testkit::clock::ManualClock;
//!
//! let clock = ManualClock::new();
//! let before = clock.now();
//! clock.advance(Duration::from_secs(3600));
//! assert_eq!(clock.now() - before, Duration::from_secs(3600));
//! assert_eq!(clock.reads(), 2);
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pool_core::{Clock, CoarseTime, Timer};

/// How often [`ManualClock::run_for`] lets other tasks run at each stop: the longest chain of
/// tasks that wake each other it follows to the end.
const TURNS: usize = 64;

/// A clock that a test moves by hand. Clones show the same time.
#[derive(Clone)]
pub struct ManualClock(Arc<Shared>);

struct Shared {
    coarse: Arc<CoarseTime>,
    reads: AtomicU64,
    state: Mutex<State>,
}

struct State {
    now: Instant,
    registrations: u64,
    armed: BTreeMap<Key, Waker>,
}

/// The deadline, then the number of the registration.
type Key = (Instant, u64);

impl ManualClock {
    /// A clock that shows the real time of its making, and from then on what the test says.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be had from the real clock; this one never moves by itself"
    )]
    pub fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Shared {
            coarse: Arc::new(CoarseTime::new(now)),
            reads: AtomicU64::new(0),
            state: Mutex::new(State {
                now,
                registrations: 0,
                armed: BTreeMap::new(),
            }),
        }))
    }

    /// Moves the time forward and fires every timer that is due by then, in the order of their
    /// deadlines. Tasks that are woken see the time at which they run.
    pub fn advance(&self, by: Duration) {
        let target = self.show() + by;
        while self.step(target) {}
        self.set(target);
    }

    /// Moves the time to the next deadline and fires what is due there. False when no timer is
    /// waited for.
    pub fn advance_to_next(&self) -> bool {
        let Some(next) = self.next_deadline() else {
            return false;
        };
        self.advance(next.saturating_duration_since(self.show()));
        true
    }

    /// Moves the time as [`advance`](Self::advance) does, but stops at each deadline, those that
    /// come up on the way included, and lets the other tasks run. For a `current_thread` runtime:
    /// on another, "the others have run" cannot be known.
    ///
    /// Cancel safety: the time stays where it has come to.
    pub async fn run_for(&self, by: Duration) {
        let target = self.show() + by;
        settle().await;
        while self.step(target) {
            settle().await;
        }
        self.set(target);
        settle().await;
    }

    /// The earliest deadline that a task waits for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let state = self.0.state();
        state.armed.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many timers are waited for.
    #[must_use]
    pub fn armed_timers(&self) -> usize {
        self.0.state().armed.len()
    }

    /// How often [`now`](Clock::now) was called.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// The time, without counting as a read.
    #[must_use]
    pub fn show(&self) -> Instant {
        self.0.state().now
    }

    /// Goes to the first deadline up to `target` and fires it; false when there is none.
    fn step(&self, target: Instant) -> bool {
        let mut state = self.0.state();
        let Some(first) = state.armed.first_entry().filter(|e| e.key().0 <= target) else {
            return false;
        };
        let ((deadline, _), waker) = first.remove_entry();
        state.now = state.now.max(deadline);
        self.0.coarse.tick(state.now);
        // Foreign code, which may ask for the time.
        drop(state);
        waker.wake();
        true
    }

    fn set(&self, target: Instant) {
        let mut state = self.0.state();
        state.now = state.now.max(target);
        self.0.coarse.tick(state.now);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        self.show()
    }

    fn timer(&self) -> Box<dyn Timer> {
        Box::new(ManualTimer {
            clock: self.clone(),
            deadline: None,
            armed: None,
        })
    }

    /// Exact after every move, so the resolution does not matter.
    fn coarse(&self, _resolution: Duration) -> Arc<CoarseTime> {
        Arc::clone(&self.0.coarse)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock")
            .field("elapsed", &(self.show() - self.0.coarse.origin()))
            .field("armed_timers", &self.armed_timers())
            .finish_non_exhaustive()
    }
}

struct ManualTimer {
    clock: ManualClock,
    deadline: Option<Instant>,
    armed: Option<Key>,
}

impl ManualTimer {
    fn disarm(&mut self) {
        let Some(key) = self.armed.take() else { return };
        let waker = self.clock.0.state().armed.remove(&key);
        // Dropped here, outside the lock: the last waker of a task drops the task.
        drop(waker);
    }
}

impl Timer for ManualTimer {
    fn reset(&mut self, deadline: Instant) {
        self.disarm();
        self.deadline = Some(deadline);
    }

    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let waker = cx.waker().clone();
        let mut state = self.clock.0.state();
        if state.now >= deadline {
            drop(state);
            self.disarm();
            return Poll::Ready(());
        }
        let key = self.armed.unwrap_or((deadline, state.registrations));
        state.registrations = state.registrations.max(key.1 + 1);
        let replaced = state.armed.insert(key, waker);
        drop(state);
        drop(replaced);
        self.armed = Some(key);
        Poll::Pending
    }
}

impl Drop for ManualTimer {
    fn drop(&mut self) {
        self.disarm();
    }
}

async fn settle() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests;
