//! The queue beside a model of vectors and scans, one operation at a time.

mod model;

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use proptest::prelude::*;
use proptest::sample::Index;

use super::{
    Batch, Berth, Conn, Enqueued, Given, Held, Loan, Order, Phase, Plain, Queue, Request, Waited,
    Waiter,
};

use self::model::{MOST_SKIPS, Pair, Stand, Waiting, grace, place};

const CEILING: usize = 6;
/// What each class adds to the time of arrival.
const OFFSETS: [u64; 4] = [0, 10, 40, 100];

#[derive(Clone, Debug)]
enum Op {
    /// `direct` goes to the lock without trying the words.
    Acquire {
        ask: Ask,
        direct: bool,
    },
    /// Many come at once, for these labels.
    Crowd(Vec<u32>),
    /// The same connection comes back again and again, each time with another of these labels.
    Churn(Vec<u32>),
    Poll(Index),
    Cancel(Index),
    /// With this label.
    Put(Index, u32),
    Break(Index),
    Connected(Index),
    ConnectFailed(Index),
    Claim,
    Refill(usize),
    Resize(usize),
    Suspend(bool),
    Resume,
    Close,
    Advance(u64),
    Expire,
    Fail,
    Revoke,
}

/// Of a class, with so much patience, by a rough time or not, for this label.
#[derive(Clone, Copy, Debug)]
struct Ask {
    class: u8,
    patience: Option<u64>,
    rough: bool,
    wish: u32,
}

/// As many labels as there are, none included.
const LABELS: u32 = 3;

fn ask() -> impl Strategy<Value = Ask> {
    let class = prop_oneof![2 => Just(2_u8), 1 => 0..4_u8];
    let patience = prop_oneof![
        2 => (1..60_u64).prop_map(Some),
        1 => (200..600_u64).prop_map(Some),
        2 => Just(None),
    ];
    (class, patience, any::<bool>(), 0..LABELS).prop_map(|(class, patience, rough, wish)| Ask {
        class,
        patience,
        rough,
        wish,
    })
}

/// Mostly the same, so that some are passed often.
fn labels() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![6 => Just(1_u32), 1 => 0..LABELS], 1..24)
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<Index>;
    prop_oneof![
        14 => (ask(), any::<bool>()).prop_map(|(ask, direct)| Op::Acquire { ask, direct }),
        2 => labels().prop_map(Op::Crowd),
        3 => labels().prop_map(Op::Churn),
        10 => index().prop_map(Op::Poll),
        4 => index().prop_map(Op::Cancel),
        10 => (index(), 0..LABELS).prop_map(|(which, label)| Op::Put(which, label)),
        3 => index().prop_map(Op::Break),
        6 => index().prop_map(Op::Connected),
        2 => index().prop_map(Op::ConnectFailed),
        5 => Just(Op::Claim),
        2 => (0..=CEILING).prop_map(Op::Refill),
        3 => (1..=CEILING).prop_map(Op::Resize),
        2 => any::<bool>().prop_map(Op::Suspend),
        3 => Just(Op::Resume),
        1 => prop_oneof![9 => Just(Op::Expire), 1 => Just(Op::Close)],
        5 => (0..30_u64).prop_map(Op::Advance),
        4 => Just(Op::Expire),
        1 => Just(Op::Fail),
        4 => Just(Op::Revoke),
    ]
}

impl Pair {
    fn acquire(&mut self, ask: Ask, direct: bool) {
        let class = ask.class;
        let free = !self.slow() && self.idle() > 0;
        if !direct {
            let loan = self.queue.take(usize::from(class));
            assert_eq!(loan.is_some(), free, "taken");
            if let Some(loan) = loan {
                return self.leased(loan);
            }
        }
        let number = self.numbers;
        self.numbers += 1;
        self.requests.push(Waiting {
            number,
            waiter: Box::pin(Waiter::new()),
            wakes: Arc::default(),
            request: Request {
                class,
                now: self.now,
                virtual_deadline: self.now + OFFSETS[usize::from(class)],
                deadline: ask.patience.map_or(u64::MAX, |after| self.now + after),
                rough: ask.rough,
                ticket: 0,
                home: number,
                wish: ask.wish,
                skips: 0,
            },
            stand: Stand::Queued,
            skips: 0,
        });
        self.join(number, false);
    }

    fn refuses(&self, again: bool) -> bool {
        match self.phase {
            Phase::Open => false,
            Phase::Suspended { refuse } => refuse && !again,
            Phase::Closed => true,
        }
    }

