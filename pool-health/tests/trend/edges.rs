//! Series that no simulation makes.

use std::time::Duration;

use pool_health::{Trend, TrendConfig, Verdict};

const STEP: Duration = Duration::from_secs(5);

fn trend() -> Trend {
    Trend::new(TrendConfig::default())
}

/// A little of what no trend is without: up, down.
fn wobble(index: u32) -> f64 {
    if index.is_multiple_of(2) { 0.01 } else { -0.01 }
}

/// A score that falls by 0.01 per sample from `start` on.
fn fall(trend: &mut Trend, start: Duration, samples: u32) -> Duration {
    let mut now = start;
    for index in 0..samples {
        now = start + STEP * index;
        let score = 0.9 - 0.01 * f64::from(index) + wobble(index);
        trend.push(now, score);
    }
    now
}

fn is_falling(trend: &Trend, now: Duration) -> bool {
    matches!(trend.verdict(now), Verdict::Falling { .. })
}

#[test]
fn a_few_samples_say_nothing() {
    let mut trend = trend();
    assert_eq!(trend.verdict(Duration::ZERO), Verdict::Steady);
    for (index, score) in [0.9, 0.5, 0.1].into_iter().enumerate() {
        let now = STEP * u32::try_from(index).expect("three");
        trend.push(now, score);
        assert_eq!(trend.verdict(now), Verdict::Steady);
    }
}

#[test]
fn equal_scores_are_steady_and_so_are_none_apart_in_time() {
    for (score, step) in [(0.9, STEP), (0.0, STEP), (1.0, STEP), (0.2, Duration::ZERO)] {
        let mut trend = trend();
        for index in 0..200 {
            trend.push(step * index, score);
            assert_eq!(trend.verdict(step * index), Verdict::Steady);
        }
    }
}

#[test]
fn a_perfect_line_is_a_trend_with_finite_figures() {
    let mut trend = trend();
    let mut now = Duration::ZERO;
    for index in 0..30u8 {
        now = STEP * u32::from(index);
        trend.push(now, 1.0 - 0.01 * f64::from(index));
    }
    let Verdict::Falling {
        per_second,
        significance,
        reaches_in,
    } = trend.verdict(now)
    else {
        panic!("it falls");
    };
    assert!((per_second - 0.002).abs() < 1e-5, "{per_second}");
    assert!(
        (5.0..100.0).contains(&significance),
        "no score is known exactly"
    );
    assert!(
        (reaches_in.as_secs_f64() - 105.0).abs() < 1.0,
        "{reaches_in:?}"
    );
}

#[test]
fn a_score_that_is_bad_already_reaches_the_threshold_now() {
    let mut trend = trend();
    let now = fall(&mut trend, Duration::ZERO, 60);
    assert!(matches!(
        trend.verdict(now),
        Verdict::Falling {
            reaches_in: Duration::ZERO,
            ..
        }
    ));
}

#[test]
fn the_time_that_is_left_runs_out_without_new_samples() {
    let mut trend = trend();
    let now = fall(&mut trend, Duration::ZERO, 30);
    let left = |at| match trend.verdict(at) {
        Verdict::Falling { reaches_in, .. } => reaches_in,
        Verdict::Steady => panic!("it falls"),
    };
    let (sooner, later) = (left(now), left(now + STEP));
    assert!((sooner.saturating_sub(later)).abs_diff(STEP) < Duration::from_millis(1));
}

#[test]
fn the_slope_is_per_second_however_often_samples_come() {
    for step in [4, 5, 10, 20] {
        let mut trend = trend();
        let mut now = Duration::ZERO;
        for index in 0..(300 / step) {
            now = Duration::from_secs(u64::from(index * step));
            let score = 0.95 - 0.001 * now.as_secs_f64() + wobble(index);
            trend.push(now, score);
        }
        for _ in 0..16 {
            now += Duration::from_secs(u64::from(step));
            trend.push(now, (0.95 - 0.001 * now.as_secs_f64()).max(0.0));
        }
        let Verdict::Falling { per_second, .. } = trend.verdict(now) else {
            panic!("it falls with a sample each {step} s");
        };
        assert!((per_second - 0.001).abs() < 1e-4, "{step} s: {per_second}");
    }
}

