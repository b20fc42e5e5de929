//! Suspicion of one connection.

use std::time::Duration;

use pool_core::{ErrorClass, Order, Place};
use pool_health::{AdaptiveHealth, Mode};

use crate::sim::{FAST, Sim, TOOK, ms, s};

#[test]
fn a_connection_that_falls_silent_is_kept_back_within_200_ms() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    sim.request(0, FAST);
    let asked = sim.now;
    sim.pass(ms(130));
    assert_eq!(sim.log, [], "too soon");
    sim.pass(ms(70));
    let (at, order) = sim.log[0];
    assert_eq!(order, Order::Quarantine(sim.subjects[0].connection));
    assert!(at - asked < ms(142), "{:?}", at - asked);
}

#[test]
fn a_review_falls_on_the_moment_of_suspicion() {
    for took in 1..=30 {
        let floor = ms(20) + Duration::from_micros(7 * took);
        let took = ms(took);
        let mut sim = Sim::new(4, AdaptiveHealth::builder().deviation_floor(floor));
        sim.teach(FAST, took, 20);
        sim.request(0, FAST);
        let asked = sim.now;
        sim.pass(ms(300));
        let (at, _) = sim.log[0];
        let expected = took + ms(50) + ms(87);
        assert!(at - asked < expected, "{took:?}: {:?}", at - asked);
    }
}

#[test]
fn a_suspect_is_let_go_as_soon_as_it_is_heard_of() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    sim.request(0, FAST);
    sim.pass(ms(400));
    assert!(sim.subjects[0].quarantined);
    let pulse = &mut sim.subjects[0].pulse;
    (pulse.waiting_since, pulse.heard) = (Some(sim.now), Some(sim.now));
    sim.pass(ms(50));
    assert!(!sim.subjects[0].quarantined);
    let statistics = sim.health.statistics();
    assert_eq!((statistics.suspected, statistics.released), (1, 1));
    assert_eq!(statistics.false_suspicions, 1);
    assert_eq!(sim.evictions(), 0);
}

#[test]
fn who_is_given_up_or_waits_for_a_check_is_not_let_go_for_being_heard_of() {
    for (silent, place) in [(s(2), Place::Leased), (ms(200), Place::Idle)] {
        let mut sim = Sim::taught(4, AdaptiveHealth::builder());
        sim.request(0, FAST);
        sim.subjects[0].place = place;
        sim.pass(silent);
        sim.subjects[0].pulse.waiting_since = Some(sim.now);
        sim.pass(ms(50));
        assert_eq!(sim.health.statistics().released, 1, "it was heard of");
        assert!(sim.subjects[0].quarantined, "{place:?}");
    }
}

#[test]
fn silence_past_the_horizon_is_given_up_once() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    sim.request(0, FAST);
    sim.pass(ms(950));
    assert_eq!(sim.evictions(), 0);
    sim.pass(s(30));
    assert_eq!(sim.evictions(), 1);
    assert_eq!(sim.health.statistics().condemned, 1);
}

#[test]
fn a_slow_query_of_unknown_kind_among_fast_ones_is_never_given_up() {
    for kind in [0, 77] {
        let mut sim = Sim::taught(4, AdaptiveHealth::builder());
        sim.request(1, kind);
        for _ in 0..500 {
            sim.teach(FAST, TOOK, 1);
            sim.pass(ms(4));
        }
        sim.reply(1);
        sim.review();
        assert_eq!(sim.quarantines() + sim.evictions(), 0, "5 s, kind {kind}");
        sim.request(1, kind);
        sim.pass(s(3_600));
        assert!(sim.subjects[1].quarantined, "asked when it comes back");
        assert_eq!(sim.evictions(), 0, "kind {kind}");
    }
}

#[test]
fn a_slow_query_whose_kind_is_known_may_take_its_time() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    sim.teach(9, s(5), 10);
    sim.request(1, 9);
    sim.pass(s(6));
    sim.reply(1);
    sim.review();
    assert_eq!(sim.health.statistics().suspected, 0);
}

#[test]
fn a_long_reply_in_many_pieces_is_expected_to_keep_coming() {
    let mut sim = Sim::new(2, AdaptiveHealth::builder());
    let begin = |sim: &mut Sim| {
        sim.request(0, 5);
        for _ in 0..100 {
            sim.pass(ms(20));
            let pulse = &mut sim.subjects[0].pulse;
            (pulse.waiting_since, pulse.heard) = (Some(sim.now), Some(sim.now));
        }
    };
    for _ in 0..10 {
        begin(&mut sim);
        sim.reply(0);
        let pulse = &mut sim.subjects[0].pulse;
        (pulse.reply_took, pulse.reply_silence) = (s(2), ms(20));
        sim.review();
    }
    begin(&mut sim);
    assert_eq!(sim.health.statistics().suspected, 0);
    sim.pass(ms(200));
    assert!(sim.subjects[0].quarantined, "it stopped in the middle");
}

