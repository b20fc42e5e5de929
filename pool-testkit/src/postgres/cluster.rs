//! A data folder and how to run a server in it.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::account::Account;
use super::binaries;
use super::error::{ServerError, log_tail, tail};
use super::guardian::{Abrupt, Guardian};
use super::options::ServerOptions;
use super::process;

/// The name of every folder begins like this.
pub(super) const FOLDER_PREFIX: &str = "pool-postgres-";

/// An initialised cluster in a temporary folder, which is removed on drop.
#[derive(Debug)]
pub(super) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    account: Account,
}

/// How far a start has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Starting,
    Ready,
    Ended,
}

impl Cluster {
    pub(super) fn create(options: &ServerOptions) -> Result<Self, ServerError> {
        let programs = binaries::folder(options.install)?;
        let account = Account::for_servers()?;
        let folder = tempfile::Builder::new()
            .prefix(FOLDER_PREFIX)
            .tempdir()
            .map_err(ServerError::file(env::temp_dir()))?;
        let cluster = Self {
            folder,
            programs,
            account,
        };
        cluster.account.give(cluster.folder.path())?;
        cluster.initialise()?;
        cluster.configure(options)?;
        Ok(cluster)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder().join("server.log")
    }

    /// Leaves the folder behind when this is dropped.
    pub(super) fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// A command that runs `program` as the server's account, in its folder.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        self.account.command(program, self.folder())
    }

    /// The server's program and its arguments.
    pub(super) fn server(&self, port: u16) -> [PathBuf; 5] {
        [
            self.programs.join("postgres"),
            "-D".into(),
            self.data(),
            "-p".into(),
            port.to_string().into(),
        ]
    }

    /// Starts the server under a guardian.
    pub(super) fn guarded(&self, port: u16) -> Result<Guardian, ServerError> {
        let (log, server) = (self.log(), self.server(port));
        Guardian::start(self.account, self.folder(), &log, Abrupt::Quit, &server)
    }

    /// How far the server with that process number has come, by its own lock file: the eighth
    /// line tells when it takes connections.
    pub(super) fn progress(&self, pid: u32) -> Progress {
        let lock = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<_> = lock.lines().map(str::trim).collect();
        let is_ours = lines.first().is_some_and(|line| *line == pid.to_string());
        match process::find(pid) {
            None => Progress::Ended,
            Some(found) if found.has_ended() => Progress::Ended,
            Some(_) if is_ours && lines.get(7) == Some(&"ready") => Progress::Ready,
            Some(_) => Progress::Starting,
        }
    }

    /// The end of the server's log.
    pub(super) fn log_tail(&self) -> String {
        log_tail(&self.log())
    }

    fn initialise(&self) -> Result<(), ServerError> {
        let output = self
            .command(self.programs.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--no-sync"])
            .args(["--encoding=UTF8", "--no-locale"])
            .arg(format!("--pgdata={}", self.data().display()))
            .output()
            .map_err(ServerError::run("initdb"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(ServerError::Init {
            output: tail(&[output.stdout, output.stderr].concat()),
        })
    }

    fn configure(&self, options: &ServerOptions) -> Result<(), ServerError> {
        let settings = self.data().join("postgresql.conf");
        let lines = options.configuration(&self.folder().to_string_lossy());
        fs::write(&settings, lines).map_err(ServerError::file(settings))?;

        let access = self.data().join("pg_hba.conf");
        let mut lines = options.access.clone();
        lines.push("host all all 127.0.0.1/32 trust".to_owned());
        lines.push("local all all trust\n".to_owned());
        fs::write(&access, lines.join("\n")).map_err(ServerError::file(access))?;

        for (name, contents) in &options.files {
            self.write_secret(&self.data().join(name), contents)?;
        }
        Ok(())
    }

    fn write_secret(&self, path: &Path, contents: &[u8]) -> Result<(), ServerError> {
        fs::write(path, contents)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
            .map_err(ServerError::file(path))?;
        self.account.give(path)
    }
}
