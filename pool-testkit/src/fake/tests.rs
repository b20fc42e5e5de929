use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_core::{Condition, ErrorClass, Manager};

use super::{Action, FakeBackend, FakeConn, FakeManager, Gate, Step, What};
use crate::clock::ManualClock;

/// Polls once, without a runtime.
fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn now<F: Future>(future: F) -> F::Output {
    match poll(future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the step waits"),
    }
}

fn panics(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

fn fixture() -> (FakeBackend, FakeManager, FakeConn) {
    let backend = FakeBackend::new();
    let manager = backend.manager();
    let conn = now(manager.open()).unwrap();
    (backend, manager, conn)
}

#[test]
fn unscripted_steps_succeed_and_are_counted() {
    let (backend, manager, mut conn) = fixture();
    now(manager.validate(&mut conn)).unwrap();
    now(manager.reset(&mut conn)).unwrap();
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    now(manager.close(conn));
    let counts = backend.counts();
    assert_eq!((counts.opened, counts.closed, counts.open), (1, 1, 0));
    assert_eq!((counts.validated, counts.reset), (1, 1));
    assert_eq!((counts.closed_orderly, counts.abandoned), (1, 0));
    for step in [Step::Connect, Step::Validate, Step::Reset, Step::Close] {
        assert_eq!(backend.calls(step), 1, "{step:?}");
    }
    assert!(backend.connections().is_empty());
}

#[test]
fn script_goes_first_then_the_rule_then_success() {
    let backend = FakeBackend::new();
    let manager = backend.manager();
    backend.script(Step::Connect, [Action::fail(ErrorClass::Permanent)]);
    backend.rule(Step::Connect, |call| match call.nth {
        2 => Action::fail(ErrorClass::Endpoint),
        _ => Action::succeed(),
    });
    let failed = |class| {
        let error = now(manager.open()).unwrap_err();
        assert_eq!(manager.classify(&error), class);
    };
    failed(ErrorClass::Permanent);
    failed(ErrorClass::Endpoint);
    assert_eq!(now(manager.open()).unwrap().id(), 3);
    backend.rule(Step::Connect, |_| Action::hang());
    assert!(poll(manager.open()).is_pending());
    backend.clear(Step::Connect);
    assert!(now(manager.open()).is_ok());
}

#[test]
fn peaks_count_connections_and_connects_together() {
    let (backend, manager, first) = fixture();
    backend.rule(Step::Connect, |_| Action::hang());
    {
        let mut one = pin!(manager.open());
        let mut two = pin!(manager.open());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(one.as_mut().poll(&mut cx).is_pending());
        assert!(two.as_mut().poll(&mut cx).is_pending());
        assert_eq!(backend.counts().connecting, 2);
    }
    drop(first);
    let counts = backend.counts();
    assert_eq!((counts.connecting, counts.peak_connecting), (0, 2));
    assert_eq!((counts.peak_open, counts.peak_total), (1, 3));
    assert_eq!(counts.abandoned, 2);
}

#[tokio::test(start_paused = true)]
async fn delay_keeps_to_tokios_time_by_default() {
    let backend = FakeBackend::new();
    let delay = Duration::from_secs(3600);
    backend.script(Step::Connect, [Action::delay(delay)]);
    let just_under = delay - Duration::from_millis(1);
    let manager = backend.manager();
    let mut opening = pin!(manager.open());
    assert!(
        tokio::time::timeout(just_under, &mut opening)
            .await
            .is_err()
    );
    let rest = Duration::from_millis(2);
    assert!(tokio::time::timeout(rest, opening).await.is_ok());
}

#[test]
fn delay_keeps_to_the_given_clock() {
    let clock = ManualClock::new();
    let backend = FakeBackend::with_clock(clock.clone());
    let delay = Duration::from_secs(2);
    backend.script(
        Step::Connect,
        [Action::fail(ErrorClass::Endpoint).after(delay)],
    );
    let manager = backend.manager();
    let mut opening = pin!(manager.open());
    assert!(poll(&mut opening).is_pending());
    clock.advance(delay / 2);
    assert!(poll(&mut opening).is_pending());
    clock.advance(delay / 2);
    assert!(now(&mut opening).is_err());
}

#[tokio::test]
async fn gate_holds_steps_until_it_opens() {
    let (backend, manager, mut conn) = fixture();
    let gate = Gate::new();
    backend.script(Step::Validate, [Action::gate(&gate)]);
    let test = async {
        gate.until_waiting(1).await;
        assert_eq!(backend.counts().validated, 0);
        gate.open();
    };
    let (checked, ()) = tokio::join!(manager.validate(&mut conn), test);
    checked.unwrap();
}

#[test]
fn gate_counts_exactly_those_who_stand_at_it() {
    let (backend, manager, _conn) = fixture();
    let gate = Gate::new();
    backend.rule(Step::Connect, {
        let gate = gate.clone();
        move |_| Action::gate(&gate)
    });
    let mut first = pin!(manager.open());
    assert!(poll(&mut first).is_pending());
    assert!(poll(gate.until_waiting(1)).is_ready());
    assert!(poll(gate.until_waiting(2)).is_pending());
    assert!(poll(manager.open()).is_pending());
    assert!(poll(gate.until_waiting(2)).is_pending(), "one has gone");
    gate.open();
    assert!(now(&mut first).is_ok());
    gate.close();
    assert!(poll(manager.open()).is_pending());
}

#[test]
fn killed_connection_is_seen_as_broken_and_fails_its_checks() {
    let (backend, manager, mut conn) = fixture();
    assert!(backend.kill(conn.id()));
    assert_eq!(manager.condition(&mut conn), Condition::Broken);
    assert!(now(manager.validate(&mut conn)).is_err());
    assert_eq!(backend.counts().open, 1, "until the pool lets go of it");
    drop(conn);
    assert!(!backend.kill(1), "it is gone");
}

#[test]
fn unnoticed_end_is_found_by_a_round_trip_only() {
    let (backend, manager, mut conn) = fixture();
    assert!(backend.kill_unnoticed(conn.id()));
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    assert!(now(manager.reset(&mut conn)).is_err());
    let _other = now(manager.open()).unwrap();
    assert_eq!(backend.kill_all(), 2);
}

#[tokio::test]
async fn work_finds_out_that_the_server_has_gone() {
    let (backend, manager, mut conn) = fixture();
    conn.work().await.unwrap();
    backend.kill_unnoticed(conn.id());
    let error = conn.work().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Connection);
    assert_eq!(manager.condition(&mut conn), Condition::Broken);
}

