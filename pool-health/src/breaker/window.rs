//! The calls of the last seconds, in a ring of buckets.

use std::time::Duration;

use super::tally::Tally;

/// How many buckets a window has: an age is known to a twentieth of it, in a kilobyte.
pub(crate) const BUCKETS: usize = 20;

/// What calls came to within a span of time before now.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    width: u128,
    buckets: [Tally; BUCKETS],
    /// The number of the newest bucket since time zero; it lies at its number modulo the count.
    newest: u128,
}

impl Window {
    /// A window of `span`, which must not be zero.
    pub(crate) fn new(span: Duration) -> Self {
        Self {
            width: (span.as_nanos() / BUCKETS as u128).max(1),
            buckets: [Tally::default(); BUCKETS],
            newest: 0,
        }
    }

    /// How long calls go into the same bucket.
    pub(crate) fn width(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.width).unwrap_or(u64::MAX))
    }

    /// Forgets what has become too old by `now`, which must not go back.
    pub(crate) fn roll(&mut self, now: Duration) {
        let number = now.as_nanos() / self.width;
        let steps = number.saturating_sub(self.newest).min(BUCKETS as u128);
        for step in 0..steps {
            let at = Self::place(number - step);
            self.buckets[at] = Tally::default();
        }
        self.newest = self.newest.max(number);
    }

    /// Counts calls that ended now.
    pub(crate) fn add(&mut self, tally: &Tally) {
        self.buckets[Self::place(self.newest)].add(tally);
    }

    /// Forgets all calls.
    pub(crate) fn clear(&mut self) {
        self.buckets = [Tally::default(); BUCKETS];
    }

    /// All calls within the span.
    pub(crate) fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        self.buckets.iter().for_each(|bucket| sum.add(bucket));
        sum
    }

    /// The calls of the newest bucket, of the newest two, and so on up to all.
    pub(crate) fn suffixes(&self) -> impl Iterator<Item = Tally> + '_ {
        let newest_first = (0..BUCKETS).map(|age| {
            let at = (Self::place(self.newest) + BUCKETS - age) % BUCKETS;
            &self.buckets[at]
        });
        newest_first.scan(Tally::default(), |sum, bucket| {
            sum.add(bucket);
            Some(*sum)
        })
    }

    fn place(number: u128) -> usize {
        usize::try_from(number % BUCKETS as u128).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_call_is_forgotten_when_its_bucket_leaves_the_span_and_no_sooner() {
        let mut window = Window::new(SPAN);
        window.roll(at(1_200));
        window.add(&Tally::successes(3));
        window.roll(at(10_999));
        assert_eq!(window.sum().good(), 3);
        window.roll(at(11_000));
        assert_eq!(window.sum().good(), 0);
    }

    #[test]
    fn suffixes_grow_from_the_newest_bucket_to_all() {
        let mut window = Window::new(SPAN);
        for second in 0..30 {
            window.roll(Duration::from_secs(second));
            window.add(&Tally::successes(1));
        }
        let sums: Vec<u64> = window.suffixes().map(|sum| sum.good()).collect();
        assert_eq!(sums.len(), BUCKETS);
        assert_eq!(sums[..4], [1, 1, 2, 2]);
        assert_eq!(sums.last(), Some(&window.sum().good()));
        assert_eq!(window.sum().good(), 10);
    }

    #[test]
    fn a_leap_forgets_as_many_buckets_as_it_is_long() {
        let width = Window::new(SPAN).width();
        for leap in 0..100 {
            let mut window = Window::new(SPAN);
            for bucket in 0..20 {
                window.roll(width * bucket);
                window.add(&Tally::successes(1));
            }
            window.roll(width * (19 + leap));
            assert_eq!(window.sum().good(), 20_u64.saturating_sub(leap.into()));
        }
    }

    #[test]
    fn a_leap_of_any_length_empties_it_and_the_end_of_time_overflows_nothing() {
        let mut window = Window::new(SPAN);
        window.add(&Tally::successes(u64::MAX));
        window.add(&Tally::successes(u64::MAX));
        assert_eq!(window.sum().good(), u64::MAX);
        window.roll(Duration::MAX);
        assert_eq!(window.sum(), Tally::default());
        window.add(&Tally::successes(1));
        window.roll(Duration::MAX);
        assert_eq!(window.sum().good(), 1);
    }
}
