//! Who came, who left, and how many were there.

use std::time::Duration;

/// Keeps count of those inside a model, in two ways that must agree: by the law of Little their
/// mean number L is the rate λ at which they come times the mean W of how long they stay.
#[derive(Clone, Debug, Default)]
pub struct Account {
    inside: u64,
    came: u64,
    left: u64,
    since: Duration,
    /// The integral of `inside` over time, in seconds.
    area: f64,
    /// The sum of the stays of those who left, in seconds.
    stays: f64,
}

impl Account {
    /// Nobody there yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One comes.
    pub fn enter(&mut self, now: Duration) {
        self.pass(now);
        self.inside += 1;
        self.came += 1;
    }

    /// One leaves who came then.
    pub fn leave(&mut self, now: Duration, came: Duration) {
        self.pass(now);
        self.inside = self.inside.saturating_sub(1);
        self.left += 1;
        self.stays += now.saturating_sub(came).as_secs_f64();
    }

    /// How many came.
    #[must_use]
    pub const fn came(&self) -> u64 {
        self.came
    }

    /// The mean stay of those who left, in seconds.
    #[must_use]
    pub fn mean_stay(&self) -> f64 {
        ratio(self.stays, self.left as f64)
    }

    /// How many were inside in the mean until `now`.
    #[must_use]
    pub fn mean_inside(&self, now: Duration) -> f64 {
        let rest = now.saturating_sub(self.since).as_secs_f64() * self.inside as f64;
        ratio(self.area + rest, now.as_secs_f64())
    }

    /// By which part L and λW differ until `now`. Those who are inside at the end have no stay yet,
    /// so it is 0 in long runs only.
    #[must_use]
    pub fn error(&self, now: Duration) -> f64 {
        let rate = ratio(self.came as f64, now.as_secs_f64());
        let law = rate * self.mean_stay();
        ratio((self.mean_inside(now) - law).abs(), law)
    }

    fn pass(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.since).as_secs_f64();
        self.area += passed * self.inside as f64;
        self.since = now;
    }
}

/// 0 where there is nothing to divide by.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
