//! What is decided about connections, and who looks at it: as the pool does, step by step.
//!
//! Each function names the one of the pool that it follows. What the pool decides without anything
//! that other threads change (ages, hooks, conditions) is left out.

use pool_core::queue::Loan;
use pool_core::queue::sync::{AtomicU64, Ordering};

use crate::harness::{Model, Owner};
use crate::mutant::mutant;

/// `Conn::seen` of one that was never looked at.
pub(crate) const NEVER_SEEN: u64 = u64::MAX;

/// What everybody may read of a slot.
pub(crate) struct Face {
    id: AtomicU64,
    /// The last that was to be closed when it comes back.
    evicted: AtomicU64,
    /// What state was left on the connection; its holder writes it.
    label: AtomicU64,
}

impl Default for Face {
    fn default() -> Self {
        Self {
            id: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            label: AtomicU64::new(0),
        }
    }
}

impl Face {
    /// `Face::renew`.
    pub(crate) fn renew(&self, id: u64) {
        self.id.store(id, Ordering::Relaxed);
    }

    /// `Face::label`.
    pub(crate) fn label(&self) -> u32 {
        u32::try_from(self.label.load(Ordering::Relaxed)).expect("labels are small")
    }

    /// `Face::set_label`.
    pub(crate) fn set_label(&self, label: u32) {
        self.label.store(label.into(), Ordering::Relaxed);
    }

    fn is_evicted(&self, id: u64) -> bool {
        self.evicted.load(Ordering::Relaxed) == id
    }
}

/// What a close look says.
enum Look {
    InOrder,
    /// To be asked first.
    Suspect,
    /// To be closed.
    Unfit,
}

impl Owner {
    /// `Inner::may_have`, then `Inner::look`: whoever got a slot for a caller keeps it or not. What
    /// is suspect is asked, and answers.
    pub(crate) fn check(&self, mut loan: Loan<Model>) -> Option<Loan<Model>> {
        if loan.get().seen == self.queue.revision() {
            return Some(loan);
        }
        let works_since = loan.get().fresh;
        match self.look(&mut loan, works_since, mutant(86)) {
            Look::InOrder => {}
            Look::Suspect => loan.get_mut().fresh = self.suspect_before.load(Ordering::Relaxed),
            Look::Unfit => {
                self.discard(loan);
                return None;
            }
        }
        Some(loan)
    }

    /// `give_back`, then `way`: whether what comes back, and so works now, may go on.
    pub(crate) fn passes(&self, loan: &mut Loan<Model>, now: u64) -> bool {
        loan.get().seen == self.queue.revision()
            || !matches!(self.look(loan, now, mutant(87)), Look::Unfit)
    }

    /// Looks at a connection closely. `late`, a seeded bug, reads the revision after the look.
    fn look(&self, loan: &mut Loan<Model>, works_since: u64, late: bool) -> Look {
        // Before the look at anything: what is decided after it shows in the next revision.
        let revision = self.queue.revision();
        if loan.face().is_evicted(loan.get().id) || !self.queue.is_current(loan.get().opened_in) {
            return Look::Unfit;
        }
        let suspect = works_since < self.suspect_before.load(Ordering::Relaxed);
        let revision = if late {
            self.queue.revision()
        } else {
            revision
        };
        if suspect && !mutant(90) {
            return Look::Suspect;
        }
        loan.get_mut().seen = revision;
        Look::InOrder
    }

    /// `Inner::evict_one`.
    pub(crate) fn evict(&self, id: u64) {
        if mutant(84) {
            self.queue.bump_revision();
        }
        let mut found = None;
        self.queue.survey(|index, _, face| {
            if face.id.load(Ordering::Relaxed) == id {
                face.evicted.fetch_max(id, Ordering::Relaxed);
                found = Some(index);
            }
        });
        if !mutant(84) && !mutant(85) {
            self.queue.bump_revision();
        }
        let Some(loan) = found.and_then(|index| self.queue.take_at(index)) else {
            return;
        };
        if loan.get().id == id {
            return self.discard(loan);
        }
        self.put_back(loan);
    }

    /// `Inner::put_back`.
    fn put_back(&self, loan: Loan<Model>) {
        if loan.face().is_evicted(loan.get().id) {
            self.discard(loan);
        } else if let Err(loan) = self.queue.put(loan) {
            self.pass(loan);
        }
    }

    /// `Inner::pass`: a connection that nobody used goes on.
    pub(crate) fn pass(&self, loan: Loan<Model>) {
        if self.queue.is_current(loan.get().opened_in) && !loan.face().is_evicted(loan.get().id) {
            self.give_back(loan, 0, 0);
        } else {
            self.discard(loan);
        }
    }

    /// `Inner::suspect_all_idle`.
    pub(crate) fn suspect(&self, now: u64) {
        self.suspect_before.fetch_max(now, Ordering::Relaxed);
        self.queue.bump_revision();
    }
}
