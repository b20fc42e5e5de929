//! Settings that make no sense, and input that does not.

use std::time::Duration;

use pool_core::{HealthPolicy, Orders, Place};
use pool_health::AdaptiveHealth;
use proptest::prelude::*;

use crate::sim::{Sim, ms, s};

#[test]
fn all_problems_are_told_at_once() {
    let error = AdaptiveHealth::builder()
        .review_interval(Duration::ZERO)
        .phi(f64::NAN)
        .deviation_floor(Duration::ZERO)
        .confirm_horizon(ms(10))
        .check_interval(s(1))
        .check_jitter(f64::INFINITY)
        .healthy_above(0.4)
        .max_checks(0)
        .check_sample(0.0)
        .endpoint_failures(0)
        .endpoint_window(Duration::ZERO)
        .max_ejection(1.5)
        .panic_threshold(-1.0)
        .build()
        .expect_err("nonsense");
    assert_eq!(error.problems().len(), 13, "{error}");
}

#[test]
fn inverted_thresholds_are_refused() {
    let builder = AdaptiveHealth::builder;
    assert!(builder().patience(ms(500)).build().is_err());
    assert!(builder().degraded_below(0.9).build().is_err());
    assert!(builder().degraded_below(f64::NAN).build().is_err());
    assert!(builder().min_check_interval(s(31)).build().is_err());
    assert!(builder().max_check_interval(s(29)).build().is_err());
}

#[test]
fn the_presets_are_sound() {
    assert!(AdaptiveHealth::builder().oltp().build().is_ok());
    assert!(AdaptiveHealth::builder().analytics().build().is_ok());
}

proptest! {
    #[test]
    fn any_number_is_a_setting_or_an_error(
        numbers in proptest::collection::vec(any::<f64>(), 7),
        times in proptest::collection::vec(any::<u64>(), 4),
    ) {
        let built = AdaptiveHealth::builder()
            .phi(numbers[0])
            .check_jitter(numbers[1])
            .healthy_above(numbers[2])
            .degraded_below(numbers[3])
            .check_sample(numbers[4])
            .max_ejection(numbers[5])
            .panic_threshold(numbers[6])
            .pause(Duration::from_nanos(times[0]))
            .confirm_horizon(Duration::from_nanos(times[1]))
            .patience(Duration::from_secs(times[2]))
            .check_interval(Duration::from_secs(times[3]))
            .build();
        if let Ok(health) = built {
            health.review(Duration::MAX, &[], &mut Orders::default());
        }
    }

    #[test]
    fn any_vital_signs_at_any_time_end_in_orders(
        moments in proptest::collection::vec(
            (any::<u64>(), 0..3_usize, 0..3_u8, any::<u64>(), 0..4_u32, any::<u64>()),
            1..60,
        ),
    ) {
        let mut sim = Sim::taught(3, AdaptiveHealth::builder());
        for (now, index, place, since, kind, took) in moments {
            sim.now = Duration::from_nanos(now);
            let subject = &mut sim.subjects[index];
            subject.place = [Place::Idle, Place::Leased, Place::Tended][usize::from(place)];
            subject.used = Duration::from_nanos(took);
            subject.pulse.waiting_since = (kind > 0).then(|| Duration::from_nanos(since));
            subject.pulse.kind = kind;
            subject.pulse.answered ^= 1;
            subject.pulse.reply_kind = kind;
            subject.pulse.reply_silence = Duration::from_nanos(took);
            subject.pulse.heard = Some(Duration::from_nanos(since));
            sim.review();
            sim.checked(index, Duration::from_nanos(took), kind % 2 == 0);
        }
        let statistics = sim.health.statistics();
        prop_assert!(statistics.released <= statistics.suspected);
        prop_assert!(statistics.condemned <= statistics.suspected);
    }
}
