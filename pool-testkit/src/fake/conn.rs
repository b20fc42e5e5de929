//! A connection: the client's handle and the server's record of it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pool_core::{Condition, ErrorClass, Vitals};

use super::backend::FakeBackend;
use super::manager::FakeError;
use super::script::Step;

/// Nobody uses the connection.
const FREE: u8 = 0;
/// A user has claimed it.
const CLAIMED: u8 = 1;
/// A check or a reset has it.
const TENDED: u8 = 2;
/// A check or a reset has failed or was abandoned: nobody may use it again.
const DOUBTFUL: u8 = 3;

/// What the server knows about one connection.
#[derive(Debug)]
pub(super) struct ServerSide {
    pub(super) id: u64,
    is_alive: AtomicBool,
    /// Whether the client can see the end without asking.
    has_noticed: AtomicBool,
    is_dirty: AtomicBool,
    in_transaction: AtomicBool,
    owner: AtomicU8,
    residue: Mutex<Vec<String>>,
}

impl ServerSide {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            is_alive: AtomicBool::new(true),
            has_noticed: AtomicBool::new(false),
            is_dirty: AtomicBool::new(false),
            in_transaction: AtomicBool::new(false),
            owner: AtomicU8::new(FREE),
            residue: Mutex::default(),
        }
    }

    pub(super) fn kill(&self) {
        self.die();
        self.has_noticed.store(true, Ordering::Release);
    }

    pub(super) fn die(&self) {
        self.is_alive.store(false, Ordering::Release);
    }

    pub(super) fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Acquire)
    }

    pub(super) fn condition(&self) -> Condition {
        if self.has_noticed.load(Ordering::Acquire) {
            Condition::Broken
        } else if self.is_dirty.load(Ordering::Acquire)
            || self.in_transaction.load(Ordering::Acquire)
        {
            Condition::Dirty
        } else {
            Condition::Clean
        }
    }

    pub(super) fn clean(&self) {
        self.is_dirty.store(false, Ordering::Release);
        self.in_transaction.store(false, Ordering::Release);
        self.residue().clear();
    }

    /// Hands the connection to a check or a reset.
    pub(super) fn tend(self: &Arc<Self>, step: Step) -> Tended {
        self.take(TENDED, step.as_str());
        Tended {
            side: Arc::clone(self),
            is_good: false,
        }
    }

    /// Panics unless no user has the connection.
    pub(super) fn assert_unclaimed(&self, step: Step) {
        let owner = self.owner.load(Ordering::Acquire);
        assert!(
            owner != CLAIMED,
            "connection {}: {} while a user has it",
            self.id,
            step.as_str()
        );
    }

    fn take(&self, by: u8, what: &str) {
        let taken = self
            .owner
            .compare_exchange(FREE, by, Ordering::AcqRel, Ordering::Acquire);
        if let Err(owner) = taken {
            let because = match owner {
                CLAIMED => "a user has it",
                TENDED => "a check or a reset has it",
                _ => "a check or a reset of it has failed or was abandoned",
            };
            panic!("connection {}: {what} although {because}", self.id);
        }
    }

    fn give(&self, from: u8, what: &str) {
        let given = self
            .owner
            .compare_exchange(from, FREE, Ordering::AcqRel, Ordering::Acquire);
        assert!(
            given.is_ok(),
            "connection {}: {what} without a claim",
            self.id
        );
    }

    fn residue(&self) -> MutexGuard<'_, Vec<String>> {
        self.residue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A check or a reset under way. Unless it ends well, nobody may use the connection again.
#[derive(Debug)]
pub(super) struct Tended {
    side: Arc<ServerSide>,
    is_good: bool,
}

impl Tended {
    pub(super) fn finish(mut self) {
        self.is_good = true;
    }
}

impl Drop for Tended {
    fn drop(&mut self) {
        let owner = if self.is_good { FREE } else { DOUBTFUL };
        self.side.owner.store(owner, Ordering::Release);
    }
}

/// A connection to a [`FakeBackend`]. Dropping it ends it.
#[derive(Debug)]
pub struct FakeConn {
    pub(super) backend: FakeBackend,
    pub(super) side: Arc<ServerSide>,
    pool_id: u64,
    epoch: u64,
    vitals: Vitals,
}

