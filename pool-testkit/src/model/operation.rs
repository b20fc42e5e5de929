//! Operations a property test draws and applies to the model and to a pool.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Model, Outcome, PRIORITIES, Release, Request, WhenSuspended};

/// The most connections a drawn resize asks for.
const MAX_SIZE: usize = 6;

/// Something done to a pool. A `pick` chooses among the requests it can be done to, modulo their
/// number, so that every drawn operation means something and still shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// [`Model::acquire`].
    Acquire {
        /// From 0, the most urgent.
        priority: usize,
        /// The request's time.
        within: Duration,
    },
    /// [`Model::cancel`] of a waiting request.
    Cancel {
        /// Which.
        pick: usize,
    },
    /// [`Model::release`] of a lease.
    Release {
        /// Which.
        pick: usize,
        /// How.
        release: Release,
    },
    /// [`Model::resize`].
    Resize {
        /// The new maximum, at least 1.
        max_size: usize,
    },
    /// [`Model::suspend`].
    Suspend(WhenSuspended),
    /// [`Model::resume`].
    Resume,
    /// [`Model::reopen`].
    Reopen,
    /// [`Model::evict_idle`].
    EvictIdle,
    /// [`Model::evict_all`].
    EvictAll,
    /// [`Model::advance`].
    Advance(Duration),
    /// [`Model::close`].
    Close,
}

impl Operation {
    /// The request that a `pick` of this operation means now; nothing when there is none, or the
    /// operation picks none.
    #[must_use]
    pub fn target(&self, model: &Model) -> Option<Request> {
        let (pick, candidates) = match self {
            Self::Cancel { pick } => (pick, model.requests(Outcome::Waiting)),
            Self::Release { pick, .. } => (pick, model.requests(Outcome::Leased)),
            _ => return None,
        };
        let at = pick.checked_rem(candidates.len())?;
        Some(candidates[at])
    }
}

impl Model {
    /// Applies a drawn operation. One that picks a request when there is none does nothing.
    pub fn apply(&mut self, operation: &Operation) {
        let target = operation.target(self);
        match *operation {
            Operation::Acquire { priority, within } => {
                self.acquire(priority, within);
            }
            Operation::Cancel { .. } => {
                if let Some(request) = target {
                    self.cancel(request);
                }
            }
            Operation::Release { release, .. } => {
                if let Some(request) = target {
                    self.release(request, release);
                }
            }
            Operation::Resize { max_size } => self.resize(max_size),
            Operation::Suspend(then) => self.suspend(then),
            Operation::Resume => self.resume(),
            Operation::Reopen => self.reopen(),
            Operation::EvictIdle => self.evict_idle(),
            Operation::EvictAll => self.evict_all(),
            Operation::Advance(by) => self.advance(by),
            Operation::Close => self.close(),
        }
    }
}

/// Up to `length` operations in proportions that keep a small pool busy: it is often full, often
/// waited for, and seldom closed before the end.
pub fn operations(length: usize) -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..=length)
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        40 => acquire(),
        8 => any::<usize>().prop_map(|pick| Operation::Cancel { pick }),
        30 => release(),
        4 => (1..=MAX_SIZE).prop_map(|max_size| Operation::Resize { max_size }),
        2 => Just(Operation::Suspend(WhenSuspended::Wait)),
        1 => Just(Operation::Suspend(WhenSuspended::Refuse)),
        5 => Just(Operation::Resume),
        2 => Just(Operation::Reopen),
        2 => Just(Operation::EvictIdle),
        1 => Just(Operation::EvictAll),
        8 => milliseconds().prop_map(Operation::Advance),
        1 => Just(Operation::Close),
    ]
}

fn acquire() -> impl Strategy<Value = Operation> {
    (0..PRIORITIES, milliseconds())
        .prop_map(|(priority, within)| Operation::Acquire { priority, within })
}

fn release() -> impl Strategy<Value = Operation> {
    let how = prop_oneof![
        8 => Just(Release::Clean),
        2 => Just(Release::Broken),
        1 => Just(Release::Detached),
    ];
    (any::<usize>(), how).prop_map(|(pick, release)| Operation::Release { pick, release })
}

/// Whole tens, so that deadlines and steps often meet exactly.
fn milliseconds() -> impl Strategy<Value = Duration> {
    (1..=20_u64).prop_map(|tens| Duration::from_millis(10 * tens))
}
