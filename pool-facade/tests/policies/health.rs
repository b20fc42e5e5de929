//! What a health policy is shown, and what the pool does of what it orders: nobody gets a connection
//! in quarantine, no lease is cut short, and the maximum holds.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_facade::{
    Candidate, CloseReason, ErrorClass, Event, Finding, HealthPolicy, Hook, Observer, Order,
    Orders, Place, PooledConnection, Recycling, Subject, WeakPool,
};
use pool_testkit::fake::{Action, Call, FakeBackend, FakeConn, FakeManager, Gate, Step};
use tokio::sync::Semaphore;

use super::doorman::{hush, ms};
use super::house::{House, Lease, Puppet, builder, number, settle};

#[tokio::test(start_paused = true)]
async fn idle_connection_in_quarantine_is_asked_at_once_and_given_out_only_once_it_has_passed() {
    let house = House::with(1, 1).await;
    let gate = Gate::new();
    house
        .backend
        .script(Step::Validate, [Action::succeed().behind(&gate)]);
    house.order(Order::Quarantine(house.candidate(1))).await;
    assert_eq!(house.backend.calls(Step::Validate), 1);
    assert_eq!(house.puppet.seen()[0].place, Place::Tended);
    assert!(house.puppet.seen()[0].quarantined);
    assert!(house.pool.try_acquire().is_none());
    let waiting = tokio::spawn({
        let pool = house.pool.clone();
        async move { number(&pool.acquire().await.unwrap()) }
    });
    settle().await;
    assert!(!waiting.is_finished(), "it has not passed yet");
    gate.open();
    assert_eq!(waiting.await.unwrap(), 1, "the same connection, unharmed");
    settle().await;
    assert!(!house.puppet.seen()[0].quarantined);
    assert_eq!(house.ear.heard(), ["1 quarantined", "1 cleared"]);
    assert_eq!(house.pool.status().opened, 1);
}

#[tokio::test(start_paused = true)]
async fn leased_connection_in_quarantine_is_left_alone_until_it_comes_back_and_asked_then() {
    let house = House::with(1, 1).await;
    let lease = house.lease().await;
    house.order(Order::Quarantine(house.candidate(1))).await;
    assert_eq!(house.backend.calls(Step::Validate), 0);
    drop(lease);
    settle().await;
    assert_eq!(house.backend.calls(Step::Validate), 1, "it was not asked");
    drop(house.lease().await);
    drop(house.lease().await);
    assert_eq!(house.backend.calls(Step::Validate), 1, "once");
}

/// Takes a connection as soon as another is closed.
#[derive(Default)]
struct Grabber {
    pool: Mutex<Option<WeakPool<FakeManager>>>,
    got: Mutex<Vec<u64>>,
}

