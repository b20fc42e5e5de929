//! The pool: the queue, a manager, and the tasks that tend connections.
//!
//! ```text
//!  Pool (handle) ──▶ Shell: what it was built from, and once it is used
//!                      │
//!                      ▼
//!                    Inner ◀─── weak ── driver: one task; deadlines, connects, maintenance
//!                      │  ▲
//!                      │  └─── strong ─ tasks: one connect, check, reset or close each, holding
//!                    queue              the slot they work for
//!                      │
//!               slots: connections ◀─── leases, by a plain pointer
//! ```
//!
//! Handles share the shell, and the last one ends the pool with it, while leases and tasks may keep the
//! memory of what is inside a little longer.

mod acquire;
mod admin;
mod admit;
mod body;
mod connect;
mod driver;
mod failures;
mod growth;
mod health;
mod home_word;
mod initial;
mod lease;
mod look;
mod mailbox;
mod maintenance;
mod place;
mod preparation;
mod shell;
mod stop;
mod tasks;
mod throttle;

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

pub use self::acquire::Acquire;
pub use self::lease::{InFlight, PooledConnection};
pub(crate) use self::shell::Parts;

use self::body::{Loan, Slots};
use self::failures::Failures;
use self::growth::Growth;
use self::health::Health;
use self::look::Doubt;
use self::mailbox::Mailbox;
use self::preparation::rough_timeout;
use self::shell::Shell;
use self::stop::Stop;
use self::throttle::Throttle;
use crate::mutant::mutant;
use crate::queue::{Limits, Order, Queue};
use crate::request::Request;
use crate::runtime::Home;
use crate::{Builder, Clock, CloseReason, CoarseTime, Config, Event, Manager, Spawn};

/// A pool of connections. A cheap handle: clone it freely.
///
/// It begins with its first use; until then it is what it was built from and no more, unless it keeps
/// connections, has a policy of health, or was given a clock or a spawner.
///
/// The pool's own work runs on the runtime that it was built on; when that has ended, on the one of
/// the next request that waits. A runtime that lives but is not driven (a `current_thread` one
/// outside `block_on`) holds the work up, deadlines of requests on other runtimes included.
///
/// When the last handle is dropped the pool ends as if closed with no time to spare: idle
/// connections are dropped, waits are over, background work stops. Leases may live on; their
/// connections are dropped when they come back.
pub struct Pool<M: Manager> {
    shell: Arc<Shell<M>>,
}

/// A handle that does not keep the pool open.
pub struct WeakPool<M: Manager> {
    shell: Weak<Shell<M>>,
}

/// What leases and tasks of a pool share, and its handles once it is used.
pub(crate) struct Inner<M: Manager> {
    pub(crate) queue: Queue<Slots<M>>,
    pub(crate) parts: Arc<Parts<M>>,
    pub(crate) coarse: Arc<CoarseTime>,
    /// A connection that was fresh this long ago, in milliseconds, is asked before use.
    bypass: u64,
    /// The default limit of an acquire, in milliseconds.
    acquire_timeout: u64,
    /// The same by the coarse time, if that will do; else 0.
    rough_timeout: u64,
    /// How long a hand-off may go uncollected, in milliseconds.
    hand_off_lease: u64,
    /// Connections that were last known to work before this time are asked whatever their age.
    suspect_before: AtomicU64,
    /// Whether all are, since nobody knew the time for a while.
    doubt: Doubt,
    /// Which of the rarely used features an acquire or a return must look at.
    features: Features,
    // Most pools have none of what is boxed, and should not have room for it either.
    health: Option<Box<Health>>,
    next_id: AtomicU64,
    counters: Counters,
    mailbox: Mailbox<M>,
    /// Checks of idle connections that are under way.
    checks: AtomicUsize,
    stop: Stop,
    failures: Mutex<Failures<M::Error>>,
    growth: Mutex<Growth>,
    /// Milliseconds between two decisions of `growth`.
    growth_every: AtomicU64,
    throttle: Option<Box<Mutex<Throttle>>>,
    /// Waits for the first connections.
    arrival: Mutex<Option<Waker>>,
}

/// What is switched on, decided at build time.
#[derive(Debug)]
struct Features {
    /// In the lowest bit, whether there is anything at all that an acquire must look at. Changes when
    /// an admission stands by or does so no longer; all else is decided at build time. Above that, the
    /// number of the question whose answer it is: an older answer does not replace a newer one.
    on_acquire: AtomicU64,
    /// How often the admission was asked whether it stands by.
    asked: AtomicU64,
    /// Anything at all that a return must look at.
    on_release: bool,
    /// Hooks run before a connection is given out.
    prepares: bool,
    /// Hooks or checks run on what comes back.
    restores: bool,
    observer: bool,
    /// Somebody keeps books of leases.
    told: bool,
    /// The admission stands by at times: what enters while it does not is concluded by a close look.
    switches: bool,
}