    fn is_full(&self) -> bool {
        let room = self.limits.max.saturating_sub(self.occupied()) + self.berths.len();
        self.waiting() >= self.limits.max_waiting + room
    }

    fn join(&mut self, number: usize, again: bool) {
        let at = self.requests.iter().position(|one| one.number == number);
        let at = at.expect("it is there");
        let (free, refuses) = (!self.slow() && self.idle() > 0, self.refuses(again));
        let full = !again && !free && self.is_full();
        let one = &mut self.requests[at];
        one.wakes.0.store(0, SeqCst);
        let request = Request {
            ticket: if again { one.waiter.ticket() } else { 0 },
            skips: if again { one.waiter.skips() } else { 0 },
            ..one.request
        };
        let waker = one.waker();
        // SAFETY: whoever is dropped from `requests` while it waits is cancelled first.
        let enqueued = unsafe {
            if is_detoured(number) {
                one.waiter.set(Waiter::joining(waker, &request));
                let held = Held::default();
                self.queue.join(held, one.waiter.as_ref(), &request)
            } else {
                self.queue.enqueue(one.waiter.as_ref(), waker, &request)
            }
        };
        match enqueued {
            Enqueued::Granted(loan) => {
                assert!(free && !refuses, "granted");
                self.requests.remove(at);
                self.leased(loan);
            }
            Enqueued::Refused(phase) => {
                assert!(refuses && phase == self.phase, "refused by {phase:?}");
                self.requests.remove(at);
            }
            Enqueued::Full { waiting } => {
                assert!(full && !refuses && waiting == self.waiting(), "full");
                self.requests.remove(at);
            }
            Enqueued::Queued { connect, .. } => {
                assert!(!free && !refuses && !full, "queued");
                self.link(at);
                assert_eq!(connect.is_some(), self.wants_connect(), "a connect begins");
                self.berths.extend(connect);
            }
        }
    }

    fn link(&mut self, at: usize) {
        let one = &mut self.requests[at];
        one.stand = Stand::Queued;
        let class = usize::from(one.request.class);
        let place = (one.request.virtual_deadline, one.number);
        if self.lanes[class].is_empty() {
            self.paces[class].since = one.request.now;
        }
        self.lanes[class].insert(place);
    }

    fn leased(&mut self, loan: Loan<Plain>) {
        assert!(
            self.floating.remove(&loan.get().id),
            "it was idle or handed"
        );
        self.shelf.remove(&place(loan.index()));
        self.leases.push(loan);
    }

    fn crowd(&mut self, wishes: Vec<u32>) {
        for wish in wishes {
            let ask = Ask {
                class: 2,
                patience: None,
                rough: false,
                wish,
            };
            self.acquire(ask, true);
        }
    }

    fn churn(&mut self, labels: Vec<u32>) {
        for label in labels {
            let Some(lease) = self.leases.last() else {
                return;
            };
            lease.face().store(label, SeqCst);
            self.put(self.leases.len() - 1);
            let handed = |one: &Waiting| matches!(one.stand, Stand::Handed { .. });
            if let Some(at) = self.requests.iter().rposition(handed) {
                self.poll(at);
            }
        }
    }

    fn poll(&mut self, at: usize) {
        let one = &self.requests[at];
        let waited = self.queue.poll_waiter(one.waiter.as_ref(), &one.waker());
        let ended = match (one.stand, waited) {
            (Stand::Queued | Stand::Late, Waited::Pending) => return,
            (Stand::Handed { .. }, Waited::Granted(loan)) => {
                self.requests.remove(at);
                return self.leased(loan);
            }
            (Stand::Revoked, Waited::Revoked) => {
                let number = one.number;
                return self.join(number, true);
            }
            (Stand::Expired, Waited::Expired) => true,
            (Stand::Closed, Waited::Closed) => true,
            (Stand::Failed, Waited::Failed) => true,
            (_, waited) => panic!("{waited:?}"),
        };
        assert!(ended, "the model agrees");
        self.requests.remove(at);
    }

    fn cancel(&mut self, which: Index) {
        let Some(at) = pick(which, self.requests.len()) else {
            return;
        };
        let one = self.requests.remove(at);
        self.unlink(one.number);
        let loan = self.queue.cancel(one.waiter.as_ref());
        let handed = matches!(one.stand, Stand::Handed { .. });
        assert_eq!(loan.is_some(), handed, "it passes on what it got");
        if let Some(loan) = loan {
            self.leased(loan);
            self.put(self.leases.len() - 1);
        }
    }

