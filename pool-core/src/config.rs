//! What can be set about a pool, checked as a whole.

use std::time::Duration;

use crate::{ConfigError, Problems, WarmUp};

/// The settings of a pool. Made by the pool's builder, which reports every problem at once.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) name: String,
    pub(crate) max_size: u32,
    pub(crate) min_size: u32,
    pub(crate) min_idle: u32,
    pub(crate) initial_size: u32,
    pub(crate) max_size_ceiling: Option<u32>,
    pub(crate) acquire_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) validation_timeout: Duration,
    pub(crate) reset_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) lifetime_jitter: f64,
    pub(crate) validate_on_acquire: bool,
    pub(crate) validate_on_return: bool,
    pub(crate) validation_bypass: Duration,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) max_connecting: u32,
    pub(crate) creation_throttle: Option<u32>,
    pub(crate) backoff_initial: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) max_wait_queue_size: u32,
    pub(crate) fair_queue: bool,
    pub(crate) match_waiters: bool,
    pub(crate) hand_off_lease: Duration,
    pub(crate) maintenance_interval: Option<Duration>,
    pub(crate) seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "pool".to_owned(),
            max_size: 10,
            min_size: 0,
            min_idle: 0,
            initial_size: 0,
            max_size_ceiling: None,
            acquire_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            validation_timeout: Duration::from_secs(5),
            reset_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(5),
            idle_timeout: Some(Duration::from_secs(300)),
            max_lifetime: Some(Duration::from_secs(3600)),
            lifetime_jitter: 0.1,
            validate_on_acquire: true,
            validate_on_return: false,
            validation_bypass: Duration::from_millis(500),
            keepalive: None,
            max_connecting: 8,
            creation_throttle: None,
            backoff_initial: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            max_wait_queue_size: u32::MAX,
            fair_queue: true,
            match_waiters: false,
            hand_off_lease: Duration::from_secs(1),
            maintenance_interval: None,
            seed: 0,
        }
    }
}

