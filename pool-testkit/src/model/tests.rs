use std::time::Duration;

use proptest::prelude::*;

use super::{Model, Operation, Outcome, Release, Rules, WhenSuspended, operations};

const SECOND: Duration = Duration::from_secs(1);

fn counts(model: &Model) -> (usize, usize, usize) {
    let counts = model.counts();
    (counts.idle, counts.leased, counts.waiting)
}

#[test]
fn returned_connection_goes_to_the_oldest_waiter() {
    let mut model = Model::new(Rules::new(2));
    let made: Vec<_> = (0..5).map(|_| model.acquire(0, SECOND)).collect();
    assert_eq!(counts(&model), (0, 2, 3));
    model.release(made[1], Release::Clean);
    model.release(made[0], Release::Broken);
    assert_eq!(model.served(), &made[..4]);
    assert_eq!((model.counts().opened, model.counts().closed), (3, 1));
}

#[test]
fn idle_connection_is_used_before_a_new_one_is_opened() {
    let mut model = Model::new(Rules::new(2));
    let first = model.acquire(0, SECOND);
    model.release(first, Release::Clean);
    assert_eq!(counts(&model), (1, 0, 0));
    model.acquire(0, SECOND);
    assert_eq!(model.counts().opened, 1);
}

#[test]
fn urgent_waiter_is_ahead_by_the_offset_and_no_more() {
    let rules = Rules::new(1).offsets([Duration::ZERO, SECOND, SECOND * 2, SECOND * 3]);
    let mut model = Model::new(rules);
    let holder = model.acquire(0, SECOND);
    let calm = model.acquire(1, SECOND * 60);
    let urgent = model.acquire(0, SECOND * 60);
    model.advance(SECOND * 2);
    let late = model.acquire(0, SECOND * 60);
    model.release(holder, Release::Clean);
    model.release(urgent, Release::Clean);
    model.release(calm, Release::Clean);
    assert_eq!(model.served(), [holder, urgent, calm, late]);
}

#[test]
fn cancelled_waiter_is_skipped() {
    let mut model = Model::new(Rules::new(1));
    let holder = model.acquire(0, SECOND);
    let gone = model.acquire(0, SECOND);
    let next = model.acquire(0, SECOND);
    model.cancel(gone);
    model.cancel(holder);
    assert_eq!(model.served(), [holder, next]);
    assert_eq!(model.outcome(gone), Outcome::Cancelled);
}

#[test]
fn wait_ends_exactly_at_its_deadline() {
    let mut model = Model::new(Rules::new(1));
    let holder = model.acquire(0, SECOND);
    let waiter = model.acquire(0, SECOND * 2);
    model.advance(SECOND * 2 - Duration::from_nanos(1));
    assert_eq!(model.outcome(waiter), Outcome::Waiting);
    model.advance(Duration::from_nanos(1));
    assert_eq!(model.outcome(waiter), Outcome::TimedOut);
    assert_eq!(model.outcome(holder), Outcome::Leased);
}

#[test]
fn shrunk_pool_closes_idle_ones_now_and_leased_ones_on_return() {
    let mut model = Model::new(Rules::new(3));
    let made: Vec<_> = (0..3).map(|_| model.acquire(0, SECOND)).collect();
    model.release(made[0], Release::Clean);
    model.resize(1);
    assert_eq!(counts(&model), (0, 2, 0));
    model.release(made[1], Release::Clean);
    assert_eq!(counts(&model), (0, 1, 0));
    model.release(made[2], Release::Clean);
    assert_eq!(counts(&model), (1, 0, 0));
    model.resize(2);
    model.acquire(0, SECOND);
    model.acquire(0, SECOND);
    assert_eq!(counts(&model), (0, 2, 0));
}

