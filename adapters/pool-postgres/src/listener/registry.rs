//! Who listens to what.

use super::{CHANNELS, Event, ListenError, Subscription};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast, watch};
use tokio_postgres::Notification;

/// Most channels in one request.
pub(super) const BATCH: usize = 256;

/// How far a channel is.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// It is to be listened to.
    Wanted,
    /// The server has confirmed it.
    InForce,
    /// All its subscriptions have ended.
    Ended(ListenError),
}

#[derive(Debug)]
struct Channel {
    /// Whoever reads it is a subscriber.
    events: broadcast::Sender<Event>,
    state: watch::Sender<State>,
    /// It was in force before, and its subscribers are to be told that there was a gap.
    interrupted: bool,
    /// It is among those that have changed.
    touched: bool,
}

#[derive(Debug, Default)]
struct Channels {
    by_name: HashMap<Arc<str>, Channel>,
    /// Names of channels whose subscribers have changed, each at most once while it exists.
    touched: Vec<Arc<str>>,
    closed: bool,
}

/// What is wanted, shared by subscribers and the task that serves them.
#[derive(Debug)]
pub(super) struct Registry {
    channels: Mutex<Channels>,
    /// Something has changed.
    changed: Notify,
    ring: usize,
}

/// What the server is to be asked next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) listen: Vec<Arc<str>>,
    pub(super) unlisten: Vec<Arc<str>>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.listen.is_empty() && self.unlisten.is_empty()
    }
}

impl Channels {
    /// Notes that somebody has come or gone.
    fn touch(&mut self, name: &Arc<str>) {
        if let Some(channel) = self.by_name.get_mut(name)
            && !std::mem::replace(&mut channel.touched, true)
        {
            self.touched.push(Arc::clone(name));
        }
    }

    fn end(&mut self, error: &ListenError, mut ends: impl FnMut(&Channel) -> bool) {
        self.by_name.retain(|_, channel| {
            let ending = ends(channel);
            if ending {
                // Before the ring is closed by being dropped, so that the reason is found.
                channel.state.send_replace(State::Ended(error.clone()));
            }
            !ending
        });
        let by_name = &self.by_name;
        self.touched.retain(|name| by_name.contains_key(name));
    }
}

impl Registry {
    /// With rings for so many events.
    pub(super) fn new(ring: usize) -> Self {
        Self {
            channels: Mutex::new(Channels::default()),
            changed: Notify::new(),
            ring: ring.max(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(self: &Arc<Self>, name: &str) -> Result<Subscription, ListenError> {
        let mut channels = self.lock();
        if channels.closed {
            return Err(ListenError::Closed);
        }
        let name = match channels.by_name.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None if channels.by_name.len() == CHANNELS => return Err(ListenError::TooMany),
            None => Arc::from(name),
        };
        let channel = channels
            .by_name
            .entry(Arc::clone(&name))
            .or_insert_with(|| Channel {
                events: broadcast::channel(self.ring).0,
                state: watch::channel(State::Wanted).0,
                interrupted: false,
                touched: false,
            });
        let (events, state) = (channel.events.subscribe(), channel.state.subscribe());
        channels.touch(&name);
        drop(channels);
        self.changed.notify_one();
        Ok(Subscription {
            channel: name,
            registry: Arc::clone(self),
            events: Some(events),
            state,
        })
    }

    /// Somebody has come to a channel, or gone.
    pub(super) fn touch(&self, name: &Arc<str>) {
        self.lock().touch(name);
        self.changed.notify_one();
    }

    /// Waits until something has changed. One waiter.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until there is a channel; false if there will be none.
    pub(super) async fn wanted(&self) -> bool {
        while self.is_empty() && !self.is_closed() {
            self.changed().await;
        }
        !self.is_closed()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().by_name.is_empty()
    }

    /// What has changed, as far as it fits into one request. Channels that nobody reads are
    /// forgotten here, so that whoever comes to them now asks for them anew, behind this request.
    pub(super) fn next_batch(&self) -> Batch {
        let mut channels = self.lock();
        let Channels {
            by_name, touched, ..
        } = &mut *channels;
        let rest = touched.split_off(touched.len().min(BATCH));
        let mut batch = Batch::default();
        for name in std::mem::replace(touched, rest) {
            let Some(channel) = by_name.get_mut(&name) else {
                continue;
            };
            channel.touched = false;
            let in_force = matches!(*channel.state.borrow(), State::InForce);
            match (channel.events.receiver_count() > 0, in_force) {
                (true, false) => batch.listen.push(name),
                (false, true) => {
                    by_name.remove(&name);
                    batch.unlisten.push(name);
                }
                (false, false) => {
                    by_name.remove(&name);
                }
                (true, true) => {}
            }
        }
        batch
    }

    /// The server has confirmed a channel.
    pub(super) fn in_force(&self, name: &str) {
        if let Some(channel) = self.lock().by_name.get_mut(name) {
            channel.state.send_replace(State::InForce);
            if std::mem::take(&mut channel.interrupted) {
                let _ = channel.events.send(Event::Gap);
            }
        }
    }

    /// The server has refused a channel.
    pub(super) fn refused(&self, name: &str, error: &ListenError) {
        let mut channels = self.lock();
        if let Some(channel) = channels.by_name.remove(name) {
            channel.state.send_replace(State::Ended(error.clone()));
        }
    }

    pub(super) fn notified(&self, notification: Arc<Notification>) {
        if let Some(channel) = self.lock().by_name.get(notification.channel()) {
            // Fails when the last subscriber has just gone.
            let _ = channel.events.send(Event::Notification(notification));
        }
    }

    /// Notifications were lost on their way here, and nobody knows whose.
    pub(super) fn missed(&self) {
        for channel in self.lock().by_name.values() {
            let _ = channel.events.send(Event::Gap);
        }
    }

    /// There is no connection, or no longer: who listened waits for another one, who did not listen
    /// yet is told.
    pub(super) fn lost(&self, error: &ListenError) {
        let mut channels = self.lock();
        let ends = |channel: &Channel| {
            let waits = !channel.interrupted && matches!(*channel.state.borrow(), State::Wanted);
            waits || channel.events.receiver_count() == 0
        };
        channels.end(error, ends);
        let names: Vec<_> = channels.by_name.keys().cloned().collect();
        for name in names {
            if let Some(channel) = channels.by_name.get_mut(&name) {
                channel.interrupted = true;
                channel.state.send_replace(State::Wanted);
            }
            channels.touch(&name);
        }
    }

    /// All subscriptions end.
    pub(super) fn end(&self, error: &ListenError) {
        self.lock().end(error, |_| true);
    }

    /// The same, and there are to be no others.
    pub(super) fn close(&self) {
        let mut channels = self.lock();
        channels.closed = true;
        channels.end(&ListenError::Closed, |_| true);
        drop(channels);
        self.changed.notify_one();
    }
}
