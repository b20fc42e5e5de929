//! What a private PgBouncer is started with.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Settings of a private PgBouncer.
#[derive(Clone, Debug)]
pub struct PgBouncerOptions {
    pub(super) server_port: u16,
    pub(super) users: Vec<String>,
    pub(super) settings: Vec<(String, String)>,
    pub(super) time_limit: Duration,
    pub(super) install: bool,
}

impl PgBouncerOptions {
    /// In front of the server on that port of `127.0.0.1`, with the defaults named at each setter.
    /// Every database of the server can be reached under its own name.
    #[must_use]
    pub fn new(server_port: u16) -> Self {
        Self {
            server_port,
            users: vec!["postgres".to_owned()],
            settings: Vec::new(),
            time_limit: Duration::from_secs(60),
            install: true,
        }
    }

    /// Lets this user of the server in, without a password. `postgres` always may.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.users.push(name.into());
        self
    }

    /// A line of the section `[pgbouncer]`, say `("pool_mode", "transaction")`; a later one wins.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// How long a start or a stop may take. Default: 60 s.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Whether a missing PgBouncer is installed, as far as root on Debian or Ubuntu can. Default: yes.
    #[must_use]
    pub const fn install(mut self, install: bool) -> Self {
        self.install = install;
        self
    }

    /// The configuration file.
    pub(super) fn configuration(&self, port: u16, users: &Path) -> String {
        let mut text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n",
            self.server_port,
            users.display(),
        );
        for (name, value) in &self.settings {
            writeln!(text, "{name} = {value}").expect("a string takes what is written to it");
        }
        text
    }

    /// The file of users, none with a password.
    pub(super) fn user_list(&self) -> String {
        let quoted = |name: &String| format!("\"{}\" \"\"\n", name.replace('"', "\"\""));
        self.users.iter().map(quoted).collect()
    }
}
