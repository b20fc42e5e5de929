//! The connection with the best score, for work of a class.

use std::sync::atomic::Ordering;

use pool_core::{Candidate, Candidates, Profile};

use super::Affinity;
use super::own::Own;
use crate::Class;
use crate::load::Bound;
use crate::record::Why;
use crate::score::{Features, Score};

/// How many are compared.
const COMPARED: usize = 8;
/// Transactions do not go to connections whose health is below this, if there is another.
const DEGRADED: f64 = 0.5;
/// A connection that was not used for so many acquires per connection is used at once.
const UNUSED: u64 = 8;

/// How a candidate compares: within the bound and not degraded, by score, then the one used last.
type Standing = (bool, bool, Score, u64, std::cmp::Reverse<u32>);

impl Affinity {
    pub(super) fn select(
        &self,
        profile: &Profile,
        class: Class,
        candidates: &Candidates<'_>,
        own: &Own,
        bound: &Bound,
    ) -> Option<(Candidate, Why)> {
        let stray = self.explored(candidates);
        if let Some(unused) = stray.filter(|one| self.is_unused(*one, class, bound)) {
            return Some((unused, Why::Explored));
        }
        let mut best: Option<(Standing, Candidate)> = None;
        let few = own.last.into_iter().chain(stray).chain(candidates.iter());
        for candidate in few.take(COMPARED) {
            let standing = self.standing(profile, class, candidate, bound)?;
            if best.is_none_or(|(before, _)| standing > before) {
                best = Some((standing, candidate));
            }
        }
        best.map(|(_, candidate)| (candidate, Why::Score))
    }

    /// The connection whose turn it is, if it is idle: all are looked at in turn.
    fn explored(&self, candidates: &Candidates<'_>) -> Option<Candidate> {
        let turn = self.rover.fetch_add(1, Ordering::Relaxed);
        let found = candidates.find(turn % (self.homes.extent() + 1))?;
        self.meet(found);
        Some(found)
    }

    fn is_unused(&self, candidate: Candidate, class: Class, bound: &Bound) -> bool {
        let unused = match self.records.known(candidate) {
            Some(record) => record.load.unused_for(bound.acquires),
            // It was never leased.
            None => u64::MAX,
        };
        unused > UNUSED * u64::from(bound.connections.max(1)) && self.is_fit(candidate, class)
    }

    fn is_fit(&self, candidate: Candidate, class: Class) -> bool {
        !class.in_transaction || self.grades.health(candidate) >= DEGRADED
    }

    /// `None` never: all parts are parts.
    fn standing(
        &self,
        profile: &Profile,
        class: Class,
        candidate: Candidate,
        bound: &Bound,
    ) -> Option<Standing> {
        let record = self.records.known(candidate);
        let load = record.map_or(0.0, |record| record.load.at(bound.epoch));
        let cached = record.is_some_and(|record| record.sketch.has(profile.statement));
        let room = bound.cap - bound.mean;
        let over_use = f64::from(((load - bound.mean) / room).clamp(0.0, 1.0));
        let features: Features = self.grades.features(candidate, class).ok()?;
        let features = features
            .statement(profile.statement != 0 && cached)
            .over_use(over_use)
            .ok()?;
        let recency = record.map_or(0, |record| {
            u64::MAX - record.load.unused_for(bound.acquires)
        });
        Some((
            bound.allows(load),
            self.is_fit(candidate, class),
            self.settings.weights.score(&features),
            recency,
            std::cmp::Reverse(candidate.slot),
        ))
    }
}
