//! Why a private server could not be had.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A private server did not start, stop or obey.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// There is no PostgreSQL on this machine and it cannot be installed from here.
    #[error(
        "no PostgreSQL server was found on PATH or in the usual folders: install it, then try \
         again (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install \
         postgresql-server; Alpine: apk add postgresql; macOS: brew install postgresql)"
    )]
    Missing,
    /// There is no PgBouncer on this machine and it cannot be installed from here.
    #[error(
        "no PgBouncer was found on PATH or in the usual folders: install it, then try again \
         (Debian, Ubuntu: apt-get install pgbouncer; Fedora: dnf install pgbouncer; Alpine: apk add \
         pgbouncer; macOS: brew install pgbouncer)"
    )]
    MissingBouncer,
    /// The package manager failed.
    #[error("installing with `{command}` failed: {output}; run it by hand to see what it needs")]
    Install {
        /// What was run.
        command: String,
        /// The end of what it printed.
        output: String,
    },
    /// This process is root and there is no account to run the server as.
    #[error(
        "PostgreSQL and PgBouncer refuse to run as root and there is neither an account `postgres` nor \
         `nobody`: create one of them, or run as another user"
    )]
    NoAccount,
    /// `initdb` failed.
    #[error("initdb failed: {output}; check that the temporary folder can be written to")]
    Init {
        /// The end of what it printed.
        output: String,
    },
    /// The server ended while starting.
    #[error("the server ended while it was starting: {log}; check the settings it was given")]
    Start {
        /// The end of its log.
        log: String,
    },
    /// The server did not get ready or did not end in time.
    #[error(
        "the server was not {what} after {limit:?}: {log}; give it more time or see why it hangs"
    )]
    Slow {
        /// What was waited for.
        what: &'static str,
        /// How long was waited.
        limit: Duration,
        /// The end of its log.
        log: String,
    },
    /// The server is not running.
    #[error("the server is not running: start it again with `restart`")]
    Stopped,
    /// The process to signal is no back end of this server.
    #[error("process {pid} is no child of this server and was left alone: see `backends`")]
    NotOurs {
        /// The number asked for.
        pid: u32,
    },
    /// A signal was refused by the operating system.
    #[error("process {pid} could not be signalled: {source}; it has probably ended")]
    Signal {
        /// The process.
        pid: u32,
        /// What the operating system said.
        source: nix::errno::Errno,
    },
    /// A file could not be read or written.
    #[error("{}: {source}; check that it exists and is accessible", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A program could not be run.
    #[error("{program} could not be run: {source}; check that it is installed")]
    Run {
        /// The program.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl ServerError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn run(program: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let program = program.into();
        move |source| Self::Run { program, source }
    }
}

/// The last 2,000 bytes of `text`: what went wrong stands at the end.
pub(crate) fn tail(text: &[u8]) -> String {
    let from = text.len().saturating_sub(2_000);
    String::from_utf8_lossy(&text[from..]).trim().to_owned()
}

/// The end of the log at `path`; empty when there is none.
pub(crate) fn log_tail(path: &Path) -> String {
    tail(&fs::read(path).unwrap_or_default())
}