/// Getters and builder setters of the settings that need no thought; `as` says what a setter takes if
/// that differs.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty $(as $taken:ty)?;)*) => {
        impl Config {
            $($(#[$doc])* #[must_use] pub fn $name(&self) -> $type { self.$name.clone() })*
        }

        impl<M: crate::Manager> crate::Builder<M> {
            $(settings!(@setter $(#[$doc])* $name: $type $(as $taken)?);)*
        }
    };
    (@setter $(#[$doc:meta])* $name:ident: $type:ty) => {
        $(#[$doc])* pub fn $name(mut self, $name: $type) -> Self {
            self.config.$name = $name;
            self
        }
    };
    (@setter $(#[$doc:meta])* $name:ident: $type:ty as $taken:ty) => {
        $(#[$doc])* pub fn $name(mut self, $name: $taken) -> Self {
            self.config.$name = $name.into();
            self
        }
    };
}

settings! {
    /// What the pool is called in texts. Default "pool".
    name: String as impl Into<String>;
    /// Most connections, in whatever state, at any time. Default 10: enough for a service on a
    /// few cores, few enough for any server.
    max_size: u32;
    /// Connections kept open, in use or not. Default 0: nothing is opened that nobody asked for.
    min_size: u32;
    /// Connections kept idle, as far as `max_size` allows. Default 0.
    min_idle: u32;
    /// Connections open when `build` returns; it fails if they cannot be opened within
    /// `acquire_timeout`. Default 0: a service starts even if its database is late.
    initial_size: u32;
    /// How far `resize` may go. Default: twice `max_size`, at least 62.
    max_size_ceiling: Option<u32> as impl Into<Option<u32>>;
    /// How long an acquire may take in all: waiting, connecting and checking. Default 30 s, the
    /// common choice of pools; less is better wherever a caller has its own deadline. Never cut short,
    /// but one of many seconds may end later by up to a hundredth: where no observer is told how long
    /// waits take, it is measured by the coarse time.
    acquire_timeout: Duration;
    /// How long one attempt to connect may take, hooks included. Default 10 s.
    connect_timeout: Duration;
    /// How long a check may take. An acquire waits for it for a quarter of its time at most and
    /// goes on without it then. Default 5 s.
    validation_timeout: Duration;
    /// How long a reset may take. Default 5 s.
    reset_timeout: Duration;
    /// How long closing one connection may take before its slot is free regardless. Default 5 s.
    close_timeout: Duration;
    /// Idle connections above `min_size` are closed after this time. Default 300 s; `None` for
    /// never.
    idle_timeout: Option<Duration> as impl Into<Option<Duration>>;
    /// Connections are replaced at this age, never during a lease. Default 3600 s, so that changes
    /// behind a name or a proxy are followed; `None` for never.
    max_lifetime: Option<Duration> as impl Into<Option<Duration>>;
    /// Part of `max_lifetime`, 0 to 1, by which the age is shortened at random, so that connections
    /// opened together do not end together. Default 0.1.
    lifetime_jitter: f64;
    /// Ask the far end before a lease, if the connection was idle for `validation_bypass`. Default
    /// on.
    validate_on_acquire: bool;
    /// Ask the far end after each lease, in the background. Default off: it costs a round trip per
    /// lease.
    validate_on_return: bool;
    /// A connection used or checked within this time is trusted. Default 500 ms.
    validation_bypass: Duration;
    /// Ask the far end of connections that were idle for this time, in the background. Default
    /// `None`.
    keepalive: Option<Duration> as impl Into<Option<Duration>>;
    /// Most connects at a time. Default 8: a cold pool fills in a few round trips and a server that
    /// has just come back is not stormed.
    max_connecting: u32;
    /// Most connects begun per second. Default `None`: `max_connecting` and the backoff are
    /// enough, and a clock-driven limit starves a cold pool.
    creation_throttle: Option<u32> as impl Into<Option<u32>>;
    /// Pause after a first failed connect; doubles with each further failure. Default 50 ms.
    backoff_initial: Duration;
    /// Longest pause after failed connects. Default 1 s: recovery is noticed within it.
    backoff_max: Duration;
    /// Most requests that wait for a lease to end; one more is refused at once. Default: as many
    /// as there may be, since a deadline bounds each.
    max_wait_queue_size: u32;
    /// Serve waiters of a priority in strict order of arrival. Default `true`. With `false` a
    /// connection that comes back goes to a waiter of the same worker thread first, as long as it
    /// passes none that came more than 64 requests earlier: more throughput where tasks crowd, for
    /// waits that are less even.
    fair_queue: bool;
    /// Give a connection that comes back with a [label](crate::PooledConnection::set_label) to a
    /// waiter whose [profile](crate::Profile::label) wishes for it (one without a label, to a waiter
    /// that wishes for none, as all without a profile do), if one is among the next eight of the
    /// priority whose turn it is; else to the first in line. A waiter is passed at most 8 times, and
    /// not if its deadline is near. Default `false`: waiters of a priority are served in strict order
    /// of arrival. Not together with `fair_queue(false)`, whose own bound would no longer hold.
    match_waiters: bool;
    /// A connection that was handed to a waiter which is not polled for one to two of these times
    /// goes to the next. Default 1 s.
    hand_off_lease: Duration;
    /// How often idle connections are looked at, at most: a pool without `min_size`, `min_idle` and a
    /// policy looks when the first of them is due. Default: a tenth of the shortest of
    /// `idle_timeout`, `max_lifetime` and `keepalive`, between 10 ms and 10 s.
    maintenance_interval: Option<Duration> as impl Into<Option<Duration>>;
    /// Seed of all chance in the pool (jitter). Default 0: drawn at `build`.
    seed: u64;
}

impl Config {
    /// Where `resize` ends.
    pub(crate) fn ceiling(&self) -> u32 {
        let default = self.max_size.saturating_mul(2).max(62);
        self.max_size_ceiling.unwrap_or(default)
    }

    /// The shortest window that is measured with the coarse clock.
    fn shortest_window(&self) -> Duration {
        let bypass = self.validate_on_acquire.then_some(self.validation_bypass);
        [bypass, self.idle_timeout, self.max_lifetime, self.keepalive]
            .into_iter()
            .flatten()
            .filter(|window| !window.is_zero())
            .min()
            .unwrap_or(Duration::from_secs(10))
    }

    /// How fine the coarse time must be: a tenth of what is measured by it, and it need not be finer.
    pub(crate) fn resolution(&self) -> Duration {
        (self.shortest_window() / 10).clamp(MIN_RESOLUTION, MAX_RESOLUTION)
    }

    /// How often maintenance runs at most.
    pub(crate) fn maintenance_every(&self) -> Duration {
        self.maintenance_interval.unwrap_or_else(|| {
            let shortest = [self.idle_timeout, self.max_lifetime, self.keepalive]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(Duration::from_secs(100));
            (shortest / 10).clamp(Duration::from_millis(10), Duration::from_secs(10))
        })
    }

    /// Checks the whole and says everything that is wrong.
    pub(crate) fn check(&self, warm_up: Option<&WarmUp>) -> Result<(), ConfigError> {
        let mut problems = Problems::of("pool");
        if let Some(warm_up) = warm_up {
            warm_up.check(&mut problems);
        }
        self.check_sizes(&mut problems);
        self.check_times(&mut problems);
        problems.result()
    }

    fn check_sizes(&self, problems: &mut Problems) {
        let max = self.max_size;
        problems.check(max == 0, || {
            "max_size is 0; a pool needs at least 1 connection".to_owned()
        });
        for (name, value) in [
            ("min_size", self.min_size),
            ("min_idle", self.min_idle),
            ("initial_size", self.initial_size),
        ] {
            problems.check(value > max, || {
                format!("{name} {value} is above max_size {max}; lower it")
            });
        }
        let ceiling = self.ceiling();
        problems.check(ceiling < max, || {
            format!("max_size_ceiling {ceiling} is below max_size {max}; raise it or leave it out")
        });
        problems.check(ceiling > MAX_CEILING, || {
            format!("max_size_ceiling {ceiling} is above {MAX_CEILING}, the most a pool can have")
        });
        problems.check(self.match_waiters && !self.fair_queue, || {
            "match_waiters is true and fair_queue is false: each lets waiters pass others in its \
             own way, and no bound would hold; leave one of them out"
                .to_owned()
        });
        problems.check(self.max_connecting == 0, || {
            "max_connecting is 0; nothing could be opened".to_owned()
        });
        problems.check(self.creation_throttle == Some(0), || {
            "creation_throttle is 0 per second; leave it out for no limit".to_owned()
        });
        problems.within("lifetime_jitter", self.lifetime_jitter, 0.0..=1.0);
    }

    fn check_times(&self, problems: &mut Problems) {
        for (name, value) in [
            ("acquire_timeout", Some(self.acquire_timeout)),
            ("connect_timeout", Some(self.connect_timeout)),
            ("validation_timeout", Some(self.validation_timeout)),
            ("reset_timeout", Some(self.reset_timeout)),
            ("close_timeout", Some(self.close_timeout)),
            ("idle_timeout", self.idle_timeout),
            ("max_lifetime", self.max_lifetime),
            ("keepalive", self.keepalive),
            ("backoff_initial", Some(self.backoff_initial)),
            ("backoff_max", Some(self.backoff_max)),
            ("hand_off_lease", Some(self.hand_off_lease)),
            ("maintenance_interval", self.maintenance_interval),
        ] {
            if let Some(value) = value {
                problems.time(name, value);
            }
        }
        let (initial, max) = (self.backoff_initial, self.backoff_max);
        problems.check(initial > max, || {
            format!("backoff_initial {initial:?} is above backoff_max {max:?}")
        });
        if let (Some(keepalive), Some(idle), 0) = (self.keepalive, self.idle_timeout, self.min_size)
        {
            problems.check(keepalive >= idle, || {
                format!(
                    "keepalive {keepalive:?} is not below idle_timeout {idle:?}: it would never run"
                )
            });
        }
    }
}

/// Finer ticks than this would cost more than they tell.
const MIN_RESOLUTION: Duration = Duration::from_millis(5);
/// So that snapshots say "held for" with a useful precision.
const MAX_RESOLUTION: Duration = Duration::from_millis(250);
/// More slots than this would not fit the bookkeeping's types with room to spare.
const MAX_CEILING: u32 = 1_000_000;