#[test]
fn break_ends_the_connection_at_any_step() {
    let (backend, manager, mut conn) = fixture();
    for step in [Step::Connect, Step::Condition] {
        backend.script(step, [Action::break_connection()]);
    }
    assert!(!now(manager.open()).unwrap().is_alive());
    assert_eq!(manager.condition(&mut conn), Condition::Broken);
    assert!(!conn.is_alive());
    for step in [Step::Validate, Step::Reset] {
        let mut conn = now(manager.open()).unwrap();
        backend.script(step, [Action::break_connection()]);
        let ended = match step {
            Step::Validate => now(manager.validate(&mut conn)),
            _ => now(manager.reset(&mut conn)),
        };
        assert!(ended.is_err() && !conn.is_alive(), "{step:?}");
    }
}

#[test]
fn connection_owned_twice_panics() {
    let (_backend, _manager, conn) = fixture();
    conn.claim();
    assert!(panics(|| conn.claim()));
    conn.release();
    assert!(panics(|| conn.release()));
    let owned = conn.own();
    assert!(panics(|| drop(conn.own())));
    drop(owned);
    conn.claim();
}

#[test]
fn connection_checked_while_a_user_has_it_panics() {
    let (_backend, manager, mut conn) = fixture();
    let owned = conn.own();
    assert!(panics(|| drop(now(manager.validate(&mut conn)))));
    assert!(panics(|| drop(now(manager.reset(&mut conn)))));
    assert!(panics(|| now(manager.close(conn))));
    drop(owned);
}

