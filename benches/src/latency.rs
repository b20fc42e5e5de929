//! Latencies as a whole: kept to three digits, and as a curve.

use hdrhistogram::Histogram;

/// Latencies in nanoseconds, to three digits; grows with what it is given.
#[must_use]
pub fn latencies(nanoseconds: impl IntoIterator<Item = u64>) -> Histogram<u64> {
    let mut latencies = Histogram::new(3).expect("three digits are possible");
    for latency in nanoseconds {
        let recorded = latencies.record(latency);
        recorded.expect("a histogram without a bound takes any value");
    }
    latencies
}

/// A curve that is as fine at its tail as in its middle.
#[must_use]
pub fn quantiles(latencies: &Histogram<u64>) -> Vec<(f64, f64)> {
    let mut quantiles: Vec<(f64, f64)> = Vec::new();
    for step in latencies.iter_quantiles(10) {
        let point = (step.quantile_iterated_to(), step.value_iterated_to() as f64);
        if quantiles.last().is_none_or(|last| last.0 < point.0) {
            quantiles.push(point);
        }
    }
    quantiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_of_any_length_are_kept_to_three_digits() {
        let second = 1_000_000_000;
        let latencies = latencies([5, 30 * second]);
        assert_eq!(latencies.min(), 5);
        let kept = latencies.max() as f64 / (30 * second) as f64;
        assert!((kept - 1.0).abs() < 1e-3, "{kept}");
    }

    #[test]
    fn quantiles_rise_to_one() {
        let latencies = latencies((1..10_000).map(|micros| micros * 1000));
        let quantiles = quantiles(&latencies);
        assert!(
            quantiles
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1)
        );
        assert!(
            quantiles
                .last()
                .is_some_and(|last| (last.0 - 1.0).abs() < 1e-9)
        );
        assert!(quantiles.len() < 400, "{} points", quantiles.len());
    }
}
