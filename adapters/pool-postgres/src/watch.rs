//! Knows for certain what a connection is doing, by watching the protocol.
//!
//! The driver keeps to itself what a pool must know: the transaction status that the server sends
//! with every ReadyForQuery, and how many requests are unanswered. Guessing it from the calls that
//! were made fails exactly when it matters, because a query future can be dropped at any point
//! and raw SQL can begin a transaction. So the adapter opens the socket itself, and between the
//! socket (or the TLS session on it) and the driver it puts a [`WatchedStream`], which reads the
//! message headers that pass in both directions. Bodies are skipped, except for the status byte,
//! the process id, and the text of statements, which is [scanned](scan) for what may outlive
//! them.
//!
//! # Why the answer is certain
//!
//! A request is in one of three places, and each is covered:
//!
//! 1. **In the driver's queue**, sent by the client handle and not yet seen by the driver's task.
//!    The queue wakes the task when something is put in. The task is polled with a waker of ours
//!    ([`Watch`] itself), which notes the wake *before* it passes it on. So "not woken since a
//!    poll that ended pending" ([`SETTLED`]) means that the queue is empty: the poll drained it,
//!    and whatever came later would have woken it.
//! 2. **In the driver's write buffer.** A write or flush that could not finish is seen by the
//!    stream (`blocked`), and so is a message that was written in part.
//! 3. **On the wire or at the server**: sent and not answered, in the [ledger].
//!
//! Replies that the driver has read and cannot deliver (somebody still holds a row stream and does
//! not read it) would make the next user wait. The driver then stops reading, so the last read of
//! the stream did not end pending (`unread`).
//!
//! If any of the first two is open the answer is [`Look::Uncertain`]: never wrong, only unknown.
//! That is the normal case right after a statement handle was dropped, because the driver sends
//! its Close on its own; letting the driver's task run settles it, without a round trip. On many
//! threads it also happens that the caller has his answer while the driver is still finishing the
//! poll that brought it. Where every request of a lease went through the connection's own methods
//! and was answered to the end, the connection knows that the queue holds nothing that matters,
//! and the driver's state is not asked ([`Watch::look_when_answered`]).
//!
//! One gap is left, a few instructions wide. A thread that sends on the same client at the same
//! time may have taken the queue's waker and not called it yet; a second send in that moment wakes
//! nobody. Two threads can only meet there when a [`Statement`](tokio_postgres::Statement) handle
//! that was cloned out of a lease is dropped on another thread at the very moment at which a lease
//! drops an unwritten request. The next look, before the connection is lent, sees the request.
//!
//! # What the order of memory accesses must be
//!
//! Everything but the driver's state is written by one task and only trusted when the state says
//! [`SETTLED`], which is stored with Release after it and loaded with Acquire before it. A wake
//! happens after the send it announces, and is a Release on the state that the next poll acquires.
//!
//! # Exchanges
//!
//! The status of a ReadyForQuery is that of its own moment: it counts only when nothing is
//! outstanding. An owner who wants to know how each of his requests went has it
//! [recorded](record) and reads the record when that is so. He sets the wish before he sends, and
//! his send is what wakes the task that writes the request, so the stream has seen the wish by then.
//! A finished answer is put under the lock of the record before the facts that count it are stored;
//! an owner who sees these facts and then takes the lock finds it, because if he had taken the lock
//! first, his look would have happened before the store he saw. Errors reach him ahead of their
//! ReadyForQuery: [`Watch::answered`] waits for that, by the same argument as above and without
//! asking the server anything. While nobody records, a write costs one more load and a message one
//! more branch.
//!
//! # Vital signs
//!
//! The same reading of headers tells how the far end is: a request that goes out, bytes that come
//! in, a reply that is complete, an error and its class are [noted](signs) where policies of health
//! read them. The stream is polled by one task, so they have one writer, as they must; and a reply
//! is noted before the driver gets its bytes, so that whoever has his answer finds it noted.

mod counts;
mod frame;
mod ledger;
mod notify;
mod read;
mod record;
mod scan;
mod signs;
mod stream;
mod taint;

pub use counts::WireCounts;
pub(crate) use ledger::Status;
pub(crate) use notify::NotificationSender;
pub(crate) use record::{Answer, Kind, Record, Tag};
#[cfg_attr(
    not(test),
    expect(unused_imports, reason = "sessions, which are to come, read them")
)]
pub(crate) use record::{Failure, Parameter};
pub(crate) use stream::WatchedStream;
pub(crate) use taint::Taint;

use atomic_waker::AtomicWaker;
use counts::SharedCounts;
use notify::Sink;
use pool_core::Vitals;
use record::{Recorder, Shared};
use std::future::poll_fn;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use tokio_postgres::Notification;

/// The driver's task was woken and has not run since.
const WOKEN: u8 = 0;
/// It is running.
const POLLING: u8 = 1;
/// It has done all there was to do.
const SETTLED: u8 = 2;
/// It has ended.
const ENDED: u8 = 3;

/// How often a look waits for a poll in progress: a few microseconds, which is what the end of a
/// poll takes after it has woken whoever awaited the reply.
const SPINS: u32 = 256;

