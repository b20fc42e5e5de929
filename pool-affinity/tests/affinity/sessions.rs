//! Ties between sessions and connections.

use pool_affinity::{Affinity, Mode, Reason, Strength};
use pool_core::{Candidate, Placement, Profile};

use crate::desk::{Desk, at};

fn alone() -> Desk {
    Desk::new(8, Affinity::builder().routing(Mode::Off))
}

fn strength(desk: &Desk, session: u64) -> Strength {
    desk.affinity
        .preferred(session)
        .map_or(Strength::None, |one| one.strength)
}

#[test]
fn a_session_gets_the_connection_of_last_time_if_it_is_idle() {
    let mut desk = alone();
    desk.even(20);
    desk.lease_of(Profile::new(7), at(5));
    assert_eq!(strength(&desk, 7), Strength::Weak);
    assert_eq!(desk.choose(Profile::new(7)), Some(5));
    assert_eq!(desk.choose(Profile::new(8)), None);
    desk.idle.retain(|one| one.slot != 5);
    assert_eq!(desk.choose(Profile::new(7)), None);
}

#[test]
fn ten_statements_in_the_cache_make_a_tie_medium_and_nine_do_not() {
    let mut desk = alone();
    for statement in 1..=9 {
        desk.affinity.cached(at(3), statement);
    }
    // Nobody's lease has begun there yet, so they are nobody's.
    let cache = |desk: &mut Desk, statements: std::ops::RangeInclusive<u32>| {
        let request = crate::desk::request(Profile::new(7));
        desk.affinity.acquired(&request, at(3));
        statements.for_each(|statement| desk.affinity.cached(at(3), statement));
        desk.affinity.released(&request, at(3));
    };
    cache(&mut desk, 101..=109);
    assert_eq!(strength(&desk, 7), Strength::Weak);
    cache(&mut desk, 110..=110);
    let tie = desk.affinity.preferred(7).unwrap();
    assert_eq!(
        (tie.strength, tie.reason),
        (Strength::Medium, Reason::StatementCache)
    );
    assert_eq!(tie.connection, at(3));
}

#[test]
fn a_transaction_makes_a_tie_strong_and_its_end_makes_it_what_it_was() {
    let desk = alone();
    for before in [Strength::Weak, Strength::Medium, Strength::Pinned] {
        desk.affinity.create(7, at(2), before, Reason::SessionState);
        desk.affinity.mark_transaction_start(7, at(2));
        assert_eq!(strength(&desk, 7), before.max(Strength::Strong));
        assert!(desk.affinity.mark_transaction_end(7));
        assert_eq!(strength(&desk, 7), before);
    }
    assert!(!desk.affinity.mark_transaction_end(7));
    desk.affinity.mark_transaction_start(8, at(2));
    desk.affinity.mark_transaction_end(8);
    assert_eq!(strength(&desk, 8), Strength::None);
}

#[test]
fn a_bound_session_gets_its_own_connection_whatever_its_load() {
    let mut desk = Desk::new(8, Affinity::builder());
    desk.even(5);
    (0..500).for_each(|_| desk.lease_of(Profile::default(), at(6)));
    let wants = Profile::new(7).statement(1).statements(3).label(9);
    for (strength, reason) in [
        (Strength::Strong, Reason::ActiveTransaction),
        (Strength::Pinned, Reason::TemporaryObjects),
    ] {
        desk.affinity.create(7, at(6), strength, reason);
        assert_eq!(desk.choose(wants), Some(6));
        desk.affinity.release(7, None);
        assert_ne!(desk.choose(wants), Some(6));
    }
}

#[test]
fn only_weak_ties_are_broken_for_load_and_medium_ones_yield_while_it_lasts() {
    let mut desk = alone();
    desk.even(20);
    for (session, strength) in (1..).zip([
        Strength::Weak,
        Strength::Medium,
        Strength::Strong,
        Strength::Pinned,
    ]) {
        desk.affinity
            .create(session, at(4), strength, Reason::Manual);
    }
    (0..12).for_each(|_| desk.lease_of(Profile::default(), at(4)));
    let chosen = (1..=4).map(|session| desk.choose(Profile::new(session)));
    assert_eq!(chosen.collect::<Vec<_>>(), [None, None, Some(4), Some(4)]);
    let left = (1..=4)
        .map(|session| strength(&desk, session))
        .collect::<Vec<_>>();
    assert_eq!(
        left,
        [
            Strength::None,
            Strength::Medium,
            Strength::Strong,
            Strength::Pinned
        ]
    );
    assert_eq!(
        desk.affinity
            .statistics()
            .sessions
            .broken
            .of(Reason::Manual),
        1
    );
    desk.even(100);
    assert_eq!(desk.choose(Profile::new(2)), Some(4));
}

#[test]
fn ties_are_broken_above_thirty_percent_over_the_mean_and_not_below() {
    for (more, broken) in [(10, 0), (16, 1)] {
        let mut desk = alone();
        desk.even(40);
        desk.affinity
            .create(7, at(0), Strength::Weak, Reason::Manual);
        // 8 connections: 40 + 10 leases are 1.21 times the mean, 40 + 16 are 1.33 times.
        (0..more).for_each(|_| desk.lease_of(Profile::default(), at(0)));
        assert_eq!(desk.affinity.rebalance(), broken);
        let left = if broken == 1 {
            Strength::None
        } else {
            Strength::Weak
        };
        assert_eq!(strength(&desk, 7), left);
    }
}

