use std::collections::BTreeMap;
use std::pin::Pin;

use proptest::prelude::*;

use super::*;

struct Nothing;

impl Kind for Nothing {
    type Value = ();
    type Face = ();
    type Anchor = ();
}

#[derive(Clone, Debug)]
enum Op {
    /// With a deadline so far from now, either way.
    Insert(i64),
    Remove(prop::sample::Index),
    Turn(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let span = i64::try_from(SPAN).expect("it is 2^30");
    let distance = prop_oneof![
        4 => -3_i64..70,
        3 => 0_i64..20_000,
        2 => 0..span,
        1 => span - 5..3 * span,
    ];
    let step = prop_oneof![4 => 0_u64..70, 3 => 0_u64..20_000, 1 => 0..2 * SPAN];
    prop_oneof![
        4 => distance.prop_map(Op::Insert),
        2 => any::<prop::sample::Index>().prop_map(Op::Remove),
        3 => step.prop_map(Op::Turn),
    ]
}

/// The wheel beside a map of the same waiters, by the time they are due.
struct Pair {
    wheel: Wheel<Nothing>,
    /// Everybody who ever stood in it, by number.
    waiters: Vec<Pin<Box<Waiter<Nothing>>>>,
    due_at: BTreeMap<usize, u64>,
    now: u64,
}

impl Pair {
    fn new(now: u64) -> Self {
        Self {
            wheel: Wheel::new(now),
            waiters: Vec::new(),
            due_at: BTreeMap::new(),
            now,
        }
    }

    fn node(&self, number: usize) -> NonNull<Waiter<Nothing>> {
        NonNull::from(&*self.waiters[number])
    }

    fn insert(&mut self, distance: i64) {
        let deadline = self.now.saturating_add_signed(distance);
        let number = self.waiters.len();
        self.waiters.push(Box::pin(Waiter::new()));
        self.due_at.insert(number, deadline.max(self.now));
        let node = self.node(number);
        // SAFETY: one thread; the waiter is pinned, outlives the wheel's use of it and is new.
        unsafe {
            node.as_ref().deadline.set(deadline);
            self.wheel.insert(node);
        }
    }

    fn remove(&mut self, which: prop::sample::Index) {
        if self.waiters.is_empty() {
            return;
        }
        // Some of them have left before: that must do nothing.
        let number = which.index(self.waiters.len());
        self.due_at.remove(&number);
        // SAFETY: one thread; all waiters live as long as the wheel.
        unsafe { self.wheel.remove(self.node(number)) };
    }

    /// Turns to `now` and compares who is due.
    fn turn(&mut self, now: u64) {
        self.now = now;
        // SAFETY: one thread.
        unsafe { self.wheel.turn(now) };
        let mut due = Vec::new();
        while let Some(node) = self.wheel.pop_due() {
            let number = (0..self.waiters.len()).find(|number| self.node(*number) == node);
            due.push(number.expect("it was inserted"));
        }
        due.sort_unstable();
        let expected: Vec<usize> = self
            .due_at
            .extract_if(.., |_, due_at| *due_at <= now)
            .map(|(number, _)| number)
            .collect();
        assert_eq!(due, expected, "due at {now}");
    }

    fn check(&self) {
        let first = self.due_at.values().min();
        let turn = self.wheel.next_turn();
        assert_eq!(turn.is_some(), first.is_some(), "a timer, or nobody");
        if let (Some(turn), Some(first)) = (turn, first) {
            assert!((self.now..=*first).contains(&turn), "{turn} for {first}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waiters_are_due_exactly_at_their_deadlines(
        start in prop_oneof![Just(0), 0..4 * SPAN],
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut pair = Pair::new(start);
        for op in ops {
            match op {
                Op::Insert(distance) => pair.insert(distance),
                Op::Remove(which) => pair.remove(which),
                Op::Turn(step) => pair.turn(pair.now + step),
            }
            pair.check();
        }
        // Woken only when the wheel asks for it, nobody comes late, and the wheel runs empty.
        while let Some(turn) = pair.wheel.next_turn() {
            pair.turn(turn);
            pair.check();
        }
        prop_assert!(pair.due_at.is_empty());
    }
}
