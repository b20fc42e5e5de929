//! How an operation runs: on which connection, behind what, and what follows.
//!
//! ```text
//!  check out ─▶ attach ─▶ prelude ─▶ run ─▶ conclude ─▶ detach
//!      │          │          │                 │           └ label = what is on the connection
//!      │          │          │                 └ effects into the books; books against the wire
//!      │          │          └ what the session wants, less what the connection has
//!      │          └ a lease, unless something keeps the last one
//!      └ the session's state, for this operation alone
//! ```
//!
//! Between two operations a session holds no connection, unless it is in a transaction that the
//! server knows of, or something pins it. What is true of the connection is in its label; the
//! difference to what the session wants is put right by the operation's own round trip.

use crate::driver::{Done, Failed, Failure, Prelude, SessionManager};
use crate::effect::Effect;
use crate::error::Error;
use crate::pins::{PinReason, Pins};
use crate::session::{Session, unpinned};
use crate::settings::Difference;
use crate::slot::Checkout;
use crate::statistics::count;
use crate::transaction::TransactionStatus;
use pool_core::{PooledConnection, Profile};
use std::sync::atomic::Ordering;

/// What is known of an operation before it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    statement: u32,
    class: u32,
    pins: Pins,
    /// It was asked for, and is not run for its prelude only.
    counts: bool,
}

impl Work {
    /// It runs this statement of the [catalogue](crate::Catalogue).
    #[must_use]
    pub const fn statement(mut self, statement: u32) -> Self {
        self.statement = statement;
        self
    }

    /// It is of this class.
    #[must_use]
    pub const fn class(mut self, class: u32) -> Self {
        self.class = class;
        self
    }

    /// It may pin the session for these reasons.
    #[must_use]
    pub const fn pins(mut self, pins: Pins) -> Self {
        self.pins = pins;
        self
    }
}

type Outcome<M> = Result<<M as SessionManager>::Reply, Error<<M as pool_core::Manager>::Error>>;

