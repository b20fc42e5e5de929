//! How unlikely a silence is.
//!
//! φ is the decimal exponent of the odds that a reply is still to come: with φ = 5, one suspicion
//! in 100,000 would be wrong if replies were spread normally. They are not, which is why suspicion
//! can be taken back; but the figure has a meaning to turn. It is taken from the complementary error
//! function, not from the usual logistic fit to it, which is off by a unit at φ = 8 and by two at 12.

use std::f64::consts::{LN_10, PI, SQRT_2};

/// From here on the tail is too small for a float, and its asymptotic series is exact to all digits.
const FAR: f64 = 30.0;

/// How unlikely it is that a reply comes `z` deviations after it was expected, or later:
/// −log₁₀ of the chance. 0.301 at the mean. No number at all is no suspicion.
#[must_use]
pub fn phi(z: f64) -> f64 {
    if z.is_nan() {
        return 0.0;
    }
    if z < FAR {
        // −0 for a certainty is confusing to print.
        return -(0.5 * libm::erfc(z / SQRT_2)).log10() + 0.0;
    }
    let inverse = (z * z).recip();
    let series = 1.0 - inverse * (1.0 - 3.0 * inverse * (1.0 - 5.0 * inverse));
    (z * z / 2.0 + (z * (2.0 * PI).sqrt()).ln() - series.ln()) / LN_10
}

/// How many deviations after the mean φ reaches `wanted`, which is positive and finite: the inverse
/// of [`phi`], to be taken once.
pub(crate) fn deviations(wanted: f64) -> f64 {
    // φ grows faster than z²/5, so the answer is between these.
    let (mut low, mut high) = (-40.0, 2.0 + (5.0 * wanted).sqrt());
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        match phi(middle) < wanted {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn phi_is_the_exact_tail_of_the_normal_distribution() {
        for (z, exact) in [
            (-5.0, 0.0),
            (0.0, std::f64::consts::LOG10_2),
            (1.0, 0.799_545_541_492),
            (2.0, 1.643_016_080_141),
            (4.0, 4.499_334_907_556),
            (6.0, 9.005_864_327_477),
            (20.0, 88.560_095_343_076),
            (37.0, 299.242_181_178_610),
        ] {
            assert!((phi(z) - exact).abs() < 2e-7, "{z}: {}", phi(z));
        }
    }

    #[test]
    fn the_logistic_fit_would_be_off_by_as_much_as_is_known_of_it() {
        assert!((phi(5.226) - 7.06).abs() < 0.01);
        assert!((phi(6.292) - 9.81).abs() < 0.02);
    }

    #[test]
    fn the_series_takes_over_without_a_step() {
        let before = phi(FAR - 1e-9);
        let after = phi(FAR);
        assert!((after - before).abs() < 1e-6, "{before} {after}");
    }

    #[test]
    fn no_number_is_no_suspicion_and_for_ever_is_certain() {
        assert_eq!(phi(f64::NAN), 0.0);
        assert_eq!(phi(f64::NEG_INFINITY), 0.0);
        assert_eq!(phi(f64::INFINITY), f64::INFINITY);
        assert!(phi(1e100).is_finite());
    }

    proptest! {
        #[test]
        fn longer_silence_is_never_less_suspicious(a in -50.0..1e6_f64, b in -50.0..1e6_f64) {
            prop_assert!(phi(a.min(b)) <= phi(a.max(b)));
        }

        #[test]
        fn the_inverse_finds_its_way_back(wanted in 0.01..300.0_f64) {
            let found = phi(deviations(wanted));
            prop_assert!((found - wanted).abs() < 1e-6 * wanted.max(1.0));
        }
    }
}
