//! Who frees the memory: a lease holds no reference, so the last loan may.

use std::sync::Arc;

use crate::harness::{Ghost, Handle, join, model, spawn};

fn pool(idle: usize) -> (Handle, Arc<Ghost>) {
    let pool = Handle::full(idle, 1);
    let ghost = pool.ghost.clone();
    (pool, ghost)
}

#[test]
fn l12_the_last_loan_frees_what_the_last_handle_left() {
    model("L12", || {
        let (pool, ghost) = pool(1);
        let lease = pool.take(0).expect("idle");
        let thread = spawn(move || lease.back());
        drop(pool);
        join([thread]);
        ghost.assert_gone();
    });
}

#[test]
fn l12b_of_two_handles_the_last_one_closes() {
    model("L12b", || {
        let (pool, ghost) = pool(1);
        let lease = pool.take(0).expect("idle");
        let other = pool.clone();
        let threads = [spawn(move || drop(other)), spawn(move || lease.back())];
        drop(pool);
        join(threads);
        ghost.assert_gone();
    });
}

#[test]
fn l12c_of_two_loans_the_last_one_frees() {
    model("L12c", || {
        let (pool, ghost) = pool(2);
        let leases = [(); 2].map(|()| pool.take(0).expect("idle"));
        let threads = leases.map(|lease| spawn(move || lease.back()));
        drop(pool);
        join(threads);
        ghost.assert_gone();
    });
}

#[test]
fn l12d_a_return_to_a_closed_pool_ends_before_its_memory_does() {
    model("L12d", || {
        let (pool, ghost) = pool(1);
        let lease = pool.take(0).expect("idle");
        let thread = spawn(move || lease.back());
        pool.close(None);
        drop(pool);
        join([thread]);
        ghost.assert_gone();
    });
}

#[test]
fn l12e_a_loan_that_is_discarded_frees_as_well() {
    model("L12e", || {
        let (pool, ghost) = pool(1);
        let lease = pool.take(0).expect("idle");
        let thread = spawn(move || lease.discard());
        drop(pool);
        join([thread]);
        ghost.assert_gone();
    });
}
