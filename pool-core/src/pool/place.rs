//! Taking an idle connection, with a preference.

use std::sync::atomic::Ordering;

use super::Inner;
use super::body::Loan;
use super::home_word::home;
use crate::placement::{Candidate, Candidates, Idle};
use crate::request::RequestInfo;
use crate::{Manager, Placement};

/// How often a placement is asked for one request: once, and again when others were faster.
const ASKED: usize = 3;

impl<M: Manager> Inner<M> {
    /// An idle connection, if there is one and nobody must be asked first: the one that the
    /// placement likes best, if it says so in time.
    #[inline]
    pub(super) fn take(&self, request: &RequestInfo) -> Option<Loan<M>> {
        match &self.parts.placement {
            None => self.queue.take(home()),
            Some(placement) => self.take_chosen(&**placement, request),
        }
    }

    fn take_chosen(&self, placement: &dyn Placement, request: &RequestInfo) -> Option<Loan<M>> {
        for _ in 0..ASKED {
            if !self.queue.has_idle(home()) {
                return None;
            }
            // Nothing is held meanwhile: it may panic.
            let Some(slot) = placement.choose(request, &Candidates::of(self)) else {
                break;
            };
            let chosen = self.queue.claim_idle(slot);
            if chosen.is_some() {
                return chosen;
            }
        }
        self.queue.take(home())
    }
}

impl<M: Manager> Idle for Inner<M> {
    fn list(&self, into: &mut [Candidate; Candidates::MOST]) -> usize {
        let mut count = 0;
        self.queue.peek(home(), |slot, face| {
            let connection = face.id.load(Ordering::Relaxed);
            into[count] = Candidate::new(slot, connection).labelled(face.label());
            count += 1;
            count < into.len()
        });
        count
    }

    fn find(&self, slot: u32) -> Option<Candidate> {
        let face = self.queue.peek_at(slot)?;
        let connection = face.id.load(Ordering::Relaxed);
        Some(Candidate::new(slot, connection).labelled(face.label()))
    }
}
