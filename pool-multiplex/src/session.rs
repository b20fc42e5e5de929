//! One session, as its adapter's wrapper uses it.

use crate::driver::SessionManager;
use crate::effect::Effect;
use crate::error::Error;
use crate::pins::{PinReason, Pins};
use crate::registry::Registry;
use crate::sessions::Sessions;
use crate::slot::{Checkout, Inside, Place, Slot};
use crate::state::State;
use crate::statistics::count;
use crate::transaction::{Modes, TransactionContext, TransactionStatus};
use crate::transfer::{Blob, Exporter, Keys, UnixSeconds};
use pool_core::{Candidate, PooledConnection};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A session: what one user of a connection would have on it, kept apart from any connection.
///
/// It is on a connection only while something runs, and while something pins it. Adapters wrap it in
/// a type that speaks their dialect; what can be done without one is here.
///
/// Dropping it ends it. An open transaction is rolled back, and a connection that carries something
/// of it is made clean, in the background.
pub struct Session<M: SessionManager> {
    pub(crate) sessions: Sessions<M>,
    /// `None` once it has been handed over: suspended, or ended otherwise than by a drop.
    pub(crate) slot: Option<Arc<Slot<M>>>,
}

impl<M: SessionManager> Session<M> {
    pub(crate) const fn new(sessions: Sessions<M>, slot: Arc<Slot<M>>) -> Self {
        Self {
            sessions,
            slot: Some(slot),
        }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot<M>> {
        self.slot
            .as_ref()
            .unwrap_or_else(|| unreachable!("taken only by what consumes the session"))
    }

    /// Its number, unique among the sessions of the pool.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.slot().id
    }