#[test]
fn reopened_pool_keeps_nothing_from_before() {
    let mut model = Model::new(Rules::new(2));
    let old = model.acquire(0, SECOND);
    let idle = model.acquire(0, SECOND);
    model.release(idle, Release::Clean);
    model.reopen();
    assert_eq!(counts(&model), (0, 1, 0));
    model.release(old, Release::Clean);
    assert_eq!(counts(&model), (0, 0, 0));
    let new = model.acquire(0, SECOND);
    model.release(new, Release::Clean);
    assert_eq!(counts(&model), (1, 0, 0));
}

#[test]
fn suspended_pool_serves_nobody_until_resumed() {
    let mut model = Model::new(Rules::new(1));
    let holder = model.acquire(0, SECOND);
    let waiter = model.acquire(0, SECOND);
    model.suspend(WhenSuspended::Wait);
    model.release(holder, Release::Clean);
    let later = model.acquire(0, SECOND);
    assert_eq!(counts(&model), (1, 0, 2));
    model.suspend(WhenSuspended::Refuse);
    let refused = model.acquire(0, SECOND);
    assert_eq!(model.outcome(refused), Outcome::Suspended);
    model.resume();
    assert_eq!(model.served(), [holder, waiter]);
    assert_eq!(model.outcome(later), Outcome::Waiting);
}

#[test]
fn full_queue_refuses_whoever_would_have_to_wait() {
    let mut model = Model::new(Rules::new(1).max_waiting(1));
    let first = model.acquire(0, SECOND);
    let second = model.acquire(0, SECOND);
    let third = model.acquire(0, SECOND);
    assert_eq!(model.outcome(second), Outcome::Waiting);
    assert_eq!(model.outcome(third), Outcome::QueueFull);
    model.release(first, Release::Clean);
    assert_eq!(model.outcome(second), Outcome::Leased);
}

#[test]
fn closed_pool_ends_all_waits_and_stays_closed() {
    let mut model = Model::new(Rules::new(1));
    let holder = model.acquire(0, SECOND);
    let waiter = model.acquire(0, SECOND);
    model.close();
    model.resume();
    let late = model.acquire(0, SECOND);
    assert_eq!(model.outcome(waiter), Outcome::Closed);
    assert_eq!(model.outcome(late), Outcome::Closed);
    model.release(holder, Release::Clean);
    assert_eq!(model.counts().size, 0);
}

#[test]
fn detached_connection_makes_room() {
    let mut model = Model::new(Rules::new(1));
    let first = model.acquire(0, SECOND);
    let second = model.acquire(0, SECOND);
    model.release(first, Release::Detached);
    assert_eq!(model.outcome(second), Outcome::Leased);
    assert_eq!((model.counts().opened, model.counts().closed), (2, 0));
}

/// What holds at rest whatever was done before.
fn check(model: &Model, is_serving: bool, maximum_so_far: usize) {
    let counts = model.counts();
    assert_eq!(counts.size, counts.idle + counts.leased);
    assert_eq!(counts.leased, model.requests(Outcome::Leased).len());
    assert!(counts.size <= maximum_so_far);
    if is_serving {
        assert!(counts.idle == 0 || counts.waiting == 0, "{counts:?}");
    }
}

/// Whether `operation` leaves the pool serving, when it `was` before.
fn serves_after(operation: &Operation, was: bool) -> bool {
    match operation {
        Operation::Suspend(_) | Operation::Close => false,
        Operation::Resume => true,
        _ => was,
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nobody_is_overtaken(drawn in operations(200)) {
        let mut model = Model::new(Rules::new(3));
        let (mut is_serving, mut maximum) = (true, 3);
        for operation in &drawn {
            model.apply(operation);
            is_serving = serves_after(operation, is_serving);
            if let Operation::Resize { max_size } = operation {
                maximum = maximum.max(*max_size);
            }
            check(&model, is_serving, maximum);
        }
        // Without offsets, the order of service is the order of the starts.
        prop_assert!(model.served().is_sorted());

        model.close();
        prop_assert_eq!(model.counts().waiting, 0);
        for lease in model.requests(Outcome::Leased) {
            model.release(lease, Release::Clean);
        }
        prop_assert_eq!(model.counts().size, 0);
    }
}
