//! Taking, putting and handing over.

use std::sync::{Arc, Mutex};

use crate::harness::{
    Acquire, Handle, acquire, block_on, finish, join, model, request, spawn, spawn_user, use_once,
    waiting,
};
use crate::shim::wide_model;

/// Takes an idle connection and puts it back, if there is one.
fn try_once(pool: &Handle) {
    if let Some(lease) = pool.take(0) {
        lease.back();
    }
}

#[test]
fn l1_a_slot_is_taken_by_one_at_a_time() {
    model("L1", || {
        let pool = Handle::full(1, 1).shared();
        let other = pool.clone();
        let thread = spawn(move || {
            try_once(&other);
            try_once(&other);
        });
        try_once(&pool);
        try_once(&pool);
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l1b_two_slots_serve_three() {
    model("L1b", || {
        let pool = Handle::full(2, 1).shared();
        let threads = [pool.clone(), pool.clone()].map(|pool| spawn(move || try_once(&pool)));
        try_once(&pool);
        join(threads);
        finish(pool, 2);
    });
}

#[test]
fn l2_no_wake_up_is_lost_between_two_users() {
    model("L2", || {
        let pool = Handle::full(1, 1).shared();
        let thread = spawn_user(&pool, 0);
        use_once(&pool, 0);
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l3_no_wake_up_is_lost_between_three_users() {
    model("L3", || {
        let pool = Handle::full(1, 1).shared();
        let threads = [(); 2].map(|()| spawn_user(&pool, 0));
        use_once(&pool, 0);
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l3b_no_wake_up_is_lost_between_four_users() {
    wide_model("L3b", || {
        let pool = Handle::full(1, 1).shared();
        let threads = [(); 3].map(|()| spawn_user(&pool, 0));
        use_once(&pool, 0);
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l3c_no_wake_up_is_lost_between_four_users_of_two_words() {
    wide_model("L3c", || {
        let pool = Handle::full(2, 2).shared();
        let threads = [0, 1, 0].map(|home| spawn_user(&pool, home));
        use_once(&pool, 1);
        join(threads);
        finish(pool, 2);
    });
}

#[test]
fn l4_no_wake_up_is_lost_between_two_words() {
    model("L4", || {
        let pool = Handle::full(2, 2).shared();
        let far = pool.take(1).expect("two are idle");
        let threads = [spawn(move || far.back()), spawn_user(&pool, 0)];
        use_once(&pool, 0);
        join(threads);
        finish(pool, 2);
    });
}

#[test]
fn l4b_a_waiter_hears_of_a_return_to_another_word() {
    model("L4b", || {
        let pool = Handle::full(2, 2).shared();
        let (near, far) = (pool.take(0).expect("idle"), pool.take(1).expect("idle"));
        assert_ne!(near.index(), far.index());
        let thread = spawn(move || far.back());
        use_once(&pool, 0);
        join([thread]);
        near.back();
        finish(pool, 2);
    });
}

#[test]
fn l10_the_last_waker_is_the_one_woken() {
    model("L10", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(acquire(&pool, 0));
        let thread = spawn(move || lease.back());
        block_on(waiter).expect("it is served").back();
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l18_of_two_classes_the_earlier_virtual_deadline_is_served_first() {
    model("L18", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let low = waiting(Acquire::new(&pool, request(3, 100, u64::MAX), 0));
        let high = waiting(Acquire::new(&pool, request(0, 10, u64::MAX), 0));
        let order = Arc::new(Mutex::new(Vec::new()));
        let serve = |waiter, name: &'static str| {
            let order = order.clone();
            move || {
                let lease = block_on::<std::pin::Pin<Box<Acquire>>>(waiter).expect("served");
                order.lock().unwrap().push(name);
                lease.back();
            }
        };
        let threads = [spawn(serve(high, "high")), spawn(move || lease.back())];
        serve(low, "low")();
        join(threads);
        assert_eq!(*order.lock().unwrap(), ["high", "low"]);
        finish(pool, 1);
    });
}

#[test]
fn l28_a_nudge_takes_no_wake_up_away() {
    model("L28", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(acquire(&pool, 0));
        let nudger = pool.clone();
        let threads = [
            spawn(move || lease.back()),
            spawn(move || nudger.queue.nudge_waiters()),
        ];
        block_on(waiter).expect("it is served").back();
        join(threads);
        finish(pool, 1);
    });
}
