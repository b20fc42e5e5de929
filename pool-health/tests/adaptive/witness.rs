//! What a breaker is told of the connections of its pool: each call once, however it is seen.

use std::time::Duration;

use pool_core::{Candidate, CloseReason, ErrorClass, Errors, HealthPolicy, Place, Subject};
use pool_health::{
    AdaptiveHealth, AdaptiveHealthBuilder, Breaker, BreakerBuilder, Circuit, FailureClass, Mode,
    Tally,
};

use crate::sim::{FAST, Sim, TOOK, ms, s};

fn with(breaker: BreakerBuilder) -> AdaptiveHealthBuilder {
    let breaker = breaker.build().expect("sound settings");
    AdaptiveHealth::builder().breaker(breaker, Mode::On)
}

fn settings() -> AdaptiveHealthBuilder {
    with(Breaker::builder())
}

/// What the breaker was told in all.
fn told(sim: &Sim) -> Tally {
    let breaker = sim.health.statistics().breaker;
    breaker.expect("there is one").breaker.results
}

fn circuit(sim: &Sim) -> Circuit {
    sim.health.breaker().expect("there is one").circuit()
}

fn failed(class: FailureClass) -> Tally {
    Tally::one(Err(class))
}

/// A lease of a connection without vital signs begins.
fn lend(sim: &mut Sim, index: usize) {
    sim.subjects[index].place = Place::Leased;
    sim.subjects[index].uses += 1;
    sim.review();
}

fn give_back(sim: &mut Sim, index: usize) {
    sim.subjects[index].place = Place::Idle;
    sim.review();
}

/// A connection is seen for the last time as it is closed.
fn close(sim: &mut Sim, index: usize, reason: CloseReason) {
    sim.subjects[index].place = Place::Tended;
    sim.closed(index, reason);
}

fn connect(sim: &Sim, outcome: Result<(), ErrorClass>) {
    let new = Candidate::new(9, 99);
    let outcome = outcome.map(|()| new);
    sim.health.connected(sim.now, TOOK, outcome);
}

/// A pool whose breaker has opened.
fn shut() -> Sim {
    let mut sim = Sim::new(1, settings());
    (0..40).for_each(|_| connect(&sim, Err(ErrorClass::Endpoint)));
    assert_eq!(circuit(&sim), Circuit::Open);
    sim.review();
    sim
}

#[test]
fn with_vital_signs_replies_count_and_leases_do_not() {
    let mut sim = Sim::new(1, settings());
    sim.request(0, FAST);
    sim.pass(TOOK);
    sim.subjects[0].pulse.answered += 6;
    sim.reply(0);
    sim.review();
    sim.review();
    assert_eq!(told(&sim), Tally::successes(7), "of one lease");
}

#[test]
fn without_vital_signs_leases_count_once_they_have_ended() {
    let mut sim = Sim::new(1, settings());
    lend(&mut sim, 0);
    sim.review();
    assert_eq!(told(&sim), Tally::default(), "it is under way");
    give_back(&mut sim, 0);
    sim.review();
    assert_eq!(told(&sim), Tally::successes(1));
    sim.subjects[0].uses += 5;
    sim.review();
    assert_eq!(told(&sim), Tally::successes(6));
}

#[test]
fn a_lease_whose_first_request_was_never_answered_is_no_success() {
    let mut sim = Sim::new(1, settings());
    sim.request(0, FAST);
    sim.pass(s(1));
    give_back(&mut sim, 0);
    assert_eq!(told(&sim), Tally::default());
}

#[test]
fn a_lease_that_breaks_its_connection_is_a_failure_and_no_success() {
    for reason in [CloseReason::Broken, CloseReason::ResetFailed] {
        let mut sim = Sim::new(1, settings());
        sim.subjects[0].uses = 4;
        sim.review();
        lend(&mut sim, 0);
        close(&mut sim, 0, reason);
        let told = told(&sim);
        assert_eq!((told.good(), told.failures()), (4, 1), "{reason:?}");
    }
}

