//! What starting a server takes, with a guardian or without.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use super::cluster::{Cluster, Progress};
use super::error::ServerError;
use super::wait;

/// How many ports are tried before the start counts as failed.
const PORT_ATTEMPTS: u32 = 5;

/// What servers say of a port that somebody else has; the last is PgBouncer's.
const TAKEN: [&str; 3] = [
    "could not bind",
    "could not create any TCP/IP",
    "nowhere to listen on",
];

/// Calls `launch` with free ports until one was still free when the server came to bind it.
pub(crate) fn on_free_port(
    log: &Path,
    mut launch: impl FnMut(u16) -> Result<(), ServerError>,
) -> Result<(), ServerError> {
    let mut attempt = 1;
    loop {
        let result = launch(free_port()?);
        let is_taken = matches!(&result, Err(ServerError::Start { log })
            if TAKEN.iter().any(|words| log.contains(words)));
        if !is_taken || attempt == PORT_ATTEMPTS {
            return result;
        }
        attempt += 1;
        // The next attempt must not be judged by this one's words.
        File::create(log).map_err(ServerError::file(log))?;
    }
}

/// Waits until the server takes connections or has ended.
pub(super) fn await_ready(cluster: &Cluster, pid: u32, limit: Duration) -> Result<(), ServerError> {
    let progress = wait::until(limit, || {
        Some(cluster.progress(pid)).filter(|progress| *progress != Progress::Starting)
    });
    match progress {
        Some(Progress::Ready) => Ok(()),
        Some(_) => Err(ServerError::Start {
            log: cluster.log_tail(),
        }),
        None => Err(ServerError::Slow {
            what: "ready",
            limit,
            log: cluster.log_tail(),
        }),
    }
}

/// The log, open for appending, for a server that has no guardian.
pub(super) fn open_log(path: &Path) -> Result<File, ServerError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(ServerError::file(path))
}

/// A port that was free a moment ago; whoever binds it must be ready to find it taken.
fn free_port() -> Result<u16, ServerError> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(ServerError::run("a listener on 127.0.0.1"))
}
