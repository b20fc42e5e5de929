//! The revision: what was decided about a connection is not missed by whoever gets it afterwards.
//!
//! A lease whose connection was last looked at under the present revision gets no further look, so
//! these models have a decision (an eviction, a new epoch, a suspicion) meet somebody who is about to
//! note the revision of his look. The decision goes before the bump, the revision is read before the
//! look; with either the other way round a look that saw nothing is noted as one that saw it all.

use crate::harness::{
    Handle, Shared, acquire, block_on, finish, join, model, spawn, spawn_user, waiting,
};

/// A pool of one connection, whose next user has to look closely, and its id.
fn due_a_look() -> (Shared, u64) {
    let pool = Handle::full(1, 1).shared();
    let lease = pool.take(0).expect("idle");
    let id = lease.id();
    lease.back();
    pool.queue.bump_revision();
    (pool, id)
}

/// After an eviction: a request that begins now gets another connection.
fn assert_evicted(pool: &Shared, id: u64) {
    let lease = block_on(acquire(pool, 0)).expect("it is served");
    assert_ne!(lease.id(), id, "evicted before the request began");
    lease.back();
}

#[test]
fn l29_what_is_evicted_while_it_comes_back_is_not_given_out_again() {
    model("L29", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let id = lease.id();
        let thread = spawn(move || lease.back());
        pool.evict(id);
        assert_evicted(&pool, id);
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l29b_nor_is_what_is_looked_at_closely_meanwhile() {
    model("L29b", || {
        let (pool, id) = due_a_look();
        let lease = pool.take(0).expect("idle");
        pool.queue.bump_revision();
        let thread = spawn(move || lease.back());
        pool.evict(id);
        assert_evicted(&pool, id);
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l29c_nor_is_what_a_request_looks_at_closely_meanwhile() {
    model("L29c", || {
        let (pool, id) = due_a_look();
        let thread = spawn_user(&pool, 0);
        pool.evict(id);
        assert_evicted(&pool, id);
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l29d_what_was_evicted_before_it_came_back_is_closed_by_that() {
    model("L29d", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        pool.evict(lease.id());
        let thread = spawn(move || lease.back());
        join([thread]);
        finish(pool, 0);
    });
}

#[test]
fn l30_what_is_evicted_on_its_way_to_a_waiter_is_not_collected() {
    model("L30", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let id = lease.id();
        let waiter = waiting(acquire(&pool, 0));
        let thread = spawn(move || lease.back());
        pool.evict(id);
        let lease = block_on(waiter).expect("it is served");
        assert_ne!(lease.id(), id, "evicted before it was collected");
        lease.back();
        join([thread]);
        finish(pool, 1);
    });
}

#[test]
fn l31_of_two_decisions_at_a_time_none_is_missed() {
    model("L31", || {
        let pool = Handle::full(2, 1).shared();
        let (one, other) = (pool.take(0).expect("idle"), pool.take(0).expect("idle"));
        let (id, other_id) = (one.id(), other.id());
        let second = pool.clone();
        let threads = [
            spawn(move || one.back()),
            spawn(move || second.evict(other_id)),
        ];
        pool.evict(id);
        join(threads);
        assert_evicted(&pool, id);
        other.back();
        finish(pool, 1);
    });
}

#[test]
fn l32_what_is_suspect_is_asked_before_it_is_given_out_again() {
    const SINCE: u64 = 5;
    model("L32", || {
        let pool = Handle::full(1, 1).shared();
        let lease = pool.take(0).expect("idle");
        let thread = spawn(move || lease.back());
        pool.suspect(SINCE);
        let lease = block_on(acquire(&pool, 0)).expect("it is served");
        assert!(lease.fresh() >= SINCE, "not asked since the suspicion");
        lease.back();
        join([thread]);
        finish(pool, 1);
    });
}
