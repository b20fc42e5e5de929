//! Epochs, and maintenance that takes particular slots.

use crate::harness::{
    Handle, acquire, block_on, finish, join, model, spawn, spawn_user, use_once, waiting,
};

#[test]
fn l11_nothing_older_than_the_epoch_is_served_after_it() {
    model("L11", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(acquire(&pool, 0));
        let thread = spawn(move || lease.back());
        let epoch = pool.queue.bump_epoch();
        let lease = block_on(waiter).expect("it is served");
        assert_eq!(lease.opened_in(), epoch, "opened before the epoch began");
        lease.back();
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l11b_nor_is_it_taken_or_granted_on_arrival() {
    model("L11b", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let thread = spawn(move || lease.back());
        let epoch = pool.queue.bump_epoch();
        let lease = block_on(acquire(&pool, 0)).expect("it is served");
        assert_eq!(lease.opened_in(), epoch, "opened before the epoch began");
        lease.back();
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l15_maintenance_takes_one_slot_that_nobody_else_has() {
    model("L15", || {
        let pool = Handle::full(1, 1).shared();
        let keeper = pool.clone();
        let threads = [
            spawn(move || {
                if let Some(loan) = keeper.queue.take_at(0) {
                    keeper.lease(loan, 0).back();
                }
            }),
            spawn_user(&pool, 0),
        ];
        use_once(&pool, 0);
        join(threads);
        finish(pool, 1);
    });
}
