//! No foreign code runs under the lock: not when a waker is cloned, woken or dropped.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::{Enqueued, Given, Plain, Queue, Waited, Waiter, full, request};

/// What a hostile waker has: the queue, which it calls whenever it is touched.
struct Hostile {
    queue: Queue<Plain>,
    clones: AtomicUsize,
    wakes: AtomicUsize,
    drops: AtomicUsize,
}

thread_local! {
    /// What the next touch of this kind does: panic.
    static PANIC_ON: Cell<Option<&'static str>> = const { Cell::new(None) };
}

impl Hostile {
    fn new(idle: usize) -> Arc<Self> {
        Arc::new(Self {
            queue: full(idle),
            clones: AtomicUsize::new(0),
            wakes: AtomicUsize::new(0),
            drops: AtomicUsize::new(0),
        })
    }

    fn touch(&self, kind: &'static str, counter: &AtomicUsize) {
        counter.fetch_add(1, SeqCst);
        assert!(
            self.queue.state.try_lock().is_ok(),
            "a waker was touched under the lock: {kind}"
        );
        let _census = self.queue.census();
        if PANIC_ON.get() == Some(kind) {
            PANIC_ON.set(None);
            panic!("a waker panics: {kind}");
        }
    }

    fn waker(self: &Arc<Self>) -> Waker {
        // SAFETY: the table below keeps the contract of a waker for a pointer of an `Arc`.
        unsafe { Waker::from_raw(RawWaker::new(Arc::into_raw(self.clone()).cast(), &TABLE)) }
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: made by `Arc::into_raw` in `waker`, and borrowed here.
        let hostile = unsafe { &*data.cast::<Hostile>() };
        hostile.touch("clone", &hostile.clones);
        // SAFETY: as above; the clone has a count of its own.
        unsafe { Arc::increment_strong_count(data.cast::<Hostile>()) };
        RawWaker::new(data, &TABLE)
    },
    |data| {
        // SAFETY: made by `Arc::into_raw` in `waker`, and given up here.
        let hostile = unsafe { Arc::from_raw(data.cast::<Hostile>()) };
        hostile.touch("wake", &hostile.wakes);
    },
    |data| {
        // SAFETY: made by `Arc::into_raw` in `waker`, and borrowed here.
        let hostile = unsafe { &*data.cast::<Hostile>() };
        hostile.touch("wake", &hostile.wakes);
    },
    |data| {
        // SAFETY: made by `Arc::into_raw` in `waker`, and given up here.
        let hostile = unsafe { Arc::from_raw(data.cast::<Hostile>()) };
        hostile.touch("drop", &hostile.drops);
    },
);

/// The queue takes `again` for the same waker only if pointer and table agree; this is another one.
fn other(hostile: &Arc<Hostile>) -> Waker {
    static OTHER: std::sync::OnceLock<Arc<Hostile>> = std::sync::OnceLock::new();
    let _ = hostile;
    OTHER.get_or_init(|| Hostile::new(1)).waker()
}

fn queued(hostile: &Arc<Hostile>, waiter: std::pin::Pin<&Waiter<Plain>>, deadline: u64) {
    // SAFETY: every test below cancels.
    let enqueued = unsafe {
        let waker = hostile.waker();
        hostile.queue.enqueue(waiter, waker, &request(deadline))
    };
    assert!(matches!(enqueued, Enqueued::Queued { .. }), "{enqueued:?}");
}

fn give(hostile: &Hostile, loan: super::Loan<Plain>) -> Option<Waker> {
    match hostile.queue.give(loan, 0, 0) {
        Given::Kept(waker) => waker,
        Given::Retired(..) => panic!("nothing retires it"),
    }
}

