//! When connections are checked.

use pool_core::{HealthPolicy, Order, Place};
use pool_health::{AdaptiveHealth, AdaptiveHealthBuilder, Mode};

use crate::sim::{FAST, Sim, ms, s};

fn exact() -> AdaptiveHealthBuilder {
    AdaptiveHealth::builder().check_jitter(0.0)
}

#[test]
fn a_connection_that_answers_its_users_is_not_asked() {
    let mut sim = Sim::new(1, exact());
    for _ in 0..100 {
        sim.teach(FAST, ms(6), 1);
        sim.pass(s(20));
    }
    assert_eq!(sim.checks(), 0);
}

#[test]
fn an_idle_connection_is_asked_after_its_interval_and_three_times_as_long_after_it_passed() {
    let mut sim = Sim::new(1, exact());
    sim.review();
    sim.pass(s(29));
    assert_eq!(sim.checks(), 0);
    sim.pass(s(2));
    assert_eq!(sim.checks(), 1);
    sim.checked(0, ms(1), true);
    sim.pass(s(88));
    assert_eq!(sim.checks(), 1);
    sim.pass(s(4));
    assert_eq!(sim.checks(), 2);
}

#[test]
fn a_connection_that_fails_is_asked_four_times_as_often() {
    let mut sim = Sim::new(1, exact().endpoint(Mode::Off));
    sim.review();
    sim.pass(s(31));
    for _ in 0..3 {
        sim.checked(0, ms(1), false);
    }
    let before = sim.checks();
    sim.pass(s(9));
    assert_eq!(sim.checks(), before + 1);
}

#[test]
fn checks_run_a_few_at_a_time_and_everybodys_turn_comes() {
    let mut sim = Sim::new(10, exact().max_checks(3));
    sim.review();
    sim.now += s(8 * 3_600);
    for batch in 1..=4 {
        sim.review();
        assert_eq!(sim.health.statistics().batches, batch);
        let tended = sim.subjects.iter().enumerate();
        let tended: Vec<usize> = tended
            .filter(|(_, subject)| subject.place == Place::Tended)
            .map(|(index, _)| index)
            .collect();
        assert!((1..=3).contains(&tended.len()), "{tended:?}");
        sim.now += ms(50);
        sim.review();
        assert_eq!(
            sim.checks(),
            (batch as usize * 3).min(10),
            "no more meanwhile"
        );
        tended
            .into_iter()
            .for_each(|index| sim.checked(index, ms(1), true));
    }
    let asked = |index: usize| Order::Check(sim.subjects[index].connection);
    assert!((0..10).all(|index| sim.given(|order| *order == asked(index)) == 1));
}

#[test]
fn a_check_that_was_passed_over_does_not_block_the_others() {
    let mut sim = Sim::new(2, exact().max_checks(1));
    sim.review();
    sim.now += s(60);
    sim.review();
    sim.subjects[0].place = Place::Leased;
    sim.now += ms(50);
    sim.review();
    assert_eq!(sim.checks(), 2);
}

#[test]
fn a_sample_is_a_part_of_those_that_are_due() {
    let mut sim = Sim::new(400, exact().max_checks(1_000).check_sample(0.25));
    sim.review();
    sim.pass(s(31));
    assert!((60..140).contains(&sim.checks()), "{}", sim.checks());
    let statistics = sim.health.statistics();
    assert_eq!(
        statistics.checks_ordered + statistics.checks_sampled_out,
        400
    );
}

#[test]
fn who_is_leased_or_kept_back_already_is_not_asked() {
    let mut sim = Sim::new(2, exact());
    sim.subjects[0].place = Place::Leased;
    sim.subjects[1].quarantined = true;
    sim.review();
    sim.pass(s(600));
    assert_eq!(sim.checks(), 0);
}

#[test]
fn checks_of_connections_opened_together_spread() {
    let mut sim = Sim::new(100, AdaptiveHealth::builder().max_checks(1_000));
    sim.review();
    sim.pass(s(40));
    let mut at: Vec<_> = sim.log.iter().map(|(at, _)| *at).collect();
    assert_eq!(at.len(), 100);
    at.dedup();
    assert!(at.len() >= 5, "{at:?}");
}

#[test]
fn shadow_counts_a_check_per_interval_and_orders_none() {
    let mut sim = Sim::new(1, exact().schedule(Mode::Shadow));
    sim.review();
    sim.pass(s(100));
    assert_eq!(sim.checks(), 0);
    assert_eq!(sim.health.statistics().checks_ordered, 3);
}

#[test]
fn a_result_that_comes_after_the_close_changes_nothing_for_the_next_connection() {
    let mut sim = Sim::new(1, exact().endpoint(Mode::Off));
    sim.review();
    sim.pass(s(31));
    let late = sim.subjects[0].connection;
    sim.open(0, 50);
    sim.review();
    sim.health.checked(sim.now, late, ms(1), false);
    let before = sim.checks();
    sim.pass(s(29));
    assert_eq!(sim.checks(), before, "it is as unknown as before");
    assert_eq!(sim.health.statistics().checks_failed, 1);
}

#[test]
fn a_result_that_comes_after_the_close_makes_no_room_for_another_check() {
    let mut sim = Sim::new(2, exact().endpoint(Mode::Off).max_checks(1));
    let late = sim.subjects[0].connection;
    sim.open(0, 50);
    sim.review();
    sim.pass(s(31));
    assert_eq!((sim.checks(), sim.subjects[0].place), (1, Place::Tended));
    sim.health.checked(sim.now, late, ms(1), true);
    sim.pass(s(1));
    assert_eq!(sim.checks(), 1, "the one that was ordered has not ended");
    assert!(
        sim.next >= Some(ms(50)),
        "there is nothing to see until then"
    );
}

#[test]
fn a_connection_whose_checks_take_long_is_asked_more_often_than_one_of_the_usual() {
    let mut sim = Sim::new(2, exact());
    sim.review();
    for _ in 0..30 {
        sim.checked(0, ms(1), true);
    }
    for _ in 0..10 {
        sim.checked(1, ms(100), true);
    }
    sim.pass(s(300));
    let asked = |index: usize| Order::Check(sim.subjects[index].connection);
    let when = |wanted: Order| sim.log.iter().find(|(_, order)| *order == wanted);
    let (usual, slow) = (when(asked(0)), when(asked(1)));
    let (usual, slow) = (usual.expect("asked"), slow.expect("asked"));
    assert!(slow.0 + s(20) < usual.0, "{slow:?} {usual:?}");
}

#[test]
fn when_checks_cannot_keep_up_everybodys_turn_still_comes() {
    let settings = exact()
        .max_checks(1)
        .check_interval(s(1))
        .min_check_interval(s(1));
    let mut sim = Sim::new(10, settings.max_check_interval(s(1)));
    sim.now += s(60);
    sim.review();
    for _ in 0..20 {
        let tended = |subject: &pool_core::Subject| subject.place == Place::Tended;
        let checked = sim.subjects.iter().position(tended).expect("one at a time");
        sim.now += ms(500);
        sim.checked(checked, ms(500), true);
        sim.review();
    }
    let asked = |index: usize| Order::Check(sim.subjects[index].connection);
    assert!((0..10).all(|index| sim.given(|order| *order == asked(index)) >= 2));
}
