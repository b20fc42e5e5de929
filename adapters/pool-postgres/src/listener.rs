//! One connection that listens for many sessions.
//!
//! `LISTEN` belongs to a connection, and a session has none of its own while it does nothing. So all
//! of them listen on one side connection, which is leased from the pool like any other, counts
//! against its maximum, and is kept only as long as anybody listens.
//!
//! # What a subscriber can rely on
//!
//! - When [`Listener::subscribe`] returns, the LISTEN is in force: whatever is notified by a
//!   transaction that commits later reaches him, until he drops his subscription.
//! - Or he is told that something may be missing: [`Event::Lagged`] if he did not read fast enough,
//!   [`Event::Gap`] if the side connection was lost and replaced. The gap is told when the LISTENs
//!   are in force again, so that what he then reads from the tables is followed by all that changes
//!   later.
//! - He waits for nobody: each channel has a ring of its own, of which the oldest entries are
//!   overwritten.
//!
//! # How it keeps up with them
//!
//! Subscribers change what is *wanted*, under a lock, and the listener's task brings the server to
//! it: it collects whatever has changed meanwhile into one request. A thousand sessions that
//! subscribe at once cost a few round trips. Channels that nobody wants any more are given up in the
//! same way. If a request of several LISTENs is refused they are sent one by one, so that a name that
//! the database's encoding does not have is refused alone.
//!
//! # When the connection is lost
//!
//! It is replaced after [`FIRST_PAUSE`], which doubles with each failure in a row up to
//! [`LONGEST_PAUSE`]; after [`ATTEMPTS`] failures all subscriptions end with [`ListenError::Lost`].
//! A subscriber who was not listening yet is told of the first failure, and may try again. Whether
//! a server that has fallen silent is lost is left to the connection's TCP keepalives.
//!
//! # The task
//!
//! It begins with the first subscription and ends with the listener, which takes the lease along.

mod registry;
mod serve;

use crate::error::Error;
use futures_util::future::{Either, select};
use pool_core::{BoxFuture, Clock};
use registry::{Registry, State};
use serve::{End, serve};
use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_postgres::Notification;
use tokio_postgres::error::SqlState;

/// How long to wait before a lost connection is replaced.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long to wait at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many failures in a row are too many.
const ATTEMPTS: u32 = 20;
/// Longest name of a channel, in bytes; the server would cut a longer one.
const NAME: usize = 63;
/// Most channels at a time.
const CHANNELS: usize = 65_536;

/// What a subscriber is told.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Somebody has notified the channel.
    Notification(Arc<Notification>),
    /// So many events were overwritten before they were read.
    Lagged(u64),
    /// The connection was replaced, or could not be read fast enough: an unknown number of
    /// notifications may have been lost. From here on there are none missing again.
    Gap,
}

/// Why somebody does not listen.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The name of the channel cannot be one.
    #[error("the name of a channel is empty, longer than 63 bytes, or holds a NUL character")]
    Channel,
    /// There are too many channels.
    #[error("{CHANNELS} channels are listened to already; give up some of them")]
    TooMany,
    /// The server has refused it.
    #[error("the server refused to listen ({})", .code.code())]
    Refused {
        /// The SQLSTATE.
        code: SqlState,
    },
    /// There was no connection to listen on.
    #[error("there is no connection to listen on: {0}")]
    NoConnection(Arc<dyn StdError + Send + Sync>),
    /// The connection was lost, and could not be replaced.
    #[error("the connection that listened was lost and could not be replaced; subscribe again")]
    Lost,
    /// The listener has been closed.
    #[error("the listener has been closed")]
    Closed,
    /// There is no tokio runtime for the listener's task.
    #[error("no tokio runtime is running here; subscribe from within one")]
    NoRuntime,
}

/// Listens for all who subscribe. Dropping it ends its task and all subscriptions.
pub(crate) struct Listener {
    registry: Arc<Registry>,
    task: Mutex<Task>,
}

enum Task {
    /// Begins with the first subscription.
    Waiting(BoxFuture<'static, ()>),
    Running(Running),
    /// Between the two, and after the end.
    Gone,
}

/// Dropping it ends the task.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Somebody who listens to a channel, until it is dropped.
#[derive(Debug)]
pub(crate) struct Subscription {
    channel: Arc<str>,
    registry: Arc<Registry>,
    /// Some until it is dropped.
    events: Option<broadcast::Receiver<Event>>,
    state: watch::Receiver<State>,
}

impl Listener {
    /// A listener that leases its connection by `lease`. Up to `ring` events of a channel are kept
    /// for subscribers who have not read them yet.
    pub(crate) fn new<F, L, E>(clock: Arc<dyn Clock>, ring: usize, lease: F) -> Self
    where
        F: Fn() -> BoxFuture<'static, Result<L, E>> + Send + Sync + 'static,
        L: Deref<Target = crate::PostgresConnection> + Send + Sync + 'static,
        E: StdError + Send + Sync + 'static,
    {
        let registry = Arc::new(Registry::new(ring));
        let task = supervise(Arc::clone(&registry), clock, lease);
        Self {
            registry,
            task: Mutex::new(Task::Waiting(Box::pin(task))),
        }
    }

