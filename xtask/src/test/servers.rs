//! The private servers of a test run: up before it, down after it, whatever happens between.

use std::{env, time::Duration};

use anyhow::{bail, ensure};

use super::{Outcome, Step, fresh_log};
use crate::{
    process::{self, End, Terms},
    screen::Progress,
    services::{self, URL_VARIABLE, What},
    workspace::Workspace,
};

/// Building the program and starting a server.
const UP_LIMIT: Duration = Duration::from_secs(15 * 60);
/// Stopping a server.
const DOWN_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The servers; dropping this stops them.
#[derive(Debug)]
pub(super) struct Servers<'a> {
    workspace: &'a Workspace,
    url: Option<String>,
    must_stop: bool,
}

impl<'a> Servers<'a> {
    /// None started yet.
    pub(super) fn new(workspace: &'a Workspace) -> Self {
        Self {
            workspace,
            url: None,
            must_stop: false,
        }
    }

    /// The address for the tests, when a server was started here.
    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Starts the server, unless the user has named one or has one running.
    pub(super) fn start(&mut self, progress: &Progress) -> anyhow::Result<Outcome> {
        if env::var_os(URL_VARIABLE).is_some() {
            return Ok(Outcome::Skipped(format!(
                "{URL_VARIABLE} is set: that server is used"
            )));
        }
        let log = fresh_log(self.workspace, Step::Services)?;
        let look = || progress.doing(format!("services: {}", process::last_line(&log)));
        let terms = Terms::new(&log, UP_LIMIT);
        let status = services::command(self.workspace, What::Status);
        if process::run(status, terms, look)?.end != End::Passed {
            // From here on something may be running, even if `up` is interrupted half way. What
            // was running before belongs to the user and stays.
            self.must_stop = true;
            let finished = process::run(services::command(self.workspace, What::Up), terms, look)?;
            ensure!(
                finished.end == End::Passed,
                "no server: `cargo xtask services up` failed; if PostgreSQL's server programs are \
                 missing, install them, or set {URL_VARIABLE} to a server that tests may fill and \
                 empty"
            );
        }
        let Some(url) = services::address(&process::read_log(&log)) else {
            bail!("`cargo xtask services` printed no address");
        };
        self.url = Some(url);
        Ok(Outcome::Passed(String::new()))
    }

    /// Stops what was started here. Does so after an interrupt too.
    ///
    /// What never came up may well have nothing to stop, so only a server that was up counts.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        if !std::mem::take(&mut self.must_stop) {
            return Ok(());
        }
        let log = self.workspace.log("step-services")?;
        let terms = Terms {
            interruptible: false,
            ..Terms::new(&log, DOWN_LIMIT)
        };
        let finished = process::run(services::command(self.workspace, What::Down), terms, || ())?;
        ensure!(
            self.url.is_none() || finished.end == End::Passed,
            "`cargo xtask services down`: {:?}",
            finished.end
        );
        Ok(())
    }
}

impl Drop for Servers<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("the servers did not stop: {error:#}");
        }
    }
}