    /// The sessions that it is one of.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions<M> {
        &self.sessions
    }

    /// Looks at the session's state, as it is between two operations. `look` runs under the session's
    /// lock and must not use the session.
    ///
    /// # Errors
    ///
    /// [`Error::Expired`].
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, Error<M::Error>> {
        self.see(|inside| look(&inside.state))
    }

    /// Looks without taking the session out: two may look at a time.
    fn see<T>(&self, see: impl FnOnce(&Inside<M>) -> T) -> Result<T, Error<M::Error>> {
        match &*self.slot().lock() {
            Place::Here(inside) => Ok(see(inside)),
            Place::Busy => Err(Error::Interrupted),
            Place::Expired => Err(Error::Expired),
        }
    }

    /// Changes the session's own books: tags, statements. What belongs to a connection changes by
    /// effects alone.
    ///
    /// # Errors
    ///
    /// [`Error::Expired`].
    pub fn change<T>(
        &mut self,
        change: impl FnOnce(&mut State) -> T,
    ) -> Result<T, Error<M::Error>> {
        let mut out = self.check_out()?;
        Ok(change(&mut out.state))
    }

    /// Notes what was done for the session without the help of its connection: a subscription that is
    /// served aside.
    ///
    /// # Errors
    ///
    /// [`Error::Expired`].
    pub fn note(&mut self, effect: &Effect) -> Result<(), Error<M::Error>> {
        let now = self.sessions.registry().instant();
        self.change(|state| state.apply(effect, now))
    }

    /// What pins the session to its connection.
    ///
    /// # Errors
    ///
    /// [`Error::Expired`].
    pub fn pins(&self) -> Result<Pins, Error<M::Error>> {
        self.look(State::pins)
    }

    /// The transaction that the session is in. None, once it was
    /// [given up](Self::abandon_transaction).
    ///
    /// # Errors
    ///
    /// [`Error::Expired`].
    pub fn transaction_context(&self) -> Result<Option<TransactionContext>, Error<M::Error>> {
        self.see(|inside| match inside.owes_rollback {
            true => None,
            false => inside.state.transaction(),
        })
    }

    /// The connection that the session is on, or was on last.
    ///
    /// # Errors
    ///
    /// [`Error::Expired`].
    pub fn connection(&self) -> Result<Option<Candidate>, Error<M::Error>> {
        self.see(|inside| {
            let here = inside.lease.as_ref().map(PooledConnection::candidate);
            here.or(inside.last)
        })
    }

    /// Begins a transaction, of which the server learns with the first operation in it: until then it
    /// costs neither a round trip nor a connection.
    ///
    /// # Errors
    ///
    /// [`Error::InTransaction`], [`Error::Expired`], and what happened to an earlier transaction.
    pub async fn begin(&mut self, modes: Modes) -> Result<(), Error<M::Error>> {
        self.settle().await?;
        let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
        if out.in_transaction() {
            return Err(Error::InTransaction);
        }
        let now = out.registry.instant();
        out.state.apply(&Effect::Begin(modes), now);
        out.begun = false;
        Ok(())
    }

    /// Ends a transaction of which the server knows nothing yet; false if it knows.
    ///
    /// # Errors
    ///
    /// [`Error::NoTransaction`], [`Error::Expired`], and what happened to the transaction.
    pub fn end_unbegun(&mut self, commit: bool) -> Result<bool, Error<M::Error>> {
        let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
        if !out.in_transaction() || out.owes_rollback {
            return Err(Error::NoTransaction);
        }
        if out.begun {
            return Ok(false);
        }
        let now = out.registry.instant();
        let effect = match commit {
            true => Effect::Commit { chain: false },
            false => Effect::Rollback { chain: false },
        };
        out.state.apply(&effect, now);
        // It is on one if its begin was refused.
        out.leave(self.sessions.pool().manager(), None);
        Ok(true)
    }

    /// Gives the transaction up, without waiting for the server. Its connection goes to be made clean;
    /// one that the session cannot leave is rolled back before anything else runs.
    pub fn abandon_transaction(&mut self) {
        let Ok(mut out) = self.check_out() else {
            return;
        };
        if !out.in_transaction() {
            return;
        }
        let mut given_up = None;
        if !out.begun {
            let now = out.registry.instant();
            out.state.apply(&Effect::Rollback { chain: false }, now);
            out.leave(self.sessions.pool().manager(), None);
        } else if !out.state.pins().without(PinReason::Transaction).is_empty() {
            out.owes_rollback = true;
        } else {
            given_up = out.leave_to_rollback();
            out.registry.detached(given_up.is_some());
        }

        drop(out);
        // Last: it runs code of the pool's users.
        drop(given_up);
    }

    /// Leaves the connection if nothing pins the session any more, after a change that was
    /// [noted](Self::note).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn let_go(&mut self) -> Result<(), Error<M::Error>> {
        self.settle().await?;
        self.leave_connection().await
    }

    /// Lets go of the connection, unless something else pins the session.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// From the first poll on nothing of [`attach`](Self::attach) pins the session, whether the future is
    /// completed or dropped.
    pub async fn detach(&mut self) -> Result<(), Error<M::Error>> {
        self.note(&Effect::Unpin(PinReason::Manual))?;
        self.let_go().await
    }

    /// Moves the session to another connection than the one that it had last, and puts its state
    /// there.
    ///
    /// # Errors
    ///
    /// [`Error::Pinned`]; [`Error::Pool`] if there is no other connection in time; else as
    /// [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run): the session is where it was, or on no connection.
    pub async fn migrate(&mut self) -> Result<(), Error<M::Error>> {
        self.leave_and_attach_elsewhere().await?;
        count(&self.sessions.registry().counters.migrated);
        Ok(())
    }

    /// Leaves the session to itself, without a connection, until it is [resumed](Sessions::resume) by
    /// its number or times out.
    ///
    /// # Errors
    ///
    /// The session as it was, and [`Error::Pinned`] or [`Error::Expired`].
    pub fn suspend(mut self) -> Result<u64, (Self, Error<M::Error>)> {
        match self.mark_suspended() {
            Ok(id) => {
                self.slot = None;
                Ok(id)
            }
            Err(error) => Err((self, error)),
        }
    }

    fn mark_suspended(&self) -> Result<u64, Error<M::Error>> {
        let mut out = self.check_out()?;
        unpinned(out.state.pins())?;
        out.suspended = true;
        let suspended = &self.sessions.registry().counters.suspended;
        suspended.fetch_add(1, Ordering::Relaxed);
        Ok(self.id())
    }

    /// Ends the session here and gives back all that another process needs to go on with it, signed
    /// with a key of `keys`.
    ///
    /// What travels are settings and baseline, statements with their executions, tags and channels;
    /// the session gets another number where it is imported. The blob is signed and not encrypted:
    /// whoever sees it can read the session's settings. It is valid from `now` on for as long as
    /// `exporter` says, and [imported](Sessions::import) once.
    ///
    /// # Errors
    ///
    /// The session as it was, and [`Error::Transfer`] with everything that pins it or what is too large
    /// for a blob, or [`Error::Expired`], or what happened to an earlier transaction.
    pub fn export(
        mut self,
        exporter: &Exporter,
        keys: &Keys,
        now: UnixSeconds,
    ) -> Result<Blob, (Self, Error<M::Error>)> {
        match self.seal(exporter, keys, now) {
            Ok(blob) => {
                self.slot = None;
                Ok(blob)
            }
            Err(error) => Err((self, error)),
        }
    }

    /// Ends the session if it can be sealed.
    fn seal(
        &self,
        exporter: &Exporter,
        keys: &Keys,
        now: UnixSeconds,
    ) -> Result<Blob, Error<M::Error>> {
        let identity = self.sessions.pool().manager().identity();
        // What has happened to it is told here: it does not travel.
        let out = Checkout::begin(self.sessions.registry(), self.slot())?;
        Exporter::permit(out.state.pins())?;
        let snapshot = out.registry.snapshot(&out.state, self.id(), identity, now);
        let blob = exporter.seal(&snapshot, keys, unique())?;
        count(&out.registry.counters.exported);
        out.end();
        Ok(blob)
    }

    /// Says that the session is in use while nothing runs on it: its user waits for something that is
    /// served aside. Until what this returns is dropped the session does not time out; a transaction
    /// that it is in may.
    #[must_use = "the session counts as used until this is dropped"]
    pub fn waiting(&self) -> Waiting<M> {
        self.slot().wait();
        Waiting {
            registry: Arc::clone(self.sessions.registry()),
            slot: Arc::clone(self.slot()),
        }
    }

    /// Whether the session has ended by its timeout.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        matches!(&*self.slot().lock(), Place::Expired)
    }

    /// Where the session stands: in no transaction, once that was
    /// [given up](Self::abandon_transaction).
    ///
    /// # Errors
    ///
    /// [`Error::Expired`].
    pub fn status(&self) -> Result<TransactionStatus, Error<M::Error>> {
        self.see(|inside| match inside.owes_rollback {
            true => TransactionStatus::Idle,
            false => inside.state.frames().status(),
        })
    }

    pub(crate) fn check_out(&self) -> Result<Checkout<M>, Error<M::Error>> {
        Checkout::take(self.sessions.registry(), self.slot())
    }
}

