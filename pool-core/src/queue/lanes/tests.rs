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
    /// So many arrive at a class and home.
    Arrive(u8, usize, usize),
    /// A slot comes back at a home, so many times.
    Serve(usize, usize),
    /// Somebody leaves, and may be back later.
    Leave(prop::sample::Index, bool),
    /// Those that left come back.
    Rejoin,
    Advance(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (prop_oneof![4 => Just(2_u8), 1 => 0..4_u8], 0..HOMES, 1..40_usize)
            .prop_map(|(class, home, many)| Op::Arrive(class, home, many)),
        6 => (0..HOMES, 1..30_usize).prop_map(|(home, many)| Op::Serve(home, many)),
        2 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(which, back)| Op::Leave(which, back)),
        1 => Just(Op::Rejoin),
        2 => (0..30_u64).prop_map(Op::Advance),
    ]
}

struct One {
    node: Pin<Box<Waiter<Nothing>>>,
    class: u8,
    home: usize,
    /// Of its class, served before it though they came later.
    passed_by: usize,
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
            lanes: Lanes::new(fair, HOMES),
            fair,
            waiting: Vec::new(),
            away: Vec::new(),
            // Soon to wrap.
            tickets: u32::MAX - 100,
            now: 0,
        }
    }

    fn arrive(&mut self, class: u8, home: usize) {
        self.tickets = self.tickets.checked_add(1).unwrap_or(1);
        let node = Box::pin(Waiter::new());
        node.ticket.set(self.tickets);
        let virtual_deadline = self.now + OFFSETS[usize::from(class)];
        node.virtual_deadline.set(virtual_deadline);
        let one = One {
            node,
            class,
            home,
            passed_by: 0,
        };
        self.push(one, false);
    }

    fn push(&mut self, one: One, again: bool) {
        let node = NonNull::from(&*one.node);
        // SAFETY: one thread; the node is pinned and stands nowhere.
        unsafe { self.lanes.push(node, one.class, one.home, again) };
        self.waiting.push(one);
    }

    /// Whom a slot goes to, by the rule as it is written down.
    fn next(&self, home: usize) -> Option<usize> {
        let rank = |at: &usize| self.waiting[*at].node.rank();
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
        let served = self.lanes.first(home);
        assert_eq!(served, expected, "served at {home}");
        let Some(served) = served else { return };
        // SAFETY: one thread; it is alive.
        unsafe { self.lanes.remove(served) };
        let at = self
            .waiting
            .iter()
            .position(|one| NonNull::from(&*one.node) == served);
        let one = self.waiting.swap_remove(at.expect("it waits"));
        for other in &mut self.waiting {
            let later = other.node.rank() < one.node.rank();
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

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Arrive(class, home, many) => (0..many).for_each(|_| self.arrive(class, home)),
            Op::Serve(home, many) => (0..many).for_each(|_| self.serve(home)),
            Op::Leave(which, back) => self.leave(which, back),
            Op::Rejoin => {
                for one in std::mem::take(&mut self.away) {
                    self.push(one, true);
                }
            }
            Op::Advance(step) => self.now += step,
        }
        assert_eq!(self.lanes.waiting(), self.waiting.len());
    }
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
        while !pair.waiting.is_empty() {
            pair.serve(pair.waiting.len() % HOMES);
        }
    }
}
