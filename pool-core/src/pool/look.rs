//! What is looked at before a connection is given out, and what follows for those that may not be.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::admit::Pass;
use super::body::{Body, ENDLESS};
use super::health::Standing;
use super::home_word::home;
use super::lease::PooledConnection;
use super::mailbox::Restore;
use super::tasks::Prepared;
use super::{Inner, millis};
use crate::mutant::mutant;
use crate::request::{Request, RequestInfo};
use crate::{BoxFuture, Cause, CloseReason, Condition, Error, Manager, Phase};

/// What a look at a connection says.
pub(super) enum Look<M: Manager> {
    Ready(PooledConnection<M>),
    Prepare(PooledConnection<M>),
    Gone,
}

impl<M: Manager> Inner<M> {
    /// Whether a connection may be given out as it is, with nothing further to be looked at, as
    /// nearly all may. If not, [`look`](Self::look) says what to do.
    #[inline(always)]
    pub(super) fn may_have(&self, lease: &mut PooledConnection<M>, now: u64) -> bool {
        !self.features.on_acquire() && self.is_fit(lease, now)
    }

    /// Whether nothing is to be seen to about a connection, hooks aside.
    #[inline(always)]
    pub(super) fn is_fit(&self, lease: &mut PooledConnection<M>, now: u64) -> bool {
        // All that is rare, in few words: see `Body`.
        let body = lease.body_mut();
        body.seen == self.queue.revision()
            && now < body.good_until
            && self.parts.manager.condition(&mut body.conn) == Condition::Clean
    }

    /// Looks at a connection that was taken for a caller: usable as it is, to be checked first, or
    /// not usable and sent away.
    #[inline(never)]
    pub(super) fn look(
        &self,
        mut lease: PooledConnection<M>,
        request: &RequestInfo,
        now: u64,
    ) -> Look<M> {
        // Before the look at anything: what is decided after it shows in the next revision.
        let revision = self.queue.revision();
        if lease.loan().face().is_evicted(lease.loan().get().id) {
            return self.send_away(lease, CloseReason::Evicted);
        }
        let standing = self.standing(lease.loan());
        if let Standing::Doomed(reason) = standing {
            return self.send_away(lease, reason);
        }
        let labelled = lease.is_labelled();
        let body = lease.body_mut();
        if !self.queue.is_current(body.epoch) && !mutant(108) {
            return self.send_away(lease, CloseReason::Stale);
        }
        // Maintenance looks now and then only.
        if now >= body.expires {
            return self.send_away(lease, CloseReason::Lifetime);
        }
        if standing == Standing::Quarantined && !mutant(201) {
            self.restore(lease.into_loan(), Restore::CHECK);
            return Look::Gone;
        }
        let knows_labels = request.profile.is_some_and(|profile| profile.knows_labels);
        if labelled && !knows_labels && !mutant(213) {
            return self.send_to_reset(lease);
        }
        let doubtful = self.is_doubtful(body, now);
        // One that is recycled in a way of its own, or labelled, is looked at closely each time.
        if !doubtful && standing == Standing::Free && !labelled {
            body.seen = revision;
        }
        if !self.features.prepares {
            // Whoever comes after this one asks again.
            body.vouched = 0;
        }
        let condition = self.parts.manager.condition(&mut body.conn);
        if mutant(192) {
            body.seen = self.queue.revision();
        }
        match condition {
            Condition::Clean if doubtful || self.features.prepares => Look::Prepare(lease),
            Condition::Clean => Look::Ready(lease),
            condition => self.turn_away(lease, condition),
        }
    }

    #[cold]
    fn turn_away(&self, lease: PooledConnection<M>, condition: Condition) -> Look<M> {
        match condition {
            Condition::Dirty => self.send_to_reset(lease),
            _ => self.send_away(lease, CloseReason::Broken),
        }
    }

    #[cold]
    fn send_away(&self, lease: PooledConnection<M>, reason: CloseReason) -> Look<M> {
        self.close_loan(lease.into_loan(), reason);
        Look::Gone
    }

