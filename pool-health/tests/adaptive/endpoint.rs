//! What several connections have in common.

use pool_core::{CloseReason, ErrorClass, HealthPolicy};
use pool_health::{AdaptiveHealth, AdaptiveHealthBuilder, Mode};

use crate::sim::{FAST, Sim, ms, s};

fn settings() -> AdaptiveHealthBuilder {
    AdaptiveHealth::builder().schedule(Mode::Off)
}

fn quarantined(sim: &Sim) -> usize {
    let all = sim.subjects.iter();
    all.filter(|subject| subject.quarantined).count()
}

#[test]
fn three_silent_connections_have_all_others_asked_once_unless_heard_of() {
    let mut sim = Sim::taught(10, settings());
    (0..3).for_each(|index| sim.request(index, FAST));
    sim.pass(ms(60));
    sim.subjects[9].pulse.heard = Some(sim.now);
    sim.pass(ms(140));
    assert_eq!(quarantined(&sim), 9);
    assert!(!sim.subjects[9].quarantined, "it is alive");
    assert_eq!(sim.health.statistics().sweeps, 1);
    sim.request(9, FAST);
    sim.pass(s(2));
    assert_eq!(sim.health.statistics().sweeps, 1);
    assert_eq!(sim.flushes(), 0, "suspicion is no proof");
}

#[test]
fn two_silent_connections_concern_nobody_else() {
    let mut sim = Sim::taught(10, settings());
    (0..2).for_each(|index| sim.request(index, FAST));
    sim.pass(s(5));
    assert_eq!(quarantined(&sim), 2);
    assert_eq!(sim.health.statistics().sweeps, 0);
}

#[test]
fn pauses_that_ended_add_up_to_nothing() {
    let mut sim = Sim::taught(10, settings());
    for index in 0..10 {
        sim.request(index, FAST);
        sim.pass(ms(300));
        sim.reply(index);
        sim.pass(ms(50));
    }
    let statistics = sim.health.statistics();
    assert_eq!((statistics.suspected, statistics.released), (10, 10));
    assert_eq!((statistics.sweeps, statistics.flushes), (0, 0));
}

#[test]
fn three_failures_without_a_sign_of_life_close_all_once() {
    let mut sim = Sim::taught(10, settings());
    sim.pass(s(5));
    (0..3).for_each(|index| sim.checked(index, ms(1), false));
    sim.review();
    assert_eq!(sim.flushes(), 1);
    (3..10).for_each(|index| sim.checked(index, ms(1), false));
    sim.review();
    assert_eq!(sim.flushes(), 1, "these were closed by the first");
    sim.open(0, 100);
    sim.open(1, 101);
    sim.open(2, 102);
    (0..3).for_each(|index| sim.closed(index, CloseReason::Broken));
    sim.review();
    assert_eq!(sim.flushes(), 2, "these are new evidence");
}

#[test]
fn three_failures_beside_signs_of_life_have_the_silent_ones_asked() {
    let mut sim = Sim::taught(10, settings());
    sim.pass(s(5));
    for index in 0..3 {
        sim.checked(index, ms(1), false);
        sim.pass(s(1));
        sim.subjects[9].pulse.heard = Some(sim.now);
    }
    sim.review();
    assert_eq!(sim.flushes(), 0);
    assert_eq!(quarantined(&sim), 9);
    assert!(!sim.subjects[9].quarantined);
}

#[test]
fn a_new_connection_that_works_does_not_speak_for_the_old_ones() {
    let mut sim = Sim::taught(10, settings());
    sim.pass(s(5));
    (0..2).for_each(|index| sim.checked(index, ms(1), false));
    sim.pass(ms(100));
    sim.open(9, 100);
    sim.pass(ms(100));
    sim.subjects[9].pulse.heard = Some(sim.now);
    sim.checked(2, ms(1), false);
    sim.review();
    assert_eq!(sim.flushes(), 1);
}

#[test]
fn a_connection_opened_since_is_not_asked_with_the_others() {
    let mut sim = Sim::taught(10, settings());
    (0..3).for_each(|index| sim.request(index, FAST));
    sim.pass(ms(60));
    sim.open(9, 100);
    sim.pass(ms(140));
    assert_eq!(sim.health.statistics().sweeps, 1);
    assert!(!sim.subjects[9].quarantined);
}

#[test]
fn one_connection_that_fails_often_is_one() {
    let mut sim = Sim::taught(10, settings());
    (0..9).for_each(|_| sim.checked(0, ms(1), false));
    sim.closed(0, CloseReason::Invalid);
    sim.review();
    assert_eq!(sim.log, []);
}

