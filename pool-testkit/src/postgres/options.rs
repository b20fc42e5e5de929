//! What a private server is started with.

use std::fmt;
use std::time::Duration;

/// Settings of a private server.
#[derive(Clone)]
pub struct ServerOptions {
    pub(super) max_connections: u32,
    pub(super) settings: Vec<(String, String)>,
    pub(super) access: Vec<String>,
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) time_limit: Duration,
    pub(super) install: bool,
}

impl ServerOptions {
    /// The defaults named at each setter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_connections: 200,
            settings: Vec::new(),
            access: Vec::new(),
            files: Vec::new(),
            time_limit: Duration::from_secs(60),
            install: true,
        }
    }

    /// How many connections the server accepts. Default: 200, more than any test's pool.
    #[must_use]
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// A line of `postgresql.conf`, say `("ssl", "on")`; a later one wins.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// A line of `pg_hba.conf`, put before the one that trusts `127.0.0.1`; the first that
    /// matches a connection decides.
    #[must_use]
    pub fn access(mut self, line: impl Into<String>) -> Self {
        self.access.push(line.into());
        self
    }

    /// A file in the data folder that only the server can read, say `server.key`.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), contents.into()));
        self
    }

    /// How long a start or a stop may take. Default: 60 s, since a loaded machine may need ten.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Whether a missing PostgreSQL is installed, as far as root on Debian or Ubuntu can. Default:
    /// yes, so that the tests run from a fresh clone in a bare container.
    #[must_use]
    pub const fn install(mut self, install: bool) -> Self {
        self.install = install;
        self
    }

    /// The lines for `postgresql.conf`, without the port.
    pub(super) fn configuration(&self, socket_folder: &str) -> String {
        let fixed = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", socket_folder),
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("max_connections", &self.max_connections.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        fixed
            .iter()
            .chain(&self.settings)
            .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
            .collect()
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ServerOptions {
    /// Names the files without their contents, which may be keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.files.iter().map(|(name, _)| name).collect();
        f.debug_struct("ServerOptions")
            .field("max_connections", &self.max_connections)
            .field("settings", &self.settings)
            .field("access", &self.access)
            .field("files", &files)
            .field("time_limit", &self.time_limit)
            .field("install", &self.install)
            .finish()
    }
}