    #[cold]
    fn send_to_reset(&self, lease: PooledConnection<M>) -> Look<M> {
        self.restore(lease.into_loan(), Restore::RESET);
        Look::Gone
    }

    #[inline]
    pub(super) fn try_acquire(
        self: &Arc<Self>,
        site: &'static Location<'static>,
    ) -> Option<PooledConnection<M>> {
        let now = self.coarse.millis();
        if self.features.on_acquire() {
            return self.try_acquire_by_the_book(site, now);
        }
        if let Some(loan) = self.queue.take(home()) {
            // From here on its destructor closes the connection if foreign code panics.
            let mut lease = PooledConnection::new(loan);
            if self.is_fit(&mut lease, now) {
                lease.note(site, now);
                return Some(lease);
            }
            let mut lease = self.try_with(lease, now)?;
            lease.note(site, now);
            return Some(lease);
        }
        self.open_one_more();
        None
    }

    /// As [`try_acquire`](Self::try_acquire), where others keep books.
    fn try_acquire_by_the_book(
        self: &Arc<Self>,
        site: &'static Location<'static>,
        now: u64,
    ) -> Option<PooledConnection<M>> {
        let pass = Pass::enter(self, now)?;
        match self.try_take(now) {
            Some(mut lease) => {
                lease.note(site, now);
                pass.lend(&mut lease, site);
                Some(lease)
            }
            None => {
                pass.find_nothing();
                None
            }
        }
    }

    /// Goes on with a connection that was taken, and with others until one will do.
    #[cold]
    fn try_with(
        self: &Arc<Self>,
        lease: PooledConnection<M>,
        now: u64,
    ) -> Option<PooledConnection<M>> {
        match self.look(lease, RequestInfo::NOTHING, now) {
            Look::Ready(lease) => Some(lease),
            // Its fate is decided in the background if it takes waiting; one at a time, or a single
            // call would take all idle connections out.
            Look::Prepare(lease) => self.prepare_at_once(lease),
            Look::Gone => self.try_take(now),
        }
    }

    /// An idle connection that needs no waiting, with all that is to be done before a lease.
    fn try_take(self: &Arc<Self>, now: u64) -> Option<PooledConnection<M>> {
        while let Some(loan) = self.take(RequestInfo::NOTHING) {
            let mut lease = PooledConnection::new(loan);
            if !self.features.prepares && self.is_fit(&mut lease, now) {
                return Some(lease);
            }
            match self.look(lease, RequestInfo::NOTHING, now) {
                Look::Ready(lease) => return Some(lease),
                Look::Prepare(lease) => return self.prepare_at_once(lease),
                Look::Gone => {}
            }
        }
        self.open_one_more();
        None
    }

    /// Prepares a connection if that takes no waiting; else leaves it to a task.
    fn prepare_at_once(
        self: &Arc<Self>,
        lease: PooledConnection<M>,
    ) -> Option<PooledConnection<M>> {
        let mut prepare: BoxFuture<'static, _> =
            Box::pin(Arc::clone(self).prepare(lease, Arc::default()));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match prepare.as_mut().poll(&mut cx) {
            Poll::Ready(Prepared::Ready(lease)) => Some(lease),
            Poll::Ready(_) => None,
            Poll::Pending => {
                self.finish_alone(prepare);
                None
            }
        }
    }

    /// When a request that starts now must be over.
    pub(super) fn deadline(&self, request: &Request<'_, M>, started: u64) -> u64 {
        let within = request
            .within
            .map(|within| started.saturating_add(millis(within)));
        let deadline = request.deadline.map(|at| self.coarse.millis_at(at));
        match (within, deadline) {
            (Some(within), Some(deadline)) => within.min(deadline),
            (Some(at), None) | (None, Some(at)) => at,
            (None, None) => started + self.acquire_timeout,
        }
    }

