//! Opening the first connections, for `build`.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::Inner;
use crate::{Error, Manager, Phase};

impl<M: Manager> Inner<M> {
    /// Opens connections until `wanted` are there, within `acquire_timeout`.
    pub(crate) async fn open_initial(
        self: &Arc<Self>,
        wanted: usize,
    ) -> Result<(), Error<M::Error>> {
        let started = self.parts.clock.now();
        let mut timer = self.timer(self.parts.config.acquire_timeout);
        let mut out_of_time = false;
        std::future::poll_fn(|cx| {
            self.await_arrival(cx.waker());
            let census = self.queue.census();
            if census.idle + census.leased >= wanted {
                return Poll::Ready(Ok(()));
            }
            if let Some(cause) = self.failures().permanent() {
                let waited = self.waited_since(started);
                return Poll::Ready(Err(Error::Connect { cause, waited }));
            }
            if out_of_time || timer.poll_elapsed(cx).is_ready() {
                out_of_time = true;
                let cause = self.failures().last();
                let waited = self.waited_since(started);
                return Poll::Ready(Err(Error::Timeout {
                    phase: Phase::Connecting,
                    waited,
                    cause,
                }));
            }
            self.open_up_to(wanted);
            Poll::Pending
        })
        .await
    }

    fn waited_since(&self, started: std::time::Instant) -> Duration {
        self.parts.clock.now().saturating_duration_since(started)
    }

    /// Starts connects until `wanted` slots are in use, as far as the limits allow now.
    pub(super) fn open_up_to(self: &Arc<Self>, wanted: usize) {
        let now = self.now_millis();
        while let Some(berth) = self.queue.claim_for_refill(wanted, now) {
            self.start_connect(berth, wanted);
        }
    }

    /// Wakes `waker` when a connect has ended, or may begin again.
    fn await_arrival(&self, waker: &Waker) {
        let fresh = waker.clone();
        let old = self.arrival().replace(fresh);
        drop(old);
    }

    /// A connect has ended, or may begin again.
    pub(super) fn announce_arrival(&self) {
        let waker = self.arrival().take();
        if let Some(waker) = waker {
            crate::queue::wake(waker);
        }
    }
}