#[test]
fn a_lease_whose_end_says_nothing_of_the_server_does_not_count() {
    for (reason, counted) in [
        (CloseReason::InFlight, 0),
        (CloseReason::Panicked, 0),
        (CloseReason::Discarded, 0),
        (CloseReason::Evicted, 0),
        (CloseReason::Unhealthy, 0),
        (CloseReason::Lifetime, 1),
        (CloseReason::Replaced, 1),
    ] {
        let mut sim = Sim::new(1, settings());
        lend(&mut sim, 0);
        close(&mut sim, 0, reason);
        assert_eq!(told(&sim), Tally::successes(counted), "{reason:?}");
    }
}

#[test]
fn an_idle_connection_that_is_found_broken_is_a_failure_and_one_that_is_let_go_is_none() {
    for (reason, failures) in [
        (CloseReason::Broken, 1),
        (CloseReason::ResetFailed, 1),
        (CloseReason::Idle, 0),
        (CloseReason::Invalid, 0),
    ] {
        let mut sim = Sim::new(1, settings());
        sim.subjects[0].uses = 3;
        sim.review();
        close(&mut sim, 0, reason);
        let told = told(&sim);
        assert_eq!((told.good(), told.failures()), (3, failures), "{reason:?}");
    }
}

#[test]
fn an_error_in_the_vital_signs_counts_by_its_class_and_not_again_when_the_connection_closes() {
    for (class, counted) in [
        (ErrorClass::Connection, failed(FailureClass::Refused)),
        (ErrorClass::Endpoint, failed(FailureClass::Refused)),
        (ErrorClass::Permanent, failed(FailureClass::Authentication)),
        (ErrorClass::Harmless, Tally::default()),
    ] {
        let mut sim = Sim::taught(1, settings());
        let before = told(&sim).good();
        sim.request(0, FAST);
        sim.subjects[0].pulse.errors = Errors::default().plus(class);
        sim.review();
        close(&mut sim, 0, CloseReason::Broken);
        assert_eq!(told(&sim), counted.and_good(before), "{class:?}");
    }
}

#[test]
fn what_happened_since_the_last_look_counts_when_a_connection_closes() {
    let mut sim = Sim::taught(1, settings());
    let before = told(&sim);
    sim.request(0, FAST);
    sim.reply(0);
    sim.subjects[0].pulse.errors = Errors::default().plus(ErrorClass::Connection);
    sim.subjects[0].pulse.answered += 3;
    close(&mut sim, 0, CloseReason::Broken);
    let counted = told(&sim);
    assert_eq!(counted.good(), before.good() + 3, "one says what failed");
    assert_eq!(counted.failures(), 1);
}

#[test]
fn a_far_end_that_hung_up_without_a_word_is_a_failure_and_a_user_who_did_not_wait_is_none() {
    for (owed, failures) in [(0, 1), (1, 0)] {
        let mut sim = Sim::taught(1, settings());
        sim.subjects[0].pulse.outstanding = owed;
        close(&mut sim, 0, CloseReason::Broken);
        assert_eq!(told(&sim).failures(), failures, "{owed} owed");
    }
}

#[test]
fn an_adapter_that_notes_nothing_but_errors_has_its_leases_counted_too_and_none_twice() {
    let mut sim = Sim::new(1, settings());
    lend(&mut sim, 0);
    sim.subjects[0].pulse.errors = Errors::default().plus(ErrorClass::Endpoint);
    give_back(&mut sim, 0);
    lend(&mut sim, 0);
    give_back(&mut sim, 0);
    assert_eq!((told(&sim).good(), told(&sim).failures()), (1, 1));
    lend(&mut sim, 0);
    close(&mut sim, 0, CloseReason::Broken);
    assert_eq!((told(&sim).good(), told(&sim).failures()), (1, 1));
}

#[test]
fn a_silence_is_told_once_and_the_reply_that_ends_it_is_no_second_call() {
    for suspicion in [Mode::On, Mode::Shadow] {
        let mut sim = Sim::taught(1, settings().suspicion(suspicion));
        let before = told(&sim).good();
        sim.request(0, FAST);
        sim.pass(s(3));
        assert_eq!(told(&sim).of(FailureClass::Timeout), 1, "{suspicion:?}");
        sim.reply(0);
        sim.review();
        assert_eq!(told(&sim).calls(), before + 1, "{suspicion:?}");
        sim.teach(FAST, TOOK, 2);
        assert_eq!(told(&sim).good(), before + 2, "{suspicion:?}");
        sim.request(0, FAST);
        sim.pass(s(9));
        assert_eq!(told(&sim).of(FailureClass::Timeout), 2, "another one");
    }
}

