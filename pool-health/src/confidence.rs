//! How sure one may be of a rate.
//!
//! Two failures out of five may be the luck of a server that fails once in ten calls, or the best
//! moment of one that fails three times in four. Whoever acts on the quotient acts on luck. The
//! score interval of Wilson says between which bounds the true rate lies; it keeps to 0..1, holds
//! for few calls as well, and of no calls it says that nothing is known. To raise an alarm one asks
//! the lower bound, to call it off the upper one: in between there is no decision.

/// Between which bounds a rate lies.
///
/// # Examples
///
/// ```
/// use pool_health::Bounds;
///
/// let two_of_five = Bounds::wilson(2, 5, 1.96);
/// assert!(two_of_five.lower < 0.12 && two_of_five.upper > 0.76);
/// let many = Bounds::wilson(400, 1000, 1.96);
/// assert!(many.lower > 0.36 && many.upper < 0.44);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The least it may be, from 0 to 1.
    pub lower: f64,
    /// The most it may be, from `lower` to 1.
    pub upper: f64,
}

impl Bounds {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        lower: 0.0,
        upper: 1.0,
    };

    /// The bounds after `hits` out of `of`, at `z` standard errors: 1.96 for 95 % (both sides), 0
    /// for the quotient itself. Hits beyond `of` count as `of`. Nothing is known if `of` is 0 or
    /// `z` is negative or no number.
    #[must_use]
    pub fn wilson(hits: u64, of: u64, z: f64) -> Self {
        Self::weighted(to_float(hits), to_float(of), z)
    }

    /// The same for counts that are not whole, as old ones weigh less.
    pub(crate) fn weighted(hits: f64, of: f64, z: f64) -> Self {
        let rate = hits.min(of) / of;
        let excess = z * z / of;
        // No calls, a doubt without end, or none that is a number.
        if z < 0.0 || !(rate + excess).is_finite() {
            return Self::UNKNOWN;
        }
        let centre = (rate + excess / 2.0) / (1.0 + excess);
        let variance = rate * (1.0 - rate) / of + excess / (4.0 * of);
        let reach = z * variance.sqrt() / (1.0 + excess);
        Self {
            lower: (centre - reach).clamp(0.0, 1.0),
            upper: (centre + reach).clamp(0.0, 1.0),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "calls beyond 2^53 need no bounds to the last digit"
)]
pub(crate) const fn to_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4
    }

    #[test]
    fn the_bounds_are_those_of_the_literature() {
        let bounds = Bounds::wilson(2, 5, 1.96);
        assert!(close(bounds.lower, 0.1176) && close(bounds.upper, 0.7693));
        let none = Bounds::wilson(0, 10, 1.96);
        assert!(close(none.lower, 0.0) && close(none.upper, 0.2775));
        let all = Bounds::wilson(10, 10, 1.96);
        assert!(close(all.lower, 0.7225) && close(all.upper, 1.0));
    }

    #[test]
    fn of_no_calls_nothing_is_known() {
        assert_eq!(Bounds::wilson(0, 0, 1.96), Bounds::UNKNOWN);
        assert_eq!(Bounds::wilson(3, 0, 1.96), Bounds::UNKNOWN);
    }

    #[test]
    fn without_doubt_the_bounds_are_the_quotient() {
        assert_eq!(
            Bounds::wilson(1, 4, 0.0),
            Bounds {
                lower: 0.25,
                upper: 0.25
            }
        );
    }

    #[test]
    fn no_input_ends_in_nan_or_outside_of_0_to_1() {
        let counts = [0, 1, 2, 35, 1 << 53, u64::MAX];
        let doubts = [
            0.0,
            f64::MIN_POSITIVE,
            1.96,
            1e9,
            1e200,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
            -1.0,
        ];
        for hits in counts {
            for of in counts {
                for z in doubts {
                    let bounds = Bounds::wilson(hits, of, z);
                    let ordered = 0.0 <= bounds.lower && bounds.lower <= bounds.upper;
                    assert!(
                        ordered && bounds.upper <= 1.0,
                        "{hits}/{of} {z}: {bounds:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn more_calls_at_the_same_rate_are_surer() {
        let widths: Vec<f64> = [5, 50, 500, 5000]
            .map(|of| Bounds::wilson(of * 2 / 5, of, 1.96))
            .map(|bounds| bounds.upper - bounds.lower)
            .to_vec();
        assert!(widths.is_sorted_by(|a, b| a > b), "{widths:?}");
    }
}
