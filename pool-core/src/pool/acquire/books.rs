//! A request in the books of others: where it enters, and how it ends.

use std::task::{Context, Poll};
use std::time::Duration;

use super::{Acquire, Acquired, Origin, Step};
use crate::pool::admit::outcome;
use crate::pool::lease::PooledConnection;
use crate::request::RequestInfo;
use crate::{Admit, Error, Manager};

impl<M: Manager> Acquire<'_, M> {
    /// Begins where there is more to do than to take a connection: asks whether it may enter, and
    /// then goes the way nearly all go, an idle connection that is good as it is.
    #[inline(never)]
    pub(super) fn begin(&mut self, cx: &mut Context<'_>) -> Poll<Acquired<M>> {
        let inner = self.inner();
        let now = inner.coarse.millis();
        match inner.admit(self.info(), now) {
            Admit::Enter(token) => (self.token, self.entered) = (token, true),
            Admit::Refuse {
                reason,
                retry_after,
            } => {
                self.step = Step::Done;
                let error = Error::Refused {
                    reason,
                    retry_after,
                };
                inner.tell_refused(&error, Duration::ZERO);
                return Poll::Ready(Err(error));
            }
        }
        self.step = Step::Entered;
        let Some(loan) = inner.take(self.info()) else {
            let stepped = self.poll_join(cx);
            return self.go_on(cx, stepped);
        };
        // From here on its destructor closes the connection if foreign code panics.
        let mut lease = PooledConnection::new(loan);
        if inner.features.prepares || !inner.is_fit(&mut lease, now) {
            return self.inspect(cx, lease);
        }
        self.step = Step::Done;
        self.grant(&mut lease, now, Duration::ZERO);
        Poll::Ready(Ok(lease))
    }

    /// How long it has waited, if there is somebody to be told.
    pub(super) fn waited(&self) -> Duration {
        let inner = self.inner();
        if !inner.features.observer {
            return Duration::ZERO;
        }
        self.since().map_or(Duration::ZERO, |since| {
            Duration::from_millis(inner.now_millis().saturating_sub(since.started))
        })
    }

    /// The end of a request that was granted: what is noted about the lease, which takes the token
    /// over.
    #[inline(always)]
    pub(super) fn grant(&self, lease: &mut PooledConnection<M>, now: u64, waited: Duration) {
        let (inner, info, site) = match &self.origin {
            Origin::Plain { inner, site } => (*inner, RequestInfo::NOTHING, *site),
            Origin::Told(told) => {
                lease.tell(told.request.info.clone());
                (told.request.inner(), &told.request.info, told.site)
            }
        };
        lease.note(site, now);
        if inner.features.told {
            let token = self.entered.then_some(self.token);
            inner.lend(lease, info, token, (waited, site));
        }
    }

    /// The end of a request that had entered and is not granted.
    #[cold]
    pub(super) fn refused(&self, error: Error<M::Error>, waited: Duration) -> Error<M::Error> {
        let inner = self.inner();
        if self.entered {
            inner.leave(self.token, outcome(&error));
        }
        inner.tell_refused(&error, waited);
        error
    }
}
