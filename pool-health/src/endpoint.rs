//! What several connections have in common.
//!
//! When a server goes away, its connections are found dead one by one, each by a caller who is hurt.
//! Once a few have been, the others can be told from them. But a few are also hit by chance: an
//! administrator ends some sessions, a firewall forgets the idle ones, a page of memory swaps. So it
//! depends on what is known, and how surely.
//!
//! | of `failures` connections within the window | the others |
//! | --- | --- |
//! | failed: a check, a reset, an error of theirs; and no other was heard of since the first | are flushed, all at once |
//! | failed; but others were heard of since | are asked before their next use, unless heard of |
//! | are silent at this moment, for longer than expected | are asked before their next use, unless heard of |
//!
//! To flush is to close all that was open, once, by its epoch: it takes proof, as a healthy server
//! would suffer from it. To ask costs a round trip and can be taken back, so it may follow from a
//! suspicion, and it may take all idle connections at once: those of a healthy server are back after
//! that round trip, those of a dead one hurt nobody.
//!
//! Each is done once for the same evidence: connections that were open at a flush are no evidence
//! for the next, and others are not asked again within the window.
//!
//! Connects that fail prove nothing about what is open: a server that has no room for more serves
//! those it has.
//!
//! Giving up for silence alone is also bounded here, by [`Ejection`]: silence that befalls more than
//! half of a pool says something about the far end or about us, and a new connection would be as
//! silent.

use std::collections::VecDeque;
use std::time::Duration;

use pool_core::{ErrorClass, Order, Place, Subject};

use crate::monotone::Monotone;
use crate::outbox::Outbox;
use pool_core::Problems;

/// A reply may have been on its way when something else fell silent: what was heard of this much
/// later is alive.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// How many must be hit for the others to be concerned.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) failures: u32,
    pub(crate) window: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: 3,
            window: Duration::from_secs(10),
        }
    }
}

impl Settings {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.within("endpoint_failures", self.failures, 1..=64);
        problems.check(self.window.is_zero(), || {
            "endpoint_window is 0; nothing would happen within it".to_owned()
        });
    }
}

/// How many connections may be given up on suspicion.
#[derive(Clone, Debug)]
pub(crate) struct Ejection {
    /// The part of a pool that may be on its way out for silence alone.
    pub(crate) share: f64,
    /// The part of a pool that, once suspected, is not to blame.
    pub(crate) panic: f64,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            share: 0.3,
            panic: 0.5,
        }
    }
}

impl Ejection {
    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.share("max_ejection", self.share);
        problems.share("panic_threshold", self.panic);
    }

    /// How many of `open` connections, `suspected` of which are silent, may be on their way out for
    /// it: at least one, never the last one, and none when too many are silent.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a small number"
    )]
    pub(crate) fn room(&self, open: usize, suspected: usize) -> usize {
        if suspected as f64 > open as f64 * self.panic {
            return 0;
        }
        let share = (open as f64 * self.share) as usize;
        share.max(1).min(open.saturating_sub(1))
    }
}

/// Puts together what happened to several connections.
#[derive(Debug)]
pub(crate) struct Endpoint {
    settings: Settings,
    time: Monotone,
    failed: Notes,
    silent: Notes,
    /// When the others were asked last.
    swept: Option<Duration>,
    /// The newest connection at the last flush.
    flushed: u64,
    pub(crate) sweeps: u64,
    pub(crate) flushes: u64,
}

