//! The checks that the builder makes.

use std::ops::RangeInclusive;

use crate::ConfigError;

/// What is wrong with the settings, being collected.
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

    /// All of them, or none.
    pub(crate) fn result(self) -> Result<(), ConfigError> {
        ConfigError::unless_none(self.part, self.found)
    }
}
