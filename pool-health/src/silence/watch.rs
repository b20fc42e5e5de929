//! What one connection owes, from one review to the next.

use std::time::Duration;

use pool_core::Pulse;

/// Follows the silences of one connection.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(super) wait: Option<Wait>,
    pub(super) stage: Stage,
    /// A wait during which a check passed: whatever it waits for, the connection works.
    forgiven: Option<Duration>,
    answered: u64,
}

/// Something is owed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) since: Duration,
    pub(super) kind: u32,
    /// For how long nothing has come while we were awake to hear it.
    pub(super) silent: Duration,
}

/// What is thought of a connection that owes something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Fine,
    /// In quarantine.
    Suspect,
    /// Ordered away.
    Condemned,
}

/// What was seen of a connection since the last review.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    /// A reply: the kind of its request, and the longest silence before its end.
    pub(super) reply: Option<(u32, Duration)>,
    /// The silence that was under way has ended.
    pub(super) ended: Option<Wait>,
}

impl Watch {
    /// Takes in what the vital signs say `now`; of the time since the last look we were `awake` for
    /// so long.
    pub(super) fn look(&mut self, now: Duration, awake: Duration, pulse: &Pulse) -> News {
        let before = self.wait;
        self.wait = pulse.waiting_since.map(|since| {
            let wall = now.saturating_sub(since);
            match before {
                Some(wait) if wait.since == since => Wait {
                    silent: wait.silent.saturating_add(awake).min(wall),
                    ..wait
                },
                _ => Wait {
                    since,
                    kind: pulse.kind,
                    silent: wall.min(awake),
                },
            }
        });
        let replied = std::mem::replace(&mut self.answered, pulse.answered) != pulse.answered;
        News {
            reply: replied.then_some((pulse.reply_kind, pulse.reply_silence)),
            ended: before.filter(|wait| Some(wait.since) != pulse.waiting_since),
        }
    }

    /// It passed a check.
    pub(super) fn forgive(&mut self) {
        self.forgiven = self.wait.map(|wait| wait.since);
        self.stage = Stage::Fine;
    }

    /// The wait that is to be judged, if there is one.
    pub(super) fn judged(&self) -> Option<Wait> {
        self.wait.filter(|wait| self.forgiven != Some(wait.since))
    }
}
