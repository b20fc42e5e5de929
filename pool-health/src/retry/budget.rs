//! How much may be retried.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::ConfigError;
use crate::monotone::Monotone;
use pool_core::Problems;

/// How many slices the past is cut into.
const SLICES: usize = 10;
/// What one retry costs, so that a call's part of it is a whole number.
const RETRY: i64 = 1_000_000;
/// Most retries per call, and per second, that can be asked for.
const MAX_SHARE: f64 = 1000.0;
const MAX_PER_SECOND: u32 = 1_000_000;
/// Longest memory.
const MAX_MEMORY: Duration = Duration::from_secs(3600);

/// A share of the calls of the last seconds, and some per second besides, may be retried: as in
/// Finagle, by default a fifth, ten, and ten seconds.
///
/// Every call puts its share in, every retry takes one out, and both are forgotten after a while, as
/// is a retry that was not made. The fixed part is there from the start; with it a client that calls
/// once a minute may retry.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_health::RetryBudget;
///
/// let budget = RetryBudget::new(0.2, 0, Duration::from_secs(10))?;
/// let now = Duration::from_secs(1);
/// (0..10).for_each(|_| budget.deposit(now));
/// assert!(budget.withdraw(now) && budget.withdraw(now));
/// assert!(!budget.withdraw(now));
/// # Ok::<(), pool_health::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct RetryBudget {
    /// What a call puts in.
    deposit: i64,
    /// What is always there.
    reserve: i64,
    /// Nanoseconds.
    slice: u128,
    /// What counts as zero for those who tell the time by a clock.
    origin: OnceLock<Instant>,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    time: Monotone,
    /// What was put in less what was taken out, by slice.
    slices: [i64; SLICES],
    /// The number of the newest slice; it lies at its number modulo the count.
    newest: u128,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::checked(0.2, 10, Duration::from_secs(10))
    }
}

impl RetryBudget {
    /// A budget of `share` retries per call and `per_second` besides, over a past of `memory`.
    ///
    /// # Errors
    ///
    /// If `share` is not from 0 to 1000, `per_second` above a million, or `memory` not from 10 ms to
    /// 1 h.
    pub fn new(share: f64, per_second: u32, memory: Duration) -> Result<Self, ConfigError> {
        let mut problems = Problems::of("retry budget");
        problems.within("share", share, 0.0..=MAX_SHARE);
        problems.within("per_second", per_second, 0..=MAX_PER_SECOND);
        problems.span("memory", memory, Duration::from_millis(10)..=MAX_MEMORY);
        problems.result()?;
        Ok(Self::checked(share, per_second, memory))
    }

    fn checked(share: f64, per_second: u32, memory: Duration) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a few millions, and a thousand seconds times a million more"
        )]
        let (deposit, reserve) = (
            (share * RETRY as f64).round() as i64,
            (f64::from(per_second) * memory.as_secs_f64() * RETRY as f64) as i64,
        );
        Self {
            deposit,
            reserve,
            slice: (memory.as_nanos() / SLICES as u128).max(1),
            origin: OnceLock::new(),
            books: Mutex::default(),
        }
    }

    /// Notes a call, when it begins.
    pub fn deposit(&self, now: Duration) {
        self.with(now, |books| books.add(self.deposit));
    }

    /// Takes one retry out, if there is one.
    #[must_use]
    pub fn withdraw(&self, now: Duration) -> bool {
        self.with(now, |books| {
            let enough = self.reserve.saturating_add(books.sum()) >= RETRY;
            if enough {
                books.add(-RETRY);
            }
            enough
        })
    }

    /// How many retries there are.
    #[must_use]
    pub fn balance(&self, now: Duration) -> u64 {
        let sum = self.with(now, |books| books.sum());
        let whole = self.reserve.saturating_add(sum) / RETRY;
        u64::try_from(whole).unwrap_or(0)
    }

    /// A clock's time as the budget counts it. All clocks must be of one origin.
    pub(crate) fn time_of(&self, at: Instant) -> Duration {
        at.saturating_duration_since(*self.origin.get_or_init(|| at))
    }

    fn with<T>(&self, now: Duration, f: impl FnOnce(&mut Books) -> T) -> T {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.roll(now, self.slice);
        f(&mut books)
    }
}

impl Books {
    fn roll(&mut self, now: Duration, slice: u128) {
        let number = self.time.advance(now).as_nanos() / slice;
        let steps = number.saturating_sub(self.newest).min(SLICES as u128);
        for step in 0..steps {
            self.slices[place(number - step)] = 0;
        }
        self.newest = self.newest.max(number);
    }