impl FakeConn {
    pub(super) fn open(
        backend: &FakeBackend,
        id: u64,
        (pool_id, epoch): (u64, u64),
        vitals: Vitals,
    ) -> Self {
        let side = Arc::new(ServerSide::new(id));
        backend.enter(Arc::clone(&side));
        Self {
            backend: backend.clone(),
            side,
            pool_id,
            epoch,
            vitals,
        }
    }

    /// The vital signs that the pool gave it. The fake writes nothing there by itself.
    #[must_use]
    pub const fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// The back end's number of the connection, counted from 1.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.side.id
    }

    /// The pool's number of the connection.
    #[must_use]
    pub const fn pool_id(&self) -> u64 {
        self.pool_id
    }

    /// The pool's epoch at the connect.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Says that the caller now uses the connection, until [`release`](Self::release).
    ///
    /// # Panics
    ///
    /// When anybody else does, or nobody may.
    pub fn claim(&self) {
        self.side.take(CLAIMED, "claimed");
    }

    /// Ends a [`claim`](Self::claim).
    ///
    /// # Panics
    ///
    /// Without one.
    pub fn release(&self) {
        self.side.give(CLAIMED, "released");
    }

    /// A [`claim`](Self::claim) that ends with its guard, by a panic or a cancel too. Drop it
    /// before the lease: whoever is next may have the connection at once.
    ///
    /// # Panics
    ///
    /// As [`claim`](Self::claim).
    #[must_use]
    pub fn own(&self) -> Owned {
        self.claim();
        Owned(Arc::clone(&self.side))
    }

    /// A unit of work.
    ///
    /// # Errors
    ///
    /// When the server has ended the connection, which the client then knows.
    pub async fn work(&self) -> Result<(), FakeError> {
        tokio::task::yield_now().await;
        if self.side.is_alive() {
            return Ok(());
        }
        self.side.kill();
        Err(FakeError::lost(self.id()))
    }

    /// Whether the server still has the connection.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.side.is_alive()
    }

    /// Marks the connection as in need of a reset.
    pub fn dirty(&self) {
        self.side.is_dirty.store(true, Ordering::Release);
    }

    /// Opens a transaction; a connection that is in one needs a reset.
    pub fn begin(&self) {
        self.side.in_transaction.store(true, Ordering::Release);
    }

    /// Ends the transaction.
    pub fn commit(&self) {
        self.side.in_transaction.store(false, Ordering::Release);
    }

    /// Whether a transaction is open.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.side.in_transaction.load(Ordering::Acquire)
    }

    /// Leaves something of this user in the session, which only a reset takes away.
    pub fn leave(&self, residue: impl Into<String>) {
        self.side.residue().push(residue.into());
        self.dirty();
    }

    /// What users have left in the session since the last reset.
    #[must_use]
    pub fn residue(&self) -> Vec<String> {
        self.side.residue().clone()
    }

    /// Asserts that nothing of an earlier user is in the session.
    ///
    /// # Panics
    ///
    /// When something is.
    pub fn assert_clean(&self) {
        let residue = self.residue();
        assert!(residue.is_empty(), "connection {}: {residue:?}", self.id());
        let condition = self.side.condition();
        assert_ne!(condition, Condition::Dirty, "connection {}", self.id());
    }
}

impl Drop for FakeConn {
    fn drop(&mut self) {
        self.backend.leave(self.side.id);
        self.backend.count(|counts| {
            counts.open -= 1;
            counts.closed += 1;
        });
    }
}

/// A claim on a connection; ends when dropped.
#[derive(Debug)]
pub struct Owned(Arc<ServerSide>);

impl Drop for Owned {
    fn drop(&mut self) {
        // A lost claim has been reported already; a panic here would end the process.
        let _ = self
            .0
            .owner
            .compare_exchange(CLAIMED, FREE, Ordering::AcqRel, Ordering::Acquire);
    }
}

impl FakeError {
    fn lost(connection: u64) -> Self {
        Self {
            what: "work",
            class: ErrorClass::Connection,
            connection,
        }
    }
}
