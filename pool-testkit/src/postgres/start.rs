//! What starting a server takes, with a guardian or without.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use super::cluster::{Cluster, Progress, free_port};
use super::error::ServerError;
use super::wait;

/// How many ports are tried before the start counts as failed.
const PORT_ATTEMPTS: u32 = 5;

/// Calls `launch` with free ports until one was still free when the server came to bind it.
pub(super) fn on_free_port(
    log: &Path,
    mut launch: impl FnMut(u16) -> Result<(), ServerError>,
) -> Result<(), ServerError> {
    let mut attempt = 1;
    loop {
        let result = launch(free_port()?);
        let is_taken = matches!(&result, Err(ServerError::Start { log })
            if log.contains("could not bind") || log.contains("could not create any TCP/IP"));
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
