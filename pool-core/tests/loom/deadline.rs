//! Deadlines against everything else that ends a wait.

use crate::harness::{
    Acquire, Ended, Handle, Shared, acquire, block_on, finish, finish_closed, join, model, request,
    spawn, spawn_user, waiting,
};

const DEADLINE: u64 = 5;

fn impatient(pool: &Shared) -> Acquire {
    Acquire::new(pool, request(0, 0, DEADLINE), 0)
}

#[test]
fn l25_a_deadline_and_a_hand_off_exclude_each_other() {
    model("L25", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(impatient(&pool));
        let driver = pool.clone();
        let threads = [
            spawn(move || lease.back()),
            spawn(move || driver.turn(DEADLINE)),
        ];
        match block_on(waiter) {
            Ok(lease) => lease.back(),
            Err(ended) => assert_eq!(ended, Ended::Expired),
        }
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l26_a_waiter_whose_deadline_has_passed_is_passed_over() {
    model("L26", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let late = waiting(impatient(&pool));
        let patient = waiting(acquire(&pool, 0));
        let driver = pool.clone();
        let threads = [
            spawn(move || lease.back_at(DEADLINE)),
            spawn(move || driver.turn(DEADLINE)),
        ];
        block_on(patient).expect("it is served").back();
        assert_eq!(block_on(late).err(), Some(Ended::Expired));
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l26b_a_close_ends_a_wait_that_was_set_aside() {
    model("L26b", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let late = waiting(impatient(&pool));
        let thread = spawn(move || lease.back_at(DEADLINE));
        pool.close(None);
        let ended = block_on(late).err();
        assert!(
            matches!(ended, Some(Ended::Expired | Ended::Closed)),
            "{ended:?}"
        );
        join([thread]);
        finish_closed(pool);
    });
}

#[test]
fn l27_a_waiter_leaves_while_its_deadline_comes() {
    model("L27", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let waiter = waiting(impatient(&pool));
        let driver = pool.clone();
        let threads = [
            spawn(move || driver.turn(DEADLINE)),
            spawn(move || drop(waiter)),
            spawn_user(&pool, 0),
        ];
        lease.back_at(DEADLINE);
        join(threads);
        finish(pool, 1);
    });
}
