//! What a new connection does before its first caller gets it.
//!
//! The first query on a new connection is slow: session settings and statements that every caller
//! needs are sent one by one, each a round trip, while somebody waits. All of that is known before.
//! A plan of it ([`WarmUp`]) is carried out by the adapter as part of the connect, in one pipeline,
//! in the background; a caller who could have had another connection meanwhile does not notice.
//!
//! The plan has a limit of its own, and says what becomes of a connection that could not be warmed.
//! Without its settings it may do harm ([`Cold::Close`]); without its statements it is slow for a
//! while, and better than none ([`Cold::Keep`]).
//!
//! ```
//! use pool_health::{Cold, WarmUp};
//!
//! let plan = WarmUp::builder()
//!     .execute("SET statement_timeout = '5s'")
//!     .prepare("SELECT name FROM users WHERE id = $1")
//!     .on_failure(Cold::Keep)
//!     .build()?;
//! assert_eq!(plan.prepares().count(), 1);
//!
//! let error = WarmUp::builder().execute("").build().unwrap_err();
//! assert!(error.to_string().contains("statement 1 is empty"));
//! # Ok::<(), pool_health::ConfigError>(())
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{Candidate, Finding};

use crate::ConfigError;
use crate::problems::Problems;

/// The name of this part in findings.
const PART: &str = "warm_up";
/// The most statements of each kind. More would hold up the connect for longer than they save.
const MOST_STATEMENTS: usize = 256;
/// The longest statement, in bytes; all of them together go through one buffer.
const LONGEST: usize = 64 * 1024;

/// What a new connection does before its first caller gets it. Made by [`WarmUp::builder`]; clones
/// share the statements.
#[derive(Clone, Debug)]
pub struct WarmUp {
    executes: Arc<[Box<str>]>,
    prepares: Arc<[Box<str>]>,
    limit: Duration,
    on_failure: Cold,
}

/// What becomes of a connection whose warm-up failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cold {
    /// It is closed, as if the connect had failed. The default: a session without the settings that
    /// its callers count on may do harm.
    #[default]
    Close,
    /// It is kept as it is, and observers are told.
    Keep,
}

/// Why a warm-up did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarmUpFailure {
    /// It took longer than its limit. An adapter whose driver could take late replies for those to
    /// the next caller's requests must say `Broken` instead.
    TimedOut,
    /// The statement to execute with this index was refused; those before it were not.
    Execute(usize),
    /// The statement to prepare with this index was refused; all others were accepted or not tried.
    Prepare(usize),
    /// The connection broke, or can be trusted no more.
    Broken,
}

/// What follows from how a warm-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Warmth {
    /// The connection is warm.
    Warm,
    /// It is not, and is given out nevertheless. Observers are told.
    Kept,
    /// It is closed. The connect counts as failed.
    Closed,
}

impl WarmUp {
    /// Starts with nothing to do.
    #[must_use]
    pub const fn builder() -> WarmUpBuilder {
        WarmUpBuilder {
            executes: Vec::new(),
            prepares: Vec::new(),
            limit: Duration::from_secs(5),
            on_failure: Cold::Close,
        }
    }

    /// The statements to execute, in order; all before the first prepare, as settings may change what
    /// a prepare means.
    pub fn executes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.executes.iter().map(|text| &**text)
    }

    /// The statements to prepare, each once.
    pub fn prepares(&self) -> impl ExactSizeIterator<Item = &str> {
        self.prepares.iter().map(|text| &**text)
    }

    /// How long all of it may take.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.executes.is_empty() && self.prepares.is_empty()
    }

    /// What follows from how it ended. A connection that broke is closed whatever the plan says.
    #[must_use]
    pub const fn judge(&self, outcome: Result<(), WarmUpFailure>) -> Warmth {
        match (outcome, self.on_failure) {
            (Ok(()), _) => Warmth::Warm,
            (Err(WarmUpFailure::Broken), _) | (Err(_), Cold::Close) => Warmth::Closed,
            (Err(_), Cold::Keep) => Warmth::Kept,
        }
    }

    /// What observers are told of a failure.
    #[must_use]
    pub fn finding(&self, connection: Candidate, failure: WarmUpFailure) -> Finding {
        Finding {
            connection: Some(connection),
            part: PART,
            text: match failure {
                WarmUpFailure::TimedOut => "its warm-up took too long",
                WarmUpFailure::Execute(_) => "a statement of its warm-up was refused",
                WarmUpFailure::Prepare(_) => "a statement of its warm-up could not be prepared",
                WarmUpFailure::Broken => "it broke during its warm-up",
            },
            acted: self.judge(Err(failure)) == Warmth::Closed,
        }
    }
}

/// Builds a [`WarmUp`].
#[derive(Clone, Debug)]
pub struct WarmUpBuilder {
    executes: Vec<String>,
    prepares: Vec<String>,
    limit: Duration,
    on_failure: Cold,
}

impl WarmUpBuilder {
    /// Adds a statement to execute, at most 256 of at most 64 KiB.
    #[must_use]
    pub fn execute(mut self, statement: impl Into<String>) -> Self {
        self.executes.push(statement.into());
        self
    }

    /// Adds a statement to prepare, at most 256 of at most 64 KiB.
    #[must_use]
    pub fn prepare(mut self, statement: impl Into<String>) -> Self {
        self.prepares.push(statement.into());
        self
    }

    /// How long all of it may take. Default 5 s: half of what a connect may take in all.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What becomes of the connection when not all could be done. Default [`Cold::Close`].
    #[must_use]
    pub const fn on_failure(mut self, cold: Cold) -> Self {
        self.on_failure = cold;
        self
    }

    /// The plan, or everything that is wrong with it.
    ///
    /// # Errors
    ///
    /// Says which statements and settings cannot be.
    pub fn build(self) -> Result<WarmUp, ConfigError> {
        let mut problems = Problems::of("warm-up");
        check("execute", "statement", &self.executes, &mut problems);
        check("prepare", "prepare", &self.prepares, &mut problems);
        let mut seen = HashSet::new();
        for (index, text) in self.prepares.iter().enumerate() {
            problems.check(!seen.insert(text), || {
                format!("prepare {} is there twice; take one out", index + 1)
            });
        }
        problems.time("limit", self.limit);
        problems.result()?;
        let boxed = |texts: Vec<String>| texts.into_iter().map(String::into_boxed_str).collect();
        Ok(WarmUp {
            executes: boxed(self.executes),
            prepares: boxed(self.prepares),
            limit: self.limit,
            on_failure: self.on_failure,
        })
    }
}

fn check(list: &str, name: &str, texts: &[String], problems: &mut Problems) {
    problems.check(texts.len() > MOST_STATEMENTS, || {
        format!(
            "there are {} statements to {list}; leave it at {MOST_STATEMENTS}",
            texts.len()
        )
    });
    for (index, text) in texts.iter().take(MOST_STATEMENTS).enumerate() {
        let number = index + 1;
        problems.check(text.trim().is_empty(), || {
            format!("{name} {number} is empty; take it out")
        });
        problems.check(text.contains('\0'), || {
            format!("{name} {number} has a NUL byte, which ends a text on the wire; take it out")
        });
        problems.check(text.len() > LONGEST, || {
            format!(
                "{name} {number} has {} bytes; leave it at {LONGEST}",
                text.len()
            )
        });
    }
}