#[test]
fn missing_samples_do_not_change_the_slope() {
    let mut trend = trend();
    let mut now = Duration::ZERO;
    for index in (0..60).filter(|index| index % 3 != 1 && !(20..32).contains(index)) {
        now = STEP * index;
        trend.push(now, 0.95 - 0.0012 * now.as_secs_f64() + wobble(index));
    }
    let Verdict::Falling { per_second, .. } = trend.verdict(now) else {
        panic!("it falls");
    };
    assert!((per_second - 0.0012).abs() < 1e-4, "{per_second}");
}

#[test]
fn samples_in_a_burst_count_as_one() {
    let mut trend = trend();
    for index in 0..200u32 {
        let now = Duration::from_millis(15 * u64::from(index));
        trend.push(now, 0.9 - 0.004 * f64::from(index));
        assert!(!is_falling(&trend, now), "three seconds are no trend");
    }
}

#[test]
fn what_is_no_score_is_passed_over_and_counted() {
    let mut with = trend();
    let mut without = trend();
    fall(&mut without, Duration::ZERO, 30);
    for index in 0..30u32 {
        let now = STEP * index;
        for nonsense in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            with.push(now, nonsense);
        }
        with.push(now, 0.9 - 0.01 * f64::from(index) + wobble(index));
    }
    let now = STEP * 29;
    assert_eq!(with.rejected(), 90);
    assert_eq!(with.verdict(now), without.verdict(now));
    assert!(is_falling(&with, now));
}

#[test]
fn scores_beyond_the_scale_count_as_its_ends() {
    let mut trend = trend();
    for index in 0..60 {
        let score = 4.0 - 0.05 * f64::from(index);
        trend.push(STEP * index, score);
        assert_eq!(trend.verdict(STEP * index), Verdict::Steady);
    }
    assert_eq!(trend.rejected(), 0);
}

#[test]
fn a_sample_from_a_little_earlier_is_passed_over() {
    let mut trend = trend();
    let now = fall(&mut trend, Duration::ZERO, 30);
    let before = trend.verdict(now);
    for back in [Duration::from_nanos(1), Duration::from_millis(128)] {
        trend.push(now - back, 0.0);
    }
    assert_eq!(trend.rejected(), 2);
    assert_eq!(trend.verdict(now), before);
}

#[test]
fn a_clock_that_was_set_starts_the_series_again() {
    let hours = |hours: u64| Duration::from_secs(3600 * hours);
    for (from, to) in [(hours(2), hours(1)), (hours(2), hours(10))] {
        let mut trend = trend();
        let now = fall(&mut trend, from, 30);
        assert!(is_falling(&trend, now));
        trend.push(to, 0.6);
        assert_eq!(trend.verdict(to), Verdict::Steady);
        let now = fall(&mut trend, to + STEP, 30);
        assert!(is_falling(&trend, now), "it goes on from there");
    }
}

#[test]
fn a_series_without_news_says_nothing() {
    let mut trend = trend();
    let now = fall(&mut trend, Duration::ZERO, 30);
    assert_eq!(
        trend.verdict(now + Duration::from_secs(8 * 3600)),
        Verdict::Steady
    );
    assert_eq!(trend.verdict(Duration::MAX), Verdict::Steady);
    assert!(
        is_falling(&trend, Duration::ZERO),
        "an early question is answered as of the last sample"
    );
}

#[test]
fn recovery_withdraws_the_prediction() {
    for (height, slowly) in [(0.9, false), (0.9, true), (0.7, false)] {
        let mut trend = trend();
        let now = fall(&mut trend, Duration::ZERO, 30);
        assert!(is_falling(&trend, now));
        let mut last = now;
        for index in 1..=24u8 {
            last = now + STEP * u32::from(index);
            let rising = (0.61 + 0.02 * f64::from(index)).min(height);
            let score = if slowly { rising } else { height };
            trend.push(last, score + wobble(u32::from(index)));
        }
        assert!(
            !is_falling(&trend, last),
            "two minutes after it rose to {height}"
        );
    }
}

