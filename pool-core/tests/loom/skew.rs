//! Bounded skew: a FIFO for each home, and a return that prefers its own.
//!
//! How far a waiter may be passed is for the tests of the lanes, which take more waiters than a model
//! can. Here: whoever waits, at whatever home, is served by what comes back at any, and once all are
//! served nothing asks the lock any more.

use crate::harness::{
    Acquire, Handle, Lease, Shared, acquire, block_on, finish, join, model, request, spawn,
    spawn_user, use_once, waiting,
};

/// A pool of two connections in two homes, both leased at the home they lie in.
fn leased() -> (Shared, Lease, Lease) {
    let pool = Handle::skewed(2, 2).shared();
    let (near, far) = (pool.take(0).expect("idle"), pool.take(1).expect("idle"));
    assert_ne!(near.index(), far.index());
    (pool, near, far)
}

#[test]
fn l33_returns_at_two_homes_serve_the_waiters_of_both_once_each() {
    model("L33", || {
        let (pool, near, far) = leased();
        let waiters = [0, 1].map(|home| waiting(acquire(&pool, home)));
        let threads = [spawn(move || near.back()), spawn(move || far.back())];
        let leases = waiters.map(|waiter| block_on(waiter).expect("it is served"));
        assert_ne!(leases[0].index(), leases[1].index());
        leases.into_iter().for_each(Lease::back);
        join(threads);
        finish(pool, 2);
    });
}

#[test]
fn l33b_returns_at_one_home_serve_the_waiter_of_the_other_too() {
    model("L33b", || {
        let pool = Handle::skewed(2, 2).shared();
        let leases = [(); 2].map(|()| pool.take(0).expect("idle"));
        let waiters = [0, 1].map(|home| waiting(acquire(&pool, home)));
        let thread = spawn(move || leases.into_iter().for_each(Lease::back));
        let leases = waiters.map(|waiter| block_on(waiter).expect("it is served"));
        leases.into_iter().for_each(Lease::back);
        join([thread]);
        finish(pool, 2);
    });
}

#[test]
fn l34_what_a_cancelled_waiter_got_goes_to_the_waiter_of_another_home() {
    model("L34", || {
        let (pool, near, far) = leased();
        let leaver = waiting(acquire(&pool, 0));
        let waiter = waiting(acquire(&pool, 1));
        let threads = [spawn(move || near.back()), spawn(move || drop(leaver))];
        block_on(waiter).expect("it is served").back();
        join(threads);
        far.back();
        finish(pool, 2);
    });
}

#[test]
fn l35_no_wake_up_is_lost_between_users_of_two_homes() {
    model("L35", || {
        let (pool, near, far) = leased();
        far.back();
        let thread = spawn_user(&pool, 1);
        use_once(&pool, 0);
        join([thread]);
        near.back();
        finish(pool, 2);
    });
}

#[test]
fn l35b_nor_is_a_waiter_passed_for_good_by_one_who_returns_and_asks_again_at_another_home() {
    model("L35b", || {
        let (pool, near, far) = leased();
        let waiter = waiting(acquire(&pool, 0));
        let other = pool.clone();
        let thread = spawn(move || {
            far.back();
            use_once(&other, 1);
        });
        block_on(waiter).expect("it is served").back();
        join([thread]);
        near.back();
        finish(pool, 2);
    });
}

#[test]
fn l36_a_lower_class_is_served_at_another_home_once_the_higher_has_gone() {
    model("L36", || {
        let (pool, near, far) = leased();
        let high = waiting(Acquire::new(&pool, request(0, 10, u64::MAX), 0));
        let low = waiting(Acquire::new(&pool, request(3, 100, u64::MAX), 1));
        let threads = [spawn(move || near.back()), spawn(move || drop(high))];
        block_on(low).expect("it is served").back();
        join(threads);
        far.back();
        finish(pool, 2);
    });
}
