use std::cmp::Ordering;
use std::pin::Pin;

use proptest::prelude::*;

use super::*;

struct Nothing;

impl Kind for Nothing {
    type Value = ();
    type Face = ();
    type Anchor = ();
}

const HOMES: usize = 4;
/// What each class adds to the time of arrival.
const OFFSETS: [u64; CLASSES] = [0, 10, 40, 100];

#[derive(Clone, Debug)]
enum Op {
    /// So many arrive at a class and home, with so much patience.
    Arrive(u8, usize, usize, Option<u64>),
    /// A slot comes back at a home, so many times.
    Serve(usize, usize),
    /// Somebody leaves, and may be back later.
    Leave(prop::sample::Index, bool),
    /// Those that left come back.
    Rejoin,
    Advance(u64),
    /// The driver asks whose deadline is next.
    Look,
}

/// Mostly the pool's, now and then a request's own, or none.
fn patience() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![6 => Just(Some(50)), 2 => (0..200_u64).prop_map(Some), 1 => Just(None)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (prop_oneof![4 => Just(2_u8), 1 => 0..4_u8], 0..HOMES, 1..40_usize, patience())
            .prop_map(|(class, home, many, patience)| Op::Arrive(class, home, many, patience)),
        6 => (0..HOMES, 1..30_usize).prop_map(|(home, many)| Op::Serve(home, many)),
        2 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(which, back)| Op::Leave(which, back)),
        1 => Just(Op::Rejoin),
        2 => (0..30_u64).prop_map(Op::Advance),
        3 => Just(Op::Look),
    ]
}

struct One {
    node: Pin<Box<Waiter<Nothing>>>,
    class: u8,
    home: usize,
    /// Whether the lanes see to its deadline.
    timed: bool,
    /// Of its class, served before it though they came later.
    passed_by: usize,
}

/// What waiters are ordered by: the earlier, the sooner.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rank(u64, Ticket);

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let age = self.1.wrapping_sub(other.1).cast_signed();
        self.0.cmp(&other.0).then(age.cmp(&0))
    }
}

impl One {
    fn rank(&self) -> Rank {
        Rank(self.node.virtual_deadline(), self.node.ticket())
    }

    fn request(&self, now: u64) -> Request {
        Request {
            class: self.class,
            now,
            virtual_deadline: self.node.virtual_deadline(),
            deadline: self.node.deadline(),
            rough: false,
            ticket: 0,
            home: self.home,
            wish: 0,
            skips: 0,
        }
    }
}

/// The lanes beside a list of those who wait.
struct Pair {
    lanes: Lanes<Nothing>,
    fair: bool,
    waiting: Vec<One>,
    away: Vec<One>,
    tickets: u32,
    now: u64,
}

impl Pair {
    fn new(fair: bool) -> Self {
        Self {
            lanes: Lanes::new(if fair { Order::Strict } else { Order::Skewed }, HOMES),
            fair,
            waiting: Vec::new(),
            away: Vec::new(),
            // Soon to wrap.
            tickets: u32::MAX - 100,
            now: 0,
        }
    }

    fn arrive(&mut self, class: u8, home: usize, patience: Option<u64>) {
        self.tickets = self.tickets.checked_add(1).unwrap_or(1);
        let node = Box::pin(Waiter::new());
        node.ticket.set(self.tickets);
        let virtual_deadline = self.now + OFFSETS[usize::from(class)];
        node.virtual_deadline.set(virtual_deadline);
        let deadline = patience.map_or(u64::MAX, |patience| self.now + patience);
        node.deadline.set(deadline);
        let one = One {
            node,
            class,
            home,
            timed: false,
            passed_by: 0,
        };
        self.push(one, false);
    }

    fn push(&mut self, mut one: One, again: bool) {
        let node = NonNull::from(&*one.node);
        one.node.again.set(again);
        let (ticket, home) = (one.node.ticket(), one.home);
        let mut request = one.request(self.now);
        request.ticket = if again { ticket } else { 0 };
        // SAFETY: one thread; the node is pinned and stands nowhere; a new one has a new ticket.
        unsafe {
            one.timed = (!again && self.lanes.push_plain(&one.node, &request, || home, ticket))
                || self.lanes.push(node, &request);
        }
        self.waiting.push(one);
    }

    /// Whom a slot goes to, by the rule as it is written down.
    fn next(&self, home: usize) -> Option<usize> {
        let rank = |at: &usize| self.waiting[*at].rank();
        let eldest = (0..self.waiting.len()).min_by_key(rank)?;
        let of_class = |at: &usize| self.waiting[*at].class == self.waiting[eldest].class;
        let own = (0..self.waiting.len())
            .filter(of_class)
            .filter(|at| self.waiting[*at].home == home)
            .min_by_key(rank);
        let skew = |own: usize| {
            let (own, eldest) = (&self.waiting[own].node, &self.waiting[eldest].node);
            own.ticket().wrapping_sub(eldest.ticket()).cast_signed()
        };
        Some(match own {
            Some(own) if !self.fair && skew(own) <= MAX_SKEW => own,
            _ => eldest,
        })
    }