    /// The error of a request that ran out of time.
    #[cold]
    pub(super) fn timed_out(&self, phase: Phase, started: u64) -> Error<M::Error> {
        self.counters.timeouts.fetch_add(1, Ordering::Relaxed);
        let cause = self.failures().last().filter(|_| !mutant(143));
        let census = self.queue.census();
        let none_open = census.occupied == census.connecting + census.closing;
        let phase = match phase {
            Phase::Waiting if none_open && census.max > 0 => Phase::Connecting,
            Phase::Waiting if census.leased == 0 && census.checking > 0 => Phase::Checking,
            phase => phase,
        };
        let waited = Duration::from_millis(self.now_millis().saturating_sub(started));
        Error::Timeout {
            phase,
            waited,
            cause,
        }
    }

    /// The error of a request that waits where nothing can keep the time for it.
    #[cold]
    pub(super) fn not_driven(&self, started: u64) -> Error<M::Error> {
        let waited = Duration::from_millis(self.now_millis().saturating_sub(started));
        Error::Connect {
            cause: Cause::TaskLost,
            waited,
        }
    }

    /// The error of a request that no connection can be opened for.
    #[cold]
    pub(super) fn cannot_connect(&self, started: u64) -> Option<Error<M::Error>> {
        let waited = Duration::from_millis(self.now_millis().saturating_sub(started));
        let cause = self.failures().last()?;
        Some(Error::Connect { cause, waited })
    }

    /// Whether a connection was unused for so long that the far end must be asked first.
    #[inline(always)]
    pub(super) fn is_doubtful(&self, body: &Body<M>, now: u64) -> bool {
        let unused = now.saturating_sub(body.fresh) >= self.bypass && now >= body.vouched;
        unused || body.fresh < self.suspect_before()
    }

    /// What was used before this time only is suspect.
    #[inline]
    pub(super) fn suspect_before(&self) -> u64 {
        match self.doubt.is_settled() {
            true => self.suspect_before.load(Ordering::Relaxed),
            false => u64::MAX,
        }
    }

    /// A check timed out or a connection was lost: whoever was idle meanwhile is suspect too.
    pub(super) fn suspect_all_idle(&self) {
        let now = self.now_millis();
        if self.bypass != ENDLESS {
            self.suspect_before.fetch_max(now, Ordering::Relaxed);
            self.queue.bump_revision();
        }
    }

    /// Nothing is trusted until [`settle_doubt`](Self::settle_doubt).
    pub(super) fn doubt_everything(&self) {
        if self.bypass != ENDLESS {
            self.doubt.rise();
            self.queue.bump_revision();
        }
    }

    /// From now on only what was used before now is doubted.
    pub(super) fn settle_doubt(&self) {
        if self.doubt.is_settled() {
            return;
        }
        let doubts = self.doubt.risen();
        // Before the doubt is settled, so that there is no moment without either.
        self.suspect_before
            .fetch_max(self.now_millis(), Ordering::Relaxed);
        self.doubt.settle(doubts);
    }
}

/// Whether everything is doubted: counted, since a doubt may rise while another is being settled.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    risen: AtomicU64,
    settled: AtomicU64,
}

impl Doubt {
    fn rise(&self) {
        self.risen.fetch_add(1, Ordering::Relaxed);
    }

    fn risen(&self) -> u64 {
        self.risen.load(Ordering::Relaxed)
    }

    /// So many have been dealt with. Release, with the Acquire of `is_settled`: what is suspect.
    fn settle(&self, risen: u64) {
        self.settled.fetch_max(risen, Ordering::Release);
    }

    #[inline]
    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire) == self.risen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_that_rises_while_another_is_settled_is_not_settled_with_it() {
        let doubt = Doubt::default();
        assert!(doubt.is_settled());
        doubt.rise();
        let first = doubt.risen();
        doubt.rise();
        doubt.settle(first);
        assert!(!doubt.is_settled());
        doubt.settle(doubt.risen());
        assert!(doubt.is_settled());
    }
}
