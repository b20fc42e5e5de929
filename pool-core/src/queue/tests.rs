//! The queue in one thread: against a naive model, and with wakers that misbehave.

mod naive;
mod wakers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};

use super::*;

/// The queue of the tests.
#[derive(Debug)]
struct Plain;

impl Kind for Plain {
    type Value = Conn;
    type Face = AtomicU32;
    type Anchor = Arc<()>;

    fn label(face: &AtomicU32) -> u32 {
        face.load(SeqCst)
    }
}

/// A connection that is counted while it lives.
#[derive(Debug)]
struct Conn {
    id: usize,
    alive: Arc<AtomicUsize>,
}

impl Conn {
    fn new(id: usize, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, SeqCst);
        Self {
            id,
            alive: Arc::clone(alive),
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

fn limits(max: usize) -> Limits {
    Limits {
        max,
        max_connecting: max,
        busy_connecting: max,
        max_waiting: usize::MAX,
        connect_after: 0,
    }
}

/// A queue with `idle` connections and room for no more.
fn full(idle: usize) -> Queue<Plain> {
    let queue = Queue::new(idle, 1, Order::Strict, limits(idle));
    let alive = Arc::default();
    for id in 0..idle {
        let berth = queue.claim_for_adoption().expect("there is room");
        match queue.give(berth.fill(Conn::new(id, &alive)), 0, 0) {
            Given::Kept(waker) => assert!(waker.is_none()),
            Given::Retired(..) => panic!("there is room"),
        }
    }
    queue
}

fn request(deadline: u64) -> Request {
    Request {
        class: 0,
        now: 0,
        virtual_deadline: 0,
        deadline,
        rough: false,
        ticket: 0,
        home: 0,
        wish: 0,
        skips: 0,
    }
}

#[test]
fn with_no_waiting_allowed_the_first_one_is_refused_too() {
    let queue = full(1);
    queue.set_limits(|limits| limits.max_waiting = 0);
    let loan = queue.take(0).expect("idle");
    let waiter = std::pin::pin!(Waiter::new());
    let waker = std::task::Waker::noop().clone();
    // SAFETY: it is not queued, and cancelled anyway.
    let enqueued = unsafe { queue.enqueue(waiter.as_ref(), waker, &request(9)) };
    assert!(
        matches!(enqueued, Enqueued::Full { waiting: 0 }),
        "{enqueued:?}"
    );
    assert!(queue.cancel(waiter.as_ref()).is_none());
    assert!(!queue.census().slow, "SLOW without a reason");
    assert!(queue.put(loan).is_ok());
}

#[test]
fn a_slot_beyond_the_ceiling_is_not_idle() {
    let queue = full(3);
    assert!(queue.take_at(3).is_none());
    assert!(queue.take_at(10_000).is_none());
    let loan = queue.take_at(2).expect("idle");
    assert_eq!(loan.index(), 2);
    assert!(queue.put(loan).is_ok());
}

#[test]
fn a_request_between_two_rounds_of_a_resume_is_not_left_behind() {
    let queue = full(40);
    queue.suspend(false);
    let mut waiters: Vec<_> = (0..17).map(|_| Box::pin(Waiter::new())).collect();
    let mut served = 0;
    loop {
        let batch = queue.resume(0);
        let done = batch.done;
        served += batch.len();
        batch.wake();
        if done {
            break;
        }
    }
    assert_eq!(served, 0, "nobody waited");
    assert_eq!(queue.census().idle, 40);
    queue.suspend(false);
    for waiter in &waiters {
        let waker = std::task::Waker::noop().clone();
        // SAFETY: all are cancelled below.
        let enqueued = unsafe { queue.enqueue(waiter.as_ref(), waker, &request(9)) };
        assert!(matches!(enqueued, Enqueued::Queued { .. }), "{enqueued:?}");
    }
    let first = queue.resume(0);
    assert_eq!((first.len(), first.done), (16, false));
    // None of the slots may be idle now, where the rest would miss it.
    assert!(queue.words.idle_bits(0) == 0, "idle while somebody waits");
    let rest = queue.resume(0);
    assert_eq!((rest.len(), rest.done), (1, true));
    for waiter in waiters.drain(..) {
        let loan = queue.cancel(waiter.as_ref()).expect("all were served");
        assert!(queue.put(loan).is_ok());
    }
}

/// The table of slots is replaced by a longer one several times while others look into it.
#[test]
fn slots_are_found_by_others_while_their_table_grows() {
    const SLOTS: usize = 240;
    let queue: Queue<Plain> = Queue::new(SLOTS, 1, Order::Strict, limits(SLOTS));
    let alive = Arc::default();
    let adopt = |id| {
        let berth = queue.claim_for_adoption().expect("there is room");
        let given = queue.give(berth.fill(Conn::new(id, &alive)), 0, 0);
        assert!(matches!(given, Given::Kept(None)), "nobody waits");
    };
    let use_some = |home: usize| {
        for round in 0..20_000 {
            if let Some(loan) = queue.take(home + round) {
                assert_eq!(loan.get().id, loan.index() as usize, "another slot's");
                assert!(queue.put(loan).is_ok(), "nobody waits");
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| use_some(0));
        scope.spawn(|| use_some(1));
        (0..SLOTS).for_each(adopt);
    });
    let loans: Vec<_> = std::iter::from_fn(|| queue.take(0)).collect();
    let mut found: Vec<_> = loans.iter().map(|loan| loan.get().id).collect();
    found.sort_unstable();
    assert!(found.into_iter().eq(0..SLOTS), "each once");
    for loan in loans {
        assert!(queue.put(loan).is_ok(), "nobody waits");
    }
}
