//! Shrinking and growing.

use crate::harness::{
    Handle, acquire, block_on, finish, join, limits, model, spawn, spawn_user, try_and_leave,
    use_once, waiting,
};

#[test]
fn l14_a_shrink_retires_exactly_the_surplus() {
    model("L14", || {
        let pool = Handle::full(2, 1).shared();
        let lease = pool.take(0).expect("idle");
        let threads = [spawn(move || lease.back()), spawn_user(&pool, 0)];
        pool.resize(1);
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l14b_a_pending_shrink_takes_one_of_two_returns_and_the_waiter_the_other() {
    model("L14b", || {
        let pool = Handle::full(2, 1).shared();
        let leases = [(); 2].map(|()| pool.take(0).expect("idle"));
        let waiter = waiting(acquire(&pool, 0));
        let threads = leases.map(|lease| spawn(move || lease.back()));
        pool.resize(1);
        block_on(waiter).expect("it is served").back();
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l14c_a_pending_shrink_survives_a_cancelled_waiter() {
    model("L14c", || {
        let pool = Handle::full(2, 1).shared();
        let leases = [(); 2].map(|()| pool.take(0).expect("idle"));
        pool.resize(1);
        let waiter = waiting(acquire(&pool, 0));
        let threads = leases.map(|lease| spawn(move || lease.back()));
        drop(waiter);
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l14d_a_shrink_across_a_request_that_leaves() {
    model("L14d", || {
        let pool = Handle::full(2, 2).shared();
        let lease = pool.take(0).expect("idle");
        let visitor = pool.clone();
        let threads = [
            spawn(move || lease.back()),
            spawn(move || try_and_leave(&visitor, 1)),
        ];
        pool.resize(1);
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l24_growth_serves_a_waiter() {
    model("L24", || {
        let pool = Handle::new(1, 2, 1, limits(1)).shared();
        // A new limit on connects as well: one is enough.
        pool.queue.set_limits(|limits| {
            limits.max_connecting = 1;
            limits.busy_connecting = 1;
        });
        let lease = pool.take(0).expect("idle");
        let grower = pool.clone();
        let thread = spawn(move || grower.resize(2));
        use_once(&pool, 0);
        join([thread]);
        lease.back();
        finish(pool, 2);
    });
}
