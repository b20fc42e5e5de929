//! Freed capacity: what serves a waiter when no connection comes back.

use std::sync::atomic::Ordering::SeqCst;

use pool_core::queue::Limits;

use crate::harness::{
    Ended, Handle, Shared, acquire, block_on, finish, join, limits, model, spawn, spawn_user,
    try_and_leave, use_once, waiting,
};

/// A pool without connections.
fn empty(limits: Limits) -> Shared {
    Handle::new(0, limits.max, 1, limits).shared()
}

#[test]
fn l13_the_capacity_of_a_dead_connection_serves_a_waiter() {
    model("L13", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let threads = [spawn(move || lease.discard()), spawn_user(&pool, 0)];
        try_and_leave(&pool, 0);
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l13b_a_connect_is_not_called_off_while_somebody_waits() {
    model("L13b", || {
        let pool = empty(limits(1));
        let berth = pool
            .queue
            .claim_for_refill(1, u64::MAX)
            .expect("there is room");
        let leaver = waiting(acquire(&pool, 0));
        let stayer = waiting(acquire(&pool, 0));
        let connector = pool.clone();
        let threads = [
            spawn(move || drop(leaver)),
            spawn(move || {
                assert!(
                    connector.queue.still_needed(0),
                    "called off while one waits"
                );
                connector.connect(berth);
            }),
        ];
        block_on(stayer).expect("it is served").back();
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l13c_a_connect_that_nobody_needs_can_be_called_off() {
    model("L13c", || {
        let pool = empty(limits(1));
        let berth = pool
            .queue
            .claim_for_refill(1, u64::MAX)
            .expect("there is room");
        let waiter = waiting(acquire(&pool, 0));
        let connector = pool.clone();
        let threads = [
            spawn(move || drop(waiter)),
            spawn(move || {
                if connector.queue.still_needed(0) {
                    connector.connect(berth);
                } else {
                    connector.vacate(berth);
                }
            }),
        ];
        use_once(&pool, 0);
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l21_a_failed_connect_opens_the_gate_for_the_next() {
    model("L21", || {
        let pool = empty(Limits {
            max_connecting: 1,
            busy_connecting: 1,
            ..limits(2)
        });
        pool.ghost.failing.store(1, SeqCst);
        let thread = spawn_user(&pool, 0);
        use_once(&pool, 0);
        join([thread]);
        let idle = pool.queue.census().idle;
        assert!((1..=2).contains(&idle));
        finish(pool, idle);
    });
}

#[test]
fn l22_a_refill_keeps_to_its_limit_and_serves_whoever_waits() {
    model("L22", || {
        let pool = empty(limits(2));
        let refiller = pool.clone();
        let thread = spawn(move || {
            while let Some(berth) = refiller.queue.claim_for_refill(1, u64::MAX) {
                refiller.connect(berth);
            }
        });
        use_once(&pool, 0);
        join([thread]);
        let idle = pool.queue.census().idle;
        assert!((1..=2).contains(&idle));
        finish(pool, idle);
    });
}

#[test]
fn l23_waiters_fail_or_are_served_when_no_connection_can_be_opened() {
    model("L23", || {
        let pool = empty(limits(1));
        let berth = pool
            .queue
            .claim_for_refill(1, u64::MAX)
            .expect("there is room");
        let connector = pool.clone();
        let thread = spawn(move || {
            loop {
                let batch = connector.queue.fail_waiters();
                let done = batch.done;
                batch.wake();
                if done {
                    break;
                }
            }
            connector.vacate(berth);
        });
        let served = match block_on(acquire(&pool, 0)) {
            Ok(lease) => {
                lease.back();
                1
            }
            Err(ended) => {
                assert_eq!(ended, Ended::Failed);
                0
            }
        };
        join([thread]);
        finish(pool, served);
    });
}

#[test]
fn l23b_nobody_fails_while_a_connection_circulates() {
    model("L23b", || {
        let pool = Handle::new(1, 1, 1, limits(1)).shared();
        let lease = pool.take(0).expect("idle");
        let failing = pool.clone();
        let threads = [
            spawn(move || lease.back()),
            spawn(move || failing.queue.fail_waiters().wake()),
        ];
        use_once(&pool, 0);
        join(threads);
        finish(pool, 1);
    });
}