#[test]
fn nobody_is_suspected_for_our_own_sleep() {
    for slept in [ms(300), s(3), s(8 * 3_600)] {
        let mut sim = Sim::taught(20, AdaptiveHealth::builder());
        (0..20).for_each(|index| sim.request(index, FAST));
        sim.pass(ms(20));
        sim.now += slept;
        sim.review();
        sim.pass(ms(60));
        assert_eq!(sim.health.statistics().suspected, 0, "{slept:?}");
        (0..20).for_each(|index| sim.reply(index));
        sim.pass(ms(200));
        assert_eq!(sim.health.statistics().suspected, 0);
        assert_eq!(sim.health.statistics().late_reviews, 1);
    }
}

#[test]
fn who_is_dead_when_we_wake_is_found_in_the_second_after() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder().schedule(Mode::Off));
    sim.request(1, FAST);
    sim.pass(ms(20));
    sim.now += s(3);
    sim.review();
    sim.pass(s(1));
    assert!(sim.subjects[1].quarantined);
}

#[test]
fn a_clock_that_goes_back_makes_nobody_suspect() {
    for back in [Duration::from_nanos(1), ms(128), s(3_600)] {
        let mut sim = Sim::taught(4, AdaptiveHealth::builder());
        sim.now += s(7_200);
        sim.review();
        sim.request(0, FAST);
        sim.pass(ms(100));
        sim.now -= back;
        sim.review();
        sim.pass(ms(20));
        assert_eq!(sim.health.statistics().suspected, 0, "{back:?}");
    }
}

#[test]
fn shadow_counts_each_step_once_and_orders_nothing() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder().suspicion(Mode::Shadow));
    sim.request(0, FAST);
    sim.pass(s(5));
    sim.reply(0);
    sim.pass(s(1));
    assert_eq!(sim.log, []);
    let statistics = sim.health.statistics();
    let counts = [
        statistics.suspected,
        statistics.condemned,
        statistics.released,
        statistics.wrongly_condemned,
    ];
    assert_eq!(counts, [1; 4]);
    assert_eq!(sim.findings.len(), 3);
    assert!(sim.findings.iter().all(|finding| !finding.acted));
}

#[test]
fn off_suspects_nobody() {
    let mut sim = Sim::taught(
        4,
        AdaptiveHealth::builder()
            .suspicion(Mode::Off)
            .schedule(Mode::Off),
    );
    sim.request(0, FAST);
    sim.pass(s(60));
    assert_eq!(sim.log, []);
    assert_eq!(sim.health.statistics().suspected, 0);
}

#[test]
fn an_order_that_was_passed_over_is_given_again() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    sim.request(0, FAST);
    sim.pass(ms(200));
    sim.subjects[0].quarantined = false;
    sim.pass(ms(100));
    assert!(sim.subjects[0].quarantined);
    assert_eq!(
        sim.health.statistics().suspected,
        1,
        "but it is one suspicion"
    );
}

#[test]
fn what_passed_a_check_is_not_suspected_for_the_same_wait_again() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    sim.request(0, FAST);
    sim.pass(ms(200));
    sim.checked(0, ms(1), true);
    sim.pass(s(20));
    assert!(!sim.subjects[0].quarantined);
    assert_eq!(sim.evictions(), 0);
    assert_eq!(sim.health.statistics().false_suspicions, 1);
}

#[test]
fn what_is_being_checked_has_a_limit_of_its_own() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    sim.request(0, FAST);
    sim.subjects[0].place = Place::Tended;
    sim.pass(s(20));
    assert_eq!(sim.health.statistics().suspected, 0);
}

#[test]
fn an_error_keeps_a_connection_back_whatever_is_heard_of_it() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    sim.request(0, FAST);
    let errors = sim.subjects[0].pulse.errors;
    sim.subjects[0].pulse.errors = errors.plus(ErrorClass::Connection);
    sim.review();
    sim.pass(ms(200));
    sim.subjects[0].pulse.waiting_since = Some(sim.now);
    sim.pass(ms(60));
    assert!(sim.subjects[0].quarantined);
    assert_eq!(sim.health.statistics().errors, 1);
    assert_eq!(sim.quarantines(), 2, "for the error and for the silence");
}

#[test]
fn a_fault_of_the_request_is_none_of_the_connection() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    let errors = sim.subjects[0].pulse.errors;
    sim.subjects[0].reported += 1;
    sim.subjects[0].pulse.errors = errors
        .plus(ErrorClass::Harmless)
        .plus(ErrorClass::Permanent);
    sim.review();
    assert_eq!(sim.log, []);
}

#[test]
fn the_next_connection_in_a_slot_inherits_no_suspicion() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder());
    sim.request(0, FAST);
    sim.pass(ms(500));
    sim.open(0, 99);
    let before = sim.log.len();
    sim.pass(s(2));
    assert_eq!(sim.log.len(), before);
}

#[test]
fn reviews_are_frequent_only_while_something_is_owed_or_was_a_moment_ago() {
    let mut sim = Sim::taught(4, AdaptiveHealth::builder().schedule(Mode::Off));
    assert_eq!(sim.next, Some(ms(50)));
    sim.pass(s(2));
    assert_eq!(sim.next, None, "nothing to see");
    sim.subjects[0].place = Place::Leased;
    sim.now += s(10);
    sim.review();
    assert_eq!(sim.next, Some(s(1)), "a request may go out");
    sim.request(0, 0);
    sim.review();
    assert_eq!(sim.next, Some(ms(50)));
}
