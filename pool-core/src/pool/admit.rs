//! The books that others keep of requests and leases: who enters, who leaves, and in between who has
//! which connection.
//!
//! A token is in one place at a time. A request that has entered has it ([`Pass`], or in an
//! [`Acquire`](super::Acquire)); with the grant it moves into the slot, beside the connection, by a
//! plain store that nothing can come between; the end of the lease takes it out again. Each of the
//! three is emptied exactly once, and what empties it calls the policy.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::body::{Loan, NEVER_SEEN};
use super::lease::PooledConnection;
use super::{Inner, contained};
use crate::mutant::mutant;
use crate::placement::Candidate;
use crate::request::RequestInfo;
use crate::{Admit, Error, Event, Manager, Outcome, Token};

impl<M: Manager> Inner<M> {
    /// Asks whether a request may enter. Whoever gets a token makes sure that it leaves.
    #[inline]
    pub(super) fn admit(&self, request: &RequestInfo, now: u64) -> Admit {
        match &self.parts.admission {
            Some(admission) => admission.admit(Duration::from_millis(now), request),
            None => Admit::Enter(Token::default()),
        }
    }

    /// Asks the admission whether it stands by.
    pub(super) fn post_admission(&self) {
        if !self.features.switches {
            return;
        }
        let Some(admission) = &self.parts.admission else {
            return;
        };
        let question = self.features.asked.fetch_add(1, Ordering::Relaxed) + 1;
        // Should it panic, it is asked about requests, which is right in any case.
        let mut stands_by = false;
        contained(|| stands_by = admission.stands_by() == Some(true));
        let others =
            self.features.prepares || self.features.observer || self.parts.placement.is_some();
        self.features.set_on_acquire(question, others || !stands_by);
    }

    /// Gives a token back.
    #[inline]
    pub(super) fn leave(&self, token: Token, outcome: Outcome) {
        if let Some(admission) = &self.parts.admission {
            let now = Duration::from_millis(self.coarse.millis());
            contained(|| admission.leave(now, token, outcome));
        }
    }

    /// Begins a caller's lease in the books. From here on its end gives the token back.
    #[inline(always)]
    pub(super) fn lend(
        &self,
        lease: &mut PooledConnection<M>,
        request: &RequestInfo,
        token: Option<Token>,
        (waited, site): (Duration, &'static Location<'static>),
    ) {
        let body = lease.body_mut();
        body.lent = true;
        body.token = token;
        if self.features.switches && token.is_some() && !mutant(211) {
            // Whoever returns it must look at it closely, and so finds the token.
            body.seen = NEVER_SEEN;
        }
        let connection = body.id;
        if let Some(placement) = &self.parts.placement {
            let lent = candidate(lease.loan());
            contained(|| placement.acquired(request, lent));
        }
        self.observe(|| Event::Acquired {
            connection,
            waited,
            site,
        });
    }

    /// Ends a lease in the books, before anybody else may have its connection. Does nothing for
    /// what was no caller's lease.
    #[inline(always)]
    pub(super) fn conclude(&self, loan: &mut Loan<M>, outcome: impl FnOnce() -> Outcome) {
        let body = loan.get_mut();
        if body.lent {
            self.conclude_slowly(loan, outcome());
        } else {
            body.request = None;
        }
    }

    #[inline(never)]
    fn conclude_slowly(&self, loan: &mut Loan<M>, outcome: Outcome) {
        let request = loan.get_mut().request.take();
        let info = request.as_deref().unwrap_or(RequestInfo::NOTHING);
        self.conclude_for(loan, info, outcome);
    }

    /// As [`conclude`](Self::conclude), for one that was lent to `request`.
    #[inline(always)]
    pub(super) fn conclude_for(&self, loan: &mut Loan<M>, request: &RequestInfo, outcome: Outcome) {
        let body = loan.get_mut();
        if !std::mem::take(&mut body.lent) {
            return;
        }
        let (connection, token) = (body.id, body.token);
        self.observe(|| Event::Released { connection });
        if let Some(placement) = &self.parts.placement {
            let lent = candidate(loan);
            contained(|| placement.released(request, lent));
        }
        if let Some(token) = token {
            self.leave(token, outcome);
        }
    }

    /// Tells of a request that ended without a lease.
    #[cold]
    pub(super) fn tell_refused(&self, error: &Error<M::Error>, waited: Duration) {
        if self.features.observer {
            self.observe_slowly(&Event::Refused {
                reason: &error.to_string(),
                waited,
            });
        }
    }
}

/// A connection as a placement knows it.
pub(super) fn candidate<M: Manager>(loan: &Loan<M>) -> Candidate {
    Candidate {
        slot: loan.index(),
        connection: loan.get().id,
        label: loan.face().label(),
    }
}

/// How a request that got no lease ended.
pub(super) fn outcome<E: std::error::Error + 'static>(error: &Error<E>) -> Outcome {
    match error {
        Error::Timeout { phase, .. } => Outcome::TimedOut(*phase),
        Error::Connect { .. } => Outcome::ConnectFailed,
        Error::Closed | Error::Suspended | Error::QueueFull { .. } | Error::Refused { .. } => {
            Outcome::Refused
        }
    }
}

/// A request that has entered and waits for nothing. Leaves when dropped.
pub(super) struct Pass<'a, M: Manager> {
    inner: &'a Arc<Inner<M>>,
    token: Token,
    /// What it says if it leaves without a lease.
    outcome: Outcome,
}

impl<'a, M: Manager> Pass<'a, M> {
    /// Enters, or tells of the refusal.
    pub(super) fn enter(inner: &'a Arc<Inner<M>>, now: u64) -> Option<Self> {
        match inner.admit(RequestInfo::NOTHING, now) {
            Admit::Enter(token) => Some(Self {
                inner,
                token,
                // Unless it gets to an end, foreign code has panicked.
                outcome: Outcome::Cancelled,
            }),
            Admit::Refuse {
                reason,
                retry_after,
            } => {
                let error = Error::Refused {
                    reason,
                    retry_after,
                };
                inner.tell_refused(&error, Duration::ZERO);
                None
            }
        }
    }

    /// Leaves because nothing was idle.
    pub(super) fn find_nothing(mut self) {
        self.outcome = Outcome::Unavailable;
    }

    /// Begins the lease.
    pub(super) fn lend(self, lease: &mut PooledConnection<M>, site: &'static Location<'static>) {
        let this = std::mem::ManuallyDrop::new(self);
        let begun = (Duration::ZERO, site);
        this.inner
            .lend(lease, RequestInfo::NOTHING, Some(this.token), begun);
    }
}

impl<M: Manager> Drop for Pass<'_, M> {
    fn drop(&mut self) {
        self.inner.leave(self.token, self.outcome);
    }
}
