//! Whether it is us who were late.
//!
//! A process that was stopped, an executor that is stuck in somebody's loop, a laptop that slept:
//! when it goes on, every connection has been silent for as long, and the replies that lie in the
//! sockets have not been read yet. Silence counts only as far as we were awake to hear. How long we
//! were is known from when we asked to be called and when we were. As one late call makes another
//! likely, and the backlog takes its time, all limits stretch for a while (*local health*, in the
//! words of Lifeguard).
//!
//! The clock is covered along the way: a jump of hours forward is a long sleep, one backward is no
//! time at all.

use std::time::Duration;

/// A call this much later than asked is still on time: the timers of an executor under load do no
/// better, and suspicion allows for as much anyway.
const LENIENCE: Duration = Duration::from_millis(50);
/// Limits never stretch beyond 1 + this: ours is not the only process that may be at fault.
const MOST: f64 = 3.0;
/// Within this time the stretch loses all but 37 %.
const RECOVERY: Duration = Duration::from_millis(500);

/// Compares when we were called with when we asked to be.
#[derive(Debug, Default)]
pub(crate) struct Punctuality {
    last: Option<Duration>,
    asked: Duration,
    lateness: f64,
    late: u64,
}

impl Punctuality {
    /// We were called now: returns how much of the time since the last call we were awake.
    pub(crate) fn called(&mut self, now: Duration, usual: Duration) -> Duration {
        let Some(last) = self.last.replace(now) else {
            return usual;
        };
        let gap = now.saturating_sub(last);
        let allowed = self.asked.saturating_add(LENIENCE);
        self.lateness *= (-gap.as_secs_f64() / RECOVERY.as_secs_f64()).exp();
        if gap > allowed {
            let missed = (gap - allowed).as_secs_f64() / LENIENCE.as_secs_f64();
            self.lateness = (self.lateness + missed).min(MOST);
            self.late += 1;
        }
        gap.min(allowed)
    }

    /// We have asked to be called again after this.
    pub(crate) fn asked(&mut self, next: Option<Duration>) {
        match next {
            Some(next) => self.asked = next,
            // Nobody asked, so nobody can be late; the next call says nothing of the time before.
            None => self.last = None,
        }
    }

    /// What all limits are to be multiplied by.
    pub(crate) fn stretch(&self) -> f64 {
        1.0 + self.lateness
    }

    /// Calls that came too late.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Duration = Duration::from_millis(50);

    fn called_at(times: &[u64]) -> (Duration, f64) {
        let mut own = Punctuality::default();
        let mut awake = Duration::ZERO;
        for &time in times {
            awake = own.called(Duration::from_millis(time), USUAL);
            own.asked(Some(USUAL));
        }
        (awake, own.stretch())
    }

    #[test]
    fn calls_on_time_count_in_full_and_stretch_nothing() {
        assert_eq!(
            called_at(&[0, 50, 100, 170]),
            (Duration::from_millis(70), 1.0)
        );
    }

    #[test]
    fn a_process_that_slept_was_not_awake_and_becomes_patient() {
        let (awake, stretch) = called_at(&[0, 50, 8 * 3_600_000]);
        assert_eq!(awake, Duration::from_millis(100));
        assert_eq!(stretch, 1.0 + MOST);
    }

    #[test]
    fn patience_wears_off() {
        let times: Vec<u64> = (0..=100).map(|turn| 1_000 + turn * 50).collect();
        let (_, stretch) = called_at(&[&[0], times.as_slice()].concat());
        assert!(stretch < 1.01, "{stretch}");
    }

    #[test]
    fn a_clock_that_went_back_counts_as_no_time() {
        assert_eq!(called_at(&[1_000, 872]), (Duration::ZERO, 1.0));
    }

    #[test]
    fn who_did_not_ask_is_not_called_late() {
        let mut own = Punctuality::default();
        own.called(Duration::ZERO, USUAL);
        own.asked(None);
        assert_eq!(own.called(Duration::from_secs(60), USUAL), USUAL);
        assert_eq!(own.stretch(), 1.0);
        assert_eq!(own.late(), 0);
    }
}
