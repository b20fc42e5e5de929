//! Trying again, as little as helps.
//!
//! A failure that passes by is worth a second attempt; a server that is failing is not worth three
//! times the load. From within one call the two look the same, so what bounds retries must be shared
//! between calls: a *budget* ([`RetryBudget`]), by default two retries for every ten calls and ten
//! per second besides. With it a server on which everything fails gets a fifth more, not three times
//! as much, while the odd failure is retried at once.
//!
//! Which failures pass by is known to whoever made them ([`Retryable`]). What is not known to pass by
//! is not tried again; above all not a request of which nobody knows whether it was carried out.
//!
//! Pauses are those of a [`Backoff`], on top of the time that a refusal asked for, so that those
//! refused together do not come back together. Time comes from a pool's [`Clock`], chance from a
//! seed, and no runtime is needed.

mod budget;
mod verdict;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pool_core::{Clock, Timer};

pub use self::budget::RetryBudget;
pub use self::verdict::{RetryVerdict, Retryable};
use crate::{Backoff, ConfigError, Jitter};
use pool_core::Problems;

/// How calls are tried again. One for all calls to a server; shared by reference.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pool_core::Clock;
/// use pool_health::{Retry, RetryBudget};
///
/// async fn name_of(clock: Arc<dyn Clock>, pool: &pool_core::Pool<impl pool_core::Manager>) {
///     let retry = Retry::builder(clock)
///         .max_attempts(3)
///         .deadline(Duration::from_secs(5))
///         .budget(Arc::new(RetryBudget::default()))
///         .build()
///         .expect("settings that make sense");
///     let lease = retry.run(|_attempt| pool.acquire()).await;
/// # drop(lease);
/// }
/// ```
#[derive(Debug)]
pub struct Retry {
    clock: Arc<dyn Clock>,
    backoff: Backoff,
    max_attempts: u32,
    deadline: Option<Duration>,
    budget: Option<Arc<RetryBudget>>,
    /// Of the next call.
    seed: AtomicU64,
}

/// A [`Retry`] in the making.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build` is called"]
pub struct RetryBuilder {
    clock: Arc<dyn Clock>,
    base: Duration,
    cap: Duration,
    jitter: Jitter,
    max_attempts: u32,
    deadline: Option<Duration>,
    budget: Option<Arc<RetryBudget>>,
    seed: u64,
}

/// One of a call's attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When the call as a whole is to be over, by the clock given; for the attempt to keep.
    pub deadline: Option<Instant>,
}

/// A call that failed for good: with its last error, and why there was no further attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gave up after {attempts} attempts, as {why}: {error}")]
pub struct GaveUp<E> {
    /// How the last attempt failed.
    #[source]
    pub error: E,
    /// How many attempts there were.
    pub attempts: u32,
    /// Why that was the last.
    pub why: WhyGaveUp,
}

/// Why there was no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhyGaveUp {
    /// Trying again cannot help, or might do twice what is to be done once.
    NotRetryable,
    /// There were as many attempts as may be.
    Attempts,
    /// The next would begin after the deadline.
    Deadline,
    /// Too much is being retried as it is.
    Budget,
}

impl fmt::Display for WhyGaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRetryable => "the error is not one to try again after",
            Self::Attempts => "there may be no more",
            Self::Deadline => "the next would begin after the deadline",
            Self::Budget => "the budget for retries is used up",
        })
    }
}

impl RetryBuilder {
    /// The pauses: after *n* failures below `base · 2ⁿ`, at most `cap`. Default 50 ms and 2 s.
    pub const fn pauses(mut self, base: Duration, cap: Duration) -> Self {
        self.base = base;
        self.cap = cap;
        self
    }

    /// How chance enters the pauses. Default [`Jitter::Full`].
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Most attempts of one call, the first included. Default 3.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// No attempt of a call begins so long after its first. Default 30 s, which is how long a pool
    /// lets wait. An attempt that is under way is not cut off: what it did would not be known. It is
    /// told the deadline, to keep it itself.
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// What calls share retries from. Default: one of their own, [`RetryBudget::default`]. Without any
    /// (`None`), a server that fails everything gets every attempt of every call.
    pub fn budget(mut self, budget: impl Into<Option<Arc<RetryBudget>>>) -> Self {
        self.budget = budget.into();
        self
    }

