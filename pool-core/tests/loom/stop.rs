//! Closing, suspending and resuming.

use crate::harness::{
    Ended, Handle, Shared, acquire, block_on, finish, finish_closed, join, model, spawn,
    spawn_user, use_once, waiting,
};

fn use_unless_closed(pool: &Shared) {
    match block_on(acquire(pool, 0)) {
        Ok(lease) => lease.back(),
        Err(ended) => assert!(matches!(ended, Ended::Closed | Ended::Refused), "{ended:?}"),
    }
}

#[test]
fn l6_close_ends_every_wait_and_strands_nothing() {
    model("L6", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let user = pool.clone();
        let threads = [
            spawn(move || lease.back()),
            spawn(move || use_unless_closed(&user)),
        ];
        pool.close(None);
        join(threads);
        finish_closed(pool);
    });
}

#[test]
fn l6b_close_ends_a_wait_that_a_return_is_about_to_end() {
    model("L6b", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(acquire(&pool, 0));
        let closer = pool.clone();
        let threads = [
            spawn(move || lease.back()),
            spawn(move || closer.close(None)),
        ];
        match block_on(waiter) {
            Ok(lease) => lease.back(),
            Err(ended) => assert_eq!(ended, Ended::Closed),
        }
        join(threads);
        finish_closed(pool);
    });
}

#[test]
fn l6c_close_sees_the_last_use_of_what_is_idle() {
    model("L6c", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let thread = spawn(move || lease.back());
        pool.close(None);
        join([thread]);
        finish_closed(pool);
    });
}

#[test]
fn l20_nobody_is_served_while_suspended_and_everybody_afterwards() {
    model("L20", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let threads = [spawn(move || lease.back()), spawn_user(&pool, 0)];
        pool.queue.suspend(false);
        pool.resume();
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l20b_what_comes_back_while_suspended_is_kept() {
    model("L20b", || {
        let pool = Handle::full(1, 1).shared();
        pool.queue.suspend(false);
        let waiter = waiting(acquire(&pool, 0));
        let resumer = pool.clone();
        let thread = spawn(move || resumer.resume());
        block_on(waiter).expect("it is served").back();
        join([thread]);
        use_once(&pool, 0);
        finish(pool, 1);
    });
}
