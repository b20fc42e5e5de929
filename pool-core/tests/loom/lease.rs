//! A lease in the models: what the pool's does with the queue.

use std::sync::Arc as StdArc;
use std::sync::atomic::Ordering::SeqCst;

use pool_core::queue::Loan;
use pool_core::queue::sync::Arc;

use crate::harness::{Ghost, Model, Owner};

/// A connection in use. Holds no reference: the loan keeps the pool alive.
pub(crate) struct Lease {
    owner: *const Owner,
    ghost: StdArc<Ghost>,
    loan: Loan<Model>,
    /// Where it will come back.
    home: usize,
}

// SAFETY: the pool outlives its loans; `Owner` is shared between threads anyway.
unsafe impl Send for Lease {}

impl Lease {
    pub(crate) fn new(
        owner: *const Owner,
        ghost: &StdArc<Ghost>,
        mut loan: Loan<Model>,
        home: usize,
    ) -> Self {
        loan.get_mut().begin_use();
        Self {
            owner,
            ghost: ghost.clone(),
            loan,
            home,
        }
    }

    pub(crate) fn index(&self) -> u32 {
        self.loan.index()
    }

    pub(crate) fn id(&self) -> u64 {
        self.loan.get().id
    }

    pub(crate) fn opened_in(&self) -> u64 {
        self.loan.get().opened_in
    }

    /// Leaves a mark on the connection.
    pub(crate) fn label(&self, label: u32) {
        self.loan.face().set_label(label);
    }

    /// Since when it is known to work.
    pub(crate) fn fresh(&self) -> u64 {
        self.loan.get().fresh
    }

    /// Uses the connection and gives up the lease.
    fn end(mut self) -> (Loan<Model>, *const Owner) {
        self.loan.get_mut().end_use();
        assert!(
            !self.ghost.freed.load(SeqCst),
            "the pool is gone before its loan"
        );
        (self.loan, self.owner)
    }

    /// Returns the connection.
    pub(crate) fn back(self) {
        self.back_at(0);
    }

    pub(crate) fn back_at(self, now: u64) {
        let home = self.home;
        let (mut loan, owner) = self.end();
        // SAFETY: the loan keeps the pool alive.
        if !unsafe { &*owner }.passes(&mut loan, now) {
            return strong(owner).discard(loan);
        }
        loan.get_mut().fresh = now;
        // SAFETY: the loan keeps the pool alive until `put` has succeeded, and nothing is touched
        // afterwards.
        if let Err(loan) = unsafe { &(*owner).queue }.put(loan) {
            strong(owner).give_back(loan, now, home);
        }
    }

    /// Finds the connection broken.
    pub(crate) fn discard(self) {
        let (loan, owner) = self.end();
        strong(owner).discard(loan);
    }
}

/// A reference of one's own, for a thread that holds a loan: unlocking touches the memory after the
/// loan is gone.
fn strong(owner: *const Owner) -> Arc<Owner> {
    // SAFETY: made by `Arc::as_ptr`, and the loan keeps the count above zero.
    unsafe {
        Arc::increment_strong_count(owner);
        Arc::from_raw(owner)
    }
}
