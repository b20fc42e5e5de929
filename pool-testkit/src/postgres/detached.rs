//! A server that outlives the process that started it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, FOLDER_PREFIX};
use super::error::ServerError;
use super::options::ServerOptions;
use super::process;
use super::server::url;
use super::start::{await_ready, on_free_port, open_log};
use super::wait;

/// How long an orderly stop may take before the server is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running server without a guardian, as a record that can be stored and read again.
///
/// It is recognised by its own lock file: the process number, the data folder and the start time
/// in there must be those of the record, so a stale record signals nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetachedServer {
    pid: u32,
    port: u16,
    folder: PathBuf,
    started: u64,
}

impl DetachedServer {
    /// Starts a server that runs until [`stop`](Self::stop), in whatever process.
    ///
    /// # Errors
    ///
    /// As [`PrivateServer::start`](super::PrivateServer::start).
    pub fn start(options: &ServerOptions) -> Result<Self, ServerError> {
        let cluster = Cluster::create(options)?;
        let mut record = None;
        on_free_port(&cluster.log(), |port| {
            let pid = launch(&cluster, port, options.time_limit)?;
            record = Some((pid, port));
            Ok(())
        })?;
        let (pid, port) = record.expect("a start without error has a record");
        let started = lock_file(&cluster.data()).map_or(0, |lock| lock.started);
        Ok(Self {
            pid,
            port,
            folder: cluster.keep(),
            started,
        })
    }

    /// Where to connect: `postgres://postgres@127.0.0.1:PORT/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The port on `127.0.0.1`.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's process number.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// The cluster's data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Whether exactly this server still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let is_same = lock_file(&self.data_dir())
            .is_some_and(|lock| lock.pid == self.pid && lock.started == self.started);
        is_same && process::find(self.pid).is_some_and(|found| self.is_it(&found))
    }

    /// Stops the server and removes its folder; only tidies up when it does not run any more.
    ///
    /// # Errors
    ///
    /// [`ServerError::Signal`] or [`ServerError::File`].
    pub fn stop(&self) -> Result<(), ServerError> {
        if self.is_running() {
            process::signal(self.pid, Signal::SIGINT)?;
            if wait::until(STOP_LIMIT, || (!self.is_running()).then_some(())).is_none() {
                process::signal(self.pid, Signal::SIGQUIT)?;
                wait::until(STOP_LIMIT, || (!self.is_running()).then_some(()));
            }
        }
        self.remove_folder()
    }

    /// The process runs and was started in our data folder.
    fn is_it(&self, found: &process::Process) -> bool {
        !found.has_ended() && found.title.contains(&*self.data_dir().to_string_lossy())
    }

    fn remove_folder(&self) -> Result<(), ServerError> {
        let name = self.folder.file_name().unwrap_or_default();
        let is_ours = name.to_string_lossy().starts_with(FOLDER_PREFIX);
        if !is_ours || !self.folder.exists() {
            return Ok(());
        }
        fs::remove_dir_all(&self.folder).map_err(ServerError::file(&self.folder))
    }
}

fn launch(cluster: &Cluster, port: u16, limit: Duration) -> Result<u32, ServerError> {
    let [program, arguments @ ..] = cluster.server(port);
    let log = open_log(&cluster.log())?;
    let errors = log.try_clone().map_err(ServerError::file(cluster.log()))?;
    let mut server = cluster
        .command(program)
        .args(arguments)
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(errors))
        .spawn()
        .map_err(ServerError::run("postgres"))?;
    let ready = await_ready(cluster, server.id(), limit);
    if ready.is_err() {
        // Ours and not collected yet, so the number is right.
        let _ = process::signal(server.id(), Signal::SIGQUIT);
        let _ = server.wait();
    }
    ready.map(|()| server.id())
}

struct LockFile {
    pid: u32,
    started: u64,
}

/// What the server wrote about itself: its number in the first line, the time of its start in
/// the third.
fn lock_file(data: &Path) -> Option<LockFile> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    Some(LockFile {
        pid: lines.first()?.parse().ok()?,
        started: lines.get(2)?.parse().ok()?,
    })
}