    /// Listens to a channel, whose name is taken as it is: `NOTIFY Stock` is for `stock`.
    ///
    /// # Errors
    ///
    /// Any but [`ListenError::Lost`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the subscription up.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<Subscription, ListenError> {
        if channel.is_empty() || channel.len() > NAME || channel.contains('\0') {
            return Err(ListenError::Channel);
        }
        self.start()?;
        let mut subscription = self.registry.subscribe(channel)?;
        subscription.listening().await?;
        Ok(subscription)
    }

    fn start(&self) -> Result<(), ListenError> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*task, Task::Waiting(_)) {
            return Ok(());
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| ListenError::NoRuntime)?;
        if let Task::Waiting(future) = std::mem::replace(&mut *task, Task::Gone) {
            #[expect(
                clippy::disallowed_methods,
                reason = "the task belongs to the listener, which ends it"
            )]
            let running = runtime.spawn(future);
            *task = Task::Running(Running(running));
        }
        Ok(())
    }

    /// Ends all subscriptions, has the server told, and gives the lease back; returns when that is
    /// done. Dropping the future ends the task all the same.
    pub(crate) async fn close(&self) {
        self.registry.close();
        let task = {
            let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *task, Task::Gone)
        };
        if let Task::Running(mut running) = task {
            // An error says that it has panicked or was ended: it is over in each case.
            let _ = (&mut running.0).await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.registry.close();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

impl Subscription {
    /// The channel.
    pub(crate) fn channel(&self) -> &str {
        &self.channel
    }

    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// [`ListenError::Lost`] and [`ListenError::Closed`], after which there is nothing more.
    ///
    /// # Cancel safety
    ///
    /// No event is lost when the future is dropped.
    pub(crate) async fn recv(&mut self) -> Result<Event, ListenError> {
        let Some(events) = &mut self.events else {
            return Err(ListenError::Closed);
        };
        match events.recv().await {
            Ok(event) => Ok(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Ok(Event::Lagged(missed)),
            Err(broadcast::error::RecvError::Closed) => Err(match &*self.state.borrow() {
                State::Ended(error) => error.clone(),
                State::Wanted | State::InForce => ListenError::Closed,
            }),
        }
    }

    /// Waits until the LISTEN is in force.
    async fn listening(&mut self) -> Result<(), ListenError> {
        let decided = |state: &State| !matches!(state, State::Wanted);
        match self.state.wait_for(decided).await.as_deref() {
            Ok(State::Ended(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(ListenError::Closed),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // First: whether anybody still wants the channel is told by who reads its ring.
        drop(self.events.take());
        self.registry.touch(&self.channel);
    }
}

/// Keeps a connection while anybody listens.
async fn supervise<F, L, E>(registry: Arc<Registry>, clock: Arc<dyn Clock>, lease: F)
where
    F: Fn() -> BoxFuture<'static, Result<L, E>> + Send,
    L: Deref<Target = crate::PostgresConnection> + Send + Sync,
    E: StdError + Send + Sync + 'static,
{
    let mut failures = 0;
    while registry.wanted().await {
        match unless_closed(&registry, lease()).await {
            None => return,
            Some(Ok(lease)) => match serve(&registry, &lease).await {
                End::Unwanted => failures = 0,
                End::Lost { had_listened } => {
                    failures = 1 + if had_listened { 0 } else { failures };
                    registry.lost(&ListenError::NoConnection(Arc::new(Error::Closed)));
                }
            },
            Some(Err(error)) => {
                failures += 1;
                registry.lost(&ListenError::NoConnection(Arc::new(error)));
            }
        }
        if failures > ATTEMPTS {
            registry.end(&ListenError::Lost);
        }
        if registry.is_empty() {
            failures = 0;
        } else if failures > 0 {
            unless_closed(&registry, pause(&*clock, failures)).await;
        }
    }
}

/// Waits for `done`, or the end of the listener. What changes meanwhile is looked at afterwards.
async fn unless_closed<T>(registry: &Registry, done: impl Future<Output = T>) -> Option<T> {
    let mut done = pin!(done);
    loop {
        match either(done.as_mut(), registry.changed()).await {
            Either::Left(output) => return Some(output),
            Either::Right(()) if registry.is_closed() => return None,
            Either::Right(()) => {}
        }
    }
}

/// Waits before the next attempt, after so many failures.
async fn pause(clock: &dyn Clock, failures: u32) {
    let doublings = failures.saturating_sub(1).min(16);
    let length = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
    let mut timer = clock.timer();
    timer.reset(clock.now() + length);
    std::future::poll_fn(|cx| timer.poll_elapsed(cx)).await;
}

/// The output of whichever is done first.
async fn either<A: Future, B: Future>(first: A, second: B) -> Either<A::Output, B::Output> {
    match select(pin!(first), pin!(second)).await {
        Either::Left((output, _)) => Either::Left(output),
        Either::Right((output, _)) => Either::Right(output),
    }
}

#[cfg(test)]
mod tests;
