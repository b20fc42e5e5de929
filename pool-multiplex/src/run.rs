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

use crate::driver::{Done, Failed, Failure, Prelude, Residue, SessionManager};
use crate::effect::Effect;
use crate::error::Error;
use crate::pins::{PinReason, Pins};
use crate::session::{Session, unpinned};
use crate::settings::{Difference, Settings};
use crate::slot::Checkout;
use crate::statistics::count;
use crate::transaction::TransactionStatus;
use pool_core::{PooledConnection, Profile};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;

/// What is known of an operation before it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    statement: u32,
    class: u32,
    pins: Pins,
    /// It was asked for, and is not run for its prelude only.
    counts: bool,
    commits: bool,
}

impl Work {
    /// It runs this statement of the [catalogue](crate::Catalogue), by its
    /// [number](crate::Statement::id). A hint, for placements; 0 for none.
    #[must_use]
    pub const fn statement(mut self, statement: u32) -> Self {
        self.statement = statement;
        self
    }

    /// It is of this class: see the classes of `pool-affinity`. A hint; 0 for none.
    #[must_use]
    pub const fn class(mut self, class: u32) -> Self {
        self.class = class;
        self
    }

    /// It may pin the session for these reasons. It takes one of the
    /// [places](crate::SessionConfig::max_pinned) for that before it runs, and gives it back if it did
    /// not pin.
    #[must_use]
    pub const fn pins(mut self, pins: Pins) -> Self {
        self.pins = pins;
        self
    }

    /// It may commit the transaction: given up half way, nobody knows whether it has.
    #[must_use]
    pub const fn commits(mut self) -> Self {
        self.commits = true;
        self
    }
}

type Outcome<M> = Result<<M as SessionManager>::Reply, Error<<M as pool_core::Manager>::Error>>;

/// A future whose type says that it is `Send`.
///
/// The adapter's own future has a type that depends on lifetimes, and inside an `async` block the
/// compiler does not prove for all of them at once that it is `Send`
/// ([#100013](https://github.com/rust-lang/rust/issues/100013)): without the box no session could be
/// used in a spawned task. It is some kilobytes besides, which no task with a session should pay for
/// while it does nothing.
type Sent<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

fn run_on<'a, 'b: 'a, M: SessionManager>(
    manager: &'a M,
    conn: &'a mut M::Connection,
    prelude: Prelude,
    operation: M::Operation<'b>,
) -> Sent<'a, Done<M::Reply, M::Error>> {
    Box::pin(manager.run(conn, prelude, operation))
}

fn probe_on<'a, M: SessionManager>(
    manager: &'a M,
    conn: &'a mut M::Connection,
    expected: &'a Settings,
) -> Sent<'a, Result<Residue, M::Error>> {
    Box::pin(manager.probe(conn, expected))
}

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
    pub async fn run(&mut self, operation: M::Operation<'_>, work: Work) -> Outcome<M> {
        self.settle().await?;
        self.run_now(operation, work).await
    }

    /// Tells the server of a transaction that was [given up](Self::abandon_transaction), if it has not
    /// been told. Whatever runs does so by itself.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn settle(&mut self) -> Result<(), Error<M::Error>> {
        let owes = {
            let mut out = self.check_out()?;
            std::mem::take(&mut out.owes_rollback)
        };
        match owes {
            true => self.run_now(M::rollback(), Work::default()).await.map(drop),
            false => Ok(()),
        }
    }

    async fn run_now(&mut self, operation: M::Operation<'_>, work: Work) -> Outcome<M> {
        let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
        out.reserve_place(work.pins)?;
        let work = Work {
            counts: true,
            ..work
        };
        let done = self.run_in(&mut out, operation, work).await;
        self.part(&mut out).await;
        done
    }

    /// Keeps the session on its connection from here on, for a reason of its user's own, and puts its
    /// state there now.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyPinned`]; else as [`run`](Self::run). Nothing is pinned then that was not.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run); a future that is dropped has pinned nothing.
    pub async fn attach(&mut self) -> Result<(), Error<M::Error>> {
        self.settle().await?;
        let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
        out.reserve_place(Pins::NONE.with(PinReason::Manual))?;
        let attached = self.run_in(&mut out, M::nothing(), Work::default()).await;
        if attached.is_ok() {
            let now = out.registry.instant();
            out.state.apply(&Effect::Pin(PinReason::Manual), now);
        }
        self.part(&mut out).await;
        attached.map(drop)
    }

    /// Leaves the connection, if nothing pins the session.
    pub(crate) async fn part(&self, out: &mut Checkout<M>) {
        let audited = self.audit(out).await;
        out.leave(self.sessions.pool().manager(), audited);
    }

    pub(crate) async fn run_in(
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
        (out.flying, out.commits) = (true, work.commits);
        let done = match &mut out.lease {
            Some(lease) => run_on(manager, lease, prelude, operation).await,
            None => unreachable!("it was put there above"),
        };
        (out.flying, out.commits) = (false, false);
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
        let expected = out.state.physical().clone();
        out.flying = true;
        let residue = match &mut out.lease {
            Some(lease) => probe_on(manager, lease, &expected).await,
            None => return None,
        };
        out.flying = false;
        Some(residue.is_ok_and(|residue| {
            out.registry.counters.found(&residue.found);
            residue.found.is_empty()
        }))
    }

    pub(crate) async fn leave_connection(&mut self) -> Result<(), Error<M::Error>> {
        let mut out = Checkout::begin(self.sessions.registry(), self.slot())?;
        self.part(&mut out).await;
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
        self.part(&mut out).await;
        moved.map(drop)
    }
}

impl<M: SessionManager> Checkout<M> {
    /// Takes a place among the pinned, for an operation that may pin.
    pub(crate) fn reserve_place(&mut self, pins: Pins) -> Result<(), Error<M::Error>> {
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
            settled,
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
            match settled {
                true => self.state.arrive(&wanted),
                false => self.state.set_physical(wanted),
            }
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
        if status != Some(self.expected(result.is_err())) {
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

    /// What the server must say of the transaction, if the books are right: nothing of one that it has
    /// refused to begin.
    fn expected(&self, failed: bool) -> TransactionStatus {
        match self.state.frames().status() {
            TransactionStatus::Active if failed && !self.begun => TransactionStatus::Idle,
            status => status,
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
    pub(crate) fn forsake_tainted(&mut self) {
        count(&self.registry.counters.tainted);
        self.forsake();
    }

    /// Leaves the connection in its transaction, for somebody to roll it back: labelled with what is there
    /// then, if that is known.
    pub(crate) fn leave_to_rollback(&mut self) -> Option<PooledConnection<M>> {
        let now = self.registry.instant();
        self.state.apply(&Effect::Rollback { chain: false }, now);
        let is_known = self.state.taint().is_none() && !self.registry.config.audit;
        let physical = self.state.physical().clone();
        let mut lease = self.lose()?;
        if is_known {
            M::label(&mut lease).stamp_behind_rollback(physical);
        }
        Some(lease)
    }

    fn may_leave(&self) -> bool {
        self.lease.is_some() && self.state.pins().is_empty()
    }

    /// Leaves the connection, if nothing pins the session: labelled with what is on it, or closed if
    /// that is not known.
    pub(crate) fn leave(&mut self, manager: &M, audited: Option<bool>) {
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
