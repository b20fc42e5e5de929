//! Asks the server to stop queries that nobody waits for any more.

use crate::connection::PostgresConnection;
use crate::error::Error;
use crate::tls::Tls;
use crate::transport::AlreadyConnected;
use crate::watch::{Look, Watch};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_postgres::Config;

/// How long to wait for the effect of a cancel request before the next.
const AGAIN: Duration = Duration::from_millis(50);
/// How often to look whether the server has answered.
const PACE: Duration = Duration::from_millis(1);

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

    /// Asks the server to cancel whatever the connection is doing, by the way it was opened itself,
    /// until the server has answered. Once would not do: a request that overtakes its query finds
    /// nothing to cancel, and the query would run on unseen. Failing changes nothing, because the
    /// connection is closed afterwards.
    pub(crate) async fn send(&self, conn: &PostgresConnection, config: &Config, tls: &Tls) {
        let cancelling = async {
            while self.try_send(conn, config, tls).await.is_ok() {
                if timeout(AGAIN, at_rest(conn)).await.is_ok() {
                    return;
                }
            }
        };
        let _ = timeout(self.limit, cancelling).await;
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

/// Waits until no request is unanswered, or the connection has ended.
async fn at_rest(conn: &PostgresConnection) {
    while let Look::Working | Look::Uncertain = conn.watch().settled().await {
        #[expect(
            clippy::disallowed_methods,
            reason = "an end of the connection's own, within the time limit above; no pool knows of it"
        )]
        sleep(PACE).await;
    }
}
