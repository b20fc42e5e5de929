//! What can go wrong.

use std::fmt;
use std::io;
use tokio_postgres::error::{Severity, SqlState};

/// Why a connection could not be opened, checked or reset.
///
/// No message, `Debug` output or source of it holds a password or a connection string.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection string or the configuration makes no sense.
    #[error("the PostgreSQL configuration is not usable: {0}")]
    Config(#[from] ConfigError),
    /// A host name did not resolve.
    #[error("could not resolve the host {host}: {source}; check its spelling and the name service")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No socket could be opened.
    #[error(
        "could not reach PostgreSQL at {endpoint}: {source}; check that it runs and listens there"
    )]
    Connect {
        /// Address and port, or the path of the socket.
        endpoint: String,
        /// What the system said.
        source: io::Error,
    },
    /// TLS was required and the server does not offer it.
    #[error(
        "{endpoint} does not offer TLS, and sslmode=require asks for it; enable ssl on the server or change sslmode"
    )]
    TlsRefused {
        /// Address and port, or the path of the socket.
        endpoint: String,
    },
    /// The TLS handshake failed.
    #[error(
        "the TLS handshake with {endpoint} failed: {source}; check the host name and the trusted root certificates"
    )]
    Tls {
        /// Address and port.
        endpoint: String,
        /// What the TLS library said.
        source: io::Error,
    },
    /// The server refused the session, or went away before it began.
    #[error("{endpoint} did not start a session: {}", Because(.source))]
    Startup {
        /// Address and port, or the path of the socket.
        endpoint: String,
        /// What the driver said.
        source: tokio_postgres::Error,
    },
    /// The server does not allow what `target_session_attrs` asks for.
    #[error("{endpoint} is not {wanted}; list further hosts, or change target_session_attrs")]
    TargetSession {
        /// Address and port, or the path of the socket.
        endpoint: String,
        /// `read-write` or `read-only`.
        wanted: &'static str,
    },
    /// A request on an open connection failed.
    #[error("PostgreSQL request failed: {}", Because(.0))]
    Query(#[source] tokio_postgres::Error),
    /// A statement of the warm-up failed. What the server said is not kept: it quotes the
    /// statement, which may hold secrets.
    #[error(
        "statement {number} to {action} in the warm-up failed with SQLSTATE {}; run it by hand to see why",
        .code.code()
    )]
    #[non_exhaustive]
    WarmUp {
        /// `execute` or `prepare`.
        action: &'static str,
        /// Its place among those to execute or to prepare, counted from 1.
        number: usize,
        /// What the server said, in short.
        code: SqlState,
    },
    /// A request was dropped before its answer came: the connection is closed and its query
    /// cancelled.
    #[error(
        "a request was dropped before its answer came; await it, or let the pool close the connection"
    )]
    Abandoned,
    /// The connection has ended.
    #[error("the connection to PostgreSQL has ended; acquire another one")]
    Closed,
    /// The session holds state that no command takes back (`LOAD`, `setseed`, `DISCARD ALL`).
    #[error("the session holds state that cannot be reset; the connection has to be closed")]
    NotResettable,
    /// The reset ran and left a transaction open.
    #[error("the reset did not leave the connection idle; it has to be closed")]
    StillDirty,
    /// The server has rolled a transaction back that was to be committed, because a statement in it
    /// had failed.
    #[error(
        "the transaction had failed, and was rolled back instead of committed; see the error of the statement that failed"
    )]
    RolledBack,
    /// A statement returned another number of rows than was asked for.
    #[error(
        "the statement returned {0} rows where one was expected; ask for as many as there can be"
    )]
    Rows(usize),
    /// The transaction has failed, and does nothing more until it is rolled back.
    #[error("the transaction has failed; roll it back, or back to a savepoint")]
    FailedTransaction,
    /// A channel cannot be listened to.
    #[error("{0}")]
    Listen(String),
    /// A setting cannot be written down.
    #[error("{0}")]
    Setting(String),
    /// There is no tokio runtime for the driver's task.
    #[error("no tokio runtime is running here; connect from within one")]
    NoRuntime,
}

impl From<tokio_postgres::Error> for Error {
    fn from(source: tokio_postgres::Error) -> Self {
        Self::Query(source)
    }
}

impl Error {
    /// The SQLSTATE, when the server sent one.
    #[must_use]
    pub fn code(&self) -> Option<&SqlState> {
        match self {
            Self::WarmUp { code, .. } => Some(code),
            _ => self.driver_error()?.code(),
        }
    }

    pub(crate) fn is_fatal_to_session(&self) -> bool {
        self.driver_error()
            .and_then(tokio_postgres::Error::as_db_error)
            .and_then(tokio_postgres::error::DbError::parsed_severity)
            .is_some_and(|severity| matches!(severity, Severity::Fatal | Severity::Panic))
    }

    pub(crate) const fn driver_error(&self) -> Option<&tokio_postgres::Error> {
        match self {
            Self::Query(source) | Self::Startup { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The driver's message without its cause says "db error" and no more.
struct Because<'a>(&'a tokio_postgres::Error);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(error) => write!(f, "{} ({})", error.message(), error.code().code()),
            None => write!(f, "{}", self.0),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value does not fit its key.
    #[error("the value of `{key}` is not valid; correct it")]
    InvalidValue {
        /// The key.
        key: String,
    },
    /// A key is not known.
    #[error("there is no option `{key}`; correct or remove it")]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// The text cannot be read. It is not shown, because it may hold a password.
    #[error(
        "the connection string cannot be read; quote values that hold spaces, and percent-encode special characters in a URL"
    )]
    Unreadable,
    /// More than one `@`: where the password ends is anybody's guess.
    #[error("the URL holds more than one `@`; write those in the password or elsewhere as %40")]
    AmbiguousUrl,
    /// Neither `host` nor `hostaddr` is given.
    #[error("no host is given; set `host` or `hostaddr`")]
    NoHost,
    /// Lists of hosts, addresses and ports that do not match.
    #[error(
        "{hosts} hosts, {addresses} addresses and {ports} ports do not match; give one of each, or one port for all"
    )]
    UnmatchedHosts {
        /// Entries in `host`.
        hosts: usize,
        /// Entries in `hostaddr`.
        addresses: usize,
        /// Entries in `port`.
        ports: usize,
    },
    /// `sslmode=require` in a build without TLS.
    #[error(
        "`sslmode=require` needs the feature `tls` of pool-postgres; enable it, or change sslmode"
    )]
    TlsNotCompiled,
    /// A root certificate that is none.
    #[error("the root certificate cannot be used: {reason}; give it in DER form")]
    RootCertificate {
        /// What is wrong with it.
        reason: String,
    },
}
