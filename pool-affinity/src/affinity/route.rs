//! Statements and labels, within the load bound.

use pool_core::{Candidate, Candidates, Profile};

use super::Affinity;
use super::own::Own;
use super::rank::{Found, Origin, Rank, distance, is_adoptable, standing};
use crate::load::Bound;
use crate::record::{Record, Why};

/// Homes that are looked at.
const HOMES: usize = 8;
/// Slots of the order of a set that are looked at.
const ORDERED: u64 = 4;
/// Slots that are looked at in turn.
const STRAYS: u64 = 8;
/// Slots that are looked at when all others are above the load bound.
const SPARE: u64 = 16;

/// Whether any connection will do, so that the pool's own order is best.
const fn is_nothing(profile: &Profile) -> bool {
    profile.session == 0
        && profile.label == 0
        && profile.statement == 0
        && profile.statements == 0
        && profile.last.is_none()
}

/// A look at some connections, for one request.
struct Look<'a> {
    affinity: &'a Affinity,
    candidates: &'a Candidates<'a>,
    profile: &'a Profile,
    bound: &'a Bound,
    set: Option<u32>,
    /// How many were idle.
    seen: u64,
    best: Option<Found>,
    /// The one with the lowest load of all.
    least: Option<(f32, Candidate)>,
    /// The one with the lowest load of those that have the label and are above the bound.
    overused: Option<(f32, Candidate)>,
}

impl Affinity {
    pub(super) fn route(
        &self,
        profile: &Profile,
        candidates: &Candidates<'_>,
        own: &Own,
        bound: &Bound,
    ) -> Option<(Candidate, Why)> {
        if is_nothing(profile) {
            return None;
        }
        let set = (profile.statements != 0)
            .then(|| self.homes.index(profile.statements))
            .flatten();
        let mut look = Look {
            affinity: self,
            candidates,
            profile,
            bound,
            set,
            seen: 0,
            best: None,
            least: None,
            overused: None,
        };
        look.around(own);
        if look.best.is_none() {
            look.for_any_below_the_bound();
        }
        look.end(own)
    }

    /// The slot whose turn it is to be looked at, so that connections that no list shows are known. An
    /// unknown one behind the last is looked at, too.
    pub(super) fn stray(&self, bound: &Bound, ahead: u64) -> u32 {
        let slots = u64::from(self.homes.extent()) + 1;
        u32::try_from((bound.acquires + ahead) % slots).unwrap_or(0)
    }
}