/// What is known about a connection, shared between its driver and its owner.
#[derive(Debug)]
pub(crate) struct Watch {
    driver: AtomicU8,
    facts: AtomicU8,
    taint: AtomicU8,
    work: AtomicU64,
    process_id: AtomicI32,
    task: AtomicWaker,
    /// Whoever waits for the driver to settle.
    owner: AtomicWaker,
    /// Where the stream is to write what it sees of the connection's health.
    vitals: OnceLock<Vitals>,
    /// The number under which the stream is to record; zero for not at all.
    recording: AtomicU32,
    recordings: AtomicU32,
    /// Locked while something is recorded, and never otherwise.
    record: Mutex<Shared>,
    counts: SharedCounts,
    sink: Sink,
}

/// What the stream knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// As of the last ReadyForQuery.
    pub(crate) status: Status,
    /// Work was sent that is not answered.
    pub(crate) working: bool,
    /// A request was sent whose answer must come soon.
    pub(crate) brief: bool,
    /// The protocol took a turn that is not modelled.
    pub(crate) confused: bool,
    /// Something is not fully written.
    pub(crate) blocked: bool,
    /// Something is not fully read.
    pub(crate) unread: bool,
    /// The stream has ended or failed.
    pub(crate) ended: bool,
}

/// What can be said about a connection without I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The driver or the stream has ended, or the protocol is not understood any more.
    Lost,
    /// A request is unanswered.
    Working,
    /// Something may be on its way; letting the driver run tells more.
    Uncertain,
    /// Nothing is under way, and this is the transaction status.
    Settled(Status),
}

impl Facts {
    const FLAGS: u8 = 2;

    const fn to_bits(self) -> u8 {
        let flags = self.working as u8
            | (self.confused as u8) << 1
            | (self.blocked as u8) << 2
            | (self.unread as u8) << 3
            | (self.ended as u8) << 4
            | (self.brief as u8) << 5;
        let status = match self.status {
            Status::Unknown => 0,
            Status::Idle => 1,
            Status::Transaction => 2,
            Status::Failed => 3,
        };
        flags << Self::FLAGS | status
    }

    const fn from_bits(bits: u8) -> Self {
        let flags = bits >> Self::FLAGS;
        Self {
            status: match bits & 0b11 {
                0 => Status::Unknown,
                1 => Status::Idle,
                2 => Status::Transaction,
                _ => Status::Failed,
            },
            working: flags & 1 != 0,
            confused: flags & 2 != 0,
            blocked: flags & 4 != 0,
            unread: flags & 8 != 0,
            ended: flags & 16 != 0,
            brief: flags & 32 != 0,
        }
    }
}

impl Watch {
    pub(crate) const fn new() -> Self {
        Self {
            driver: AtomicU8::new(WOKEN),
            facts: AtomicU8::new(0),
            taint: AtomicU8::new(0),
            work: AtomicU64::new(0),
            process_id: AtomicI32::new(0),
            task: AtomicWaker::new(),
            owner: AtomicWaker::new(),
            vitals: OnceLock::new(),
            recording: AtomicU32::new(0),
            recordings: AtomicU32::new(0),
            record: Mutex::new(Shared::new()),
            counts: SharedCounts::new(),
            sink: Sink::new(),
        }
    }

    /// Has the stream write vital signs from now on. Between two requests only; the first call
    /// counts.
    pub(crate) fn attend(&self, vitals: Vitals) {
        let _ = self.vitals.set(vitals);
    }

    fn vitals(&self) -> Option<&Vitals> {
        self.vitals.get()
    }

    /// What can be said now.
    pub(crate) fn look(&self) -> Look {
        let driver = self.driver_state();
        // Relaxed: trusted only when the load of the driver's state has acquired them. Read later,
        // they can only be newer, which is as good.
        let facts = Facts::from_bits(self.facts.load(Ordering::Relaxed));
        if driver == ENDED || facts.ended || facts.confused {
            Look::Lost
        } else if facts.working {
            Look::Working
        } else if driver != SETTLED || facts.brief || facts.blocked || facts.unread {
            Look::Uncertain
        } else {
            Look::Settled(facts.status)
        }
    }

    /// Like [`look`](Self::look), for an owner who knows that every request he has sent was answered
    /// to the end, and so that the driver's queue holds nothing that matters.
    pub(crate) fn look_when_answered(&self) -> Look {
        // Relaxed: the answer came through the driver's channel, after these were stored.
        let facts = Facts::from_bits(self.facts.load(Ordering::Relaxed));
        let ended = self.driver.load(Ordering::Relaxed) == ENDED;
        if ended || facts.ended || facts.confused {
            Look::Lost
        } else if facts.working {
            Look::Working
        } else if facts.brief || facts.blocked {
            Look::Uncertain
        } else {
            Look::Settled(facts.status)
        }
    }

    fn driver_state(&self) -> u8 {
        for _ in 0..SPINS {
            match self.driver.load(Ordering::Acquire) {
                POLLING => std::hint::spin_loop(),
                state => return state,
            }
        }
        POLLING
    }

