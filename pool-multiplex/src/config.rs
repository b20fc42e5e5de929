//! What the sessions of a pool may be.

use crate::interner::Interner;
use crate::tags::Tags;
use std::fmt;
use std::time::Duration;

/// How many sessions there may be, and for how long. Each value has a default that says why.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    pub(crate) max_sessions: usize,
    pub(crate) max_pinned: usize,
    pub(crate) session_timeout: Option<Duration>,
    pub(crate) idle_in_transaction_timeout: Option<Duration>,
    pub(crate) statement_cache_size: usize,
    pub(crate) catalogue_size: usize,
    pub(crate) max_interned: usize,
    pub(crate) audit: bool,
    pub(crate) interner: Option<Interner>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            max_sessions: 10_000,
            max_pinned: usize::MAX,
            session_timeout: Some(Duration::from_secs(300)),
            idle_in_transaction_timeout: None,
            statement_cache_size: 100,
            catalogue_size: 10_000,
            max_interned: 20_000,
            audit: false,
            interner: None,
        }
    }
}

impl SessionConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The most sessions, suspended ones included; one more is [refused](crate::Error::TooMany).
    /// Default 10,000: some tens of megabytes.
    #[must_use]
    pub const fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// The most sessions that may be pinned to a connection for anything but a transaction: each takes
    /// one away from all others. An operation that shows that it may pin is
    /// [refused](crate::Error::TooManyPinned) beyond that before it runs; one that does not show it is
    /// counted afterwards. Default: no limit but the pool's, since how many are too many depends on
    /// what the others can do without.
    #[must_use]
    pub const fn max_pinned(mut self, sessions: usize) -> Self {
        self.max_pinned = sessions;
        self
    }

    /// For how long a session may be unused before it ends, suspended or not, with whatever it holds.
    /// `None` for ever. Default 300 s: who has not come back by then is taken to be gone. It is looked
    /// for eight times in the shorter of the two timeouts, but at least every second and at most every
    /// 10 ms, so a session may live that much longer.
    #[must_use]
    pub const fn session_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// For how long a session may leave a transaction idle before it is rolled back and its connection
    /// goes to others. The session lives on, and its next operation fails with
    /// [`Error::IdleInTransaction`](crate::Error::IdleInTransaction) and does not run. Default: for
    /// ever, as on a connection of one's own.
    #[must_use]
    pub const fn idle_in_transaction_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.idle_in_transaction_timeout = timeout;
        self
    }

    /// How many statements each session remembers, the last used ones. Default 100, some 2 KiB: more
    /// than most parts of a program run. Each use looks through them, so hundreds and not thousands.
    #[must_use]
    pub const fn statement_cache_size(mut self, statements: usize) -> Self {
        self.statement_cache_size = statements;
        self
    }

    /// How many different statements all sessions share; more are made for each use anew, and found
    /// prepared by nobody else. Default 10,000: more than a program has that does not write values
    /// into its statements.
    #[must_use]
    pub const fn catalogue_size(mut self, statements: usize) -> Self {
        self.catalogue_size = statements;
        self
    }

    /// How many different lists of settings are kept once each; more are kept by each session for
    /// itself, and found by nobody else. Default 20,000: two for each session.
    #[must_use]
    pub const fn max_interned(mut self, lists: usize) -> Self {
        self.max_interned = lists;
        self
    }

    /// What [`max_interned`](Self::max_interned) was set to.
    #[must_use]
    pub const fn most_interned(&self) -> usize {
        self.max_interned
    }

    /// Keeps lists of settings in `interner`, which a placement may know as [labels](pool_core::Labels);
    /// [`max_interned`](Self::max_interned) is not looked at then. Default: in one of the sessions' own.
    #[must_use]
    pub fn interner(mut self, interner: Interner) -> Self {
        self.interner = Some(interner);
        self
    }

    /// Whether each connection is asked for hidden state, which a function may have left, before
    /// another session gets it; costs a round trip or more each time. What is found costs the
    /// connection. Default: not, since most operations take one round trip and would take two.
    #[must_use]
    pub const fn audit(mut self, audit: bool) -> Self {
        self.audit = audit;
        self
    }
}

/// What one session begins with.
#[derive(Clone, Default)]
pub struct SessionOptions {
    pub(crate) baseline: Vec<(String, String)>,
    pub(crate) tags: Tags,
}

impl SessionOptions {
    /// A session like any other.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A setting that the session begins with, and that a reset gives back to it. Nobody is asked yet:
    /// one that the server does not take fails the first operation, with
    /// [`Error::Prelude`](crate::Error::Prelude).
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.baseline.push((name.into(), value.into()));
        self
    }

    /// What the session says about itself, for placements.
    #[must_use]
    pub fn tags(mut self, tags: Tags) -> Self {
        self.tags = tags;
        self
    }
}

impl fmt::Debug for SessionOptions {
    /// Names of settings only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.baseline.iter().map(|(name, _)| name).collect();
        f.debug_struct("SessionOptions")
            .field("settings", &names)
            .field("tags", &self.tags)
            .finish()
    }
}
