//! How much a few errors prove.
//!
//! One error in three uses is a rate of a third, and proves nothing. What is acted upon is not the
//! rate that was seen but the least that it can be, all but certainly: the lower of its
//! [`Bounds`].

use pool_core::{ErrorClass, Subject};

use crate::confidence::{Bounds, to_float};

/// The quantile of the normal distribution for 99 of 100, both sides.
const DOUBT: f64 = 2.576;

/// Uses, and of these those that ended in errors. Not whole, as old ones fade.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Evidence {
    uses: f64,
    errors: f64,
}

impl Evidence {
    /// So many errors in so many uses. There may be more errors than uses: one use can end in
    /// several, and one that began before may go wrong.
    pub(crate) const fn new(uses: u64, errors: u64) -> Self {
        Self {
            uses: to_float(uses),
            errors: to_float(errors),
        }
    }

    /// What is left of these with less weight, between 0 and 1, and others.
    pub(crate) fn faded_plus(self, weight: f64, other: Self) -> Self {
        Self {
            uses: self.uses * weight + other.uses,
            errors: self.errors * weight + other.errors,
        }
    }

    /// The least rate of errors that explains it, from 0 to 1; 0 without any uses.
    pub(crate) fn least(self) -> f64 {
        Bounds::weighted(self.errors, self.uses, DOUBT).lower
    }
}

/// The errors of a connection that are its own and not the endpoint's. What its users reported and
/// what its adapter saw are two views of the same errors.
pub(crate) fn own_errors(subject: &Subject) -> u32 {
    let seen = subject.pulse.errors.of(ErrorClass::Connection);
    seen.max(subject.reported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least(uses: u64, errors: u64) -> f64 {
        Evidence::new(uses, errors).least()
    }

    #[test]
    fn one_error_in_three_uses_proves_less_than_one_in_twenty() {
        assert!((least(3, 1) - 0.040).abs() < 1e-3, "{}", least(3, 1));
    }

    #[test]
    fn many_uses_prove_nearly_the_rate_itself() {
        assert!((0.09..0.1).contains(&least(10_000, 1000)));
    }

    #[test]
    fn nothing_proves_nothing() {
        assert_eq!(Evidence::default().least(), 0.0);
        assert_eq!(least(0, 5), 0.0);
        assert_eq!(
            Evidence::new(100, 50)
                .faded_plus(0.0, Evidence::default())
                .least(),
            0.0
        );
    }

    #[test]
    fn no_amount_leaves_the_scale() {
        for uses in [1, 2, 1 << 40, u64::MAX] {
            for errors in [0, 1, 9, u64::MAX] {
                assert!(
                    (0.0..=1.0).contains(&least(uses, errors)),
                    "{errors} in {uses}"
                );
            }
        }
    }
}
