//! The shell that stands between this process and its server.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal as NixSignal;

use super::account::Account;
use super::error::{ServerError, log_tail};
use super::process;
use super::server::StopMode;
use super::wait;

/// Runs the server, waits for an order (or for its owner's end) and passes it on. The server is
/// not collected before that, so its number stays its own.
const GUARDIAN: &str = r#"
folder=$1 log=$2 abrupt=$3; shift 3
"$@" </dev/null >>"$log" 2>&1 &
server=$!
echo "$server"
if read -r order; then orphaned=no; else order=$abrupt orphaned=yes; fi
kill -s "$order" "$server" 2>/dev/null
kill -s CONT "$server" 2>/dev/null
wait "$server"
if [ "$orphaned" = yes ]; then rm -rf "$folder"; fi
"#;

/// How a server is ended at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abrupt {
    /// It ends its children, and itself.
    Quit,
    /// It has nothing to tidy up. A shell starts what runs in the background deaf to `SIGQUIT`, and a
    /// server that does not ask for it stays so.
    Kill,
}

impl Abrupt {
    const fn signal(self) -> &'static str {
        match self {
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
        }
    }
}

/// The shell between this process and the server.
#[derive(Debug)]
pub(crate) struct Guardian {
    shell: Child,
    orders: ChildStdin,
    server: u32,
    abrupt: Abrupt,
}

impl Guardian {
    /// Starts `server`, a program and its arguments, which logs to `log` and lives in `folder`.
    pub(crate) fn start(
        account: Account,
        folder: &Path,
        log: &Path,
        abrupt: Abrupt,
        server: &[PathBuf],
    ) -> Result<Self, ServerError> {
        let mut shell = account
            .command("/bin/sh", folder)
            .args(["-c", GUARDIAN, "guardian"])
            .args([folder, log, Path::new(abrupt.signal())])
            .args(server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ServerError::run("/bin/sh"))?;
        let orders = shell.stdin.take().expect("standard input is piped");
        let told = shell.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        BufReader::new(told)
            .read_line(&mut line)
            .map_err(ServerError::run("/bin/sh"))?;
        let server = line
            .trim()
            .parse()
            .map_err(|_| ServerError::Start { log: log_tail(log) })?;
        Ok(Self {
            shell,
            orders,
            server,
            abrupt,
        })
    }

    /// The server's process number.
    pub(crate) const fn server(&self) -> u32 {
        self.server
    }

    /// Whether the server has ended by itself within `limit`; otherwise it was killed.
    pub(crate) fn stop(mut self, mode: StopMode, limit: Duration) -> bool {
        let order = match mode {
            StopMode::Fast => "INT",
            StopMode::Immediate => self.abrupt.signal(),
        };
        // A guardian that is gone has closed the pipe; its server is then looked after below.
        let _ = writeln!(self.orders, "{order}");
        let has_ended = |shell: &mut Child| shell.try_wait().ok().flatten().is_some();
        if wait::until(limit, || has_ended(&mut self.shell).then_some(())).is_some() {
            return true;
        }
        process::signal_children(self.server, NixSignal::SIGKILL);
        let _ = process::signal(self.server, NixSignal::SIGKILL);
        let _ = self.shell.wait();
        false
    }
}
