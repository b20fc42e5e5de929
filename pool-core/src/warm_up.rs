//! What is done with a new connection before anybody gets it.
//!
//! The first query on a new connection is the slowest one: settings, prepared statements and caches
//! of the server are missing, and the caller pays for all of it, at one round trip each. None of it
//! depends on the caller. So it is done in the background of the connect, in as few round trips as
//! the protocol allows, and bounded: a server that is slow to prepare must not look like one that
//! takes no connections.

use std::fmt;
use std::time::Duration;

use crate::Problems;

/// Statements to run and to prepare on each new connection; see
/// [`Builder::warm_up`](crate::Builder::warm_up).
///
/// ```
/// use pool_core::WarmUp;
///
/// let plan = WarmUp::new()
///     .execute("SET statement_timeout = '5s'")
///     .prepare("SELECT name FROM users WHERE id = $1");
/// # let _ = plan;
/// ```
#[derive(Clone)]
pub struct WarmUp {
    execute: Vec<String>,
    prepare: Vec<String>,
    limit: Duration,
    on_failure: OnFailure,
}

impl fmt::Debug for WarmUp {
    /// Shows no statements: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmUp")
            .field("execute", &self.execute.len())
            .field("prepare", &self.prepare.len())
            .field("limit", &self.limit)
            .field("on_failure", &self.on_failure)
            .finish()
    }
}

/// What becomes of a connection whose warm-up failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is closed, and the connect counts as failed: right where users rely on what it sets.
    #[default]
    Close,
    /// It is kept as it is, and observers are told: right where it only saves time. A warm-up that
    /// was cut off by its limit costs the connection in any case.
    Keep,
}

/// How many statements a plan may have.
const MOST: usize = 1000;

impl Default for WarmUp {
    fn default() -> Self {
        Self::new()
    }
}

impl WarmUp {
    /// Nothing to do yet, within 5 s, closing what fails.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            execute: Vec::new(),
            prepare: Vec::new(),
            limit: Duration::from_secs(5),
            on_failure: OnFailure::Close,
        }
    }

    /// Runs a statement, after those named before and before anything is prepared.
    #[must_use]
    pub fn execute(mut self, statement: impl Into<String>) -> Self {
        self.execute.push(statement.into());
        self
    }

    /// Prepares a statement and leaves it in the connection's statement cache, if it has one.
    #[must_use]
    pub fn prepare(mut self, statement: impl Into<String>) -> Self {
        self.prepare.push(statement.into());
        self
    }

    /// How long all of it may take; `connect_timeout` bounds it as well. Default 5 s.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What becomes of a connection for which it fails. Default: it is closed.
    #[must_use]
    pub const fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// The statements to run, in this order.
    #[must_use]
    pub fn statements(&self) -> &[String] {
        &self.execute
    }

    /// The statements to prepare.
    #[must_use]
    pub fn prepared(&self) -> &[String] {
        &self.prepare
    }

    /// How long all of it may take.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether a connection is kept for which it fails.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        matches!(self.on_failure, OnFailure::Keep)
    }

    /// Names what cannot be, statements by their place: their text may hold secrets.
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.time("the limit of warm_up", self.limit);
        let count = self.execute.len() + self.prepare.len();
        problems.check(count > MOST, || {
            format!(
                "warm_up has {count} statements, more than {MOST}; leave out those that are rare"
            )
        });
        for (list, name) in [(&self.execute, "execute"), (&self.prepare, "prepare")] {
            for (at, statement) in list.iter().enumerate() {
                let place = at + 1;
                problems.check(statement.trim().is_empty(), || {
                    format!("statement {place} to {name} in warm_up is empty; leave it out")
                });
                problems.check(statement.contains('\0'), || {
                    format!("statement {place} to {name} in warm_up contains a NUL byte; remove it")
                });
            }
        }
    }
}
