//! Asks the server to stop queries that nobody waits for any more.

use crate::connection::PostgresConnection;
use crate::error::Error;
use crate::tls::Tls;
use crate::transport::AlreadyConnected;
use crate::watch::Watch;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_postgres::Config;

/// A cancel request travels on a socket of its own, which does not count against the pool's size.
/// So their number is bounded here, and so is the time each may take: a server that is down must
/// not collect them.
#[derive(Debug)]
pub(crate) struct Cancel {
    sockets: Semaphore,
    limit: Duration,
}

impl Cancel {
    pub(crate) fn new(sockets: usize, limit: Duration) -> Self {
        Self {
            sockets: Semaphore::new(sockets.min(Semaphore::MAX_PERMITS)),
            limit,
        }
    }

    /// Sends a cancel request for whatever the connection is doing, by the way it was opened
    /// itself. Whether it helped nobody can tell; failing to send it changes nothing either,
    /// because the connection is closed afterwards.
    pub(crate) async fn send(&self, conn: &PostgresConnection, config: &Config, tls: &Tls) {
        let _ = tokio::time::timeout(self.limit, self.try_send(conn, config, tls)).await;
    }

    async fn try_send(
        &self,
        conn: &PostgresConnection,
        config: &Config,
        tls: &Tls,
    ) -> Result<(), Error> {
        let Ok(_socket) = self.sockets.acquire().await else {
            return Ok(());
        };
        let transport = conn.endpoint().open(config, tls).await?;
        let unwatched = AlreadyConnected(Arc::new(Watch::new()));
        conn.cancel_token()
            .cancel_query_raw(transport, unwatched)
            .await?;
        Ok(())
    }
}