    fn put(&mut self, at: usize) {
        let slow = self.slow();
        let loan = self.leases.remove(at);
        let id = loan.get().id;
        let spot = (place(loan.index()), loan.face().load(SeqCst));
        match self.queue.put(loan) {
            Ok(()) => {
                assert!(!slow, "SLOW was not asked");
                self.floating.insert(id);
                self.shelf.insert(spot.0, spot.1);
            }
            Err(loan) => {
                assert!(slow, "SLOW without a reason");
                // Still occupied: counted for the surplus.
                self.leases.push(loan);
                let loan = self.leases.pop();
                self.give(loan.expect("just pushed"), 1);
            }
        }
    }

    /// Gives a slot that is out of all lists of the model; `held` says that it counts nevertheless.
    fn give(&mut self, loan: Loan<Plain>, held: usize) {
        let id = loan.get().id;
        let surplus = self.occupied() + held > self.limits.max;
        let (spot, label) = (place(loan.index()), loan.face().load(SeqCst));
        let given = if is_detoured(id) {
            let queue = NonNull::from(&self.queue);
            // SAFETY: borrowed for the call.
            unsafe { Queue::give_last(queue, loan, Held::default(), self.now, id) }
        } else {
            self.queue.give(loan, self.now, id)
        };
        match given {
            Given::Retired(loan, phase) => {
                let (berth, value) = loan.empty();
                assert!(surplus || self.phase == Phase::Closed, "retired");
                assert_eq!(phase, self.phase);
                drop(value);
                let _ = self.queue.vacate(berth);
            }
            Given::Kept(waker) => {
                assert!(!surplus && self.phase != Phase::Closed, "kept");
                self.floating.insert(id);
                let next = if self.phase == Phase::Open {
                    self.next(label)
                } else {
                    None
                };
                assert_eq!(waker.is_some(), next.is_some(), "handed to somebody");
                if next.is_none() {
                    self.shelf.insert(spot, label);
                }
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    }

    fn connected(&mut self, which: Index) {
        if let Some(at) = pick(which, self.berths.len()) {
            let berth = self.berths.remove(at);
            let conn = Conn::new(self.numbers, &self.alive);
            berth.face().store(0, SeqCst);
            self.numbers += 1;
            self.lost = self.lost.saturating_sub(1);
            self.give(berth.fill(conn), 1);
        }
    }

    fn resize(&mut self, max: usize) {
        self.limits.max = max;
        let expected = self.surplus().min(self.idle());
        let retired = self.queue.set_limits(|limits| limits.max = max);
        assert_eq!(retired.len(), expected, "idle ones go first");
        self.retire(retired);
    }

    fn retire(&mut self, retired: Vec<(Berth<Plain>, Conn)>) {
        for (berth, value) in retired {
            assert!(self.floating.remove(&value.id), "it was idle");
            let label = self.shelf.remove(&place(berth.index()));
            assert!(label.is_some(), "it was not handed");
            drop(value);
            let _ = self.queue.vacate(berth);
        }
    }

    fn rounds(mut round: impl FnMut() -> Batch) {
        loop {
            let batch = round();
            let done = batch.done;
            batch.wake();
            if done {
                return;
            }
        }
    }

    fn resume(&mut self) {
        Self::rounds(|| self.queue.resume(self.now));
        if self.phase != Phase::Closed {
            self.phase = Phase::Open;
            while let Some((spot, label)) = self.shelf.pop_first() {
                if self.next(label).is_none() {
                    self.shelf.insert(spot, label);
                    return;
                }
            }
        }
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        let idle = self.idle();
        let retired = self.queue.close(None);
        assert_eq!(retired.len(), idle, "all that was idle");
        self.retire(retired);
        self.end_all(Stand::Closed);
    }

    fn fail(&mut self) {
        Self::rounds(|| self.queue.fail_waiters());
        if self.occupied() == self.berths.len() {
            self.end_all(Stand::Failed);
        }
    }

    fn revoke(&mut self) {
        let (revoked, _) = self.queue.revoke_uncollected();
        let mut expected = 0;
        for one in &mut self.requests {
            match one.stand {
                Stand::Handed { swept: true } => {
                    one.stand = Stand::Revoked;
                    expected += 1;
                }
                Stand::Handed { swept: false } => one.stand = Stand::Handed { swept: true },
                _ => {}
            }
        }
        assert_eq!(revoked.len(), expected, "those that a sweep saw before");
        for loan in revoked {
            self.leased(loan);
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Acquire { ask, direct } => self.acquire(ask, direct),
            Op::Crowd(wishes) => self.crowd(wishes),
            Op::Churn(labels) => self.churn(labels),
            Op::Poll(which) => {
                if let Some(at) = pick(which, self.requests.len()) {
                    self.poll(at);
                }
            }
            Op::Cancel(which) => self.cancel(which),
            Op::Put(which, label) => {
                if let Some(at) = pick(which, self.leases.len()) {
                    self.leases[at].face().store(label, SeqCst);
                    self.put(at);
                }
            }
            Op::Break(which) => {
                if let Some(at) = pick(which, self.leases.len()) {
                    let (berth, value) = self.queue.begin_close(self.leases.remove(at));
                    drop(value);
                    self.lose();
                    let _ = self.queue.vacate(berth);
                }
            }
            Op::Connected(which) => self.connected(which),
            Op::ConnectFailed(which) => {
                if let Some(at) = pick(which, self.berths.len()) {
                    let _ = self.queue.vacate(self.berths.remove(at));
                }
            }
            Op::Claim => {
                let berth = self.queue.claim_for_waiter(self.now);
                assert_eq!(berth.is_some(), self.wants_connect(), "claimed");
                self.berths.extend(berth);
            }
            Op::Refill(upto) => self.refill(upto),
            Op::Resize(max) => self.resize(max),
            Op::Suspend(refuse) => {
                self.queue.suspend(refuse);
                if self.phase != Phase::Closed {
                    self.phase = Phase::Suspended { refuse };
                }
            }
            Op::Resume => self.resume(),
            Op::Close => self.close(),
            Op::Advance(step) => self.now += step,
            Op::Expire => {
                Self::rounds(|| self.queue.expire(self.now, grace).0);
                self.expire();
            }
            Op::Fail => self.fail(),
            Op::Revoke => self.revoke(),
        }
    }

    fn refill(&mut self, upto: usize) {
        let berth = self.queue.claim_for_refill(upto, u64::MAX);
        let expected = self.phase == Phase::Open
            && self.occupied() < self.limits.max.min(upto)
            && self.berths.len() < self.limits.max_connecting;
        assert_eq!(berth.is_some(), expected, "refilled");
        self.berths.extend(berth);
    }

    /// What holds after every operation.
    fn check(&mut self) {
        if !self.slow() {
            self.lost = 0;
        }
        let census = self.queue.census();
        assert_eq!(census.occupied, self.occupied(), "occupied");
        assert_eq!(census.idle, self.idle(), "idle");
        assert_eq!(census.idle, self.shelf.len(), "idle, one by one");
        assert_eq!(census.matched, self.matched, "matched");
        assert_eq!(census.skipped, self.skipped, "skipped");
        assert!(census.longest_skip <= MOST_SKIPS, "{}", census.longest_skip);
        assert_eq!(census.leased, self.leases.len() + self.handed(), "leased");
        assert_eq!(census.connecting, self.berths.len(), "connecting");
        assert_eq!(census.waiting, self.waiting(), "waiting");
        assert_eq!(
            census.slow,
            self.slow(),
            "SLOW has a reason, and the other way round"
        );
        let alive = self.leases.len() + self.floating.len();
        assert_eq!(self.alive.load(SeqCst), alive, "connections alive");
        for one in &self.requests {
            let wakes = usize::from(!matches!(one.stand, Stand::Queued | Stand::Late));
            assert_eq!(
                one.wakes.0.load(SeqCst),
                wakes,
                "one wake when the wait ends"
            );
        }
    }

    /// Everybody leaves.
    fn end(mut self) {
        while let Some(one) = self.requests.pop() {
            self.unlink(one.number);
            if let Some(loan) = self.queue.cancel(one.waiter.as_ref()) {
                self.leased(loan);
            }
        }
        for berth in std::mem::take(&mut self.berths) {
            let _ = self.queue.vacate(berth);
        }
        while !self.leases.is_empty() {
            self.put(0);
        }
        self.check();
        drop(self.queue);
        assert_eq!(
            self.alive.load(SeqCst),
            0,
            "connections alive after the queue"
        );
    }
}

/// Whether what could go the short way goes the long way all the same, as it does where somebody else
/// has the lock.
fn is_detoured(number: usize) -> bool {
    number.is_multiple_of(3)
}

fn pick(which: Index, len: usize) -> Option<usize> {
    (len > 0).then(|| which.index(len))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_queue_agrees_with_a_naive_one(
        matching in any::<bool>(),
        ops in prop::collection::vec(op(), 1..160),
    ) {
        let mut pair = Pair::new(if matching { Order::Matching } else { Order::Strict });
        for op in ops {
            pair.apply(op);
            pair.check();
        }
        pair.end();
    }
}
