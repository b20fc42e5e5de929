//! How long a silence may last before it means something.

use super::Settings;
use crate::expectation::Expectation;

/// How long a wait may last, in seconds.
pub(super) struct Limits {
    pub(super) suspect: f64,
    pub(super) condemn: f64,
}

impl Limits {
    pub(super) fn new(
        settings: &Settings,
        deviations: f64,
        expected: Option<Expectation>,
        stretch: f64,
    ) -> Self {
        let patience = settings.patience.as_secs_f64();
        let Some(expected) = expected else {
            return Self {
                suspect: patience * stretch,
                condemn: f64::INFINITY,
            };
        };
        let margin = (settings.pause.as_secs_f64() + deviations * expected.deviation) * stretch;
        let horizon = settings.horizon.as_secs_f64() * stretch;
        let outlived = (2.0 * expected.longest).min(patience);
        Self {
            suspect: expected.mean + margin,
            condemn: (expected.mean + horizon.max(2.0 * margin)).max(outlived),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::silence::phi;

    fn limits(expected: Option<Expectation>, stretch: f64) -> Limits {
        let settings = Settings::default();
        let deviations = phi::deviations(settings.phi);
        Limits::new(&settings, deviations, expected, stretch)
    }

    fn expected(mean: f64, deviation: f64, longest: f64) -> Option<Expectation> {
        Some(Expectation {
            mean,
            deviation,
            longest,
        })
    }

    #[test]
    fn what_takes_6_ms_is_suspect_after_140_and_condemned_after_a_second() {
        let limits = limits(expected(0.0057, 0.020, 0.0), 1.0);
        assert!((limits.suspect - 0.141).abs() < 0.001, "{}", limits.suspect);
        assert!((limits.condemn - 1.0057).abs() < 1e-9);
    }

    #[test]
    fn without_a_pause_or_any_spread_the_least_deviation_is_the_margin() {
        let settings = Settings {
            pause: Duration::ZERO,
            ..Settings::default()
        };
        let deviations = phi::deviations(settings.phi);
        let limits = Limits::new(&settings, deviations, expected(0.0, 0.020, 0.0), 1.0);
        assert!((limits.suspect - 0.020 * deviations).abs() < 1e-9);
        assert!(limits.suspect > 0.08 && limits.condemn > limits.suspect);
    }

    #[test]
    fn what_nothing_is_known_of_is_suspect_after_10_s_and_never_condemned() {
        let limits = limits(None, 1.0);
        assert!((limits.suspect - 10.0).abs() < 1e-9);
        assert_eq!(limits.condemn, f64::INFINITY);
    }

    #[test]
    fn the_step_that_cannot_be_undone_leaves_twice_the_room_for_what_spreads_widely() {
        let limits = limits(expected(2.0, 1.0, 0.0), 1.0);
        let margin = limits.suspect - 2.0;
        assert!(margin > 4.0);
        assert!((limits.condemn - 2.0 - 2.0 * margin).abs() < 1e-9);
    }

    #[test]
    fn a_silence_that_was_outlived_postpones_the_end_but_not_the_suspicion() {
        let without = limits(expected(0.005, 0.020, 0.0), 1.0);
        let with = limits(expected(0.005, 0.020, 1.5), 1.0);
        assert_eq!(with.suspect, without.suspect);
        assert!((with.condemn - 3.0).abs() < 1e-9);
        let bounded = limits(expected(0.005, 0.020, 1e9), 1.0);
        assert!((bounded.condemn - 10.0).abs() < 1e-9);
    }

    #[test]
    fn being_late_stretches_every_limit() {
        let on_time = limits(expected(0.0, 0.020, 0.0), 1.0);
        let late = limits(expected(0.0, 0.020, 0.0), 4.0);
        assert!((late.suspect - 4.0 * on_time.suspect).abs() < 1e-9);
        assert!((late.condemn - 4.0 * on_time.condemn).abs() < 1e-9);
    }
}
