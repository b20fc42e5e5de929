//! Reads connection strings without ever repeating them.
//!
//! The driver's parser does the work. Its complaints are rewritten, because they quote what they
//! stumble over, and with a password that was not quoted properly that is a piece of it.

use crate::error::ConfigError;
use std::error::Error as _;
use tokio_postgres::Config;

pub(crate) fn parse(dsn: &str) -> Result<Config, ConfigError> {
    let is_url = dsn.starts_with("postgres://") || dsn.starts_with("postgresql://");
    if is_url && dsn.matches('@').count() > 1 {
        return Err(ConfigError::AmbiguousUrl);
    }
    dsn.parse::<Config>()
        .map_err(|error| complaint(dsn, is_url, &error))
}

fn complaint(dsn: &str, is_url: bool, error: &tokio_postgres::Error) -> ConfigError {
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    if let Some(key) = quoted(&said, "invalid value for option `") {
        // The driver quotes its own names here, never the input.
        return ConfigError::InvalidValue { key };
    }
    match quoted(&said, "unknown option `") {
        Some(key) if may_be_named(dsn, is_url, &key) => ConfigError::UnknownKey { key },
        _ => ConfigError::Unreadable,
    }
}

fn quoted(said: &str, before: &str) -> Option<String> {
    let rest = said.strip_prefix(before)?;
    Some(rest.trim_end_matches('`').to_owned())
}

/// Whether what was taken for a key cannot be a piece of a password: it stands before any, or it
/// is a parameter of a URL, where a password has ended at the only `@`.
fn may_be_named(dsn: &str, is_url: bool, key: &str) -> bool {
    let until = dsn.find("password").unwrap_or(dsn.len());
    let from = if is_url {
        dsn.find('?').unwrap_or(until)
    } else {
        0
    };
    let in_order = !is_url || dsn.find('@').is_none_or(|at| at < from);
    in_order && dsn.get(from..until).is_some_and(|part| part.contains(key))
}
