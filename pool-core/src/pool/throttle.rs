//! At most so many connects begun per second: a token bucket with a burst of one.

/// Spaces connects evenly.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Milliseconds between two connects.
    every: f64,
    /// When the next may begin.
    next: f64,
}

impl Throttle {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            every: 1000.0 / f64::from(per_second),
            next: 0.0,
        }
    }

    /// Takes the token for a connect at `now`, or says when there will be one.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds of a process fit 52 bits"
    )]
    pub(crate) fn take(&mut self, now: u64) -> Result<(), u64> {
        let at = now as f64;
        if at + 0.5 < self.next {
            return Err(self.next.ceil() as u64);
        }
        self.next = self.next.max(at - self.every) + self.every;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Throttle;

    /// No second has more connects than the rate, and none is lost over a minute.
    #[test]
    fn a_second_has_as_many_connects_as_the_rate() {
        let mut throttle = Throttle::new(10);
        let mut begun = Vec::new();
        for now in 0..60_000 {
            if throttle.take(now).is_ok() {
                begun.push(now);
            }
        }
        assert_eq!(begun.len(), 600);
        assert!(begun.windows(11).all(|w| w[10] - w[0] >= 1000), "{begun:?}");
    }
}
