//! How evenly those who asked were served.

/// Jain's index of `shares`: 1 if all are equal, 1 / n if one has it all.
#[must_use]
pub fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|&share| share as f64).sum();
    let squares: f64 = shares.iter().map(|&share| (share as f64).powi(2)).sum();
    if squares == 0.0 {
        return 0.0;
    }
    sum * sum / (shares.len() as f64 * squares)
}

/// The least share by the greatest.
#[must_use]
pub fn least_by_most(shares: &[u64]) -> f64 {
    let most = shares.iter().max().copied().unwrap_or(0);
    let least = shares.iter().min().copied().unwrap_or(0);
    least as f64 / (most.max(1)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_are_perfectly_fair() {
        assert!((jain(&[7, 7, 7]) - 1.0).abs() < 1e-12);
        assert!((least_by_most(&[7, 7, 7]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_who_has_it_all_makes_it_one_by_n() {
        assert!((jain(&[9, 0, 0, 0]) - 0.25).abs() < 1e-12);
        assert!(least_by_most(&[9, 0, 0, 0]).abs() < 1e-12);
    }

    #[test]
    fn nothing_served_is_not_fair() {
        assert!(jain(&[0, 0]).abs() < 1e-12);
    }
}