#[test]
fn a_silence_that_ends_in_an_error_is_one_failure() {
    let mut sim = Sim::taught(1, settings());
    sim.request(0, FAST);
    sim.pass(s(1));
    sim.subjects[0].pulse.errors = Errors::default().plus(ErrorClass::Connection);
    close(&mut sim, 0, CloseReason::Broken);
    assert_eq!(told(&sim).failures(), 1);
}

#[test]
fn who_is_only_asked_for_the_silence_of_others_is_not_silent() {
    let mut sim = Sim::taught(10, settings());
    (0..3).for_each(|index| sim.request(index, FAST));
    sim.pass(ms(120));
    (3..10).for_each(|index| sim.request(index, FAST));
    sim.pass(ms(100));
    let asked = |subject: &Subject| subject.quarantined;
    assert!(sim.subjects.iter().all(asked), "the others are asked");
    assert_eq!(told(&sim).of(FailureClass::Timeout), 3);
}

#[test]
fn without_suspicion_no_silence_is_told() {
    let mut sim = Sim::taught(1, settings().suspicion(Mode::Off));
    sim.request(0, FAST);
    sim.pass(s(60));
    assert_eq!(told(&sim).failures(), 0);
}

#[test]
fn replies_that_take_longer_than_the_limit_are_slow() {
    let mut sim = Sim::new(1, with(Breaker::builder().slow_above(ms(100))));
    sim.teach(FAST, ms(90), 2);
    sim.teach(FAST, ms(110), 3);
    let told = told(&sim);
    assert_eq!((told.good(), told.of(FailureClass::Slow)), (2, 3));
}

#[test]
fn connects_count_by_what_they_come_to() {
    let sim = Sim::new(0, settings());
    connect(&sim, Ok(()));
    connect(&sim, Err(ErrorClass::Endpoint));
    connect(&sim, Err(ErrorClass::Permanent));
    let told = told(&sim);
    assert_eq!(told.good(), 1);
    assert_eq!(told.of(FailureClass::Refused), 1);
    assert_eq!(told.of(FailureClass::Authentication), 1);
}

#[test]
fn a_connect_or_a_check_that_succeeds_ends_the_open_time() {
    let sim = shut();
    connect(&sim, Ok(()));
    assert_eq!(circuit(&sim), Circuit::HalfOpen);
    let mut sim = shut();
    sim.checked(0, TOOK, false);
    assert_eq!(circuit(&sim), Circuit::Open);
    sim.checked(0, TOOK, true);
    assert_eq!(circuit(&sim), Circuit::HalfOpen);
}

#[test]
fn a_check_counts_once_though_the_vital_signs_show_it_as_well() {
    let mut sim = Sim::taught(1, settings());
    let before = told(&sim).good();
    sim.request(0, 0);
    sim.reply(0);
    sim.checked(0, TOOK, true);
    sim.review();
    assert_eq!(told(&sim).good(), before + 1);
    sim.checked(0, TOOK, true);
    sim.review();
    sim.teach(FAST, TOOK, 3);
    assert_eq!(
        told(&sim).good(),
        before + 5,
        "a check that the signs do not show takes none away"
    );
    sim.subjects[0].pulse.errors = Errors::default().plus(ErrorClass::Connection);
    sim.checked(0, Duration::ZERO, false);
    close(&mut sim, 0, CloseReason::Invalid);
    assert_eq!(told(&sim).failures(), 1);
}

#[test]
fn the_next_connection_in_a_slot_begins_at_nothing() {
    let mut sim = Sim::taught(1, settings());
    let before = told(&sim).good();
    sim.request(0, FAST);
    sim.pass(s(1));
    sim.open(0, 7);
    sim.teach(FAST, TOOK, 1);
    let counted = told(&sim);
    assert_eq!((counted.good(), counted.failures()), (before + 1, 1));
}
