//! What a session hears.

use super::subscriptions::{Heard, listener};
use super::{Session, SessionError};
use crate::error::Error;
use crate::listener::ListenError;
use crate::sql::{Kind, Script};
use pool_multiplex::{Effect, State};
use std::sync::Arc;

impl Session {
    /// Does what is not done on the session's own connection; false if there is nothing of the kind.
    pub(super) async fn serve_aside(&mut self, script: &Script) -> Result<bool, SessionError> {
        match script.statements.as_slice() {
            [one] => match &one.kind {
                Kind::Listen { channel } => self.listen(channel).await?,
                Kind::Unlisten {
                    channel: Some(channel),
                } => self.unlisten(channel).await?,
                Kind::Unlisten { channel: None } => self.unlisten_all().await?,
                _ => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Hears a channel from now on; in a transaction, from its commit on. Whatever is notified by a
    /// transaction that commits after that is heard. Served by a connection that all sessions of the
    /// pool share, which counts against the pool's maximum.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if it is not heard; the session does not want it then.
    pub async fn listen(&mut self, channel: &str) -> Result<(), SessionError> {
        // In a transaction that was given up it would come to nothing.
        self.inner.settle().await?;
        if self.has_failed()? {
            return Err(SessionError::Operation(Error::FailedTransaction));
        }
        self.inner.note(&Effect::Subscribe(channel.into()))?;
        if self.inner.transaction_context()?.is_some() {
            return Ok(());
        }
        let listening = self.listen_to_all().await;
        if listening.is_err() {
            self.inner
                .note(&Effect::Unsubscribe(Some(channel.into())))?;
        }
        listening
    }

    /// Does not hear a channel any more; in a transaction, from its commit on.
    ///
    /// # Errors
    ///
    /// [`SessionError::Expired`], and what became of a transaction that was given up.
    pub async fn unlisten(&mut self, channel: &str) -> Result<(), SessionError> {
        self.inner.settle().await?;
        self.inner
            .note(&Effect::Unsubscribe(Some(channel.into())))?;
        self.keep_what_is_heard()
    }

    /// Hears no channel any more; in a transaction, from its commit on.
    ///
    /// # Errors
    ///
    /// [`SessionError::Expired`], and what became of a transaction that was given up.
    pub async fn unlisten_all(&mut self) -> Result<(), SessionError> {
        self.inner.settle().await?;
        self.inner.note(&Effect::Unsubscribe(None))?;
        self.keep_what_is_heard()
    }

    /// Waits for the next notification of a channel that the session listens to; needs no connection
    /// of its own. `None` if it listens to none.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] when a channel is lost for good.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn notification(&mut self) -> Result<Option<Heard>, SessionError> {
        let channels = self.channels(|state| state.channels().iter().cloned().collect())?;
        if self.subscriptions.len() < channels.len() {
            // It has come from elsewhere, or was suspended.
            self.subscribe(&channels).await?;
        }
        let waiting = self.inner.waiting();
        let heard = self.subscriptions.next().await;
        drop(waiting);
        match heard {
            None => Ok(None),
            Some(Ok(heard)) => Ok(Some(heard)),
            Some(Err(error)) => Err(not_heard(&error)),
        }
    }

    /// Listens to all channels that the session will want when it has committed.
    pub(super) async fn listen_to_all(&mut self) -> Result<(), SessionError> {
        let wanted = |state: &State| state.frames().current().channels.iter().cloned().collect();
        let wanted: Vec<Arc<str>> = self.channels(wanted)?;
        self.subscribe(&wanted).await
    }

    async fn subscribe(&mut self, channels: &[Arc<str>]) -> Result<(), SessionError> {
        if channels.is_empty() {
            return Ok(());
        }
        let listener = listener(self.inner.sessions().pool());
        let added = self.subscriptions.add(&listener, channels).await;
        added.map_err(|error| not_heard(&error))
    }

    /// Gives up what is not, or not any more, wanted.
    pub(super) fn keep_what_is_heard(&mut self) -> Result<(), SessionError> {
        if self.subscriptions.len() > 0 {
            let heard = self.channels(|state| state.channels().iter().cloned().collect())?;
            self.subscriptions.keep(&heard);
        }
        Ok(())
    }

    fn channels(
        &self,
        channels: impl FnOnce(&State) -> Vec<Arc<str>>,
    ) -> Result<Vec<Arc<str>>, SessionError> {
        self.inner.look(channels)
    }
}

fn not_heard(error: &ListenError) -> SessionError {
    SessionError::Operation(Error::Listen(error.to_string()))
}
