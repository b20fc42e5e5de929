//! What all models share: a pool reduced to its queue, with ghosts that watch it.
//!
//! [`Handle`], [`Lease`] and [`Acquire`] do with the queue what the pool does, and nothing else:
//! a handle closes the queue when it is the last, a lease holds no reference, an acquire looks at
//! what it got however it came by it. Ghosts are std atomics: loom does not see them, so they order
//! nothing and cost nothing.

use std::ops::Deref;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use pool_core::queue::sync::{Arc, AtomicU64, Ordering};
use pool_core::queue::{Berth, Census, Given, Kind, Limits, Loan, Order, Queue};

pub(crate) use crate::acquire::{
    Acquire, Ended, acquire, request, try_and_leave, use_once, waiting,
};
pub(crate) use crate::lease::Lease;
use crate::look::{Face, NEVER_SEEN};
use crate::shim::Tracked;
pub(crate) use crate::shim::{block_on, model, thread};

/// The queue of the models.
pub(crate) struct Model;

impl Kind for Model {
    type Value = Conn;
    type Face = Face;
    type Anchor = Arc<Owner>;

    fn label(face: &Face) -> u32 {
        face.label()
    }
}

/// What is known from outside.
#[derive(Debug, Default)]
pub(crate) struct Ghost {
    pub(crate) opened: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
    pub(crate) freed: AtomicBool,
    /// Connects that are still to fail.
    pub(crate) failing: AtomicUsize,
}

impl Ghost {
    /// The pool is gone, and with it every connection, each once.
    pub(crate) fn assert_gone(&self) {
        assert!(self.freed.load(SeqCst), "the pool's memory was not freed");
        assert_eq!(
            self.opened.load(SeqCst),
            self.dropped.load(SeqCst),
            "connections opened and dropped"
        );
    }
}

/// A connection that notices being used by two at a time.
pub(crate) struct Conn {
    pub(crate) id: u64,
    pub(crate) opened_in: u64,
    /// The revision at which it was last looked at closely and found in order.
    pub(crate) seen: u64,
    /// Since when it is known to work.
    pub(crate) fresh: u64,
    uses: u32,
    busy: AtomicBool,
    ghost: StdArc<Ghost>,
    _tracked: Tracked,
}

impl Conn {
    fn new(opened_in: u64, seen: u64, ghost: &StdArc<Ghost>) -> Self {
        let before = ghost.opened.fetch_add(1, SeqCst);
        Self {
            id: before as u64 + 1,
            opened_in,
            seen,
            fresh: 0,
            uses: 0,
            busy: AtomicBool::new(false),
            ghost: ghost.clone(),
            _tracked: Tracked::new(),
        }
    }

    pub(crate) fn begin_use(&mut self) {
        self.uses += 1;
        assert!(!self.busy.swap(true, SeqCst), "two leases of one slot");
    }

    pub(crate) fn end_use(&mut self) {
        self.uses += 1;
        assert!(self.busy.swap(false, SeqCst), "two leases of one slot");
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.ghost.dropped.fetch_add(1, SeqCst);
    }
}

/// What contains the queue.
pub(crate) struct Owner {
    pub(crate) queue: Queue<Model>,
    /// What was not used since is asked before its next use.
    pub(crate) suspect_before: AtomicU64,
    handles: AtomicU64,
    pub(crate) ghost: StdArc<Ghost>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        assert!(!self.ghost.freed.swap(true, SeqCst), "freed twice");
    }
}

