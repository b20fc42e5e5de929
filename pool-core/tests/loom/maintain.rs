//! Epochs, and those who take particular slots: maintenance, and whoever has a preference.

use crate::harness::{
    Handle, acquire, block_on, finish, join, limits, model, spawn, spawn_user, use_once, waiting,
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

#[test]
fn l15b_a_look_sees_whole_slots_and_a_claim_takes_one_that_nobody_else_has() {
    model("L15b", || {
        let pool = Handle::new(0, 1, 1, limits(1)).shared();
        let opener = pool.clone();
        let thread = spawn(move || {
            let berth = opener.queue.claim_first(0).expect("there is room");
            opener.connect(berth);
            use_once(&opener, 0);
        });
        let mut seen = None;
        pool.queue.peek(0, |index, _| {
            seen = Some(index);
            false
        });
        if let Some(loan) = seen.and_then(|index| pool.queue.claim_idle(index)) {
            pool.lease(loan, 0).back();
        }
        join([thread]);
        finish(pool, 1);
    });
}