#[test]
fn three_long_waits_of_unknown_kind_are_no_outage() {
    let mut sim = Sim::taught(10, settings());
    (0..3).for_each(|index| sim.request(index, 0));
    sim.pass(s(11));
    assert_eq!(sim.health.statistics().suspected, 3);
    assert_eq!(sim.health.statistics().sweeps, 0);
}

#[test]
fn a_suspicion_that_a_check_refuted_is_no_evidence() {
    let mut sim = Sim::taught(10, settings());
    for index in 0..5 {
        sim.request(index, FAST);
        sim.pass(ms(200));
        sim.checked(index, ms(1), true);
    }
    assert_eq!(sim.health.statistics().suspected, 5);
    assert_eq!(sim.health.statistics().sweeps, 0);
}

#[test]
fn a_check_that_timed_out_began_to_fail_when_it_began() {
    let mut sim = Sim::taught(10, settings());
    sim.pass(s(10));
    sim.subjects[9].pulse.heard = Some(sim.now);
    sim.pass(s(2));
    (0..3).for_each(|index| sim.checked(index, s(5), false));
    sim.review();
    assert_eq!(sim.flushes(), 0, "another was alive meanwhile");
    assert_eq!(quarantined(&sim), 9);
}

#[test]
fn failures_far_apart_are_no_outage() {
    let mut sim = Sim::taught(10, settings());
    for index in 0..9 {
        sim.checked(index, ms(1), false);
        sim.now += s(6);
        sim.review();
    }
    assert_eq!(sim.flushes() + quarantined(&sim), 0);
}

#[test]
fn a_server_that_says_goodbye_to_three_is_gone_for_all() {
    let mut sim = Sim::taught(10, settings());
    for subject in &mut sim.subjects[..3] {
        subject.pulse.errors = subject.pulse.errors.plus(ErrorClass::Endpoint);
        subject.pulse.heard = Some(sim.now + ms(40));
    }
    sim.review();
    assert_eq!(sim.flushes(), 1);
}

#[test]
fn connects_that_fail_say_nothing_of_what_is_open() {
    let mut sim = Sim::taught(10, settings());
    for _ in 0..10 {
        let failure = Err(ErrorClass::Endpoint);
        sim.health.connected(sim.now, s(1), failure);
    }
    sim.review();
    assert_eq!(sim.log, []);
}

#[test]
fn a_pool_that_is_silent_as_a_whole_is_kept() {
    for size in 1..=8 {
        let mut sim = Sim::taught(size, settings());
        (0..size as usize).for_each(|index| sim.request(index, FAST));
        sim.pass(s(60));
        assert_eq!(sim.evictions(), 0, "of {size}");
        let statistics = sim.health.statistics();
        assert_eq!(statistics.withheld, u64::from(size), "counted once each");
    }
}

#[test]
fn the_ejection_cap_leaves_the_rest_in_quarantine() {
    let mut sim = Sim::taught(10, settings());
    (0..5).for_each(|index| sim.request(index, FAST));
    sim.pass(s(60));
    assert_eq!(sim.evictions(), 3);
    assert_eq!(sim.health.statistics().withheld, 2);
    assert_eq!(
        quarantined(&sim),
        10,
        "five silent ones, and five to be asked"
    );
}

#[test]
fn one_of_two_may_be_given_up_and_no_more() {
    let mut sim = Sim::taught(2, settings());
    sim.request(0, FAST);
    sim.pass(s(2));
    assert_eq!(sim.evictions(), 1);
    sim.request(1, FAST);
    sim.pass(s(60));
    assert_eq!(sim.evictions(), 1);
}

#[test]
fn a_pool_without_connections_is_reviewed_without_harm() {
    let mut sim = Sim::new(0, AdaptiveHealth::builder());
    sim.review();
    assert_eq!((sim.log.len(), sim.next), (0, None));
}

#[test]
fn shadow_flushes_nothing_and_says_so() {
    let mut sim = Sim::taught(10, settings().endpoint(Mode::Shadow));
    (0..3).for_each(|index| sim.checked(index, ms(1), false));
    sim.review();
    assert_eq!(sim.log, []);
    assert_eq!(sim.health.statistics().flushes, 1);
}

#[test]
fn what_is_only_tried_out_is_no_evidence_for_what_acts() {
    let mut sim = Sim::taught(10, settings().suspicion(Mode::Shadow));
    (0..5).for_each(|index| sim.request(index, FAST));
    sim.pass(s(5));
    assert_eq!(sim.log, []);
    assert_eq!(sim.health.statistics().suspected, 5);
}
