//! What can go wrong, and what it says about the connection.

use std::io;
use std::path::PathBuf;

use pool_core::ErrorClass;
use rusqlite::{ErrorCode, ffi};

use crate::config::{ConfigError, JournalMode};

/// What the calls of this crate fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The options do not make sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database could not be opened or prepared.
    #[error(
        "cannot open the SQLite database {path:?}: check that it exists, is an SQLite file and \
         may be read and written by this process, and that the pragmas given are valid"
    )]
    #[non_exhaustive]
    Open {
        /// The file, or the name of the database in memory.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// SQLite kept another journal mode than the one asked for.
    #[error(
        "SQLite uses journal mode {actual:?} where {wanted} was asked for: the file system may \
         not support it, so ask for another with journal_mode()"
    )]
    #[non_exhaustive]
    Journal {
        /// The mode asked for.
        wanted: JournalMode,
        /// The mode in use, in SQLite's words.
        actual: String,
    },
    /// No thread could be started for a connection.
    #[error("cannot start a thread for an SQLite connection: the process may have too many")]
    #[non_exhaustive]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// A statement failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A statement of the warm-up failed. What SQLite said is kept in short only: it quotes the
    /// statement, which may hold secrets.
    #[error(
        "statement {number} to {action} in the warm-up failed ({}); run it by hand to see why",
        in_short(*.code)
    )]
    #[non_exhaustive]
    WarmUp {
        /// `execute` or `prepare`.
        action: &'static str,
        /// Its place among those to execute or to prepare, counted from 1.
        number: usize,
        /// SQLite's code for what is wrong; `None` when rusqlite refused the statement.
        code: Option<ffi::Error>,
    },
    /// SQLite did not take the value that a session has for a setting.
    #[error(
        "SQLite does not take the session's value of {name} and has {actual}: give the session \
         another one"
    )]
    #[non_exhaustive]
    Setting {
        /// The setting.
        name: String,
        /// The value that it has.
        actual: String,
    },
    /// A session that was made or exported elsewhere has a setting that no session can have here.
    #[error("no session can have the setting {name:?}: leave it out where the session is made")]
    #[non_exhaustive]
    UnknownSetting {
        /// The setting.
        name: String,
    },
    /// The closure panicked; the connection has been closed.
    #[error(
        "a closure run on an SQLite connection panicked, which closed the connection: {message}"
    )]
    #[non_exhaustive]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// An earlier call was given up and its job has not ended.
    #[error(
        "an earlier call on this SQLite connection was dropped and still runs: use another \
         connection"
    )]
    Outstanding,
    /// The connection's thread has ended, after a panic.
    #[error("this SQLite connection has ended: use another connection")]
    Ended,
    /// SQLite refused to close the connection, most likely because a statement was leaked.
    #[error("SQLite refused to close a connection: look for a leaked statement")]
    #[non_exhaustive]
    Close {
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

fn in_short(code: Option<ffi::Error>) -> String {
    code.map_or_else(
        || "it is not a single statement".to_owned(),
        |code| code.to_string(),
    )
}

impl Error {
    pub(crate) fn warm_up(action: &'static str, number: usize, error: &rusqlite::Error) -> Self {
        let code = match error {
            rusqlite::Error::SqlInputError { error, .. } => Some(*error),
            error => error.sqlite_error().copied(),
        };
        Self::WarmUp {
            action,
            number,
            code,
        }
    }

    /// What the error means for the connection and for the database.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Config(_) | Self::Journal { .. } => ErrorClass::Permanent,
            Self::Open { source, .. } => open_class(source.sqlite_error_code()),
            Self::WarmUp { code, .. } => open_class(code.map(|code| code.code)),
            Self::Thread { .. } => ErrorClass::Endpoint,
            Self::Sqlite(source) => statement_class(source),
            Self::Setting { .. } | Self::UnknownSetting { .. } => ErrorClass::Harmless,
            Self::Panicked { .. } | Self::Outstanding | Self::Ended | Self::Close { .. } => {
                ErrorClass::Connection
            }
        }
    }
}

/// Locks and short resources pass; a wrong path, a wrong file or a wrong pragma does not.
fn open_class(code: Option<ErrorCode>) -> ErrorClass {
    match code {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::DiskFull
            | ErrorCode::SchemaChanged,
        ) => ErrorClass::Endpoint,
        _ => ErrorClass::Permanent,
    }
}

/// Whether the connection may go on after a failed statement.
fn statement_class(source: &rusqlite::Error) -> ErrorClass {
    match source.sqlite_error_code() {
        Some(
            ErrorCode::OperationInterrupted
            | ErrorCode::InternalMalfunction
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::CannotOpen
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory
            | ErrorCode::ApiMisuse,
        ) => ErrorClass::Connection,
        _ => ErrorClass::Harmless,
    }
}

#[cfg(test)]
mod tests;
