//! What can be wrong with the files and names that a report is made from.
//!
//! Each error says what was given, why it does not do, and what helps, because the person who reads
//! it has just waited ten minutes for a run.

use std::io;

use crate::record::VERSION;

/// Why no report could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error(
        "cannot read {path}: {cause}; check the path, or make a record by `cargo xtask bench peers --json FILE`"
    )]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {cause}; name a file in a folder that exists and may be written")]
    Write {
        /// The file.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
    /// A file is longer than any run could make it.
    #[error(
        "{path} is longer than {limit} bytes, so it is no record; name the file that `--json` wrote"
    )]
    TooLong {
        /// The file.
        path: String,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// A file is no record, or only the beginning of one.
    #[error("{path} holds no record: {cause}; if the run was broken off, run it again")]
    Malformed {
        /// The file.
        path: String,
        /// Where reading stopped.
        cause: serde_json::Error,
    },
    /// A record of another time.
    #[error(
        "{path} is a record of format {found}, and this program reads format {VERSION}; make it again with this version of the benches"
    )]
    Version {
        /// The file.
        path: String,
        /// What the file says.
        found: u32,
    },
    /// A record cannot have this name.
    #[error(
        "`{name}` cannot name a record: {reason}; use letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 64"
    )]
    Name {
        /// What was given.
        name: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// Nothing is kept under this name.
    #[error("no record is saved as `{name}`; {saved}")]
    Unknown {
        /// What was given.
        name: String,
        /// What there is, or how to save one.
        saved: String,
    },
    /// Criterion left nothing behind.
    #[error("criterion has left no new samples under {path}; the filter may match no bench")]
    NoSamples {
        /// The folder.
        path: String,
    },
    /// A template could not be filled in.
    #[error("the report cannot be put together: {0}")]
    Template(#[from] askama::Error),
}