impl Endpoint {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            time: Monotone::default(),
            failed: Notes::default(),
            silent: Notes::default(),
            swept: None,
            flushed: 0,
            sweeps: 0,
            flushes: 0,
            settings,
        }
    }

    /// A connection has failed, no sooner than at `onset`.
    pub(crate) fn failed(&mut self, now: Duration, connection: u64, onset: Duration) {
        if connection > self.flushed {
            let most = self.settings.failures as usize;
            let noted = self.time.advance(now);
            self.failed.note(noted, connection, onset, most);
        }
    }

    /// A connection has been silent since `onset`, which is suspicious.
    pub(crate) fn suspected(&mut self, now: Duration, connection: u64, onset: Duration) {
        if connection > self.flushed {
            let most = self.settings.failures as usize;
            let noted = self.time.advance(now);
            self.silent.note(noted, connection, onset, most);
        }
    }

    /// A connection that was suspected has been heard of.
    pub(crate) fn refuted(&mut self, connection: u64) {
        self.silent.0.retain(|note| note.connection != connection);
    }

    /// Draws conclusions.
    pub(crate) fn review(&mut self, now: Duration, subjects: &[Subject], out: &mut Outbox<'_>) {
        let enough = self.settings.failures as usize;
        let time = self.time.advance(now);
        for evidence in [&mut self.failed, &mut self.silent] {
            evidence.forget_before(time, self.settings.window);
        }
        if self.failed.0.len() >= enough {
            let since = self.failed.onsets().min().unwrap_or(now);
            if subjects.iter().any(|other| is_alive(other, since)) {
                self.sweep(since, subjects, out);
            } else {
                self.flush(subjects, out);
            }
        } else if self.silent.0.len() >= enough {
            let since = self.silent.onsets().max().unwrap_or(now);
            self.sweep(since, subjects, out);
        }
    }

    fn flush(&mut self, subjects: &[Subject], out: &mut Outbox<'_>) {
        let open = subjects.iter().map(|subject| subject.connection.connection);
        let hit = self.failed.0.iter().map(|note| note.connection);
        self.flushed = open.chain(hit).fold(self.flushed, u64::max);
        self.failed.0.clear();
        self.silent.0.clear();
        self.flushes += 1;
        out.order(Order::Flush);
        out.tell(None, "several failed and none is heard of: all are closed");
    }

    fn sweep(&mut self, since: Duration, subjects: &[Subject], out: &mut Outbox<'_>) {
        let now = self.time.now();
        let again = |swept| now - swept >= self.settings.window;
        if !self.swept.is_none_or(again) {
            return;
        }
        self.swept = Some(now);
        self.sweeps += 1;
        out.tell(None, "several are silent or failed: the others are asked");
        for subject in subjects {
            let asked = subject.quarantined || subject.place == Place::Tended;
            let young = subject.opened > since;
            if !asked && !young && !is_alive(subject, since) {
                out.order(Order::Quarantine(subject.connection));
            }
        }
    }
}

/// Whether a connection from before has been heard of since. An error message is no sign of life.
fn is_alive(subject: &Subject, since: Duration) -> bool {
    let errors = &subject.pulse.errors;
    let classes = [ErrorClass::Connection, ErrorClass::Endpoint];
    let dying = classes.iter().any(|class| errors.of(*class) > 0);
    let signs = [subject.pulse.heard, subject.passed];
    let last = signs.into_iter().flatten().max();
    let since = since.saturating_add(ON_ITS_WAY);
    !dying && subject.opened <= since && last.is_some_and(|last| last > since)
}

/// Connections that something happened to: the latest ones, each once.
#[derive(Debug, Default)]
struct Notes(VecDeque<Note>);

#[derive(Debug)]
struct Note {
    noted: Duration,
    connection: u64,
    onset: Duration,
}

impl Notes {
    fn note(&mut self, noted: Duration, connection: u64, onset: Duration, most: usize) {
        if self.0.iter().any(|note| note.connection == connection) {
            return;
        }
        if self.0.len() >= most {
            self.0.pop_front();
        }
        self.0.push_back(Note {
            noted,
            connection,
            onset,
        });
    }

    fn forget_before(&mut self, now: Duration, window: Duration) {
        self.0.retain(|note| now - note.noted <= window);
    }

    fn onsets(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().map(|note| note.onset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn suspicion_alone_may_take_one_of_two_but_never_the_last_one() {
        let ejection = Ejection::default();
        assert_eq!(ejection.room(0, 0), 0);
        assert_eq!(ejection.room(1, 1), 0);
        assert_eq!(ejection.room(2, 1), 1);
        assert_eq!(ejection.room(2, 2), 0, "both are silent");
        assert_eq!(ejection.room(3, 1), 1);
        assert_eq!(ejection.room(100, 30), 30);
        assert_eq!(ejection.room(100, 51), 0, "panic");
    }

    proptest! {
        #[test]
        fn a_pool_is_never_emptied_on_suspicion(
            open in 0..100_000_usize, suspected in 0..100_000_usize,
            share in 0.0..=1.0, panic in 0.0..=1.0,
        ) {
            let room = Ejection { share, panic }.room(open, suspected);
            prop_assert!(room < open || room == 0);
        }
    }
}