impl<M: SessionManager> Session<M> {
    /// Runs one operation on a connection that has all that the session has set.
    ///
    /// # Errors
    ///
    /// Each says what it means for the session: see [`Error`].
    ///
    /// # Cancel safety
    ///
    /// Before it has a connection, dropping the future loses nothing. After that the connection is
    /// closed, and a transaction with it, which the next operation reports.
    #[expect(
        clippy::manual_async_fn,
        reason = "that it is `Send` cannot be seen through the lifetime of an operation"
    )]
    pub fn run(
        &mut self,
        operation: M::Operation<'_>,
        work: Work,
    ) -> impl Future<Output = Outcome<M>> + Send {
        async move {
            let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
            out.reserve_place(work.pins)?;
            let work = Work {
                counts: true,
                ..work
            };
            let done = self.run_in(&mut out, operation, work).await;
            self.let_go(&mut out).await;
            done
        }
    }

    /// Keeps the session on its connection from here on, for a reason of its user's own, and puts its
    /// state there now.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyPinned`]; else as [`run`](Self::run). Nothing is pinned then that was not.
    #[expect(
        clippy::manual_async_fn,
        reason = "that it is `Send` cannot be seen through the lifetime of an operation"
    )]
    pub fn attach(&mut self) -> impl Future<Output = Result<(), Error<M::Error>>> + Send {
        async move {
            let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
            out.reserve_place(Pins::NONE.with(PinReason::Manual))?;
            let attached = self.run_in(&mut out, M::nothing(), Work::default()).await;
            if attached.is_ok() {
                let now = out.registry.instant();
                out.state.apply(&Effect::Pin(PinReason::Manual), now);
            }
            self.let_go(&mut out).await;
            attached.map(drop)
        }
    }

    /// Leaves the connection, if nothing pins the session.
    async fn let_go(&self, out: &mut Checkout<M>) {
        let audited = self.audit(out).await;
        out.leave(self.sessions.pool().manager(), audited);
    }

    async fn run_in(
        &self,
        out: &mut Checkout<M>,
        operation: M::Operation<'_>,
        work: Work,
    ) -> Outcome<M> {
        if out.lease.is_none() {
            let profile = out.profile(self.id(), work).last(out.last);
            let lease = self.acquire(profile).await?;
            out.arrive(lease);
        }
        let manager = self.sessions.pool().manager();
        let prelude = out.prelude();
        let begins = prelude.begin.is_some();
        let replayed = prelude.settings.len() as u64;
        out.flying = true;
        let done = match &mut out.lease {
            Some(lease) => manager.run(lease, prelude, operation).await,
            None => unreachable!("it was put there above"),
        };
        out.flying = false;
        if work.counts && out.in_transaction() {
            out.state.count_statement();
        }
        let counters = &out.registry.counters;
        counters
            .replayed_settings
            .fetch_add(replayed, Ordering::Relaxed);
        out.conclude(done, begins)
    }

    /// A connection for the session: the best that is idle, else the next there is.
    async fn acquire(&self, profile: Profile) -> Result<PooledConnection<M>, Error<M::Error>> {
        let request = self.sessions.pool().request().profile(profile);
        request.acquire().await.map_err(Error::Pool)
    }

    /// Asks a connection that is about to be left for what is in nobody's books.
    async fn audit(&self, out: &mut Checkout<M>) -> Option<bool> {
        if !out.registry.config.audit || !out.may_leave() {
            return None;
        }
        let manager = self.sessions.pool().manager();
        out.flying = true;
        let residue = match &mut out.lease {
            Some(lease) => manager.probe(lease).await,
            None => return None,
        };
        out.flying = false;
        Some(residue.is_ok_and(|residue| residue.found.is_empty()))
    }

    pub(crate) async fn leave_connection(&mut self) -> Result<(), Error<M::Error>> {
        let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
        self.let_go(&mut out).await;
        Ok(())
    }

    /// Puts the session's state on another connection than the last.
    pub(crate) async fn leave_and_attach_elsewhere(&mut self) -> Result<(), Error<M::Error>> {
        let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
        unpinned(out.state.pins())?;
        let profile = out.profile(self.id(), Work::default());
        let mut lease = self.acquire(profile).await?;
        if out.last == Some(PooledConnection::candidate(&lease)) {
            // Held meanwhile, so that the next one is another.
            lease = self.acquire(profile).await?;
        }
        out.arrive(lease);
        let moved = self.run_in(&mut out, M::nothing(), Work::default()).await;
        self.let_go(&mut out).await;
        moved.map(drop)
    }
}

impl<M: SessionManager> Checkout<M> {
    /// Takes a place among the pinned, for an operation that may pin.
    fn reserve_place(&mut self, pins: Pins) -> Result<(), Error<M::Error>> {
        if !pins.without(PinReason::Transaction).is_empty() && !self.placed {
            self.registry.take_place()?;
            self.placed = true;
        }
        Ok(())
    }

    /// What the session would like of its next connection.
    fn profile(&self, session: u64, work: Work) -> Profile {
        Profile::new(session)
            .label(self.state.wanted().id())
            .statements(self.state.tags().key())
            .statement(work.statement)
            .class(work.class)
    }

    /// The session comes to a connection.
    fn arrive(&mut self, mut lease: PooledConnection<M>) {
        let here = PooledConnection::candidate(&lease);
        let label = M::label(&mut lease);
        let physical = label.settings().clone();
        label.open();
        let counters = &self.registry.counters;
        count(&counters.attaches);
        counters.attached.fetch_add(1, Ordering::Relaxed);
        if self.last == Some(here) {
            count(&counters.same_connection);
        }
        if &physical == self.state.wanted() {
            count(&counters.same_settings);
        }
        self.state.arrive(&physical);
        self.last = Some(here);
        self.lease = Some(lease);
    }

    /// What must be put right before an operation.
    fn prelude(&self) -> Prelude {
        let deferred = self.in_transaction() && !self.begun;
        let has = self.state.physical().clone();
        let wants = match self.state.frames().status() {
            // It takes nothing but its rollback, which a setting in front would keep from running.
            TransactionStatus::Failed => has.clone(),
            _ => self.state.wanted().clone(),
        };
        Prelude {
            settings: Difference::between(&has, &wants),
            has,
            wants,
            begin: deferred.then(|| self.state.frames().modes()),
        }
    }