    fn add(&mut self, amount: i64) {
        let newest = &mut self.slices[place(self.newest)];
        *newest = newest.saturating_add(amount);
    }

    fn sum(&self) -> i64 {
        let add = |sum: i64, slice: &i64| sum.saturating_add(*slice);
        self.slices.iter().fold(0, add)
    }
}

fn place(number: u128) -> usize {
    usize::try_from(number % SLICES as u128).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn budget(share: f64, per_second: u32) -> RetryBudget {
        RetryBudget::new(share, per_second, seconds(10)).expect("it makes sense")
    }

    fn withdrawals(budget: &RetryBudget, now: Duration) -> usize {
        (0..10_000).take_while(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn from_the_start_there_is_the_fixed_part_of_the_whole_memory() {
        assert_eq!(withdrawals(&RetryBudget::default(), seconds(1)), 100);
        assert_eq!(withdrawals(&budget(0.2, 0), seconds(1)), 0);
    }

    #[test]
    fn calls_allow_for_a_share_of_retries() {
        let budget = budget(0.2, 0);
        (0..1000).for_each(|_| budget.deposit(seconds(1)));
        assert_eq!(budget.balance(seconds(1)), 200);
        assert_eq!(withdrawals(&budget, seconds(5)), 200);
        assert!(!budget.withdraw(seconds(5)));
    }

    #[test]
    fn what_was_put_in_and_what_was_taken_out_are_forgotten() {
        let calls = budget(0.5, 0);
        (0..100).for_each(|_| calls.deposit(seconds(1)));
        assert_eq!(calls.balance(seconds(10)), 50);
        assert_eq!(calls.balance(seconds(11)), 0);
        let fixed = budget(0.0, 10);
        assert_eq!(withdrawals(&fixed, seconds(1)), 100);
        assert_eq!(fixed.balance(seconds(10)), 0);
        assert_eq!(
            fixed.balance(seconds(11)),
            100,
            "no more than that after a pause"
        );
        assert_eq!(fixed.balance(seconds(1_000_000)), 100);
    }

    #[test]
    fn a_server_on_which_everything_fails_gets_a_fifth_more_and_ten_per_second() {
        let budget = RetryBudget::default();
        let (mut calls, mut retries) = (0_u32, 0_u32);
        for milli in 0..60_000 {
            let now = Duration::from_millis(milli);
            budget.deposit(now);
            calls += 1;
            retries += (0..2).map(|_| u32::from(budget.withdraw(now))).sum::<u32>();
        }
        let least = f64::from(calls) * 0.2;
        let most = least + 10.0 * 60.0 + 100.0;
        let retries = f64::from(retries);
        assert!(
            retries > least * 0.95 && retries <= most,
            "{retries} of {calls}"
        );
    }

    #[test]
    fn threads_share_it_and_none_takes_what_is_not_there() {
        let budget = budget(0.2, 10);
        let taken: usize = thread::scope(|scope| {
            let take = || withdrawals(&budget, seconds(1));
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, usize>| {
                thread.join().expect("it does not panic")
            };
            threads.into_iter().map(join).sum()
        });
        assert_eq!(taken, 100);
    }

    #[test]
    fn a_clock_that_goes_back_or_ends_neither_fills_nor_empties_it() {
        let budget = budget(0.0, 1);
        assert_eq!(withdrawals(&budget, seconds(3600)), 10);
        assert_eq!(budget.balance(seconds(3599)), 0);
        assert_eq!(budget.balance(seconds(10)), 0);
        assert_eq!(budget.balance(seconds(21)), 10, "ten seconds on");
        assert_eq!(budget.balance(Duration::MAX), 10);
        assert_eq!(budget.balance(Duration::ZERO), 10);
    }

    #[test]
    fn a_share_that_is_no_number_or_a_memory_of_nothing_is_refused() {
        for (share, per_second, memory) in [
            (f64::NAN, 10, seconds(10)),
            (-0.1, 10, seconds(10)),
            (f64::INFINITY, 10, seconds(10)),
            (0.2, u32::MAX, seconds(10)),
            (0.2, 10, Duration::ZERO),
            (0.2, 10, Duration::MAX),
        ] {
            let error = RetryBudget::new(share, per_second, memory).expect_err("no sense");
            assert_eq!(error.problems().len(), 1, "{error}");
        }
        assert!(RetryBudget::new(MAX_SHARE, MAX_PER_SECOND, MAX_MEMORY).is_ok());
    }
}
