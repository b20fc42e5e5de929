//! Who asks for a connection, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Manager;
use crate::pool::{Acquire, Inner, Pool};
use crate::profile::Profile;

/// How urgent a request is. Waiting ages a request: one is overtaken only by those of a higher
/// priority that come within the difference of the two offsets after it, where a plain
/// [`acquire`](Pool::acquire) may count as older than it is by the lag of the coarse time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Background work. Offset 2 s.
    Low,
    /// The default. Offset 500 ms.
    #[default]
    Normal,
    /// Somebody waits for it. Offset 100 ms.
    High,
    /// Health checks, administration. No offset.
    Critical,
}

impl Priority {
    pub(crate) const fn class(self) -> u8 {
        match self {
            Self::Critical => 0,
            Self::High => 1,
            Self::Normal => 2,
            Self::Low => 3,
        }
    }

    /// Milliseconds that a request of this class yields to those of the highest.
    pub(crate) const fn offset(self) -> u64 {
        match self {
            Self::Critical => 0,
            Self::High => 100,
            Self::Normal => 500,
            Self::Low => 2000,
        }
    }
}

/// What a request said about itself, kept with the lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestInfo {
    /// On whose behalf.
    pub user: Option<Arc<str>>,
    /// Whatever else the caller wanted known.
    pub tags: BTreeMap<String, String>,
    /// How urgent it was.
    pub priority: Priority,
    /// What it would like of its connection.
    pub profile: Option<Profile>,
}

impl RequestInfo {
    /// What a request said that said nothing.
    pub(crate) const NOTHING: &'static Self = &Self {
        user: None,
        tags: BTreeMap::new(),
        priority: Priority::Normal,
        profile: None,
    };
}

/// Most tags of a request; more are dropped.
const MAX_TAGS: usize = 16;

/// A request in the making. From [`Pool::request`].
#[must_use = "nothing is asked before `acquire` is called and awaited"]
pub struct Request<'a, M: Manager> {
    inner: &'a Arc<Inner<M>>,
    pub(crate) info: RequestInfo,
    pub(crate) within: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
}

impl<'a, M: Manager> Request<'a, M> {
    pub(crate) fn new(pool: &'a Pool<M>) -> Self {
        Self {
            inner: pool.inner(),
            info: RequestInfo::default(),
            within: None,
            deadline: None,
        }
    }

    pub(crate) fn inner(&self) -> &'a Arc<Inner<M>> {
        self.inner
    }

    /// On whose behalf.
    pub fn user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.info.user = Some(user.into());
        self
    }

    /// Something to know about the request. At most 16 are kept.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        if self.info.tags.len() < MAX_TAGS {
            self.info.tags.insert(key.into(), value.into());
        }
        self
    }

    /// How urgent it is. Default [`Priority::Normal`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.info.priority = priority;
        self
    }

    /// What the request would like of its connection. Only one that says [which
    /// label](Profile::label) it wants, be it 0, may get a connection that has one, and puts its state
    /// right before relying on it; all others get one without.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.info.profile = Some(profile);
        self
    }

    /// The most it may take from the first poll, instead of the pool's `acquire_timeout`.
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    /// When it must be over, instead of the pool's `acquire_timeout`; with
    /// [`within`](Self::within), whichever comes first. Measured by the pool's clock.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Asks. See [`Pool::acquire`].
    #[track_caller]
    pub fn acquire(self) -> Acquire<'a, M> {
        Acquire::told(self, Location::caller())
    }
}

impl<M: Manager> fmt::Debug for Request<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("pool", &self.inner.parts.config.name)
            .field("info", &self.info)
            .field("within", &self.within)
            .field("deadline", &self.deadline)
            .finish()
    }
}
