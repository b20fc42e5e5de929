//! When connections are old, and how they go.

use std::collections::HashSet;
use std::time::Duration;

use pool_core::{Candidate, ErrorClass, Order, Orders, Subject};
use pool_health::{Ageing, AgeingBuilder, AgeingPolicy, Mode};
use proptest::prelude::*;

use crate::subjects::{connection, errors, subject, subjects};

const HOUR: Duration = Duration::from_secs(3600);
const USES: AgeingPolicy = AgeingPolicy::UsageBased { max_borrows: 1000 };
const ADAPTIVE: AgeingPolicy = AgeingPolicy::Adaptive {
    base_lifetime: HOUR,
    error_threshold: 0.05,
};

fn builder(policy: AgeingPolicy) -> AgeingBuilder {
    Ageing::builder().mode(Mode::On).policy(policy)
}

fn exact(policy: AgeingPolicy) -> Ageing {
    builder(policy).jitter(0.0).build().expect("it can be")
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// What it orders replaced now.
fn replaced(ageing: &mut Ageing, now: Duration, subjects: &[Subject]) -> Vec<Candidate> {
    let mut orders = Orders::default();
    ageing.review(now, subjects, &mut orders);
    let replace = |order: &Order| match *order {
        Order::Replace(one) => one,
        ref other => panic!("{other:?} is not this part's to give"),
    };
    orders.orders().iter().map(replace).collect()
}

fn used(uses: u64, reported: u32) -> Subject {
    Subject {
        uses,
        reported,
        ..subject(connection(0, 1))
    }
}

#[test]
fn by_time_a_connection_is_replaced_at_its_limit_and_not_before() {
    let mut ageing = exact(AgeingPolicy::default());
    let open = subjects(1);
    assert!(replaced(&mut ageing, HOUR - Duration::from_secs(1), &open).is_empty());
    assert_eq!(replaced(&mut ageing, HOUR, &open), [connection(0, 1)]);
}

#[test]
fn by_use_a_connection_is_replaced_after_its_last_and_not_before() {
    let mut ageing = exact(USES);
    assert!(replaced(&mut ageing, HOUR * 100, &[used(999, 0)]).is_empty());
    assert_eq!(replaced(&mut ageing, HOUR, &[used(1000, 0)]).len(), 1);
}

#[test]
fn one_error_in_three_uses_takes_nothing_from_a_life() {
    let ageing = exact(ADAPTIVE);
    let age = |subject| ageing.age(minutes(30), &subject);
    assert_eq!(age(used(3, 1)), age(used(3, 0)));
    assert_eq!(
        age(used(10_000, 400)),
        age(used(10_000, 0)),
        "4 % are allowed"
    );
}

#[test]
fn errors_shorten_a_life_in_proportion_down_to_a_tenth() {
    let ageing = exact(ADAPTIVE);
    let age = |reported| ageing.age(HOUR, &used(1_000_000, reported));
    assert!((age(100_000) - 2.0).abs() < 0.05, "{}", age(100_000));
    assert!((age(200_000) - 4.0).abs() < 0.05, "{}", age(200_000));
    assert!((age(1_000_000) - 10.0).abs() < 1e-3, "{}", age(1_000_000));
}

#[test]
fn what_users_report_and_what_the_adapter_sees_count_once() {
    let ageing = exact(ADAPTIVE);
    let mut both = used(1000, 200);
    both.pulse.errors = errors(200, ErrorClass::Connection);
    let mut seen = used(1000, 0);
    seen.pulse.errors = errors(200, ErrorClass::Connection);
    let age = |subject| ageing.age(HOUR, &subject);
    assert_eq!(age(both), age(used(1000, 200)));
    assert_eq!(age(seen), age(used(1000, 200)));
}

#[test]
fn errors_of_the_endpoint_or_of_requests_make_no_connection_old() {
    let ageing = exact(ADAPTIVE);
    for class in [
        ErrorClass::Endpoint,
        ErrorClass::Harmless,
        ErrorClass::Permanent,
    ] {
        let mut subject = used(1000, 0);
        subject.pulse.errors = errors(500, class);
        assert!(ageing.age(HOUR, &subject) <= 1.0, "{class:?}");
    }
}

#[test]
fn those_opened_together_do_not_end_together() {
    let ageing = builder(AgeingPolicy::default()).build().expect("defaults");
    let ends: Vec<u64> = subjects(200)
        .iter()
        .map(|subject| {
            let is_old = |second: &u64| ageing.age(Duration::from_secs(*second), subject) >= 1.0;
            (3000..=3600)
                .find(is_old)
                .expect("none is given more than its limit")
        })
        .collect();
    assert!(
        ends.iter().all(|end| *end >= 3239),
        "none loses more than a tenth"
    );
    for minute in 0..6 {
        let from = 3240 + 60 * minute;
        let within = ends
            .iter()
            .filter(|end| (from..from + 60).contains(*end))
            .count();
        assert!(
            (15..=55).contains(&within),
            "{within} of 200 end in minute {minute}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_lives_and_another_gives_others() {
    let ages = |seed| {
        let ageing = builder(USES).seed(seed).build().expect("it can be");
        let age = |one| ageing.age(HOUR, &Subject { uses: 900, ..one });
        subjects(50).into_iter().map(age).collect::<Vec<_>>()
    };
    assert_eq!(ages(1), ages(1));
    let same = ages(1)
        .iter()
        .zip(ages(2))
        .filter(|(one, other)| **one == *other)
        .count();
    assert!(same < 5, "{same} of 50 are the same");
}

#[test]
fn each_connection_is_told_of_once_before_it_is_old_and_once_when_it_is() {
    for (mode, acts) in [(Mode::On, true), (Mode::Shadow, false)] {
        let mut ageing = exact_in(mode);
        let mut told = Vec::new();
        for minute in 0..70 {
            let mut orders = Orders::default();
            ageing.review(minutes(minute), &subjects(1), &mut orders);
            for finding in orders.findings() {
                assert_eq!(
                    (finding.part, finding.connection),
                    ("ageing", Some(connection(0, 1)))
                );
                told.push((minute, finding.acted));
            }
        }
        assert_eq!(told, [(48, false), (60, acts)], "{mode:?}");
        assert_eq!(
            (ageing.statistics().warned, ageing.statistics().replaced),
            (1, 1)
        );
    }
}

fn exact_in(mode: Mode) -> Ageing {
    Ageing::builder()
        .mode(mode)
        .jitter(0.0)
        .build()
        .expect("it can be")
}

#[test]
fn in_the_shadow_and_switched_off_nothing_is_ordered() {
    for mode in [Mode::Shadow, Mode::Off] {
        let mut ageing = exact_in(mode);
        assert!(
            replaced(&mut ageing, HOUR * 2, &subjects(9)).is_empty(),
            "{mode:?}"
        );
        assert_eq!(ageing.statistics().replaced > 0, mode == Mode::Shadow);
    }
}

#[test]
fn few_are_replaced_at_a_time_and_the_most_overdue_first() {
    let mut ageing = exact(AgeingPolicy::default());
    let mut open = subjects(5);
    for (index, subject) in (0u64..).zip(&mut open) {
        subject.opened = minutes(10 - 2 * index);
    }
    let now = HOUR * 2;
    assert_eq!(
        replaced(&mut ageing, now, &open),
        [connection(4, 5), connection(3, 4)]
    );
    assert_eq!(ageing.statistics().waiting, 3);
    assert!(
        replaced(&mut ageing, now, &open).is_empty(),
        "two are under way"
    );
    open.retain(|subject| subject.connection.slot < 4);
    assert_eq!(
        replaced(&mut ageing, now, &open),
        [connection(2, 3)],
        "one has gone"
    );
}

#[test]
fn those_that_are_leased_for_long_do_not_keep_the_others_waiting() {
    let mut ageing = exact(AgeingPolicy::default());
    let open = subjects(6);
    let mut ordered = HashSet::new();
    for minute in 0..3 {
        let now = HOUR + minutes(minute);
        let replaced = replaced(&mut ageing, now, &open);
        assert_eq!(replaced.len(), 2, "minute {minute}");
        ordered.extend(replaced);
    }
    assert_eq!(ordered.len(), 6);
    assert_eq!(
        replaced(&mut ageing, HOUR + minutes(3), &open).len(),
        2,
        "they are reminded"
    );
}

#[test]
fn what_is_under_way_is_not_ordered_again() {
    let mut ageing = exact(AgeingPolicy::default());
    assert_eq!(replaced(&mut ageing, HOUR, &subjects(1)).len(), 1);
    for second in 1..60 {
        let now = HOUR + Duration::from_secs(second);
        assert!(replaced(&mut ageing, now, &subjects(1)).is_empty());
    }
}

#[test]
fn a_successor_begins_a_new_life() {
    let mut ageing = exact(USES);
    assert_eq!(replaced(&mut ageing, HOUR, &[used(2000, 0)]).len(), 1);
    let successor = subject(connection(0, 2));
    assert!(replaced(&mut ageing, HOUR, &[successor]).is_empty());
    let old = Subject {
        uses: 1000,
        ..successor
    };
    assert_eq!(replaced(&mut ageing, HOUR, &[old]), [connection(0, 2)]);
}

#[test]
fn a_clock_that_was_set_makes_nothing_younger_than_new() {
    let mut ageing = exact(AgeingPolicy::default());
    let young = Subject {
        opened: HOUR * 9,
        ..subject(connection(0, 1))
    };
    assert!(replaced(&mut ageing, HOUR, &[young]).is_empty());
    assert_eq!(ageing.age(HOUR, &young), 0.0);
    assert_eq!(
        replaced(&mut ageing, HOUR * 17, &[young]).len(),
        1,
        "8 h forward"
    );
    assert!(ageing.age(Duration::MAX, &young).is_finite());
}

#[test]
fn settings_that_cannot_be_are_told_all_at_once() {
    let wrong = |policy| {
        builder(policy)
            .jitter(f64::NAN)
            .warn_at(0.0)
            .at_a_time(0)
            .build()
            .expect_err("it cannot be")
    };
    let time = AgeingPolicy::TimeBased {
        max_lifetime: Duration::ZERO,
    };
    let uses = AgeingPolicy::UsageBased { max_borrows: 0 };
    let adaptive = AgeingPolicy::Adaptive {
        base_lifetime: Duration::MAX,
        error_threshold: 0.0,
    };
    for (policy, own) in [
        (time, &["max_lifetime is 0"][..]),
        (uses, &["max_borrows is 0"]),
        (adaptive, &["base_lifetime 1844", "error_threshold 0"]),
    ] {
        let error = wrong(policy);
        for name in own
            .iter()
            .chain(&["jitter NaN", "warn_at 0", "at_a_time 0"])
        {
            let told = error
                .problems()
                .iter()
                .any(|problem| problem.starts_with(name));
            assert!(told, "{name} is missing in {error}");
        }
    }
}

proptest! {
    #[test]
    fn age_never_falls_with_time_nor_with_errors(
        opened in 0u64..10_000,
        now in 0u64..20_000,
        later in 0u64..20_000,
        uses in 0u64..100_000,
        reported in 0u32..100_000,
        more in 0u32..100_000,
        number in any::<u64>(),
    ) {
        for policy in [AgeingPolicy::default(), USES, ADAPTIVE] {
            let ageing = builder(policy).build().expect("it can be");
            let opened = Duration::from_secs(opened);
            let good = Subject { opened, uses, reported, ..subject(connection(0, number)) };
            let worse = Subject { reported: reported + more, ..good };
            let (now, later) = (Duration::from_secs(now), Duration::from_secs(now + later));
            let age = ageing.age(now, &good);
            prop_assert!(age.is_finite() && age >= 0.0);
            prop_assert!(ageing.age(later, &good) >= age);
            prop_assert!(ageing.age(now, &worse) >= age);
        }
    }

    #[test]
    fn no_more_are_ordered_within_a_minute_than_allowed(
        most in 1usize..5,
        open in 0u32..40,
        reviews in prop::collection::vec(0u64..20_000, 1..60),
    ) {
        let mut ageing = builder(AgeingPolicy::default()).at_a_time(most).build().expect("it can be");
        let mut now = HOUR;
        let mut given: Vec<Duration> = Vec::new();
        for step in reviews {
            now += Duration::from_millis(step);
            given.extend(replaced(&mut ageing, now, &subjects(open)).iter().map(|_| now));
            let lately = given.iter().filter(|at| now - **at < minutes(1)).count();
            prop_assert!(lately <= most, "{lately} of {most}");
        }
    }
}
