//! How connections compare that are not alike.
//!
//! The lower the better. What counts most stands in the highest bits:
//!
//! ```text
//!  ┌ wrong label: steps to the right one ┬ statement is missing ┬ standing: home, last, recency ┐
//! ```

use pool_core::Candidate;

use crate::record::Record;

/// Preparing a statement in steps of a label: parsing and planning take the server longer than four
/// settings do.
const STATEMENT: u32 = 4;
/// The steps from one label to another of which nobody knows.
const UNKNOWN: u32 = 4;
/// Nothing is further away than this.
const FURTHEST: u32 = 1 << 20;

/// Only underused connections are taken from other sets: those below this part of the mean.
const UNDERUSED: f32 = 0.75;

/// Where a connection stands among those that are as good otherwise.
const HOME: u64 = 0;
const ADOPTABLE: u64 = 1;
const UNDERUSED_FROM: u64 = 64;
const OTHERS: u64 = 128;
const BY_LOAD: u64 = 192;

/// Why a candidate is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is a home of the set.
    Home,
    /// Something speaks for it: it was the last, has the label, or comes first in the order of the set.
    Hint,
    /// It is idle.
    Idle,
}

/// How a candidate compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u64);

/// What was found out about a candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) candidate: Candidate,
    /// It has the label that is wanted.
    pub(super) labelled: bool,
    /// It has not the statement that is wanted.
    pub(super) missing: bool,
    pub(super) origin: Origin,
    /// It may become one.
    pub(super) adoptable: bool,
    pub(super) rank: Rank,
}

impl Found {
    /// It has all that was asked for.
    pub(super) const fn fits(&self) -> bool {
        self.labelled && !self.missing
    }

    /// There is no need to look for a better one. Where nothing but idleness speaks for some, the one
    /// that is used least goes first: whoever stays with it finds it below the bound then.
    pub(super) fn is_enough(&self) -> bool {
        self.fits() && self.origin != Origin::Idle
    }
}

/// How far a label is from the one that is wanted. Between wrong ones a missing statement counts, too,
/// and one without a label comes first where all else is the same: nobody will miss that.
pub(super) fn distance(steps: Option<u32>, from: u32, missing: bool) -> u64 {
    let steps = steps.unwrap_or(UNKNOWN).min(FURTHEST) + if missing { STATEMENT } else { 0 };
    2 * u64::from(steps) + u64::from(from != 0) + 1
}

/// Whether a set may adopt the connection as a home.
pub(super) fn is_adoptable(record: Option<&Record>, relative: f32) -> bool {
    record.is_none_or(|record| record.link.is_free()) || relative < UNDERUSED
}

/// Where it stands, having come in this place of those that were looked at.
pub(super) fn standing(found: &Found, record: Option<&Record>, relative: f32, place: u64) -> u64 {
    let free = record.is_none_or(|record| record.link.is_free());
    let place = place.min(62);
    match (found.origin, found.adoptable && found.missing) {
        (Origin::Home, _) => HOME,
        (_, true) if free => ADOPTABLE + place,
        // In steps of a thirty-second of the mean.
        (_, true) => UNDERUSED_FROM + (relative * 32.0) as u64,
        (Origin::Idle, false) => BY_LOAD + (relative * 32.0).min(63.0) as u64,
        (_, false) => OTHERS + place,
    }
}

impl Rank {
    /// After all others.
    pub(super) const LAST: Self = Self(u64::MAX);

    pub(super) fn new(distance: u64, missing: bool, standing: u64) -> Self {
        Self(distance << 16 | u64::from(missing) << 8 | standing.min(255))
    }
}