impl Look<'_> {
    /// Looks around until one is found that has all.
    fn around(&mut self, own: &Own) {
        let stray = self.find(self.affinity.stray(self.bound, 0));
        let enough = self.at_homes()
            || own
                .last
                .is_some_and(|last| self.consider(last, Origin::Hint))
            || self.where_labelled()
            || self.in_order()
            || self.at_strays(stray);
        if !enough {
            let mut listed = self.candidates.iter();
            listed.any(|idle| self.consider(idle, Origin::Idle));
        }
    }

    /// Those whose turn it is, before those that are listed: the list always begins with the same, and
    /// whoever came to stay would meet all others there.
    fn at_strays(&mut self, first: Option<Candidate>) -> bool {
        if let Some(stray) = first {
            self.consider(stray, Origin::Idle);
        }
        for ahead in 1..STRAYS {
            if let Some(stray) = self.find(self.affinity.stray(self.bound, ahead)) {
                self.consider(stray, Origin::Idle);
            }
        }
        self.best.is_some_and(|best| best.fits())
    }

    /// The connection in a slot, if it is idle.
    fn find(&self, slot: u32) -> Option<Candidate> {
        let found = self.candidates.find(slot)?;
        self.affinity.meet(found);
        Some(found)
    }

    fn at_homes(&mut self) -> bool {
        let Some(set) = self.set else {
            return false;
        };
        let affinity = self.affinity;
        for (slot, record) in affinity.homes.walk(set, HOMES, &affinity.records) {
            match self.find(slot) {
                Some(idle) if self.consider(idle, Origin::Home) => return true,
                None if !record.load.met_lately(self.bound.epoch) => {
                    // There is nothing in that slot any more.
                    affinity.homes.adopt(None, slot, &affinity.records);
                }
                _ => {}
            }
        }
        false
    }

    fn where_labelled(&mut self) -> bool {
        let label = self.profile.label;
        if label == 0 {
            return false;
        }
        let hints = &self.affinity.whereabouts;
        hints.of(label).any(|slot| {
            let found = self.find(slot);
            if found.is_some_and(|one| one.label != label) {
                hints.forget(label, slot);
            }
            found.is_some_and(|one| self.consider(one, Origin::Hint))
        })
    }

    fn in_order(&mut self) -> bool {
        if self.set.is_none() {
            return false;
        }
        let homes = &self.affinity.homes;
        (0..ORDERED).any(|place| {
            let found = self.find(homes.of_order(self.profile.statements, place));
            found.is_some_and(|one| self.consider(one, Origin::Hint))
        })
    }

    fn for_any_below_the_bound(&mut self) {
        for ahead in STRAYS..STRAYS + SPARE {
            if let Some(stray) = self.find(self.affinity.stray(self.bound, ahead)) {
                self.consider(stray, Origin::Idle);
            }
            if self.best.is_some() {
                return;
            }
        }
    }

    /// Compares one with the best so far. Returns whether there is no need to look further.
    fn consider(&mut self, candidate: Candidate, origin: Origin) -> bool {
        let record = self.affinity.records.known(candidate);
        let load = record.map_or(0.0, |record| record.load.at(self.bound.epoch));
        lower(&mut self.least, load, candidate);
        self.seen += 1;
        if !self.bound.allows(load) {
            if candidate.label == self.profile.label {
                lower(&mut self.overused, load, candidate);
            }
            return false;
        }
        let relative = self.bound.relative(load);
        let found = self.weigh(candidate, record, origin, relative);
        if found.rank < self.best.map_or(Rank::LAST, |best| best.rank) {
            self.best = Some(found);
        }
        found.is_enough()
    }

    fn weigh(
        &self,
        candidate: Candidate,
        record: Option<&Record>,
        origin: Origin,
        relative: f32,
    ) -> Found {
        let profile = self.profile;
        let cached = |statement| record.is_some_and(|record| record.sketch.has(statement));
        let mut found = Found {
            candidate,
            labelled: candidate.label == profile.label,
            missing: profile.statement != 0 && !cached(profile.statement),
            origin,
            adoptable: self.set.is_some() && is_adoptable(record, relative),
            rank: Rank::LAST,
        };
        let away = match found.labelled {
            true => 0,
            false => {
                let labels = self.affinity.labels.as_ref();
                let steps = labels.and_then(|labels| labels.cost(candidate.label, profile.label));
                distance(steps, candidate.label, found.missing)
            }
        };
        let standing = standing(&found, record, relative, self.seen);
        found.rank = Rank::new(away, found.missing, standing);
        found
    }

    /// What it comes to.
    fn end(self, own: &Own) -> Option<(Candidate, Why)> {
        let above = match self.best {
            // An even load is not worth the settings of two: those that would be put aside here, and
            // those that come back then.
            Some(best) if !best.labelled => self.overused,
            Some(_) => None,
            None => self.overused.or(self.least),
        };
        let Some(best) = self.best.filter(|_| above.is_none()) else {
            return above.map(|(_, above)| (above, Why::Least));
        };
        let homes = &self.affinity.homes;
        let mut adopted = false;
        if let Some(set) = self.set {
            let records = &self.affinity.records;
            adopted = best.missing && best.origin != Origin::Home && best.adoptable;
            if adopted && records.of(best.candidate.slot).is_some() {
                homes.adopt(Some(set), best.candidate.slot, records);
            }
            if let Some(record) = records
                .look(best.candidate.slot)
                .filter(|_| best.origin == Origin::Home)
            {
                homes.chosen(set, record);
            }
        }
        let wanted = self.profile.statement != 0 || self.profile.label != 0;
        let why = match best {
            Found {
                origin: Origin::Home,
                ..
            } => Why::Home,
            _ if adopted => Why::Adopted,
            _ if best.fits() && wanted => Why::Fits,
            _ if best.fits() && own.last == Some(best.candidate) => Why::Last,
            _ => Why::Best,
        };
        Some((best.candidate, why))
    }
}

/// Keeps the one with the lower load.
fn lower(kept: &mut Option<(f32, Candidate)>, load: f32, candidate: Candidate) {
    if kept.is_none_or(|(lowest, _)| load < lowest) {
        *kept = Some((load, candidate));
    }
}
