//! The PgBouncer a run holds.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::options::PgBouncerOptions;
use super::program;
use crate::postgres::account::Account;
use crate::postgres::error::log_tail;
use crate::postgres::guardian::{Abrupt, Guardian};
use crate::postgres::start::on_free_port;
use crate::postgres::{ServerError, StopMode, process, wait};

/// The shortest thing that any speaker of the protocol answers: a wish for TLS, with `N` for no.
const WISH_FOR_TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// How long one look whether it answers may take.
const LOOK: Duration = Duration::from_secs(1);

/// A running PgBouncer that only its holder knows. Dropping it stops it at once and removes everything
/// it had on disk.
#[derive(Debug)]
pub struct PgBouncer {
    guardian: Option<Guardian>,
    folder: TempDir,
    port: u16,
    time_limit: Duration,
}

impl PgBouncer {
    /// Starts one and waits until it answers. Blocks for about a tenth of a second.
    ///
    /// # Errors
    ///
    /// See the variants of [`ServerError`].
    pub fn start(options: &PgBouncerOptions) -> Result<Self, ServerError> {
        let program = program::path(options.install)?;
        let account = Account::for_servers()?;
        let folder = tempfile::Builder::new()
            .prefix("pool-pgbouncer-")
            .tempdir()
            .map_err(ServerError::file(env::temp_dir()))?;
        account.give(folder.path())?;
        let mut bouncer = Self {
            guardian: None,
            folder,
            port: 0,
            time_limit: options.time_limit,
        };
        bouncer.write("users.txt", &options.user_list())?;
        on_free_port(&bouncer.log_file(), |port| {
            bouncer.port = port;
            let users = bouncer.file("users.txt");
            bouncer.write("pgbouncer.ini", &options.configuration(port, &users))?;
            bouncer.launch(account, program.clone())
        })?;
        Ok(bouncer)
    }

    /// The port on `127.0.0.1`.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process number, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let pid = self.guardian.as_ref()?.server();
        process::find(pid)
            .filter(|found| !found.has_ended())
            .map(|found| found.pid)
    }

    /// Its log.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.file("pgbouncer.log")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), ServerError> {
        let path = self.file(name);
        fs::write(&path, text).map_err(ServerError::file(path))
    }

    fn launch(&mut self, account: Account, program: PathBuf) -> Result<(), ServerError> {
        let log = self.log_file();
        let command = [program, self.file("pgbouncer.ini")];
        self.guardian = Some(Guardian::start(
            account,
            self.folder.path(),
            &log,
            Abrupt::Kill,
            &command,
        )?);
        let answers = wait::until(self.time_limit, || match self.pid() {
            None => Some(false),
            // It binds its port before it answers, so an answer while it lives is its own.
            Some(_) => (answers(self.port) && self.pid().is_some()).then_some(true),
        });
        let error = match answers {
            Some(true) => return Ok(()),
            Some(false) => ServerError::Start {
                log: log_tail(&log),
            },
            None => ServerError::Slow {
                what: "ready",
                limit: self.time_limit,
                log: log_tail(&log),
            },
        };
        self.end();
        Err(error)
    }

    fn end(&mut self) {
        // Killed, since what its signals mean differs from version to version, and it keeps nothing.
        let guardian = self.guardian.take();
        if guardian.is_some_and(|guardian| !guardian.stop(StopMode::Immediate, self.time_limit)) {
            eprintln!("pool-testkit: PgBouncer did not stop in time and was killed");
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.end();
    }
}

fn answers(port: u16) -> bool {
    let ask = || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, LOOK)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.write_all(&WISH_FOR_TLS)?;
        let mut answer = [0];
        stream.read_exact(&mut answer)
    };
    ask().is_ok()
}
