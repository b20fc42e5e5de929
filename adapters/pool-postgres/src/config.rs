//! How connections are opened and tended.

use crate::cancel::Cancel;
use crate::error::{ConfigError, Error};
use crate::hosts;
use crate::manager::PostgresManager;
use crate::reset::Reset;
use crate::tls::Tls;
use std::fmt;
use std::time::Duration;
use tokio_postgres::Config;
#[cfg(not(feature = "tls"))]
use tokio_postgres::config::SslMode;

/// Builds a [`PostgresManager`].
#[must_use]
pub struct PostgresManagerBuilder {
    config: Config,
    statement_cache_size: usize,
    reset: Reset,
    cancel_sockets: usize,
    cancel_timeout: Duration,
    #[cfg(feature = "tls")]
    tls: Trust,
}

/// Whom to trust.
#[cfg(feature = "tls")]
enum Trust {
    Roots(Vec<rustls::pki_types::CertificateDer<'static>>),
    Config(Box<rustls::ClientConfig>),
}

impl PostgresManagerBuilder {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            // What applications commonly send is fewer statements; at some kilobytes of server
            // memory each, a hundred are affordable on every connection.
            statement_cache_size: 100,
            reset: Reset::default(),
            // Enough to keep up with clients that give up; few enough for a server in trouble.
            cancel_sockets: 4,
            cancel_timeout: Duration::from_secs(1),
            #[cfg(feature = "tls")]
            tls: Trust::Roots(Vec::new()),
        }
    }

    /// What `application_name` says in `pg_stat_activity`. Default: what the connection string
    /// says, or nothing.
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.config.application_name(name);
        self
    }

    /// How many prepared statements each connection keeps; the least recently used one leaves.
    /// Default: 100. Zero keeps none.
    pub const fn statement_cache_size(mut self, statements: usize) -> Self {
        self.statement_cache_size = statements;
        self
    }

    /// When a session is reset between two users. Default: [`Reset::WhenTainted`].
    pub const fn reset(mut self, policy: Reset) -> Self {
        self.reset = policy;
        self
    }

    /// How many cancel requests may be under way at once; they use sockets that do not count
    /// against the pool's size. Default: 4, of which a server in trouble takes no notice. Zero
    /// sends none.
    pub const fn cancel_sockets(mut self, sockets: usize) -> Self {
        self.cancel_sockets = sockets;
        self
    }

    /// How long a cancel request may take, waiting for its turn included. Default: 1 s; the pool's
    /// `close_timeout` bounds it too.
    pub const fn cancel_timeout(mut self, limit: Duration) -> Self {
        self.cancel_timeout = limit;
        self
    }

    /// Trusts this root certificate, and no longer the web's. May be given several times.
    #[cfg(feature = "tls")]
    pub fn root_certificate(
        mut self,
        certificate: rustls::pki_types::CertificateDer<'static>,
    ) -> Self {
        match &mut self.tls {
            Trust::Roots(roots) => roots.push(certificate),
            Trust::Config(_) => self.tls = Trust::Roots(vec![certificate]),
        }
        self
    }

    /// Uses a configuration of your own for TLS (client certificates, another crypto provider),
    /// in place of any root certificates given before.
    #[cfg(feature = "tls")]
    pub fn tls_config(mut self, config: rustls::ClientConfig) -> Self {
        self.tls = Trust::Config(Box::new(config));
        self
    }

    /// The manager.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when hosts and ports do not match, a root certificate is not usable, or
    /// TLS is required and not compiled in.
    pub fn build(self) -> Result<PostgresManager, Error> {
        let targets = hosts::targets(&self.config)?;
        #[cfg(not(feature = "tls"))]
        let tls = without_tls(&self.config)?;
        #[cfg(feature = "tls")]
        let tls = with_tls(self.tls)?;
        Ok(PostgresManager {
            config: self.config,
            targets,
            tls,
            statement_cache_size: self.statement_cache_size,
            reset: self.reset,
            cancel: (self.cancel_sockets > 0)
                .then(|| Cancel::new(self.cancel_sockets, self.cancel_timeout)),
        })
    }
}

#[cfg(feature = "tls")]
fn with_tls(trust: Trust) -> Result<Tls, ConfigError> {
    match trust {
        Trust::Config(config) => Ok(Tls::with_config(*config)),
        Trust::Roots(roots) => Tls::with_roots(roots),
    }
}

#[cfg(not(feature = "tls"))]
fn without_tls(config: &Config) -> Result<Tls, ConfigError> {
    match config.get_ssl_mode() {
        SslMode::Require => Err(ConfigError::TlsNotCompiled),
        _ => Ok(Tls),
    }
}

impl fmt::Debug for PostgresManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresManagerBuilder")
            .field("config", &self.config)
            .field("statement_cache_size", &self.statement_cache_size)
            .field("reset", &self.reset)
            .field("cancel_sockets", &self.cancel_sockets)
            .field("cancel_timeout", &self.cancel_timeout)
            .finish_non_exhaustive()
    }
}
