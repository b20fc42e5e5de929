//! A request in the models: what the pool's future does with the queue.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use pool_core::queue::{Enqueued, Loan, Request, Waited, Waiter};

use crate::harness::{Lease, Model, Shared, block_on};
use crate::mutant::mutant;

/// How a request can end without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Refused,
    Expired,
    Closed,
    Failed,
}

/// A request, as the pool makes one.
pub(crate) struct Acquire {
    pool: Shared,
    waiter: Waiter<Model>,
    waits: bool,
    request: Request,
}

pub(crate) fn request(class: u8, virtual_deadline: u64, deadline: u64) -> Request {
    Request {
        class,
        now: 0,
        virtual_deadline,
        deadline,
        rough: false,
        ticket: 0,
        home: 0,
        wish: 0,
        skips: 0,
    }
}

impl Acquire {
    pub(crate) fn new(pool: &Shared, request: Request, home: usize) -> Self {
        Self {
            pool: pool.clone(),
            waiter: Waiter::new(),
            waits: false,
            request: Request { home, ..request },
        }
    }

    /// Looks at what was got, however it was.
    fn check(&self, loan: Loan<Model>) -> Option<Lease> {
        let loan = self.pool.check(loan)?;
        Some(self.pool.lease(loan, self.request.home))
    }

    /// Asks once; `None` means ask again.
    fn step(self: Pin<&mut Self>, waker: &Waker) -> Option<Poll<Result<Lease, Ended>>> {
        // SAFETY: nothing is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: a part of what is pinned.
        let waiter = unsafe { Pin::new_unchecked(&this.waiter) };
        if this.waits {
            let ended = match this.pool.queue.poll_waiter(waiter, waker) {
                Waited::Pending => return Some(Poll::Pending),
                Waited::Revoked => {
                    this.waits = false;
                    this.request.ticket = waiter.ticket();
                    this.request.skips = waiter.skips();
                    return None;
                }
                Waited::Granted(loan) => {
                    this.waits = false;
                    if mutant(88) {
                        let lease = this.pool.lease(loan, this.request.home);
                        return Some(Poll::Ready(Ok(lease)));
                    }
                    return this.check(loan).map(|lease| Poll::Ready(Ok(lease)));
                }
                Waited::Expired => Ended::Expired,
                Waited::Closed => Ended::Closed,
                Waited::Failed => Ended::Failed,
            };
            this.waits = false;
            return Some(Poll::Ready(Err(ended)));
        }
        if this.request.ticket == 0
            && let Some(loan) = this.pool.queue.take(this.request.home)
        {
            return this.check(loan).map(|lease| Poll::Ready(Ok(lease)));
        }
        // SAFETY: `drop` cancels.
        let enqueued = unsafe {
            let (queue, request) = (&this.pool.queue, &this.request);
            queue.enqueue(waiter, waker.clone(), request)
        };
        match enqueued {
            Enqueued::Granted(loan) => this.check(loan).map(|lease| Poll::Ready(Ok(lease))),
            Enqueued::Queued { connect, .. } => {
                this.waits = true;
                if let Some(berth) = connect {
                    this.pool.connect(berth);
                }
                None
            }
            Enqueued::Full { .. } | Enqueued::Refused(_) => Some(Poll::Ready(Err(Ended::Refused))),
        }
    }
}

impl Future for Acquire {
    type Output = Result<Lease, Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Some(outcome) = self.as_mut().step(cx.waker()) {
                return outcome;
            }
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if self.waits {
            // SAFETY: it was pinned when it began to wait, and is not moved here.
            let waiter = unsafe { Pin::new_unchecked(&self.waiter) };
            if let Some(loan) = self.pool.queue.cancel(waiter) {
                self.pool.pass(loan);
            }
        }
    }
}

/// A request without a deadline.
pub(crate) fn acquire(pool: &Shared, home: usize) -> Acquire {
    Acquire::new(pool, request(0, 0, u64::MAX), home)
}

/// Polls once with a waker that does nothing.
pub(crate) fn poll_once(future: Pin<&mut Acquire>) -> Poll<Result<Lease, Ended>> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A request that already waits: nothing was idle when it came.
pub(crate) fn waiting(future: Acquire) -> Pin<Box<Acquire>> {
    let mut future = Box::pin(future);
    assert!(
        poll_once(future.as_mut()).is_pending(),
        "something was idle"
    );
    future
}

/// Acquires, uses and returns.
pub(crate) fn use_once(pool: &Shared, home: usize) {
    let lease = block_on(acquire(pool, home));
    lease
        .expect("nothing ends the wait but a connection")
        .back();
}

/// Polls a request once and drops it, waiting or not.
pub(crate) fn try_and_leave(pool: &Shared, home: usize) {
    let future = pin!(acquire(pool, home));
    if let Poll::Ready(Ok(lease)) = poll_once(future) {
        lease.back();
    }
}
