//! What failed connects teach: how long to pause, and what to tell those who wait.

use crate::Config;
use crate::error::Cause;

/// The last failures of connects and checks, and the pause they ask for.
///
/// Exponential backoff with equal jitter: after n failures in a row between half and the whole of
/// `initial * 2^(n-1)`, capped. A success ends it.
pub(crate) struct Failures<E: std::error::Error + 'static> {
    last: Option<Cause<E>>,
    /// `last` is of a check, or a reset.
    of_check: bool,
    /// Connects that succeeded so far.
    successes: u64,
    /// The last failed connect was one that trying again will not mend.
    permanent: bool,
    /// Failed connects since the last success.
    in_a_row: u32,
    /// Connections in a row that came to nothing before their first use.
    stillborn: u32,
    /// When the pause after the last of those ends.
    paused_until: u64,
    initial: u64,
    cap: u64,
    chance: Chance,
}

impl<E: std::error::Error + 'static> Failures<E> {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            last: None,
            of_check: false,
            successes: 0,
            permanent: false,
            in_a_row: 0,
            stillborn: 0,
            paused_until: 0,
            initial: super::millis(config.backoff_initial),
            cap: super::millis(config.backoff_max),
            chance: Chance(config.seed),
        }
    }

    /// Notes a failed connect, and says for how many milliseconds to pause.
    /// Connects that failed side by side count once. The old cause comes back, to be dropped
    /// outside the lock: it is foreign code.
    pub(crate) fn connect_failed(
        &mut self,
        attempt: u32,
        cause: Cause<E>,
        permanent: bool,
    ) -> (u64, Option<Cause<E>>) {
        self.permanent = permanent;
        self.of_check = false;
        let old = self.last.replace(cause);
        self.in_a_row = self.in_a_row.max(attempt);
        (self.pause(self.in_a_row), old)
    }

    /// Notes a connection that came to nothing before its first use, and says for how many
    /// milliseconds to pause. Those that end within one pause count once; a quiet time, ten times
    /// the longest pause, forgives.
    pub(crate) fn stillborn(&mut self, now: u64) -> u64 {
        if now
            > self
                .paused_until
                .saturating_add(self.cap.saturating_mul(10))
        {
            self.stillborn = 0;
        }
        if now >= self.paused_until {
            self.stillborn = self.stillborn.saturating_add(1);
        }
        let pause = self.pause(self.stillborn);
        self.paused_until = now.saturating_add(pause);
        pause
    }

    /// The pause after so many failures in a row.
    fn pause(&mut self, failures: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(30);
        let whole = self.initial.saturating_mul(1 << doublings).min(self.cap);
        whole / 2 + self.chance.below(whole.div_ceil(2) + 1)
    }

    /// Notes a failed check.
    pub(crate) fn check_failed(&mut self, cause: Cause<E>) -> Option<Cause<E>> {
        self.permanent = false;
        self.of_check = true;
        self.last.replace(cause)
    }

    /// Notes a check that passed: an earlier one that failed is no cause of anything any more.
    pub(crate) fn check_passed(&mut self) -> Option<Cause<E>> {
        self.last.take_if(|_| self.of_check)
    }

    /// The number of the next attempt since the last success, and how many have succeeded.
    pub(crate) fn so_far(&self) -> (u32, u64) {
        (self.attempt(), self.successes)
    }

    /// How many connects have succeeded.
    pub(crate) fn successes(&self) -> u64 {
        self.successes
    }

    /// Notes that a connection works; says whether connects had failed before.
    pub(crate) fn succeeded(&mut self) -> (bool, Option<Cause<E>>) {
        self.permanent = false;
        self.successes += 1;
        (std::mem::take(&mut self.in_a_row) > 0, self.last.take())
    }

    /// Forgets the pause, as after a reopen.
    pub(crate) fn forgive(&mut self) {
        self.stillborn = 0;
        self.in_a_row = 0;
    }

    /// What failed last, if nothing has succeeded since.
    pub(crate) fn last(&self) -> Option<Cause<E>> {
        self.last.clone()
    }

    /// What failed last, if trying again will not mend it.
    pub(crate) fn permanent(&self) -> Option<Cause<E>> {
        self.last.clone().filter(|_| self.permanent)
    }

    /// The number of the next attempt since the last success.
    pub(crate) fn attempt(&self) -> u32 {
        self.in_a_row.saturating_add(1)
    }

    /// A lifetime shortened by up to the given part.
    pub(crate) fn jittered(&mut self, whole: u64, part: f64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to lie between 0 and 1; a jitter needs no precision"
        )]
        let most = (whole as f64 * part) as u64;
        whole - self.chance.below(most + 1).min(whole.saturating_sub(1))
    }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): small, seeded, good enough for jitter.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Multiply and shift: no division, and a bias far below what jitter could show.
        ((u128::from(z ^ (z >> 31)) * u128::from(bound)) >> 64) as u64
    }
}
