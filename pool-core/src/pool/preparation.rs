//! The time a request has, and the readying of a connection within it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use super::Inner;
use super::tasks::Prepared;
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
    /// A wait of a request without a deadline of its own.
    #[inline]
    pub(super) fn since(&self, started: u64) -> Since {
        Since {
            started,
            deadline: started + self.acquire_timeout,
            ticket: 0,
        }
    }
}