    /// Where chance begins. Default 0; processes that are to differ need different ones.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The settings, checked.
    ///
    /// # Errors
    ///
    /// All settings that make no sense.
    pub fn build(self) -> Result<Retry, ConfigError> {
        let backoff = Backoff::new(self.base, self.cap);
        let mut problems = Problems::of("retry");
        if let Err(error) = &backoff {
            problems.include(error);
        }
        problems.check(self.max_attempts == 0, || {
            "max_attempts 0 would try nothing; take 1 to try once".to_owned()
        });
        problems.check(self.deadline == Some(Duration::ZERO), || {
            "deadline 0 would never try again; take max_attempts 1".to_owned()
        });
        problems.result()?;
        Ok(Retry {
            clock: self.clock,
            backoff: backoff?.with_jitter(self.jitter),
            max_attempts: self.max_attempts,
            deadline: self.deadline,
            budget: self.budget,
            seed: AtomicU64::new(self.seed),
        })
    }
}

impl Retry {
    /// The way to a retry that keeps time by `clock`.
    pub fn builder(clock: Arc<dyn Clock>) -> RetryBuilder {
        RetryBuilder {
            clock,
            base: Duration::from_millis(50),
            cap: Duration::from_secs(2),
            jitter: Jitter::default(),
            max_attempts: 3,
            deadline: Some(Duration::from_secs(30)),
            budget: Some(Arc::new(RetryBudget::default())),
            seed: 0,
        }
    }

    /// Makes attempts until one succeeds or there is a reason not to make another.
    ///
    /// # Errors
    ///
    /// The last attempt's error, and why there was no other.
    ///
    /// # Cancel safety
    ///
    /// Drops the attempt that is under way, and is as safe as that. A retry that the budget gave stays
    /// spent.
    pub async fn run<T, E, F>(&self, attempt: impl FnMut(Attempt) -> F) -> Result<T, GaveUp<E>>
    where
        F: IntoFuture<Output = Result<T, E>>,
        E: Retryable,
    {
        self.run_if(attempt, E::verdict).await
    }

    /// As [`run`](Self::run), for errors that `verdict` knows more of.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_if<T, E, F>(
        &self,
        mut attempt: impl FnMut(Attempt) -> F,
        mut verdict: impl FnMut(&E) -> RetryVerdict,
    ) -> Result<T, GaveUp<E>>
    where
        F: IntoFuture<Output = Result<T, E>>,
    {
        let began = self.clock.now();
        let deadline = self.deadline.and_then(|limit| began.checked_add(limit));
        if let Some(budget) = &self.budget {
            budget.deposit(budget.time_of(began));
        }
        let seed = self.seed.fetch_add(1, Ordering::Relaxed);
        let mut backoff = self.backoff.clone().with_seed(seed);
        let mut timer = None;
        loop {
            let number = backoff.failures().saturating_add(1);
            let error = match attempt(Attempt { number, deadline }).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match self.next(&mut backoff, verdict(&error), deadline) {
                Ok(at) => self.sleep_until(at, &mut timer).await,
                Err(why) => {
                    let attempts = number;
                    return Err(GaveUp {
                        error,
                        attempts,
                        why,
                    });
                }
            }
        }
    }

    /// When to make the next attempt, if at all.
    fn next(
        &self,
        backoff: &mut Backoff,
        verdict: RetryVerdict,
        deadline: Option<Instant>,
    ) -> Result<Instant, WhyGaveUp> {
        let asked = match verdict {
            RetryVerdict::Never => return Err(WhyGaveUp::NotRetryable),
            RetryVerdict::Again => Duration::ZERO,
            RetryVerdict::After(pause) => pause,
        };
        if backoff.failures().saturating_add(1) >= self.max_attempts {
            return Err(WhyGaveUp::Attempts);
        }
        let now = self.clock.now();
        let pause = asked.saturating_add(backoff.after_failure());
        // A time that cannot be told lies after every deadline.
        let at = now.checked_add(pause).ok_or(WhyGaveUp::Deadline)?;
        if deadline.is_some_and(|deadline| at >= deadline) {
            return Err(WhyGaveUp::Deadline);
        }
        // Last, so that nothing is taken that is not used.
        match &self.budget {
            Some(budget) if !budget.withdraw(budget.time_of(now)) => Err(WhyGaveUp::Budget),
            _ => Ok(at),
        }
    }

    async fn sleep_until(&self, at: Instant, timer: &mut Option<Box<dyn Timer>>) {
        let timer = timer.get_or_insert_with(|| self.clock.timer());
        timer.reset(at);
        poll_fn(|cx| timer.poll_elapsed(cx)).await;
    }
}