impl Owner {
    /// Brings a slot back the slow way. The caller holds a strong reference.
    pub(crate) fn give_back(&self, loan: Loan<Model>, now: u64, home: usize) {
        match self.queue.give(loan, now, home) {
            Given::Kept(waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Given::Retired(loan, _) => {
                let (berth, value) = loan.empty();
                drop(value);
                self.vacate(berth);
            }
        }
    }

    /// Makes a slot vacant and offers its capacity to the waiters.
    pub(crate) fn vacate(&self, berth: Berth<Model>) {
        self.free(berth);
        self.offer();
    }

    fn free(&self, berth: Berth<Model>) {
        let vacated = self.queue.vacate(berth);
        for waker in vacated.closers {
            waker.wake();
        }
        drop(vacated.anchor);
    }

    /// Closes a connection that cannot be used any more.
    pub(crate) fn discard(&self, loan: Loan<Model>) {
        let (berth, value) = self.queue.begin_close(loan);
        drop(value);
        self.vacate(berth);
    }

    /// Opens connections as long as the waiters need some.
    pub(crate) fn offer(&self) {
        while let Some(berth) = self.queue.claim_for_waiter(0) {
            self.connect_once(berth);
        }
    }

    pub(crate) fn connect(&self, berth: Berth<Model>) {
        self.connect_once(berth);
        self.offer();
    }

    fn connect_once(&self, berth: Berth<Model>) {
        let epoch = self.queue.epoch();
        let failing = &self.ghost.failing;
        if failing
            .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
            .is_ok()
        {
            self.free(berth);
        } else {
            let conn = Conn::new(epoch, NEVER_SEEN, &self.ghost);
            self.install(berth, conn);
        }
    }

    fn install(&self, berth: Berth<Model>, conn: Conn) {
        berth.face().renew(conn.id);
        self.give_back(berth.fill(conn), 0, 0);
    }

    /// Ends the waits that are due.
    pub(crate) fn turn(&self, now: u64) {
        loop {
            let (batch, _) = self.queue.expire(now, |_| None);
            let done = batch.done;
            batch.wake();
            if done {
                return;
            }
        }
    }

    pub(crate) fn resume(&self) {
        loop {
            let batch = self.queue.resume(0);
            let done = batch.done;
            batch.wake();
            if done {
                return self.offer();
            }
        }
    }

    /// Shrinks or grows to `max` slots.
    pub(crate) fn resize(&self, max: usize) {
        for (berth, value) in self.queue.set_limits(|limits| limits.max = max) {
            drop(value);
            self.vacate(berth);
        }
        self.offer();
    }

    pub(crate) fn close(&self, anchor: Option<Arc<Self>>) {
        for (berth, value) in self.queue.close(anchor) {
            drop(value);
            self.vacate(berth);
        }
    }
}

/// A handle of the pool; the last one closes it.
pub(crate) struct Handle(Arc<Owner>);

/// A handle that several threads of a model use, where its count is not what is modelled.
pub(crate) type Shared = StdArc<Handle>;

/// The limits most models run with: connects are no matter, `max` slots.
pub(crate) const fn limits(max: usize) -> Limits {
    Limits {
        max,
        max_connecting: max,
        busy_connecting: max,
        max_waiting: usize::MAX,
        connect_after: 0,
    }
}

impl Handle {
    /// A pool with `idle` connections in up to `ceiling` slots, spread over `homes` words.
    pub(crate) fn new(idle: usize, ceiling: usize, homes: usize, limits: Limits) -> Self {
        Self::around(Queue::new(ceiling, homes, Order::Strict, limits), idle)
    }

    /// A pool of `idle` connections and no more, with bounded skew: a FIFO for each home.
    pub(crate) fn skewed(idle: usize, homes: usize) -> Self {
        Self::around(Queue::new(idle, homes, Order::Skewed, limits(idle)), idle)
    }

    /// A pool of `idle` connections and no more, where waiters are matched.
    pub(crate) fn matching(idle: usize) -> Self {
        Self::around(Queue::new(idle, 1, Order::Matching, limits(idle)), idle)
    }

    /// The `idle` ones were looked at already.
    fn around(queue: Queue<Model>, idle: usize) -> Self {
        let owner = Owner {
            queue,
            suspect_before: AtomicU64::new(0),
            handles: AtomicU64::new(1),
            ghost: StdArc::default(),
        };
        for _ in 0..idle {
            let berth = owner.queue.claim_for_adoption().expect("there is room");
            owner.install(berth, Conn::new(0, 0, &owner.ghost));
        }
        Self(Arc::new(owner))
    }

    /// A pool of `idle` connections and no more.
    pub(crate) fn full(idle: usize, homes: usize) -> Self {
        Self::new(idle, idle, homes, limits(idle))
    }

    pub(crate) fn shared(self) -> Shared {
        StdArc::new(self)
    }

    pub(crate) fn lease(&self, loan: Loan<Model>, home: usize) -> Lease {
        Lease::new(Arc::as_ptr(&self.0), &self.ghost, loan, home)
    }

    /// An idle connection that is in order, if there is one.
    pub(crate) fn take(&self, home: usize) -> Option<Lease> {
        while let Some(loan) = self.queue.take(home) {
            if let Some(loan) = self.check(loan) {
                return Some(self.lease(loan, home));
            }
        }
        None
    }
}

impl Deref for Handle {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.0
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.handles.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close(Some(self.0.clone()));
        }
    }
}

/// A thread of a model.
pub(crate) fn spawn(body: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(body)
}

/// A user in a thread of its own.
pub(crate) fn spawn_user(pool: &Shared, home: usize) -> thread::JoinHandle<()> {
    let pool = pool.clone();
    spawn(move || use_once(&pool, home))
}

pub(crate) fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no thread panics");
    }
}

/// After the fact: `idle` connections and nothing else, SLOW has no reason; then the end.
pub(crate) fn finish(pool: Shared, idle: usize) {
    let census = pool.queue.census();
    let expected = Census {
        occupied: idle,
        idle,
        leased: 0,
        connecting: 0,
        checking: 0,
        resetting: 0,
        closing: 0,
        waiting: 0,
        slow: false,
        ..census
    };
    assert_eq!(census, expected, "the queue at rest");
    let ghost = pool.ghost.clone();
    let alive = ghost.opened.load(SeqCst) - ghost.dropped.load(SeqCst);
    assert_eq!(alive, idle, "connections alive");
    drop(pool);
    ghost.assert_gone();
}

/// After the fact: nothing is left in a closed pool.
pub(crate) fn finish_closed(pool: Shared) {
    let census = pool.queue.census();
    assert_eq!((census.occupied, census.waiting), (0, 0), "closed for good");
    let ghost = pool.ghost.clone();
    drop(pool);
    ghost.assert_gone();
}
