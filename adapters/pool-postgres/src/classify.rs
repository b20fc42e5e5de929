//! What an error means for its connection and its server.
//!
//! Judged by phase first: the same SQLSTATE says "this server will never let you in" during the
//! startup and "this statement was wrong" afterwards. A failed request is harmless unless the
//! server ended the session or the transport failed: whether the connection is still in step is
//! the [watch](crate::watch)'s business, which sees it and does not infer it.

use crate::error::Error;
use pool_core::ErrorClass;
use std::error::Error as _;
use std::io;

pub(crate) fn classify(error: &Error) -> ErrorClass {
    match error {
        Error::Config(_) | Error::NoRuntime | Error::TlsRefused { .. } => ErrorClass::Permanent,
        Error::Resolve { .. } | Error::Connect { .. } | Error::TargetSession { .. } => {
            ErrorClass::Endpoint
        }
        // rustls reports what is wrong with a certificate as invalid data.
        Error::Tls { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
            ErrorClass::Permanent
        }
        Error::Tls { .. } => ErrorClass::Endpoint,
        Error::Startup { source, .. } => startup(source),
        Error::WarmUp { code, .. } => of_startup(code.code()),
        Error::Query(source) => request(error, source),
        Error::RolledBack
        | Error::Setting(_)
        | Error::Rows(_)
        | Error::FailedTransaction
        | Error::Listen(_) => ErrorClass::Harmless,
        Error::Abandoned | Error::Closed | Error::NotResettable | Error::StillDirty => {
            ErrorClass::Connection
        }
    }
}

fn startup(error: &tokio_postgres::Error) -> ErrorClass {
    let Some(code) = error.code() else {
        // Without a SQLSTATE it is the transport, or the driver that refuses to authenticate.
        return if is_transport(error) {
            ErrorClass::Endpoint
        } else {
            ErrorClass::Permanent
        };
    };
    of_startup(code.code())
}

/// What an error response means of which the connection has come to nothing.
fn of_startup(code: &str) -> ErrorClass {
    match code.get(..2).unwrap_or_default() {
        // Feature not supported, invalid value (of an option), authentication, no such database,
        // no privilege.
        "0A" | "22" | "28" | "3D" | "42" => ErrorClass::Permanent,
        _ if code == "57P04" => ErrorClass::Permanent,
        // Starting, shutting down, too many connections, out of memory: all pass.
        _ => ErrorClass::Endpoint,
    }
}

fn request(error: &Error, source: &tokio_postgres::Error) -> ErrorClass {
    match source.code() {
        Some(code) => of_request(code.code(), error.is_fatal_to_session()),
        None if is_transport(source) => ErrorClass::Connection,
        None => ErrorClass::Harmless,
    }
}

/// What an error response on an open connection means; whether it ended the session is told apart
/// from its SQLSTATE.
pub(crate) fn of_request(code: &str, is_fatal_to_session: bool) -> ErrorClass {
    match code {
        // Crash of another backend, starting up, database gone: it concerns every connection.
        "57P02" | "57P03" => ErrorClass::Endpoint,
        "57P04" => ErrorClass::Permanent,
        // One backend was told to go (57P01), or had idled too long.
        "57P01" | "57P05" | "25P03" => ErrorClass::Connection,
        code if code.starts_with("08") => ErrorClass::Connection,
        _ if is_fatal_to_session => ErrorClass::Connection,
        _ => ErrorClass::Harmless,
    }
}

fn is_transport(error: &tokio_postgres::Error) -> bool {
    error.is_closed()
        || error
            .source()
            .is_some_and(|source| source.downcast_ref::<io::Error>().is_some())
}
