//! Figures that tests and benches judge by.

/// Jain's fairness index of what each user got: 1 when all got the same, 1/n when one got
/// everything. Nobody, or nobody with anything, is treated unfairly by no one: 1.
///
/// ```
/// use pool_testkit::stats::jain;
///
/// assert_eq!(jain(&[5, 5, 5, 5]), 1.0);
/// assert_eq!(jain(&[20, 0, 0, 0]), 0.25);
/// ```
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "an index between 0 and 1 for people to read"
)]
pub fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|&share| share as f64).sum();
    let squares: f64 = shares.iter().map(|&share| (share as f64).powi(2)).sum();
    if squares == 0.0 {
        return 1.0;
    }
    sum * sum / (shares.len() as f64 * squares)
}

#[cfg(test)]
mod tests;
