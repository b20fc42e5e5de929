//! What two crates must know of each other, wired.

use std::sync::Arc;

use pool_affinity::{Affinity, AffinityBuilder, ConfigError};
use pool_core::Builder;
use pool_multiplex::{Interner, SessionConfig, SessionManager};

/// Builds a pool for sessions.
pub trait SessionBuilder<M: SessionManager>: Sized {
    /// Has the pool's sessions find connections that have their settings and statements: `affinity`
    /// chooses among what is idle, and knows from the sessions what each difference would cost. The
    /// policy that it becomes is given back beside the builder, for its statistics.
    ///
    /// Without this a pool has sessions too; they take any connection, and bring more along.
    ///
    /// # Errors
    ///
    /// What does not fit together in `affinity`.
    fn sessions(
        self,
        config: SessionConfig,
        affinity: AffinityBuilder,
    ) -> Result<(Self, Arc<Affinity>), ConfigError>;
}

impl<M: SessionManager> SessionBuilder<M> for Builder<M> {
    fn sessions(
        self,
        config: SessionConfig,
        affinity: AffinityBuilder,
    ) -> Result<(Self, Arc<Affinity>), ConfigError> {
        let interner = Interner::new(config.most_interned());
        let affinity = affinity.labels(Arc::new(interner.clone())).build()?;
        let affinity = Arc::new(affinity);
        let builder = self.extension(config.interner(interner));
        Ok((affinity.attach(builder), affinity))
    }
}
