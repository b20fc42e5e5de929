//! What a builder says of settings that cannot be.

/// Settings that make no sense, all of them at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {part} settings: {}", problems.join("; "))]
pub struct ConfigError {
    part: &'static str,
    problems: Vec<String>,
}

impl ConfigError {
    /// An error of `part`, unless there are no problems. Each problem is a sentence with the
    /// setting, its value and the remedy.
    pub(crate) fn unless_none(part: &'static str, problems: Vec<String>) -> Result<(), Self> {
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Self { part, problems }),
        }
    }

    /// One sentence per problem, each with the setting, its value and the remedy.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}
