//! What a request needs for the step it is at, in a room that all steps share.

use std::mem::ManuallyDrop;
use std::pin::Pin;

use super::{Acquire, Next, Room, Step};
use crate::Manager;
use crate::pool::Inner;
use crate::pool::body::Slots;
use crate::pool::home_word::home;
use crate::pool::preparation::{Preparation, Since};
use crate::queue::{self, Enqueued, Held, Waiter};

impl<'a, M: Manager> Acquire<'a, M> {
    /// Moves on. What was in the room must have been taken out, and the waiter have left the queue.
    pub(super) fn enter(&mut self, next: Next<M>) {
        let (room, step) = match next {
            Next::Join(since) => (Room { since }, Step::Join),
            Next::Prepare(preparation) => {
                let preparation = ManuallyDrop::new(preparation);
                (Room { preparation }, Step::Prepare)
            }
        };
        self.room.write(room);
        self.step = step;
    }

    /// Puts a waiter in the room, which is about to join the queue. Until it has, or should it not, it
    /// waits for nothing, and so leaves the queue as it is when the request is dropped.
    #[inline(always)]
    pub(super) fn furnish(&mut self, waiter: Waiter<Slots<M>>) {
        let waiter = ManuallyDrop::new(waiter);
        self.room.write(Room { waiter });
        self.step = Step::Wait;
    }

    /// Has the waiter in the room join the queue by the short way.
    ///
    /// The request is pinned, and stays where it is until the waiter has left the queue.
    #[inline(always)]
    pub(super) fn join_plainly(
        &self,
        inner: &'a Inner<M>,
        request: &queue::Request,
    ) -> Result<(), Held<'a, Slots<M>>> {
        // SAFETY: the waiter is used with this queue only, and `drop` cancels it.
        unsafe { inner.queue.join_plainly(self.waiter(), request, home) }
    }

    /// Has the waiter in the room join the queue, whatever comes of it.
    pub(super) fn join_somehow(
        &self,
        held: Held<'_, Slots<M>>,
        request: &queue::Request,
    ) -> Enqueued<Slots<M>> {
        // SAFETY: as in `join_plainly`.
        unsafe { self.inner().queue.join(held, self.waiter(), request) }
    }

    /// What is in the room.
    ///
    /// # Safety
    ///
    /// Something is, by the step.
    unsafe fn room(&self) -> &Room<M> {
        // SAFETY: of the caller.
        unsafe { self.room.assume_init_ref() }
    }

    /// The waiter that stands in the queue.
    pub(super) fn waiter(&self) -> Pin<&Waiter<Slots<M>>> {
        assert!(self.step == Step::Wait, "only then it is in the room");
        // SAFETY: as the step says; pinned since `furnish`.
        unsafe { Pin::new_unchecked(&*self.room().waiter) }
    }

    /// Takes the preparation out.
    pub(super) fn take_preparation(&mut self) -> Box<Preparation<M>> {
        assert!(self.step == Step::Prepare, "only then it is in the room");
        self.step = Step::Entered;
        // SAFETY: as the step said, and it is taken once, since the step has changed.
        ManuallyDrop::into_inner(unsafe { std::ptr::read(&raw const self.room().preparation) })
    }

    /// When it began to wait, unless it never did.
    pub(super) fn since(&self) -> Option<Since> {
        match self.step {
            Step::New | Step::Told | Step::Done | Step::Entered => None,
            // SAFETY: as the step says.
            Step::Join => Some(unsafe { self.room().since }),
            Step::Wait => {
                let waiter = self.waiter();
                Some(Since {
                    started: match self.request() {
                        None => self.inner().began(waiter.deadline()),
                        Some(_) => waiter.virtual_deadline() - self.priority().offset(),
                    },
                    deadline: waiter.deadline(),
                    ticket: waiter.ticket(),
                    rough: waiter.is_rough(),
                    skips: waiter.skips(),
                })
            }
            // SAFETY: as the step says.
            Step::Prepare => Some(unsafe { &self.room().preparation }.since),
        }
    }
}
