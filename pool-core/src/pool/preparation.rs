//! The time a request has, and the readying of a connection within it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;
use std::time::Duration;

use super::body::ENDLESS;
use super::tasks::Prepared;
use super::{Inner, millis};
use crate::mutant::mutant;
use crate::queue::Ticket;
use crate::{BoxFuture, Manager, Timer};

/// When a request first had to wait, and its place since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    /// Milliseconds of the pool's clock.
    pub(super) started: u64,
    /// When it must be over.
    pub(super) deadline: u64,
    /// Its place among the others; 0 while it has none.
    pub(super) ticket: Ticket,
    /// Whether both times rest on the coarse time, which may have stood still.
    pub(super) rough: bool,
    /// How often others passed it, where waiters are matched.
    pub(super) skips: u8,
}

/// A connection that is being readied, and how long the request waits for that one.
pub(super) struct Preparation<M: Manager> {
    pub(super) since: Since,
    pub(super) work: BoxFuture<'static, Prepared<M>>,
    pub(super) cut: Box<dyn Timer>,
    /// The check is over: only hooks are left, which may take all the time the request has.
    pub(super) checked: Arc<AtomicBool>,
}

impl<M: Manager> Preparation<M> {
    /// Whether work that is not over may keep the request waiting.
    pub(super) fn goes_on(&mut self, inner: &Inner<M>, cx: &mut Context<'_>) -> bool {
        let mut cut = self.cut.poll_elapsed(cx);
        let in_time = inner.now_millis() < self.since.deadline;
        if cut.is_ready() && in_time && self.checked.load(Ordering::Relaxed) {
            self.cut.reset(inner.instant(self.since.deadline));
            cut = self.cut.poll_elapsed(cx);
        }
        cut.is_pending()
    }
}

impl<M: Manager> Inner<M> {
    /// When a request without a deadline of its own begins to wait: now.
    ///
    /// By the coarse time where it is fine enough and nobody is told how long waits take: reading the
    /// clock would be a tenth of what such a wait costs.
    #[inline]
    pub(super) fn since_now(&self) -> Since {
        let rough = self.rough_timeout > 0;
        let started = match rough {
            true => self.coarse.millis(),
            false => self.now_millis(),
        };
        Since {
            started,
            deadline: started + self.timeout(),
            ticket: 0,
            rough,
            skips: 0,
        }
    }

    /// When a request began to wait that has no deadline of its own but this one.
    pub(super) fn began(&self, deadline: u64) -> u64 {
        deadline.saturating_sub(self.timeout())
    }

    /// The limit of a request without one of its own, by the time that it is measured by.
    #[inline]
    fn timeout(&self) -> u64 {
        match self.rough_timeout {
            0 => self.acquire_timeout,
            rough => rough,
        }
    }

    /// Makes sure that the coarse time knows if it has stood still, before deadlines are judged by it:
    /// the driver may run before the ticker does.
    pub(super) fn catch_up(&self) {
        let lag = self.rough_timeout.saturating_sub(self.acquire_timeout);
        if lag > 0 {
            let lag = Duration::from_millis(lag);
            self.coarse.tick_late(self.parts.clock.now(), lag);
        }
    }

    /// The same wait without what is rough about it: if the coarse time stood still when it began, it
    /// began when that went on, for all that is known.
    pub(super) fn exactly(&self, since: Since) -> Since {
        if !since.rough {
            return since;
        }
        self.catch_up();
        let late = self.grace(since.deadline).unwrap_or(0);
        Since {
            started: since.started + late,
            deadline: since.deadline + late,
            rough: false,
            ..since
        }
    }

    /// By how much a rough deadline must be moved: the time that the coarse time stood still when the
    /// wait began.
    pub(super) fn grace(&self, deadline: u64) -> Option<u64> {
        if mutant(144) {
            return None;
        }
        self.coarse.stood_still(self.began(deadline))
    }
}

/// A timeout as the coarse time measures it, in milliseconds: with as much added as that may lag, so
/// that no wait ends early. 0 if it is not measured so, because that would add more than a hundredth,
/// or because waits are told to an observer exactly.
pub(super) fn rough_timeout(timeout: Duration, resolution: Duration, told: bool) -> u64 {
    let lag = resolution * 2;
    if told || timeout < lag * 100 {
        return 0;
    }
    millis(timeout + lag).min(ENDLESS)
}