#[test]
fn connection_used_after_a_bad_check_panics() {
    for action in [
        Action::fail(ErrorClass::Harmless),
        Action::hang(),
        Action::panic(),
    ] {
        let (backend, manager, mut conn) = fixture();
        backend.script(Step::Validate, [action.clone()]);
        let ended = catch_unwind(AssertUnwindSafe(|| poll(manager.validate(&mut conn))));
        assert!(!matches!(ended, Ok(Poll::Ready(Ok(())))));
        assert!(panics(|| conn.claim()), "{action:?}");
        assert!(panics(|| drop(now(manager.reset(&mut conn)))), "{action:?}");
        now(manager.close(conn));
    }
}

#[test]
fn only_a_reset_takes_away_what_a_user_left() {
    let (backend, manager, mut conn) = fixture();
    conn.assert_clean();
    conn.leave("alice");
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    assert_eq!(conn.residue(), ["alice"]);
    assert!(panics(|| conn.assert_clean()));
    backend.script(Step::Reset, [Action::hang()]);
    assert!(poll(manager.reset(&mut conn)).is_pending());
    assert_eq!(
        conn.residue(),
        ["alice"],
        "an abandoned reset cleans nothing"
    );

    let mut conn = now(manager.open()).unwrap();
    conn.begin();
    assert!(conn.in_transaction());
    assert_eq!(manager.condition(&mut conn), Condition::Dirty);
    conn.commit();
    assert_eq!(manager.condition(&mut conn), Condition::Clean);
    conn.leave("bob");
    conn.begin();
    now(manager.reset(&mut conn)).unwrap();
    conn.assert_clean();
}

#[test]
fn log_tells_how_each_step_went_in_order() {
    let (backend, manager, mut conn) = fixture();
    backend.script(
        Step::Validate,
        [Action::succeed(), Action::fail(ErrorClass::Connection)],
    );
    now(manager.validate(&mut conn)).unwrap();
    assert!(now(manager.validate(&mut conn)).is_err());
    backend.script(Step::Close, [Action::hang()]);
    assert!(poll(manager.close(conn)).is_pending());
    let told: Vec<_> = backend.log().iter().map(|e| (e.step, e.what)).collect();
    assert_eq!(
        told,
        [
            (Step::Connect, What::Started),
            (Step::Connect, What::Succeeded),
            (Step::Validate, What::Started),
            (Step::Validate, What::Succeeded),
            (Step::Validate, What::Started),
            (Step::Validate, What::Failed),
            (Step::Close, What::Started),
            (Step::Close, What::Abandoned),
        ]
    );
}

#[test]
fn condition_that_is_told_to_wait_panics() {
    let (backend, manager, mut conn) = fixture();
    for action in [Action::hang(), Action::delay(Duration::from_secs(1))] {
        backend.script(Step::Condition, [action]);
        assert!(panics(|| {
            manager.condition(&mut conn);
        }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_stay_exact_under_many_threads() {
    let backend = FakeBackend::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let manager = backend.manager();
        tasks.spawn(async move {
            for _ in 0..50 {
                let mut conn = manager.open().await.unwrap();
                manager.validate(&mut conn).await.unwrap();
                drop(conn.own());
                manager.close(conn).await;
            }
        });
    }
    tasks.join_all().await;
    let counts = backend.until(|counts| counts.open == 0).await;
    assert_eq!((counts.opened, counts.closed), (1600, 1600));
    assert_eq!(counts.closed_orderly, 1600);
    assert!(counts.peak_open <= 32);
}