    /// What follows from an operation, for the session and its user.
    fn conclude(&mut self, done: Done<M::Reply, M::Error>, begins: bool) -> Outcome<M> {
        let Done {
            result,
            holds,
            effects,
            status,
            cached,
            uncached,
        } = done;
        self.note_cache(&cached, &uncached);
        let lost = matches!(
            result,
            Err(Failed {
                failure: Failure::Lost | Failure::Unknown,
                ..
            })
        );
        if lost {
            return self.conclude_loss(result);
        }
        if begins && status != Some(TransactionStatus::Idle) {
            self.begun = true;
        }
        if holds && self.state.frames().status() != TransactionStatus::Failed {
            let wanted = self.state.wanted().clone();
            self.state.set_physical(wanted);
        }
        let now = self.registry.instant();
        for effect in &effects {
            self.state.apply(effect, now);
        }
        if self.state.frames().status() == TransactionStatus::Idle {
            self.begun = false;
        } else if effects.iter().any(begins_transaction) {
            self.begun = true;
        }
        if status != Some(self.state.frames().status()) {
            // Without a word of the server's, a transaction that has ended has ended as it said then.
            let in_doubt = self.in_transaction() || status.is_some();
            self.forsake_tainted();
            if in_doubt {
                count(&self.registry.counters.transactions_lost);
                return Err(Error::Drift);
            }
        }
        result.map_err(|failed| match failed.failure {
            Failure::Prelude => Error::Prelude(failed.error),
            _ => Error::Operation(failed.error),
        })
    }

    /// Tells the pool's placement which statements are where.
    fn note_cache(&self, cached: &[u32], uncached: &[u32]) {
        let Some(lease) = &self.lease else {
            return;
        };
        for statement in uncached {
            PooledConnection::note_uncached(lease, Some(*statement));
        }
        for statement in cached {
            count(&self.registry.counters.replayed_statements);
            PooledConnection::note_cached(lease, *statement);
        }
    }

    fn conclude_loss(&mut self, result: Result<M::Reply, Failed<M::Error>>) -> Outcome<M> {
        let was_in_transaction = self.in_transaction();
        if let (Some(lease), Err(failed)) = (&mut self.lease, &result) {
            // What took this connection may have taken others.
            PooledConnection::report(lease, &failed.error);
        }
        self.forsake();
        let counters = &self.registry.counters;
        if was_in_transaction {
            count(&counters.transactions_lost);
        }
        result.map_err(|failed| match failed.failure {
            Failure::Unknown => {
                count(&counters.outcomes_unknown);
                Error::OutcomeUnknown(failed.error)
            }
            _ if was_in_transaction => Error::TransactionLost(Some(failed.error)),
            _ => Error::Lost(failed.error),
        })
    }

    /// Closes the connection, of which something is not known.
    fn forsake(&mut self) {
        let lease = self.lose();
        self.registry.detached(lease.is_some());
        if let Some(lease) = lease {
            PooledConnection::discard(lease);
        }
    }

    /// The same for one that works, as far as anybody knows.
    fn forsake_tainted(&mut self) {
        count(&self.registry.counters.tainted);
        self.forsake();
    }

    fn may_leave(&self) -> bool {
        self.lease.is_some() && self.state.pins().is_empty()
    }

    /// Leaves the connection, if nothing pins the session: labelled with what is on it, or closed if
    /// that is not known.
    fn leave(&mut self, manager: &M, audited: Option<bool>) {
        if !self.may_leave() {
            return;
        }
        if self.state.taint().is_some() || audited == Some(false) {
            return self.forsake_tainted();
        }
        let Some(mut lease) = self.lease.take() else {
            return;
        };
        let physical = self.state.physical().clone();
        self.state.left();
        let label = physical.id();
        M::label(&mut lease).stamp(physical);
        manager.accounted(&mut lease);
        PooledConnection::set_label(&mut lease, label);
        self.registry.detached(true);
    }
}

const fn begins_transaction(effect: &Effect) -> bool {
    use Effect::{Begin, Commit, Rollback};
    matches!(
        effect,
        Begin(_) | Commit { chain: true } | Rollback { chain: true }
    )
}