impl Observer for Grabber {
    fn event(&self, event: &Event<'_>) {
        let pool = self.pool.lock().unwrap().clone();
        if let (Event::Closed { .. }, Some(pool)) = (event, pool.and_then(|pool| pool.upgrade())) {
            let lease = pool.try_acquire();
            self.got.lock().unwrap().extend(lease.as_ref().map(number));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn connection_that_is_taken_as_its_quarantine_begins_is_asked_first() {
    let (backend, puppet) = (FakeBackend::new(), Arc::new(Puppet::default()));
    let grabber = Arc::new(Grabber::default());
    let pool = builder(&backend, 2)
        .initial_size(2u32)
        .health(Arc::clone(&puppet) as _)
        .observer(Arc::clone(&grabber) as _);
    let pool = pool.build().await.unwrap();
    settle().await;
    *grabber.pool.lock().unwrap() = Some(pool.downgrade());
    let [one, two] = [0, 1].map(|at: usize| puppet.seen()[at].connection);
    // The second order is written down when the first is carried out.
    puppet.order(Order::Evict(two));
    puppet.order(Order::Quarantine(one));
    settle().await;
    assert_eq!(*grabber.got.lock().unwrap(), [0; 0], "in quarantine");
    assert_eq!(backend.calls(Step::Validate), 1);
}

#[tokio::test(start_paused = true)]
async fn quarantine_that_is_taken_back_costs_no_check() {
    let house = House::with(1, 1).await;
    let lease = house.lease().await;
    house.order(Order::Quarantine(house.candidate(1))).await;
    house.order(Order::Release(house.candidate(1))).await;
    drop(lease);
    drop(house.lease().await);
    assert_eq!(house.backend.calls(Step::Validate), 0);
    assert_eq!(house.ear.heard(), ["1 quarantined", "1 cleared"]);
}

#[tokio::test(start_paused = true)]
async fn check_that_a_policy_orders_ends_within_its_own_limit_and_fails_by_it() {
    let house = House::with(2, 1).await;
    house.backend.script(Step::Validate, [Action::hang()]);
    house.order(Order::Check(house.candidate(1))).await;
    tokio::time::sleep(ms(690)).await;
    assert_eq!(house.puppet.told(), ["1 failed in 700", "1 invalid"]);
    assert_eq!(number(&house.lease().await), 2);
}

#[tokio::test(start_paused = true)]
async fn few_are_checked_at_a_time_and_those_that_wait_are_given_to_nobody() {
    let house = House::with(6, 6).await;
    let gate = Gate::new();
    let waits = {
        let gate = gate.clone();
        move |_: &Call| Action::succeed().behind(&gate)
    };
    house.backend.rule(Step::Validate, waits);
    for subject in house.puppet.seen() {
        house.puppet.order(Order::Quarantine(subject.connection));
    }
    settle().await;
    assert_eq!(house.backend.calls(Step::Validate), 2, "at a time");
    assert!(house.pool.try_acquire().is_none(), "it waits for its check");
    gate.open();
    settle().await;
    assert_eq!(house.backend.counts().validated, 6);
    assert_eq!(house.pool.status().idle, 6);
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_for_their_check_when_all_are_flushed_are_not_asked_any_more() {
    let house = House::with(6, 6).await;
    house.backend.rule(Step::Validate, |_| Action::hang());
    for subject in house.puppet.seen() {
        house.puppet.order(Order::Quarantine(subject.connection));
    }
    settle().await;
    house.order(Order::Flush).await;
    assert_eq!(house.closed(CloseReason::Stale), 4, "at once");
    tokio::time::sleep(ms(800)).await;
    assert_eq!(house.backend.calls(Step::Validate), 2);
    assert_eq!(house.closed(CloseReason::Invalid), 2);
}

#[tokio::test(start_paused = true)]
async fn connection_whose_check_would_have_to_wait_stays_idle() {
    let house = House::with(6, 6).await;
    house.backend.rule(Step::Validate, |_| Action::hang());
    for subject in house.puppet.seen() {
        house.puppet.order(Order::Check(subject.connection));
    }
    settle().await;
    let status = house.pool.status();
    assert_eq!((status.checking, status.idle), (2, 4));
    assert!(house.pool.try_acquire().is_some());
}

#[tokio::test(start_paused = true)]
async fn reopen_closes_those_that_wait_for_their_check_at_once() {
    let house = House::with(6, 6).await;
    house.backend.rule(Step::Validate, |_| Action::hang());
    for subject in house.puppet.seen() {
        house.puppet.order(Order::Quarantine(subject.connection));
    }
    settle().await;
    house.pool.reopen();
    settle().await;
    assert_eq!(house.closed(CloseReason::Stale), 4);
}

#[tokio::test(start_paused = true)]
async fn policy_is_told_of_each_connection_first_when_it_opens_and_last_when_it_goes() {
    let house = House::with(2, 0).await;
    drop(house.lease().await);
    drop(house.pool);
    tokio::task::yield_now().await;
    assert_eq!(house.puppet.told(), ["1 opened", "1 pool_closed"]);
}

#[tokio::test(start_paused = true)]
async fn evicted_connection_is_closed_if_idle_and_else_when_it_comes_back() {
    let house = House::with(2, 2).await;
    let lease = house.lease().await;
    let (held, idle) = match number(&lease) {
        1 => (1, 2),
        _ => (2, 1),
    };
    house.order(Order::Evict(house.candidate(idle))).await;
    assert_eq!(house.closed(CloseReason::Unhealthy), 1);
    house.order(Order::Evict(house.candidate(held))).await;
    assert_eq!(
        house.closed(CloseReason::Unhealthy),
        1,
        "no lease is cut short"
    );
    drop(lease);
    settle().await;
    assert_eq!(house.closed(CloseReason::Unhealthy), 2);
    assert_eq!(house.backend.counts().open, 0);
}

#[tokio::test(start_paused = true)]
async fn replaced_connection_goes_once_its_successor_is_there() {
    let house = House::with(2, 1).await;
    let gate = Gate::new();
    house
        .backend
        .script(Step::Connect, [Action::succeed().behind(&gate)]);
    house.order(Order::Replace(house.candidate(1))).await;
    assert_eq!(
        house.backend.calls(Step::Connect),
        2,
        "no successor is on its way"
    );
    drop(house.lease().await);
    assert_eq!(
        house.closed(CloseReason::Replaced),
        0,
        "it serves meanwhile"
    );
    gate.open();
    settle().await;
    assert_eq!(house.closed(CloseReason::Replaced), 1);
    assert_eq!(number(&house.lease().await), 2, "and it is warm");
}

#[tokio::test(start_paused = true)]
async fn one_successor_replaces_one_connection() {
    let house = House::with(9, 3).await;
    let gate = Gate::new();
    let slow = Action::succeed().behind(&gate);
    house
        .backend
        .script(Step::Connect, [Action::delay(ms(5)), slow]);
    house.puppet.order(Order::Replace(house.candidate(1)));
    house.puppet.order(Order::Replace(house.candidate(2)));
    settle().await;
    assert_eq!(house.closed(CloseReason::Replaced), 1, "one has come");
    gate.open();
    settle().await;
    assert_eq!(house.closed(CloseReason::Replaced), 2);
    assert_eq!(house.pool.status().size, 3);
}

#[tokio::test(start_paused = true)]
async fn replacement_whose_connect_failed_is_tried_again() {
    let house = House::with(3, 1).await;
    house
        .backend
        .script(Step::Connect, [Action::fail(ErrorClass::Endpoint)]);
    house.order(Order::Replace(house.candidate(1))).await;
    assert_eq!(house.closed(CloseReason::Replaced), 0, "it is all there is");
    tokio::time::sleep(ms(2000)).await;
    assert_eq!(house.backend.calls(Step::Connect), 3);
    assert_eq!(house.closed(CloseReason::Replaced), 1);
    assert_eq!(house.backend.counts().open, 1);
}

#[tokio::test(start_paused = true)]
async fn replacement_waits_while_the_endpoint_takes_no_connections() {
    let house = House::with(9, 3).await;
    house
        .backend
        .rule(Step::Connect, |_| Action::fail(ErrorClass::Endpoint));
    for connection in 1..=3 {
        house
            .puppet
            .order(Order::Replace(house.candidate(connection)));
    }
    tokio::time::sleep(ms(10_000)).await;
    assert_eq!(house.closed(CloseReason::Replaced), 0, "what works is kept");
    house.backend.clear(Step::Connect);
    tokio::time::sleep(ms(5000)).await;
    assert_eq!(house.closed(CloseReason::Replaced), 3);
    assert_eq!(house.pool.status().size, 3);
}

#[tokio::test(start_paused = true)]
async fn replacement_at_the_maximum_lets_the_old_one_go_first() {
    let house = House::with(2, 2).await;
    house.order(Order::Replace(house.candidate(1))).await;
    let (_one, _two) = (house.lease().await, house.lease().await);
    assert_eq!(house.closed(CloseReason::Replaced), 1);
    assert_eq!(
        house.backend.counts().peak_total,
        2,
        "never above the maximum"
    );
}

#[tokio::test(start_paused = true)]
async fn flush_closes_all_that_was_opened_before_it_and_nothing_else() {
    let house = House::with(3, 2).await;
    let lease = house.lease().await;
    house.order(Order::Flush).await;
    assert_eq!(house.closed(CloseReason::Stale), 1, "the idle one");
    drop(lease);
    let fresh = house.lease().await;
    settle().await;
    assert_eq!(house.closed(CloseReason::Stale), 2);
    drop(fresh);
    assert_eq!(number(&house.lease().await), 3);
    assert_eq!(house.ear.heard(), ["flushed to 1"]);
}

#[tokio::test(start_paused = true)]
async fn connection_is_recycled_as_ordered_until_ordered_otherwise() {
    let house = House::with(1, 1).await;
    let one = house.candidate(1);
    house.order(Order::Recycle(one, Recycling::Checked)).await;
    for times in 1..=3 {
        drop(house.lease().await);
        settle().await;
        assert_eq!(house.backend.counts().reset_fully, times, "each time");
    }
    house.order(Order::Recycle(one, Recycling::Fast)).await;
    drop(house.lease().await);
    house.lease().await.dirty();
    settle().await;
    let counts = house.backend.counts();
    assert_eq!((counts.reset_fully, counts.reset), (3, 1));
    house.order(Order::Recycle(one, Recycling::Replace)).await;
    drop(house.lease().await);
    assert_eq!(number(&house.lease().await), 2);
    assert_eq!(house.closed(CloseReason::Replaced), 1);
}

#[tokio::test(start_paused = true)]
async fn subject_tells_where_a_connection_is_and_what_became_of_it() {
    let house = House::with(2, 1).await;
    for _ in 0..3 {
        drop(house.lease().await);
    }
    let mut lease = house.lease().await;
    let error = pool_testkit::fake::FakeError::harmless();
    PooledConnection::report(&mut lease, &error);
    lease.vitals().sent(7);
    settle().await;
    let seen = house.puppet.seen();
    let subject = &seen[0];
    assert_eq!((seen.len(), subject.place), (1, Place::Leased));
    assert_eq!((subject.uses, subject.reported), (4, 1));
    assert_eq!((subject.pulse.outstanding, subject.pulse.kind), (1, 7));
    assert_eq!(subject.passed, None);
    lease.vitals().answered();
    drop(lease);
    house.order(Order::Check(subject.connection)).await;
    let seen = house.puppet.seen();
    assert_eq!((seen[0].place, seen[0].pulse.answered), (Place::Idle, 1));
    assert!(seen[0].passed.is_some());
}

#[tokio::test(start_paused = true)]
async fn policy_is_told_of_connects_checks_and_closes() {
    let house = House::with(2, 0).await;
    house.backend.script(
        Step::Connect,
        [Action::fail(ErrorClass::Endpoint), Action::succeed()],
    );
    drop(house.lease().await);
    settle().await;
    house.order(Order::Check(house.candidate(2))).await;
    house.lease().await.detach_from_pool();
    assert_eq!(
        house.puppet.told(),
        [
            "connect failed: Endpoint",
            "2 opened",
            "2 passed in 0",
            "2 discarded"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn order_about_a_connection_that_has_gone_means_nobody() {
    let house = House::with(1, 1).await;
    let gone = house.candidate(1);
    house.lease().await.discard_it();
    drop(house.lease().await);
    settle().await;
    assert_eq!(house.candidate(2).slot, gone.slot, "in the same slot");
    for order in [
        Order::Check(gone),
        Order::Quarantine(gone),
        Order::Evict(gone),
        Order::Replace(gone),
        Order::Recycle(gone, Recycling::Replace),
        Order::Release(gone),
        Order::Quarantine(Candidate { slot: 9999, ..gone }),
    ] {
        house.order(order).await;
    }
    drop(house.lease().await);
    assert_eq!(number(&house.lease().await), 2, "the wrong one");
    assert_eq!(house.backend.calls(Step::Validate), 0);
    assert_eq!(house.pool.status().opened, 2);
}

#[tokio::test(start_paused = true)]
async fn order_for_a_connection_that_is_being_reset_holds_when_that_is_done() {
    for (order, reason) in [
        (
            Order::Evict as fn(Candidate) -> Order,
            CloseReason::Unhealthy,
        ),
        (Order::Replace, CloseReason::Replaced),
    ] {
        let house = House::with(2, 1).await;
        let gate = Gate::new();
        house
            .backend
            .script(Step::Reset, [Action::succeed().behind(&gate)]);
        house.lease().await.dirty();
        settle().await;
        house.order(order(house.candidate(1))).await;
        gate.open();
        settle().await;
        assert_eq!(house.closed(reason), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn connection_that_is_quarantined_while_a_hook_looks_at_it_is_asked_before_it_is_given_out() {
    let (backend, puppet) = (FakeBackend::new(), Arc::new(Puppet::default()));
    let gate = Arc::new(Semaphore::new(0));
    let waits = Arc::clone(&gate);
    let hook = Hook::asynchronous(move |_: &mut FakeConn, _| {
        let waits = Arc::clone(&waits);
        Box::pin(async move {
            drop(waits.acquire().await);
            Ok(())
        })
    });
    let pool = builder(&backend, 1)
        .initial_size(1u32)
        .before_acquire(hook)
        .health(Arc::clone(&puppet) as _);
    let pool = pool.build().await.unwrap();
    settle().await;
    let one = puppet.seen()[0].connection;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.unwrap() }
    });
    settle().await;
    puppet.order(Order::Quarantine(one));
    settle().await;
    assert_eq!(backend.calls(Step::Validate), 0, "the hook has it");
    gate.add_permits(9);
    let lease = waiting.await.unwrap();
    assert_eq!(number(&lease), 1);
    assert_eq!(backend.calls(Step::Validate), 1, "before it was given out");
}

/// Wants to be asked again at the end of time.
#[derive(Default)]
struct Eternal(AtomicU32);

impl HealthPolicy for Eternal {
    fn review(&self, _: Duration, _: &[Subject], _: &mut Orders) -> Option<Duration> {
        // Not at the origin, where no sum of times is too large.
        let first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
        Some(if first { ms(10) } else { Duration::MAX })
    }
}

#[tokio::test(start_paused = true)]
async fn policy_that_need_not_be_asked_again_stops_nothing() {
    let backend = FakeBackend::new();
    let eternal = Arc::new(Eternal::default());
    let pool = builder(&backend, 1).health(Arc::clone(&eternal) as _);
    let pool = pool.build().await.unwrap();
    drop(pool.acquire().await.unwrap());
    tokio::time::sleep(ms(5000)).await;
    let held = pool.acquire().await.unwrap();
    let within = pool.request().within(ms(50));
    assert!(within.acquire().await.is_err(), "deadlines are kept");
    assert_eq!(eternal.0.load(Ordering::Relaxed), 2, "reviews");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_policy_stops_neither_the_pool_nor_the_policy() {
    hush();
    let house = House::with(1, 1).await;
    house.puppet.0.lock().unwrap().panics = true;
    settle().await;
    house.puppet.0.lock().unwrap().panics = false;
    tokio::time::sleep(ms(1000)).await;
    house.order(Order::Evict(house.candidate(1))).await;
    assert_eq!(number(&house.lease().await), 2);
}

#[tokio::test(start_paused = true)]
async fn finding_reaches_the_observer() {
    let house = House::with(1, 1).await;
    house.puppet.0.lock().unwrap().findings.push(Finding {
        connection: None,
        part: "trend",
        text: "falls",
        acted: false,
    });
    settle().await;
    assert_eq!(house.ear.heard(), ["trend: falls"]);
}

/// What the leases of these tests end in.
trait Ends {
    fn detach_from_pool(self);
    fn discard_it(self);
}

impl Ends for Lease {
    fn detach_from_pool(self) {
        drop(Self::detach(self));
    }

    fn discard_it(self) {
        Self::discard(self);
    }
}