    fn serve(&mut self, home: usize) {
        let expected = self
            .next(home)
            .map(|at| NonNull::from(&*self.waiting[at].node));
        let first = self.lanes.first(home).map(|first| first.waiter);
        assert_eq!(first, expected, "first at {home}");
        let plain = self.lanes.pop_plain(self.now, || home);
        let served = plain.or_else(|| {
            self.lanes
                .pop_next(home, self.now, || 0)
                .map(|first| first.waiter)
        });
        assert_eq!(served, expected, "served at {home}");
        let Some(served) = served else { return };
        let at = self
            .waiting
            .iter()
            .position(|one| NonNull::from(&*one.node) == served);
        let one = self.waiting.swap_remove(at.expect("it waits"));
        for other in &mut self.waiting {
            let later = other.rank() < one.rank();
            other.passed_by += usize::from(later && other.class == one.class);
            let most = if self.fair {
                0
            } else {
                MAX_SKEW.unsigned_abs() as usize
            };
            assert!(other.passed_by <= most, "passed by {}", other.passed_by);
        }
    }

    fn leave(&mut self, which: prop::sample::Index, back: bool) {
        if self.waiting.is_empty() {
            return;
        }
        let one = self.waiting.swap_remove(which.index(self.waiting.len()));
        // SAFETY: one thread; it is alive. A second time does nothing.
        unsafe {
            self.lanes.remove(NonNull::from(&*one.node));
            self.lanes.remove(NonNull::from(&*one.node));
        }
        if back {
            self.away.push(one);
        }
    }

    fn look(&mut self) {
        let timed = self.waiting.iter().filter(|one| one.timed);
        let first_due = timed.map(|one| one.node.deadline()).min();
        let found = self.lanes.first_due().map(|first| first.deadline);
        assert_eq!(found, first_due, "the next deadline");
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Arrive(class, home, many, patience) => {
                (0..many).for_each(|_| self.arrive(class, home, patience));
            }
            Op::Serve(home, many) => (0..many).for_each(|_| self.serve(home)),
            Op::Leave(which, back) => self.leave(which, back),
            Op::Rejoin => {
                for one in std::mem::take(&mut self.away) {
                    self.push(one, true);
                }
            }
            Op::Advance(step) => self.now += step,
            Op::Look => self.look(),
        }
        assert_eq!(self.lanes.waiting(), self.waiting.len());
        let everybody = |many: &mut usize| self.lanes.each(|_| *many += 1);
        let mut many = 0;
        everybody(&mut many);
        assert_eq!(many, self.waiting.len(), "everybody is shown");
    }
}

#[test]
fn deadlines_that_come_in_order_are_seen_to_without_a_wheel() {
    let mut pair = Pair::new(true);
    for now in 0..100 {
        pair.now = now;
        pair.arrive(2, 0, Some(50));
        assert!(pair.waiting.iter().all(|one| one.timed));
    }
    pair.arrive(2, 0, Some(10));
    assert!(pair.waiting.pop().is_some_and(|one| !one.timed));
}

#[test]
fn the_deadline_of_one_who_takes_the_place_of_another_who_left_is_seen_to() {
    let mut pair = Pair::new(true);
    pair.arrive(2, 0, None);
    pair.arrive(2, 0, None);
    // Nobody has a deadline as far as the second place, which is free again then.
    pair.look();
    let left = pair.waiting.pop().expect("two have come");
    // SAFETY: one thread; it is alive.
    unsafe { pair.lanes.remove(NonNull::from(&*left.node)) };
    pair.arrive(2, 0, Some(50));
    pair.look();
}

#[test]
fn a_queue_that_loses_its_middle_over_and_over_stays_short() {
    let mut pair = Pair::new(true);
    pair.arrive(2, 0, None);
    for _ in 0..10_000 {
        pair.arrive(2, 0, Some(50));
        if pair.waiting.len() == 9 {
            // All leave but the eldest and the youngest, so that the gaps come to neither end.
            for one in pair.waiting.drain(1..8) {
                // SAFETY: one thread; it is alive.
                unsafe { pair.lanes.remove(NonNull::from(&*one.node)) };
            }
        }
    }
    assert!(pair.lanes.places() <= 64, "{} places", pair.lanes.places());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waiters_are_served_in_the_order_that_is_promised(
        fair in any::<bool>(),
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut pair = Pair::new(fair);
        for op in &ops {
            pair.apply(op);
        }
        pair.look();
        while !pair.waiting.is_empty() {
            pair.serve(pair.waiting.len() % HOMES);
        }
    }
}