#[test]
fn every_touch_of_a_waker_happens_outside_the_lock() {
    let hostile = Hostile::new(1);
    let queue = &hostile.queue;
    let loan = queue.take(0).expect("idle");
    let waiter = pin!(Waiter::new());
    let waiter = waiter.as_ref();

    // Replaced by another one and back: a clone, a drop.
    queued(&hostile, waiter, u64::MAX);
    assert!(matches!(
        queue.poll_waiter(waiter, &other(&hostile)),
        Waited::Pending
    ));
    let mine = hostile.waker();
    assert!(matches!(queue.poll_waiter(waiter, &mine), Waited::Pending));
    // Cancelled: a drop.
    assert!(queue.cancel(waiter).is_none());
    // Expired, dismissed as failed, and refused for want of room.
    queued(&hostile, waiter, 5);
    queue.expire(5, |_| None).0.wake();
    assert!(matches!(queue.poll_waiter(waiter, &mine), Waited::Expired));
    queue.set_limits(|limits| limits.max_waiting = 0);
    // SAFETY: it is refused, so it is not queued.
    let refused = unsafe { queue.enqueue(waiter, hostile.waker(), &request(9)) };
    assert!(matches!(refused, Enqueued::Full { .. }), "{refused:?}");
    queue.set_limits(|limits| limits.max_waiting = 1);
    // Served: a wake.
    queued(&hostile, waiter, u64::MAX);
    give(&hostile, loan).expect("somebody waited").wake();
    let Waited::Granted(loan) = queue.poll_waiter(waiter, &mine) else {
        panic!("it was served");
    };
    // Waits for the end of a pool that closes under a waiter.
    queued(&hostile, waiter, u64::MAX);
    assert!(!queue.poll_empty(&mine));
    assert!(queue.close(None).is_empty());
    assert!(matches!(queue.poll_waiter(waiter, &mine), Waited::Closed));
    let Given::Retired(loan, _) = queue.give(loan, 0, 0) else {
        panic!("it is closed");
    };
    let (berth, value) = loan.empty();
    drop(value);
    for waker in queue.vacate(berth).closers {
        waker.wake();
    }
    drop(mine);

    assert_eq!(
        hostile.wakes.load(SeqCst),
        4,
        "expiry, hand-off, close, empty"
    );
    assert!(hostile.clones.load(SeqCst) >= 2 && hostile.drops.load(SeqCst) >= 4);
    assert_eq!(Arc::strong_count(&hostile), 1, "no waker is left behind");
}

/// Runs `body` with wakers that panic at the first touch of a kind, and expects the panic.
fn panicking<R>(kind: &'static str, body: impl FnOnce() -> R) {
    PANIC_ON.set(Some(kind));
    assert!(
        catch_unwind(AssertUnwindSafe(body)).is_err(),
        "the {kind} did not panic"
    );
    assert!(PANIC_ON.get().is_none());
}

#[test]
fn a_waker_that_panics_leaves_the_queue_whole() {
    let hostile = Hostile::new(1);
    let queue = &hostile.queue;
    let loan = queue.take(0).expect("idle");
    let waiter = pin!(Waiter::new());
    let waiter = waiter.as_ref();
    let mine = hostile.waker();

    queued(&hostile, waiter, u64::MAX);
    assert!(matches!(
        queue.poll_waiter(waiter, &other(&hostile)),
        Waited::Pending
    ));
    panicking("clone", || queue.poll_waiter(waiter, &mine));
    assert_eq!(queue.census().waiting, 1, "it waits still");
    assert!(matches!(queue.poll_waiter(waiter, &mine), Waited::Pending));
    panicking("drop", || queue.cancel(waiter));
    assert_eq!(queue.census().waiting, 0, "it has left");

    queued(&hostile, waiter, u64::MAX);
    let waker = give(&hostile, loan).expect("somebody waited");
    panicking("wake", || waker.wake());
    let Waited::Granted(loan) = queue.poll_waiter(waiter, &mine) else {
        panic!("it was served");
    };
    assert!(queue.put(loan).is_ok());
    assert!(!queue.state.is_poisoned());
    let census = queue.census();
    assert_eq!((census.idle, census.waiting, census.slow), (1, 0, false));
}