/// A session is [waited for](Session::waiting).
pub struct Waiting<M: SessionManager> {
    registry: Arc<Registry<M>>,
    slot: Arc<Slot<M>>,
}

impl<M: SessionManager> Drop for Waiting<M> {
    fn drop(&mut self) {
        self.slot.waited(self.registry.now());
    }
}

impl<M: SessionManager> fmt::Debug for Waiting<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// A number that was not used before: 128 bits of two hashes under random keys.
fn unique() -> u128 {
    let [high, low] = [0, 1].map(|half: u8| RandomState::new().hash_one(half));
    u128::from(high) << 64 | u128::from(low)
}

/// Refuses what a pinned session cannot do.
pub(crate) fn unpinned<E: std::error::Error>(reasons: Pins) -> Result<(), Error<E>> {
    match reasons.is_empty() {
        true => Ok(()),
        false => Err(Error::Pinned { reasons }),
    }
}

impl<M: SessionManager> Drop for Session<M> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            let registry = self.sessions.registry();
            if registry.leave(&slot) {
                count(&registry.counters.destroyed);
            }
        }
    }
}

impl<M: SessionManager> fmt::Debug for Session<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.slot.as_ref().map(|slot| slot.id))
            .field("pins", &self.pins().ok())
            .finish_non_exhaustive()
    }
}
