//! What a session listens to, on a connection that is not its own.
//!
//! `LISTEN` takes effect when its transaction commits, and then nothing that commits later may be
//! missed. So a channel is subscribed to before the COMMIT is sent, and given up again if that comes
//! to nothing.

use crate::listener::{Event, ListenError, Listener, Subscription};
use crate::manager::PostgresManager;
use futures_util::future::select_all;
use pool_core::{Clock, Pool, PooledConnection, WeakPool};
use std::sync::Arc;
use tokio_postgres::Notification;

/// Events of a channel that are kept for a session that has not read them yet.
const RING: usize = 1024;

/// What a session hears.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Heard {
    /// Somebody has notified a channel.
    Notification(Arc<Notification>),
    /// So many notifications of the channel were overwritten before they were read.
    Lagged {
        /// The channel.
        channel: String,
        /// How many.
        missed: u64,
    },
    /// The connection that listens was replaced: an unknown number of notifications of the channel may
    /// be missing before this, and none after.
    Gap {
        /// The channel.
        channel: String,
    },
}

/// The subscriptions of one session.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<Subscription>);

/// Ends all subscriptions of a pool's sessions and gives the connection back that listens for them:
/// to be called before the pool is closed, which waits for that connection else.
///
/// # Cancel safety
///
/// Dropping the future ends the subscriptions all the same.
pub async fn stop_listening(pool: &Pool<PostgresManager>) {
    listener(pool).close().await;
}

/// The listener of a pool, which leases a connection while anybody listens.
pub(super) fn listener(pool: &Pool<PostgresManager>) -> Arc<Listener> {
    pool.extension(|| {
        let clock: Arc<dyn Clock> = Arc::clone(pool.clock());
        let pool = pool.downgrade();
        Listener::new(clock, RING, move || {
            let pool = WeakPool::clone(&pool);
            Box::pin(async move { lease(&pool).await })
        })
    })
}

async fn lease(
    pool: &WeakPool<PostgresManager>,
) -> Result<PooledConnection<PostgresManager>, pool_core::Error<crate::Error>> {
    let pool = pool.upgrade().ok_or(pool_core::Error::Closed)?;
    pool.acquire().await
}

impl Subscriptions {
    fn has(&self, channel: &str) -> bool {
        self.0.iter().any(|one| one.channel() == channel)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Subscribes to those of `channels` that are not subscribed to yet.
    pub(super) async fn add(
        &mut self,
        listener: &Listener,
        channels: &[Arc<str>],
    ) -> Result<(), ListenError> {
        for channel in channels {
            if !self.has(channel) {
                self.0.push(listener.subscribe(channel).await?);
            }
        }
        Ok(())
    }

    /// Gives up whatever is not among `channels`.
    pub(super) fn keep(&mut self, channels: &[Arc<str>]) {
        self.0
            .retain(|one| channels.iter().any(|kept| **kept == *one.channel()));
    }

    /// The next that is heard on any channel; `None` if there is none.
    pub(super) async fn next(&mut self) -> Option<Result<Heard, ListenError>> {
        if self.0.is_empty() {
            return None;
        }
        let hearing = self.0.iter_mut().map(|one| {
            Box::pin(async {
                let event = one.recv().await;
                event.map(|event| heard(event, one.channel()))
            })
        });
        let (heard, at, _) = select_all(hearing).await;
        if heard.is_err() {
            self.0.remove(at);
        }
        Some(heard)
    }
}

fn heard(event: Event, channel: &str) -> Heard {
    let channel = channel.to_owned();
    match event {
        Event::Notification(notification) => Heard::Notification(notification),
        Event::Lagged(missed) => Heard::Lagged { channel, missed },
        Event::Gap => Heard::Gap { channel },
    }
}