#[test]
fn a_fall_that_ends_is_withdrawn() {
    let mut trend = trend();
    let now = fall(&mut trend, Duration::ZERO, 30);
    assert!(is_falling(&trend, now));
    let mut last = now;
    for index in 1..=60 {
        last = now + STEP * index;
        trend.push(last, 0.61 + wobble(index));
    }
    assert!(!is_falling(&trend, last));
}

/// The first sample of a line at which it is predicted to fail, by default settings or others; falls
/// by `per_second` from a perfect score on.
fn first(cfg: TrendConfig, per_second: f64) -> Option<(u32, Duration)> {
    let mut trend = Trend::new(cfg);
    (0..240).find_map(|index| {
        let now = STEP * index;
        trend.push(now, 1.0 - per_second * now.as_secs_f64());
        match trend.verdict(now) {
            Verdict::Falling { reaches_in, .. } => Some((index, reaches_in)),
            Verdict::Steady => None,
        }
    })
}

#[test]
fn a_fall_that_is_still_small_is_none() {
    let (index, _) = first(TrendConfig::default(), 0.0013).expect("it falls");
    let fallen = 0.0013 * (STEP * index).as_secs_f64();
    assert!(fallen >= 0.15, "{fallen}");
    let sooner = TrendConfig::builder().least_drop(0.08).build();
    assert!(
        first(sooner.expect("it can be"), 0.0013)
            .expect("it falls")
            .0
            < index
    );
}

#[test]
fn a_fall_that_ends_far_away_is_none_yet() {
    for horizon in [60, 120, 300, 600] {
        let horizon = Duration::from_secs(horizon);
        let cfg = TrendConfig::builder().horizon(horizon).build();
        let (_, left) = first(cfg.expect("it can be"), 0.0006).expect("it falls");
        assert!(left <= horizon, "{left:?}");
    }
}

#[test]
fn a_trend_is_as_significant_as_asked_for() {
    for asked in [5.0, 20.0, 40.0] {
        let cfg = TrendConfig::builder()
            .significance(asked)
            .least_drop(0.03)
            .build();
        let cfg = cfg.expect("it can be");
        let mut trend = Trend::new(cfg);
        let mut met = false;
        for index in 0..80 {
            let now = STEP * index;
            trend.push(now, 0.7 - 0.0005 * now.as_secs_f64());
            if let Verdict::Falling { significance, .. } = trend.verdict(now) {
                assert!(significance >= asked, "{significance} of {asked}");
                met = true;
            }
        }
        assert!(met, "{asked}");
    }
}

#[test]
fn as_many_looks_must_agree_as_asked_for() {
    let at = |looks| {
        let cfg = TrendConfig::builder().looks(looks).build();
        first(cfg.expect("it can be"), 0.003).expect("it falls").0
    };
    assert_eq!([at(1) + 2, at(1) + 5, at(1) + 15], [at(3), at(6), at(16)]);
}

#[test]
fn samples_older_than_the_window_do_not_count() {
    let within = |seconds| {
        let cfg = TrendConfig::builder()
            .window(Duration::from_secs(seconds))
            .build();
        first(cfg.expect("it can be"), 0.0015)
    };
    assert!(within(600).is_some());
    assert_eq!(within(80), None, "it never falls by 0.15 in 80 s");
}

#[test]
fn settings_that_cannot_be_are_told_all_at_once() {
    let error = TrendConfig::builder()
        .threshold(f64::NAN)
        .least_drop(0.0)
        .significance(f64::INFINITY)
        .horizon(Duration::ZERO)
        .window(Duration::ZERO)
        .spacing(Duration::MAX)
        .looks(0)
        .build()
        .expect_err("none of it can be");
    for name in [
        "threshold NaN",
        "least_drop 0 ",
        "significance inf",
        "horizon is 0",
        "window is 0",
        "spacing 1844",
        "looks 0",
    ] {
        let told = error
            .problems()
            .iter()
            .any(|problem| problem.starts_with(name));
        assert!(told, "{name} is missing in {error}");
    }
    assert!(
        TrendConfig::builder().threshold(0.9).build().is_err(),
        "no fall is that long"
    );
    assert!(TrendConfig::builder().build().is_ok());
}

#[test]
fn a_series_takes_a_fixed_and_small_amount_of_memory() {
    assert!(size_of::<Trend>() <= 704, "{}", size_of::<Trend>());
}
