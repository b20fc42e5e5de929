//! Leaving the queue.

use crate::harness::{
    Handle, acquire, block_on, finish, join, model, spawn, spawn_user, try_and_leave, use_once,
    waiting,
};

#[test]
fn l5_what_a_cancelled_waiter_got_goes_to_the_next() {
    model("L5", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let threads = [spawn(move || lease.back()), spawn_user(&pool, 0)];
        try_and_leave(&pool, 0);
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l5b_what_a_cancelled_waiter_got_is_idle_again() {
    model("L5b", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(acquire(&pool, 0));
        let thread = spawn(move || lease.back());
        drop(waiter);
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l17_a_hand_off_is_either_collected_or_revoked() {
    model("L17", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(acquire(&pool, 0));
        // Handed already, so that the threads have nothing to do but to race for it.
        lease.back();
        let sweeper = pool.clone();
        let thread = spawn(move || {
            for _ in 0..2 {
                let (revoked, _) = sweeper.queue.revoke_uncollected();
                for loan in revoked {
                    sweeper.lease(loan, 0).back();
                }
            }
        });
        block_on(waiter).expect("it is served").back();
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l17b_a_revoked_slot_serves_the_next_and_the_revoked_waiter_after_that() {
    model("L17b", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(acquire(&pool, 0));
        let back = spawn(move || lease.back());
        let sweeper = pool.clone();
        let sweep = spawn(move || {
            for _ in 0..2 {
                let (revoked, _) = sweeper.queue.revoke_uncollected();
                for loan in revoked {
                    sweeper.lease(loan, 0).back();
                }
            }
        });
        block_on(waiter).expect("it is served").back();
        join([back, sweep]);
        finish(pool, 1);
    });
}

#[test]
fn l17c_a_revoked_waiter_of_a_closed_pool_is_told_so() {
    model("L17c", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(acquire(&pool, 0));
        lease.back();
        let closer = pool.clone();
        let thread = spawn(move || {
            let (none, _) = closer.queue.revoke_uncollected();
            assert!(none.is_empty(), "it was not pending at a sweep before");
            let (revoked, _) = closer.queue.revoke_uncollected();
            closer.close(None);
            for loan in revoked {
                closer.lease(loan, 0).back();
            }
        });
        if let Ok(lease) = block_on(waiter) {
            lease.back();
        }
        join([thread]);
        assert_eq!(pool.queue.census().occupied, 0);
        let ghost = pool.ghost.clone();
        drop(pool);
        ghost.assert_gone();
    });
}

#[test]
fn l19_a_cancelled_waiter_leaves_the_others_in_place() {
    model("L19", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let first = waiting(acquire(&pool, 0));
        let second = waiting(acquire(&pool, 0));
        let threads = [spawn(move || lease.back()), spawn(move || drop(first))];
        block_on(second).expect("it is served").back();
        join(threads);
        use_once(&pool, 0);
        finish(pool, 1);
    });
}
