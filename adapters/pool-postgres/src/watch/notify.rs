//! Where notifications of the server go.
//!
//! The driver hands a notification to whoever polls it, which is its task, and that must not wait
//! for anybody: it also carries the answers. So notifications go into a ring, the oldest ones are
//! overwritten when nobody fetches them, and the reader is told how many he has missed. Where nobody
//! has asked for them they are dropped, as the driver would.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio_postgres::Notification;

/// The writing end of a ring of notifications.
pub(crate) type NotificationSender = broadcast::Sender<Arc<Notification>>;

/// The ring that is wanted, if any. Locked when a notification comes, and never on the way of
/// requests.
#[derive(Debug)]
pub(super) struct Sink(Mutex<Option<NotificationSender>>);

impl Sink {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<NotificationSender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, notification: Notification) {
        if let Some(sender) = &*self.lock() {
            // Fails when nobody reads the ring any more, which is all the same.
            let _ = sender.send(Arc::new(notification));
        }
    }
}