    /// What the statements since [`clear_taint`](Self::clear_taint) may have left behind.
    pub(crate) fn taint(&self) -> Taint {
        Taint::from_bits(self.taint.load(Ordering::Relaxed))
    }

    /// To be called after a reset, when the connection is settled.
    pub(crate) fn clear_taint(&self) {
        self.taint.store(0, Ordering::Relaxed);
    }

    /// How many requests were work, the startup included.
    pub(crate) fn work(&self) -> u64 {
        self.work.load(Ordering::Relaxed)
    }

    /// The server's process behind the connection; zero until it has said so.
    pub(crate) fn process_id(&self) -> i32 {
        self.process_id.load(Ordering::Relaxed)
    }

    fn add_taint(&self, taint: Taint) {
        if !taint.is_none() {
            self.taint.fetch_or(taint.bits(), Ordering::Relaxed);
        }
    }

    /// Has what the server says to the requests sent from now on recorded, until
    /// [`end_record`](Self::end_record) or the next call. To be called when nothing is outstanding.
    pub(crate) fn record(&self) {
        // Zero is for none.
        let epoch = self.recordings.fetch_add(1, Ordering::Relaxed) | 1 << 31;
        self.shared_record().begin(epoch);
        self.recording.store(epoch, Ordering::Relaxed);
    }

    /// What was recorded so far.
    pub(crate) fn take_record(&self) -> Record {
        self.shared_record().take()
    }

    /// Records no more.
    pub(crate) fn end_record(&self) {
        self.recording.store(0, Ordering::Relaxed);
    }

    fn recording(&self) -> u32 {
        self.recording.load(Ordering::Relaxed)
    }

    fn keep(&self, recorder: &mut Recorder) {
        recorder.hand_over(&mut self.shared_record());
    }

    /// Nothing under the lock can panic halfway.
    fn shared_record(&self) -> MutexGuard<'_, Shared> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages sent so far.
    pub(crate) fn wire_counts(&self) -> WireCounts {
        self.counts.load()
    }

    fn publish_counts(&self, counts: &WireCounts) {
        self.counts.store(counts);
    }

    fn publish(&self, facts: Facts, work: u64, process_id: i32) {
        self.facts.store(facts.to_bits(), Ordering::Relaxed);
        self.work.store(work, Ordering::Relaxed);
        self.process_id.store(process_id, Ordering::Relaxed);
    }

    /// Polls the driver through `poll`, with a waker that notes each wake.
    pub(crate) fn drive<T>(
        self: &Arc<Self>,
        cx: &Context<'_>,
        waker: &Waker,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.task.register(cx.waker());
        // Acquires the sends announced by the wake that it overwrites.
        self.driver.swap(POLLING, Ordering::AcqRel);
        let outcome = poll(&mut Context::from_waker(waker));
        if outcome.is_ready() {
            self.end();
        } else {
            // Fails when a wake came during the poll: then it was perhaps not yet heard.
            let settled =
                self.driver
                    .compare_exchange(POLLING, SETTLED, Ordering::AcqRel, Ordering::Relaxed);
            if settled.is_ok() {
                self.owner.wake();
            }
        }
        outcome
    }

    /// Waits until the driver has done all it can without the server, or has ended. One waiter at
    /// a time. Cancel safe.
    pub(crate) async fn settled(&self) -> Look {
        poll_fn(|cx| {
            // Registered before the look, so that what settles in between still wakes.
            self.owner.register(cx.waker());
            match self.driver.load(Ordering::Acquire) {
                SETTLED | ENDED => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        self.look()
    }

    /// Waits until no request is outstanding, whoever sent it, or the connection is lost. Sends
    /// nothing. Somebody who holds a row stream and does not read it keeps it waiting. One waiter at
    /// a time, together with [`settled`](Self::settled). Cancel safe.
    pub(crate) async fn answered(&self) -> Look {
        poll_fn(|cx| {
            // Registered before the look: the driver wakes its owner each time it comes to rest, and
            // what is outstanding now can only end in one of its polls.
            self.owner.register(cx.waker());
            match self.look() {
                Look::Working | Look::Uncertain => Poll::Pending,
                look => Poll::Ready(look),
            }
        })
        .await
    }

    /// Puts notifications into a ring from now on, or nowhere. The ring ends with the driver.
    pub(crate) fn forward_notifications(&self, to: Option<NotificationSender>) {
        let mut sink = self.sink.lock();
        // Whichever of this and the driver's end comes second under the lock drops the sender.
        let ended = self.driver.load(Ordering::Acquire) == ENDED;
        *sink = to.filter(|_| !ended);
    }

    /// The server has sent a notification.
    pub(crate) fn notify(&self, notification: Notification) {
        self.sink.put(notification);
    }

    /// The driver's task is over.
    pub(crate) fn end(&self) {
        self.driver.store(ENDED, Ordering::Release);
        drop(self.sink.lock().take());
        self.owner.wake();
    }
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ENDED stays: nobody polls a driver that has ended, so this is only ever a late wake.
        let _ = self
            .driver
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (state != ENDED).then_some(WOKEN)
            });
        self.task.wake();
    }
}

#[cfg(test)]
mod tests;
