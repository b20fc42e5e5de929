//! The connection itself, borrowed.

use crate::driver::SessionManager;
use crate::effect::Effect;
use crate::error::Error;
use crate::pins::{PinReason, Pins};
use crate::run::Work;
use crate::session::Session;
use crate::slot::{Checkout, Notice};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// The connection of a session, for what the session has no words for.
///
/// The session's state is on it. What is done to it is in nobody's books: when this is dropped the
/// connection is closed, a transaction that was open before it is lost, and the session goes on with
/// what it had set before.
pub struct Raw<'a, M: SessionManager> {
    out: Checkout<M>,
    session: PhantomData<&'a mut Session<M>>,
}

impl<M: SessionManager> Session<M> {
    /// Borrows the connection, with the session's state on it. Costs the connection, and a transaction
    /// that is open on it: of that the next operation is told ([`Error::Interrupted`]).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`Error::TooManyPinned`].
    pub async fn raw(&mut self) -> Result<Raw<'_, M>, Error<M::Error>> {
        self.settle().await?;
        let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
        out.reserve_place(Pins::NONE.with(PinReason::Raw))?;
        if let Err(error) = self.run_in(&mut out, M::nothing(), Work::default()).await {
            self.part(&mut out).await;
            return Err(error);
        }
        // From here on nothing is known of it, however this ends.
        out.flying = true;
        let now = out.registry.instant();
        out.state.apply(&Effect::Pin(PinReason::Raw), now);
        out.count_pins();
        Ok(Raw {
            out,
            session: PhantomData,
        })
    }
}

impl<M: SessionManager> Deref for Raw<'_, M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        match &self.out.lease {
            Some(lease) => lease,
            None => unreachable!("the session is pinned to it"),
        }
    }
}

impl<M: SessionManager> DerefMut for Raw<'_, M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        match &mut self.out.lease {
            Some(lease) => lease,
            None => unreachable!("the session is pinned to it"),
        }
    }
}

impl<M: SessionManager> Drop for Raw<'_, M> {
    fn drop(&mut self) {
        if self.out.in_transaction() {
            self.out.notice = Some(Notice::Interrupted);
        }
        self.out.flying = false;
        self.out.forsake_tainted();
    }
}

impl<M: SessionManager> fmt::Debug for Raw<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").finish_non_exhaustive()
    }
}