impl Features {
    fn new(parts: &Parts<impl Manager>, stands_by: Option<bool>) -> Self {
        let (hooks, config) = (&parts.hooks, &parts.config);
        let prepares = !hooks.before_acquire.is_empty() || mutant(181);
        let restores = !hooks.after_release.is_empty() || config.validate_on_return || mutant(182);
        let observer = parts.observer.is_some();
        let told = observer || parts.admission.is_some() || parts.placement.is_some();
        let switches = stands_by.is_some();
        let admits = parts.admission.is_some() && !switches;
        let always = observer || parts.placement.is_some() || admits;
        Self {
            on_acquire: AtomicU64::new(u64::from(prepares || told)),
            asked: AtomicU64::new(0),
            on_release: restores || always,
            prepares,
            restores,
            observer,
            told,
            switches,
        }
    }

    /// Whether an acquire must look at anything.
    #[inline(always)]
    fn on_acquire(&self) -> bool {
        // Relaxed: a request that misses a change is one that came before it.
        self.on_acquire.load(Ordering::Relaxed) & 1 == 1
    }

    /// Notes the answer to a question; not if a later one was answered before.
    fn set_on_acquire(&self, question: u64, answer: bool) {
        let fresh = question << 1 | u64::from(answer);
        // Release and Acquire are not needed: the value orders nothing.
        self.on_acquire.fetch_max(fresh, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Counters {
    opened: AtomicU64,
    detached: AtomicU64,
    connect_failures: AtomicU64,
    connects_elided: AtomicU64,
    timeouts: AtomicU64,
    revoked: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
}

impl<M: Manager> Pool<M> {
    /// Starts a pool over `manager`.
    pub fn builder(manager: M) -> Builder<M> {
        Builder::new(manager)
    }

    /// `None` if timers do not work here, or tasks do not run.
    pub(crate) fn new(parts: Parts<M>, home: Option<Home>) -> Option<Self> {
        let shell = Arc::new(Shell::new(parts, home)?);
        Some(Self { shell })
    }

    /// Asks for a connection: an idle one, else the next that comes back or is opened, within
    /// `acquire_timeout`.
    ///
    /// The request begins when the future is first polled; only the pool itself, if this is its first
    /// use, begins now. Requests are served in the order of their first polls within a priority; nobody
    /// overtakes.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any point: a connection that was on its way goes to the next
    /// waiter, a connect that was begun goes on for the next, a check runs to its end.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_, M> {
        Acquire::new(self, Location::caller())
    }

    /// An idle connection, if there is one that needs no check; never waits. When there is none but
    /// room for one, a connect begins in the background.
    ///
    /// It may say `None` while a connection is just being returned, and does if the pool's
    /// [`Admission`](crate::Admission) refuses.
    #[must_use]
    #[track_caller]
    pub fn try_acquire(&self) -> Option<PooledConnection<M>> {
        self.inner().try_acquire(Location::caller())
    }

    /// A request that says more about itself: for whom, how urgent, until when.
    pub fn request(&self) -> Request<'_, M> {
        Request::new(self)
    }

    /// The settings the pool was built with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shell.parts.config
    }

    /// The manager.
    #[must_use]
    pub fn manager(&self) -> &M {
        &self.shell.parts.manager
    }

    /// What time it is to the pool.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shell.parts.clock
    }

    /// What runs the pool's background work.
    #[must_use]
    pub fn spawner(&self) -> &Arc<dyn Spawn> {
        &self.shell.parts.spawner
    }

    /// Something that another crate keeps with the pool, one value of each type: the one that it was
    /// [built with](Builder::extension), else the one made now. It lives as long as the pool, and so
    /// must not hold a handle of it.
    ///
    /// `make` must not ask for an extension itself.
    pub fn extension<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        self.shell.parts.extensions.obtain(make)
    }

    /// A handle that does not keep the pool open.
    #[must_use]
    pub fn downgrade(&self) -> WeakPool<M> {
        WeakPool {
            shell: Arc::downgrade(&self.shell),
        }
    }

    /// What is behind the handle, if it was used.
    fn used(&self) -> Option<&Arc<Inner<M>>> {
        self.shell.used()
    }

    /// What is behind the handle.
    #[inline(always)]
    pub(crate) fn inner(&self) -> &Arc<Inner<M>> {
        self.shell.inner()
    }
}

