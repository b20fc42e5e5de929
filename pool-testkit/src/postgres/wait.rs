//! Waiting for another process, which offers nothing better than to look again.

use std::thread;
use std::time::{Duration, Instant};

/// How often to look: often enough to add little to a start of about a second.
const PACE: Duration = Duration::from_millis(10);

/// Looks until `look` finds something, for at most `limit`.
#[expect(
    clippy::disallowed_methods,
    reason = "another process keeps to the real time, not to a test's"
)]
pub(crate) fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if started.elapsed() >= limit {
            return None;
        }
        thread::sleep(PACE);
    }
}
