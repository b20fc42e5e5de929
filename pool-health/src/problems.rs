//! The checks that builders share.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::ConfigError;

/// Keeps every sum of times far from an overflow; the pool's own limit.
const MAX_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What is wrong with the settings of a part, being collected.
#[derive(Debug)]
pub(crate) struct Problems {
    part: &'static str,
    found: Vec<String>,
}

impl Problems {
    /// None yet.
    pub(crate) const fn of(part: &'static str) -> Self {
        let found = Vec::new();
        Self { part, found }
    }

    /// Notes a problem, put into words only if it is one.
    pub(crate) fn check(&mut self, wrong: bool, words: impl FnOnce() -> String) {
        if wrong {
            self.found.push(words());
        }
    }

    /// A time is longer than nothing and no longer than ten years.
    pub(crate) fn time(&mut self, name: &str, value: Duration) {
        self.check(value.is_zero(), || format!("{name} is 0; give it a length"));
        self.check(value > MAX_TIME, || {
            format!("{name} {value:?} is above {MAX_TIME:?}, ten years")
        });
    }

    /// A time is in a range.
    pub(crate) fn span(&mut self, name: &str, value: Duration, range: RangeInclusive<Duration>) {
        self.check(!range.contains(&value), || {
            let (least, most) = range.into_inner();
            format!("{name} {value:?} is not between {least:?} and {most:?}")
        });
    }

    /// A number is in a range. Not a number is in none.
    pub(crate) fn within<T>(&mut self, name: &str, value: T, range: RangeInclusive<T>)
    where
        T: PartialOrd + std::fmt::Display,
    {
        self.check(!range.contains(&value), || {
            let (least, most) = range.into_inner();
            format!("{name} {value} is not between {least} and {most}")
        });
    }

    /// A number is above 0, and at most 1.
    pub(crate) fn share(&mut self, name: &str, value: f64) {
        self.check(!(value > 0.0 && value <= 1.0), || {
            format!("{name} {value} is not above 0 and at most 1")
        });
    }

    /// Takes over what is wrong with the settings of something that it is made of.
    pub(crate) fn include(&mut self, other: &ConfigError) {
        self.found.extend_from_slice(other.problems());
    }

    /// All of them, or none.
    pub(crate) fn result(self) -> Result<(), ConfigError> {
        ConfigError::unless_none(self.part, self.found)
    }
}
