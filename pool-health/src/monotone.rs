//! Time that only goes forward, made of time that may not.

use std::time::Duration;

/// How far time may seem to go back because clocks are read side by side, or one of them is coarse.
const TOLERANCE: Duration = Duration::from_secs(1);

/// A time that stands still while the one it follows goes back by a little, and goes on from where
/// it was when that goes back by more: nothing that was to happen waits for the old time to come
/// again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Monotone {
    now: Duration,
    told: Duration,
    /// What is added to the time told.
    ahead: Duration,
}

impl Monotone {
    /// Follows to `told`.
    pub(crate) fn advance(&mut self, told: Duration) -> Duration {
        self.told = told;
        let wanted = told.saturating_add(self.ahead);
        if self.now.saturating_sub(wanted) > TOLERANCE {
            self.ahead = self.now.saturating_sub(told);
        }
        self.now = self.now.max(wanted);
        self.now
    }

    pub(crate) const fn now(&self) -> Duration {
        self.now
    }

    /// What was told last.
    pub(crate) const fn told(&self) -> Duration {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_step_back_stands_still_and_a_great_one_goes_on_from_there() {
        let mut time = Monotone::default();
        let at = Duration::from_secs;
        assert_eq!(time.advance(at(7200)), at(7200));
        assert_eq!(time.advance(at(7200) - Duration::from_nanos(1)), at(7200));
        assert_eq!(time.advance(at(7199)), at(7200));
        assert_eq!(time.advance(at(7201)), at(7201));
        assert_eq!(time.advance(at(3601)), at(7201));
        assert_eq!(time.advance(at(3602)), at(7202));
        assert_eq!(time.advance(Duration::MAX), Duration::MAX);
        assert_eq!(time.advance(at(1)), Duration::MAX);
        assert_eq!(time.now(), Duration::MAX);
    }
}
