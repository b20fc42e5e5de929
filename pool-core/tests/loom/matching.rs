//! Waiters that are matched to what comes back: whoever is passed is neither lost nor passed for ever.

use std::pin::Pin;
use std::task::Poll;

use pool_core::queue::Request;

use crate::acquire::poll_once;
use crate::harness::{
    Acquire, Ended, Handle, Lease, Shared, block_on, finish, join, model, request, spawn, use_once,
    waiting,
};

/// How often a waiter may be passed.
const MOST_SKIPS: usize = 8;
/// Long after anything near.
const LATER: u64 = 1000;

type Waiting = Pin<Box<Acquire>>;

/// Waits for a connection with this label.
fn wishing(pool: &Shared, wish: u32) -> Waiting {
    wishing_until(pool, wish, u64::MAX)
}

fn wishing_until(pool: &Shared, wish: u32, deadline: u64) -> Waiting {
    let request = Request {
        wish,
        ..request(0, 0, deadline)
    };
    waiting(Acquire::new(pool, request, 0))
}

/// A pool of one connection, which is leased and has label 2.
fn labelled() -> (Shared, Lease) {
    let pool = Handle::matching(1).shared();
    let lease = pool.take(0).expect("idle");
    lease.label(2);
    (pool, lease)
}

/// The lease of one who was served already.
fn served(mut waiter: Waiting) -> Lease {
    match poll_once(waiter.as_mut()) {
        Poll::Ready(Ok(lease)) => lease,
        _ => panic!("it was not its turn"),
    }
}

/// Has so many who wish for label 2 pass whoever waits already. The connection is leased again then.
fn pass(pool: &Shared, mut lease: Lease, times: usize) -> Lease {
    for _ in 0..times {
        let other = wishing(pool, 2);
        lease.back();
        lease = served(other);
    }
    lease
}

#[test]
fn l37_each_of_two_gets_what_it_wishes_for_whichever_comes_back_first() {
    model("L37", || {
        let pool = Handle::matching(2).shared();
        let leases = [1, 2].map(|label| {
            let lease = pool.take(0).expect("idle");
            lease.label(label);
            lease
        });
        let slots = leases.each_ref().map(Lease::index);
        let waiters = [1, 2].map(|wish| wishing(&pool, wish));
        let threads = leases.map(|lease| spawn(move || lease.back()));
        let leases = waiters.map(|waiter| block_on(waiter).expect("it is served"));
        let got = leases.each_ref().map(Lease::index);
        assert_eq!(got, slots, "not what they wished for");
        leases.into_iter().for_each(Lease::back);
        join(threads);
        finish(pool, 2);
    });
}

#[test]
fn l37b_who_is_passed_is_served_by_the_next_return_beside_one_who_comes_anew() {
    model("L37b", || {
        let (pool, lease) = labelled();
        let first = wishing(&pool, 1);
        let second = wishing(&pool, 2);
        let newcomer = pool.clone();
        let threads = [
            spawn(move || {
                lease.back();
                block_on(second).expect("it is served").back();
            }),
            spawn(move || use_once(&newcomer, 0)),
        ];
        block_on(first).expect("it is served").back();
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l38_who_was_to_be_passed_leaves_and_the_other_is_served_all_the_same() {
    model("L38", || {
        let (pool, lease) = labelled();
        let first = wishing(&pool, 1);
        let second = wishing(&pool, 2);
        let threads = [spawn(move || lease.back()), spawn(move || drop(first))];
        block_on(second).expect("it is served").back();
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l38b_what_was_handed_to_one_who_leaves_goes_to_the_one_it_had_passed() {
    model("L38b", || {
        let (pool, lease) = labelled();
        let first = wishing(&pool, 1);
        let second = wishing(&pool, 2);
        let threads = [spawn(move || lease.back()), spawn(move || drop(second))];
        block_on(first).expect("it is served").back();
        join(threads);
        finish(pool, 1);
    });
}

#[test]
fn l39_nobody_is_passed_more_often_than_the_bound() {
    model("L39", || {
        let (pool, lease) = labelled();
        let first = wishing(&pool, 1);
        let lease = pass(&pool, lease, MOST_SKIPS - 1);
        let others = [(); 2].map(|()| wishing(&pool, 2));
        let [eighth, ninth] = others;
        let thread = spawn(move || {
            lease.back();
            block_on(eighth).expect("it is served").back();
        });
        // Nobody polls the ninth: what it gets it keeps.
        block_on(first).expect("it is served").back();
        join([thread]);
        let census = pool.queue.census();
        assert_eq!(usize::from(census.longest_skip), MOST_SKIPS);
        served(ninth).back();
        finish(pool, 1);
    });
}

#[test]
fn l40_nor_if_its_hand_off_is_revoked_and_it_joins_again() {
    model("L40", || {
        let (pool, lease) = labelled();
        let mut first = wishing(&pool, 1);
        let lease = pass(&pool, lease, MOST_SKIPS);
        let [other, leaver] = [(); 2].map(|()| wishing(&pool, 2));
        lease.back();
        let (none, _) = pool.queue.revoke_uncollected();
        assert!(none.is_empty(), "it was not pending at a sweep before");
        let (revoked, _) = pool.queue.revoke_uncollected();
        assert!(poll_once(first.as_mut()).is_pending(), "it was revoked");
        let back: Vec<_> = revoked
            .into_iter()
            .map(|loan| pool.lease(loan, 0))
            .collect();
        let threads = [
            spawn(move || back.into_iter().for_each(Lease::back)),
            spawn(move || drop(leaver)),
        ];
        // Nobody polls the other: what it gets it keeps.
        block_on(first).expect("it is served").back();
        join(threads);
        served(other).back();
        finish(pool, 1);
    });
}

#[test]
fn l41_the_wait_of_one_who_was_passed_ends_in_time() {
    model("L41", || {
        let (pool, lease) = labelled();
        let first = wishing_until(&pool, 1, LATER);
        let second = wishing(&pool, 2);
        let driver = pool.clone();
        let threads = [
            spawn(move || lease.back()),
            spawn(move || driver.turn(LATER)),
        ];
        block_on(second).expect("it is served").back();
        match block_on(first) {
            Ok(lease) => lease.back(),
            Err(ended) => assert_eq!(ended, Ended::Expired),
        }
        join(threads);
        finish(pool, 1);
    });
}
