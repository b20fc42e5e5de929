//! The states of a breaker, and the way from one to the next.

use std::collections::VecDeque;
use std::time::Duration;

use super::tally::FailureClass;

/// How many transitions are remembered.
const REMEMBERED: usize = 32;

/// Whether calls get through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Circuit {
    /// All do. Left for [`Degraded`](Self::Degraded) when surely too many of the window's calls fail
    /// or are slow, for [`Open`](Self::Open) when surely nearly all of the latest fail.
    #[default]
    Closed,
    /// A share does: all as long as enough of them succeed. Left for [`Closed`](Self::Closed) when
    /// surely few enough fail, for [`Open`](Self::Open) as that is.
    Degraded,
    /// None does. Left for [`HalfOpen`](Self::HalfOpen) after a time that doubles, or when enough
    /// checks pass.
    Open,
    /// A few do until one has succeeded, then a share that grows. Left for [`Open`](Self::Open) when
    /// all of the first or nearly all of the others fail, else after the ramp for
    /// [`Degraded`](Self::Degraded) or [`Closed`](Self::Closed).
    HalfOpen,
}

impl Circuit {
    /// All states, in the order of their [`index`](Self::index).
    pub const ALL: [Self; 4] = [Self::Closed, Self::Degraded, Self::Open, Self::HalfOpen];

    /// The state's place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// A word or two for tables and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Degraded => "degraded",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A breaker went from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When, by the time that the breaker was told.
    pub at: Duration,
    /// From which.
    pub from: Circuit,
    /// To which.
    pub to: Circuit,
    /// What most of the failures were that led to it.
    pub cause: Option<FailureClass>,
}

impl Transition {
    /// It in a few words.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        match (self.to, self.cause) {
            (Circuit::Closed, _) => "closed: enough calls succeed",
            (Circuit::HalfOpen, _) => "half open: finding out whether calls succeed again",
            (Circuit::Degraded, cause) => degraded_text(cause),
            (Circuit::Open, cause) => open_text(cause),
        }
    }
}

const fn degraded_text(cause: Option<FailureClass>) -> &'static str {
    match cause {
        Some(FailureClass::Refused) => "degraded: many calls are refused",
        Some(FailureClass::Timeout) => "degraded: many calls time out",
        Some(FailureClass::Authentication) => "degraded: many calls are not let in",
        Some(FailureClass::Overload) => "degraded: the far end is overloaded",
        Some(FailureClass::Slow) => "degraded: many replies are slow",
        None => "degraded: many calls fail",
    }
}

const fn open_text(cause: Option<FailureClass>) -> &'static str {
    match cause {
        Some(FailureClass::Refused) => "open: nearly all calls are refused",
        Some(FailureClass::Timeout) => "open: nearly all calls time out",
        Some(FailureClass::Authentication) => "open: nearly all calls are not let in",
        Some(FailureClass::Overload) => "open: the far end is overloaded",
        Some(FailureClass::Slow) | None => "open: nearly all calls fail",
    }
}

/// The last transitions, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    last: VecDeque<Transition>,
    /// How many there were in all.
    count: u64,
}

impl Log {
    pub(crate) fn push(&mut self, transition: Transition) {
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(transition);
        self.count += 1;
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Those remembered after the first `seen` of all.
    pub(crate) fn since(&self, seen: u64) -> impl Iterator<Item = &Transition> {
        let unseen = usize::try_from(self.count.saturating_sub(seen)).unwrap_or(usize::MAX);
        self.last
            .iter()
            .skip(self.last.len().saturating_sub(unseen))
    }
}