#[test]
fn breaking_in_the_shadow_counts_and_breaks_nothing() {
    let mut desk = Desk::new(
        8,
        Affinity::builder()
            .routing(Mode::Off)
            .breaking(Mode::Shadow),
    );
    desk.even(20);
    desk.affinity
        .create(7, at(0), Strength::Weak, Reason::Manual);
    (0..20).for_each(|_| desk.lease_of(Profile::default(), at(0)));
    assert_eq!(desk.affinity.rebalance(), 1);
    assert_eq!(desk.choose(Profile::new(7)), Some(0));
    assert_eq!(strength(&desk, 7), Strength::Weak);
}

#[test]
fn a_tie_to_a_connection_that_is_gone_is_undone() {
    let mut desk = alone();
    desk.lease_of(Profile::default(), at(2));
    desk.affinity
        .create(7, at(2), Strength::Pinned, Reason::Manual);
    let next = Candidate::new(2, 99);
    desk.lease_of(Profile::default(), next);
    desk.idle[2] = next;
    assert_eq!(desk.choose(Profile::new(7)), None);
    assert_eq!(desk.affinity.preferred(7), None);
}

#[test]
fn a_weak_tie_moves_along_and_a_strong_one_stays() {
    let mut desk = alone();
    desk.lease_of(Profile::new(7), at(1));
    desk.lease_of(Profile::new(7), at(2));
    assert_eq!(
        desk.affinity.preferred(7).map(|one| one.connection),
        Some(at(2))
    );
    desk.affinity.mark_transaction_start(7, at(2));
    (0..20).for_each(|_| desk.lease_of(Profile::new(7), at(3)));
    assert_eq!(
        desk.affinity.preferred(7).map(|one| one.connection),
        Some(at(2))
    );
    assert_eq!(desk.affinity.statistics().sessions.broken.total(), 0);
}

#[test]
fn a_medium_tie_moves_after_eight_leases_elsewhere() {
    let mut desk = alone();
    desk.affinity
        .create(7, at(1), Strength::Medium, Reason::Manual);
    let own = |desk: &Desk| desk.affinity.preferred(7).map(|one| one.connection);
    (0..7).for_each(|_| desk.lease_of(Profile::new(7), at(3)));
    assert_eq!(own(&desk), Some(at(1)));
    desk.lease_of(Profile::new(7), at(3));
    assert_eq!(own(&desk), Some(at(3)));
}

#[test]
fn sessions_are_bounded_and_those_that_are_bound_stay() {
    let mut desk = Desk::new(8, Affinity::builder().max_sessions(64));
    (1..=8).for_each(|session| {
        desk.affinity
            .create(session, at(1), Strength::Pinned, Reason::Manual);
    });
    (100..5_000).for_each(|session| desk.lease_of(Profile::new(session), at(2)));
    let statistics = desk.affinity.statistics().sessions;
    assert!(statistics.sessions <= 64, "{statistics:?}");
    assert_eq!(statistics.with_strength(Strength::Pinned), 8);
    assert!(statistics.evicted >= 4_900 - 64);
}

#[test]
fn ten_thousand_sessions_find_room_in_the_default_table() {
    let mut desk = Desk::new(8, Affinity::builder());
    (1..=10_000).for_each(|session| desk.lease_of(Profile::new(session), at(2)));
    let evicted = desk.affinity.statistics().sessions.evicted;
    assert!(evicted < 100, "{evicted}");
}

#[test]
fn everything_is_counted_by_its_reason() {
    let mut desk = alone();
    desk.affinity
        .create(7, at(1), Strength::Weak, Reason::SessionState);
    desk.affinity
        .create(7, at(1), Strength::Pinned, Reason::TemporaryObjects);
    desk.lease_of(Profile::new(7), at(1));
    desk.lease_of(Profile::new(7), at(2));
    let counts = desk.affinity.statistics().sessions;
    assert_eq!(counts.created.of(Reason::SessionState), 1);
    assert_eq!(counts.created.of(Reason::TemporaryObjects), 1);
    assert_eq!(counts.hits.of(Reason::TemporaryObjects), 1);
    assert_eq!(counts.misses.of(Reason::TemporaryObjects), 1);
    assert_eq!(counts.active.total(), 3);
    assert!(desk.affinity.release(7, Some(Reason::TemporaryObjects)));
    assert_eq!(strength(&desk, 7), Strength::Weak);
    assert_eq!(desk.affinity.statistics().sessions.active.total(), 2);
}

#[test]
fn nobody_has_no_ties() {
    let mut desk = alone();
    desk.lease_of(Profile::new(0), at(1));
    assert!(
        !desk
            .affinity
            .create(0, at(1), Strength::Pinned, Reason::Manual)
    );
    assert_eq!(desk.affinity.statistics().sessions.sessions, 0);
}