impl<M: Manager> WeakPool<M> {
    /// A handle, if any other is left.
    #[must_use]
    pub fn upgrade(&self) -> Option<Pool<M>> {
        let shell = self.shell.upgrade()?;
        Some(Pool { shell })
    }
}

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self {
            shell: Arc::clone(&self.shell),
        }
    }
}

impl<M: Manager> Clone for WeakPool<M> {
    fn clone(&self) -> Self {
        Self {
            shell: Weak::clone(&self.shell),
        }
    }
}

impl<M: Manager> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.shell.parts.config.name)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl<M: Manager> fmt::Debug for WeakPool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakPool").finish_non_exhaustive()
    }
}

impl<M: Manager> Inner<M> {
    fn new(shell: &Shell<M>) -> Self {
        let parts = Arc::clone(&shell.parts);
        let config = &parts.config;
        let limits = Limits {
            max: config.max_size as usize,
            max_connecting: config.max_connecting as usize,
            busy_connecting: 1,
            max_waiting: config.max_wait_queue_size as usize,
            connect_after: 0,
        };
        let resolution = config.resolution();
        let bypass = match config.validate_on_acquire {
            true => millis(config.validation_bypass).min(body::ENDLESS),
            false => body::ENDLESS,
        };
        Self {
            queue: Queue::new(
                config.ceiling() as usize,
                shell.homes,
                order(config),
                limits,
            ),
            coarse: Arc::clone(&shell.coarse),
            bypass,
            acquire_timeout: millis(config.acquire_timeout).min(body::ENDLESS),
            rough_timeout: rough_timeout(
                config.acquire_timeout,
                resolution,
                parts.observer.is_some(),
            ),
            hand_off_lease: millis(config.hand_off_lease).min(body::ENDLESS),
            suspect_before: AtomicU64::new(0),
            doubt: Doubt::default(),
            features: Features::new(&parts, shell.stands_by),
            next_id: AtomicU64::new(1),
            counters: Counters::default(),
            mailbox: Mailbox::new(shell.home.is_some()),
            checks: AtomicUsize::new(0),
            stop: Stop::new(),
            failures: Mutex::new(Failures::new(config)),
            growth: Mutex::new(Growth::new()),
            growth_every: AtomicU64::new(Growth::new().every()),
            arrival: Mutex::new(None),
            throttle: config
                .creation_throttle
                .map(|rate| Box::new(Mutex::new(Throttle::new(rate)))),
            health: parts.health.clone().map(Health::new).map(Box::new),
            parts,
        }
    }

    /// The present time, exactly, in milliseconds of the coarse clock.
    pub(crate) fn now_millis(&self) -> u64 {
        self.coarse.millis_at(self.parts.clock.now())
    }

    /// The instant that `millis` stands for.
    pub(crate) fn instant(&self, millis: u64) -> Instant {
        self.coarse.origin() + std::time::Duration::from_millis(millis)
    }

    /// Tells the observer, if there is one.
    #[inline]
    pub(crate) fn observe(&self, event: impl FnOnce() -> Event<'static>) {
        if self.features.observer {
            self.observe_slowly(&event());
        }
    }

    #[cold]
    pub(crate) fn observe_slowly(&self, event: &Event<'_>) {
        if let Some(observer) = &self.parts.observer {
            contained(|| observer.event(event));
        }
    }

    pub(crate) fn count_closed(&self, id: u64, reason: CloseReason) {
        self.counters.closed[reason.index()].fetch_add(1, Ordering::Relaxed);
        self.observe(|| Event::Closed {
            connection: id,
            reason,
        });
    }

    fn arrival(&self) -> MutexGuard<'_, Option<Waker>> {
        self.arrival.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failures(&self) -> MutexGuard<'_, Failures<M::Error>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs foreign code on the way home of a connection: its panic must not stop what follows.
#[inline]
fn contained(code: impl FnOnce()) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(code));
}

/// In which order those who wait are served.
fn order(config: &Config) -> Order {
    match (config.match_waiters, config.fair_queue) {
        (true, _) => Order::Matching,
        (false, true) => Order::Strict,
        (false, false) => Order::Skewed,
    }
}

/// Whole milliseconds, rounded up.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_answer_to_an_early_question_does_not_replace_a_newer_one() {
        let features = Features {
            on_acquire: AtomicU64::new(1),
            asked: AtomicU64::new(2),
            on_release: false,
            prepares: false,
            restores: false,
            observer: false,
            told: true,
            switches: true,
        };
        features.set_on_acquire(2, true);
        features.set_on_acquire(1, false);
        assert!(features.on_acquire());
        features.set_on_acquire(3, false);
        assert!(!features.on_acquire());
    }
}
