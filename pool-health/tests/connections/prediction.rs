//! What follows from a trend.

use std::time::Duration;

use pool_core::{Candidate, Order, Orders, Subject};
use pool_health::{Mode, Prediction, Verdict};

use crate::subjects::{connection, subject};

const STEP: Duration = Duration::from_secs(5);

/// A pool whose connections fall as they are told, and are replaced as ordered or not at all.
struct Pool {
    prediction: Prediction,
    open: Vec<Candidate>,
    obeys: bool,
    now: Duration,
    /// When each connection began to fall; the others are well.
    falling: Vec<(Candidate, Duration)>,
    orders: Vec<(Duration, Candidate)>,
    findings: Vec<(Option<Candidate>, bool)>,
}

impl Pool {
    fn new(open: u32, mode: Mode) -> Self {
        Self {
            prediction: Prediction::builder().mode(mode).build().expect("defaults"),
            open: (0..open)
                .map(|slot| connection(slot, 1 + u64::from(slot)))
                .collect(),
            obeys: true,
            now: Duration::ZERO,
            falling: Vec::new(),
            orders: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn fall(&mut self, slots: std::ops::Range<usize>) {
        let now = self.now;
        self.falling
            .extend(self.open[slots].iter().map(|one| (*one, now)));
    }

    fn run(&mut self, steps: u32) {
        for step in 0..steps {
            for one in &self.open {
                let began = self.falling.iter().find(|(falling, _)| falling == one);
                let fallen = began.map_or(0.0, |(_, at)| (self.now - *at).as_secs_f64() * 0.001);
                let wobble = if step % 2 == 0 { 0.01 } else { -0.01 };
                self.prediction
                    .observe(self.now, *one, 0.9 - fallen + wobble);
            }
            self.review();
            self.now += STEP;
        }
    }

    fn review(&mut self) {
        let subjects: Vec<Subject> = self.open.iter().copied().map(subject).collect();
        let mut orders = Orders::default();
        self.prediction.review(self.now, &subjects, &mut orders);
        for finding in orders.findings() {
            assert_eq!(finding.part, "trend");
            self.findings.push((finding.connection, finding.acted));
        }
        for order in orders.orders() {
            let Order::Replace(one) = *order else {
                panic!("{order:?} is not this part's to give");
            };
            self.orders.push((self.now, one));
            if self.obeys {
                let successor = connection(one.slot, one.connection + 1000);
                let place = self.open.iter_mut().find(|open| **open == one);
                *place.expect("it is open") = successor;
            }
        }
    }
}

#[test]
fn a_connection_that_will_fail_is_replaced_once_and_before() {
    let mut pool = Pool::new(10, Mode::On);
    pool.run(30);
    assert!(pool.orders.is_empty());
    pool.fall(3..4);
    let bad = pool.now + Duration::from_secs(400);
    pool.run(100);
    let [(at, one)] = pool.orders[..] else {
        panic!("{:?}", pool.orders);
    };
    assert_eq!(one, connection(3, 4));
    assert!(at + Duration::from_secs(30) < bad);
    assert_eq!(pool.findings, [(Some(one), true)]);
    let counts = pool.prediction.statistics();
    assert_eq!(
        (counts.predicted, counts.replaced, counts.held_back),
        (1, 1, 0)
    );
}

#[test]
fn in_the_shadow_it_tells_and_counts_and_orders_nothing() {
    let mut pool = Pool::new(10, Mode::Shadow);
    pool.fall(3..4);
    pool.run(100);
    assert!(pool.orders.is_empty());
    assert_eq!(pool.findings, [(Some(connection(3, 4)), false)]);
    assert_eq!(pool.prediction.statistics().replaced, 1);
}

#[test]
fn switched_off_it_does_not_even_look() {
    let mut pool = Pool::new(10, Mode::Off);
    pool.fall(3..4);
    pool.run(100);
    assert!(pool.orders.is_empty() && pool.findings.is_empty());
    assert_eq!(
        pool.prediction.verdict(pool.now, connection(3, 4)),
        Verdict::Steady
    );
}

#[test]
fn when_many_fall_together_none_are_replaced_and_it_is_told_once() {
    for open in [2, 3, 10, 100] {
        let mut pool = Pool::new(open, Mode::On);
        pool.run(20);
        pool.fall(0..open as usize);
        pool.run(60);
        assert!(pool.orders.is_empty(), "{open}: {:?}", pool.orders);
        assert_eq!(pool.findings, [(None, false)], "{open}");
    }
}

#[test]
fn the_only_connection_is_replaced_but_not_again_and_again() {
    let mut pool = Pool::new(1, Mode::On);
    pool.fall(0..1);
    pool.run(40);
    assert_eq!(pool.orders.len(), 1);
    pool.fall(0..1);
    pool.run(50);
    let verdict = pool.prediction.verdict(pool.now, pool.open[0]);
    assert!(matches!(verdict, Verdict::Falling { .. }), "{verdict:?}");
    assert_eq!(
        pool.orders.len(),
        1,
        "its successor falls as well: it is not the connection"
    );
}

#[test]
fn no_more_than_two_are_under_way_and_ten_seconds_apart() {
    let mut pool = Pool::new(100, Mode::On);
    pool.obeys = false;
    pool.fall(0..20);
    pool.run(70);
    assert!(pool.orders.len() >= 4, "{:?}", pool.orders);
    for pair in pool.orders.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= Duration::from_secs(10));
    }
    for three in pool.orders.windows(3) {
        assert!(
            three[2].0 - three[0].0 >= Duration::from_secs(60),
            "{three:?}"
        );
    }
}

#[test]
fn what_was_learnt_of_a_connection_is_not_held_against_its_successor() {
    let mut pool = Pool::new(10, Mode::On);
    pool.fall(3..4);
    pool.run(100);
    assert_eq!(pool.open[3], connection(3, 1004));
    assert_eq!(
        pool.prediction.verdict(pool.now, pool.open[3]),
        Verdict::Steady
    );
}

#[test]
fn no_connections_and_unknown_ones_are_no_trouble() {
    let mut pool = Pool::new(0, Mode::On);
    pool.run(3);
    pool.prediction
        .observe(pool.now, connection(u32::MAX, u64::MAX), 0.5);
    pool.prediction
        .observe(pool.now, connection(7, 1), f64::NAN);
    pool.review();
    assert_eq!(pool.prediction.statistics().rejected, 1);
    assert!(pool.orders.is_empty());
}

#[test]
fn settings_that_cannot_be_are_told_all_at_once() {
    let build = |share| {
        Prediction::builder()
            .at_a_time(0)
            .spacing(Duration::ZERO)
            .common_share(share)
            .build()
    };
    for share in [0.0, -1.0, 1.1, f64::NAN] {
        let error = build(share).expect_err("none of it can be");
        for name in ["at_a_time 0", "spacing is 0", "common_share"] {
            let told = error
                .problems()
                .iter()
                .any(|problem| problem.starts_with(name));
            assert!(told, "{name} is missing in {error}");
        }
    }
}
