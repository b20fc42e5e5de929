//! How many connections the server has, as it says itself.

use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::contestants::PATIENCE;

/// Those of clients, without the one that asks.
const COUNT: &str = "SELECT count(*) FROM pg_stat_activity \
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
/// Often enough to see whatever stays, and seldom enough to cost the server next to nothing.
const PACE: Duration = Duration::from_millis(100);

/// Counts connections over a turn.
#[derive(Debug)]
pub(super) struct Backends {
    stop: oneshot::Sender<()>,
    counting: JoinHandle<anyhow::Result<(Client, usize)>>,
}

impl Backends {
    /// From now on.
    pub(super) fn watch(owner: Client) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let counting = async move {
            let mut most = 0;
            loop {
                most = most.max(count(&owner).await?);
                if tokio::time::timeout(PACE, &mut stopped).await.is_ok() {
                    return Ok((owner, most));
                }
            }
        };
        Self {
            stop,
            counting: tokio::spawn(counting),
        }
    }

    /// The most that there were at once, and the connection that counted.
    pub(super) async fn end(self) -> anyhow::Result<(Client, usize)> {
        // One that has failed does not listen any more, and says why below.
        let _ = self.stop.send(());
        self.counting.await?
    }
}

/// Waits until all are gone.
pub(super) async fn none(owner: &Client) -> anyhow::Result<()> {
    let began = Instant::now();
    while count(owner).await? > 0 {
        if began.elapsed() > PATIENCE {
            bail!("connections of an earlier turn stay open");
        }
        tokio::time::sleep(PACE / 10).await;
    }
    Ok(())
}

async fn count(owner: &Client) -> anyhow::Result<usize> {
    let found: i64 = owner.query_typed_one(COUNT, &[]).await?.try_get(0)?;
    Ok(usize::try_from(found)?)
}
