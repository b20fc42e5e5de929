//! The server a test holds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal as NixSignal;

use super::cluster::Cluster;
use super::error::ServerError;
use super::guardian::Guardian;
use super::options::ServerOptions;
use super::process;
use super::start::{await_ready, on_free_port};

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Back ends are told to end and clients get a message (`SIGINT`).
    Fast,
    /// As a crash: everything ends at once and the next start recovers (`SIGQUIT`).
    Immediate,
}

/// What is stopped in its tracks by [`PrivateServer::pause`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseScope {
    /// The postmaster: connects hang, open connections work.
    Postmaster,
    /// Everything: open connections go silent too.
    All,
}

/// What can be sent to a back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// Cancels the running statement (`SIGINT`).
    Cancel,
    /// Ends the connection in an orderly way (`SIGTERM`).
    Terminate,
    /// Ends the process at once; the server then restarts all others (`SIGKILL`).
    Kill,
    /// Makes the connection go silent (`SIGSTOP`).
    Stop,
    /// Wakes a silent one (`SIGCONT`).
    Continue,
}

/// A process of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backend {
    /// Its number, the one `pg_backend_pid()` tells.
    pub pid: u32,
    /// What it says it does, e.g. `postgres: postgres postgres 127.0.0.1(40000) idle`.
    pub title: String,
}

impl Backend {
    /// Whether it serves a client, as opposed to the server's own background work.
    #[must_use]
    pub fn serves_client(&self) -> bool {
        self.title.contains("127.0.0.1(") || self.title.contains("[local]")
    }
}

/// A running or stopped PostgreSQL that only its holder knows. Dropping it stops the server at
/// once and removes everything it had on disk.
#[derive(Debug)]
pub struct PrivateServer {
    guardian: Option<Guardian>,
    cluster: Cluster,
    port: u16,
    time_limit: Duration,
}

impl PrivateServer {
    /// Starts a server and waits until it takes connections. Blocks for about a second.
    ///
    /// # Errors
    ///
    /// See the variants of [`ServerError`].
    pub fn start(options: &ServerOptions) -> Result<Self, ServerError> {
        let mut server = Self {
            guardian: None,
            cluster: Cluster::create(options)?,
            port: 0,
            time_limit: options.time_limit,
        };
        on_free_port(&server.cluster.log(), |port| {
            server.port = port;
            server.launch()
        })?;
        Ok(server)
    }

    /// Where to connect: `postgres://postgres@127.0.0.1:PORT/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The port on `127.0.0.1`; the same after a restart.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The cluster's data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.cluster.data()
    }

    /// The folder of the server's Unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.cluster.folder()
    }

    /// The server's log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.cluster.log()
    }

    /// The postmaster's process number, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let pid = self.guardian.as_ref()?.server();
        process::find(pid)
            .filter(|found| !found.has_ended())
            .map(|found| found.pid)
    }

    /// The server's processes, clients' and its own.
    #[must_use]
    pub fn backends(&self) -> Vec<Backend> {
        let children = self.pid().map(process::children).unwrap_or_default();
        children
            .into_iter()
            .map(|child| Backend {
                pid: child.pid,
                title: child.title,
            })
            .collect()
    }

    /// Sends `signal` to one of [`backends`](Self::backends).
    ///
    /// # Errors
    ///
    /// [`ServerError::NotOurs`] when the process is not a child of this server.
    pub fn signal(&self, pid: u32, signal: Signal) -> Result<(), ServerError> {
        let server = self.pid().ok_or(ServerError::Stopped)?;
        let is_ours = process::find(pid).is_some_and(|found| found.parent == server);
        if !is_ours {
            return Err(ServerError::NotOurs { pid });
        }
        process::signal(pid, signal.number())
    }

    /// Stops the server in its tracks until [`resume`](Self::resume). The kernel still accepts
    /// connections for it, which then hang.
    ///
    /// # Errors
    ///
    /// [`ServerError::Stopped`] when it does not run.
    pub fn pause(&self, scope: PauseScope) -> Result<(), ServerError> {
        let server = self.pid().ok_or(ServerError::Stopped)?;
        // The postmaster first, so that it starts no child behind our back.
        process::signal(server, NixSignal::SIGSTOP)?;
        if scope == PauseScope::All {
            process::signal_children(server, NixSignal::SIGSTOP);
        }
        Ok(())
    }

    /// Ends a [`pause`](Self::pause); does nothing to a server that is not paused.
    ///
    /// # Errors
    ///
    /// [`ServerError::Stopped`] when it does not run.
    pub fn resume(&self) -> Result<(), ServerError> {
        let server = self.pid().ok_or(ServerError::Stopped)?;
        process::signal_children(server, NixSignal::SIGCONT);
        process::signal(server, NixSignal::SIGCONT)
    }

    /// Stops the server and waits for its end; does nothing to a stopped one. Its data stay.
    ///
    /// # Errors
    ///
    /// [`ServerError::Slow`] when it had to be killed after the time limit.
    pub fn stop(&mut self, mode: StopMode) -> Result<(), ServerError> {
        if self.pid().is_some() {
            self.resume()?;
        }
        let Some(guardian) = self.guardian.take() else {
            return Ok(());
        };
        if guardian.stop(mode, self.time_limit) {
            return Ok(());
        }
        Err(ServerError::Slow {
            what: "stopped",
            limit: self.time_limit,
            log: self.cluster.log_tail(),
        })
    }

    /// Stops the server (fast) if it runs and starts it again with the same data and port.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); also when somebody else has taken the port meanwhile.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.stop(StopMode::Fast)?;
        self.launch()
    }

    fn launch(&mut self) -> Result<(), ServerError> {
        let guardian = self.cluster.guarded(self.port)?;
        let pid = guardian.server();
        self.guardian = Some(guardian);
        let ready = await_ready(&self.cluster, pid, self.time_limit);
        if ready.is_err() {
            self.end();
        }
        ready
    }

    fn end(&mut self) {
        if let Err(error) = self.stop(StopMode::Immediate) {
            eprintln!("pool-testkit: {error}");
        }
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Signal {
    const fn number(self) -> NixSignal {
        match self {
            Self::Cancel => NixSignal::SIGINT,
            Self::Terminate => NixSignal::SIGTERM,
            Self::Kill => NixSignal::SIGKILL,
            Self::Stop => NixSignal::SIGSTOP,
            Self::Continue => NixSignal::SIGCONT,
        }
    }
}

pub(super) fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}
