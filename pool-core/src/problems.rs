//! The checks that the builders of the workspace share, and the error that they give.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Keeps every sum of times far from an overflow.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Settings of a pool, or of a part of one, that make no sense, all of them at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {part} settings: {}", problems.join("; "))]
pub struct ConfigError {
    part: &'static str,
    problems: Vec<String>,
}

impl ConfigError {
    /// One sentence per problem, each with the setting, its value and the remedy.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// What is wrong with the settings of a part, being collected; for builders of parts in other crates.
#[derive(Debug)]
pub struct Problems {
    part: &'static str,
    found: Vec<String>,
}

impl Problems {
    /// None yet, of `part` as it is called in the error's text.
    #[must_use]
    pub const fn of(part: &'static str) -> Self {
        let found = Vec::new();
        Self { part, found }
    }

    /// Notes a problem, put into words only if it is one: a sentence with the setting, its value and
    /// the remedy.
    pub fn check(&mut self, wrong: bool, words: impl FnOnce() -> String) {
        if wrong {
            self.found.push(words());
        }
    }

    /// A time is longer than nothing and no longer than ten years.
    pub fn time(&mut self, name: &str, value: Duration) {
        self.check(value.is_zero(), || format!("{name} is 0; give it a length"));
        self.check(value > MAX_TIME, || {
            format!("{name} {value:?} is above {MAX_TIME:?}, ten years")
        });
    }

    /// A time is in a range.
    pub fn span(&mut self, name: &str, value: Duration, range: RangeInclusive<Duration>) {
        self.check(!range.contains(&value), || {
            let (least, most) = range.into_inner();
            format!("{name} {value:?} is not between {least:?} and {most:?}")
        });
    }

    /// A number is in a range. Not a number is in none.
    pub fn within<T>(&mut self, name: &str, value: T, range: RangeInclusive<T>)
    where
        T: PartialOrd + std::fmt::Display,
    {
        self.check(!range.contains(&value), || {
            let (least, most) = range.into_inner();
            format!("{name} {value} is not between {least} and {most}")
        });
    }

    /// A number is above 0, and at most 1.
    pub fn share(&mut self, name: &str, value: f64) {
        self.check(!(value > 0.0 && value <= 1.0), || {
            format!("{name} {value} is not above 0 and at most 1")
        });
    }

    /// Takes over what is wrong with the settings of something that it is made of.
    pub fn include(&mut self, other: &ConfigError) {
        self.found.extend_from_slice(other.problems());
    }

    /// All of them, or none.
    ///
    /// # Errors
    ///
    /// If there are any.
    pub fn result(self) -> Result<(), ConfigError> {
        let (part, problems) = (self.part, self.found);
        match problems.is_empty() {
            true => Ok(()),
            false => Err(ConfigError { part, problems }),
        }
    }
}
