//! The connection of one's own.

use pool_core::{Candidate, Candidates, Profile};

use super::Affinity;
use crate::load::Bound;
use crate::record::Why;
use crate::sessions::Tie;
use crate::{Reason, Strength};

/// What a session has of its own, as far as it is idle.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Own {
    /// It is to be had before anything else is looked at.
    first: Option<(Candidate, Why)>,
    /// It was the last.
    pub(super) last: Option<Candidate>,
}

impl Own {
    pub(super) const fn first(&self) -> Option<(Candidate, Why)> {
        self.first
    }

    /// The last, if nothing speaks for another: for pools whose routing is off.
    pub(super) fn habit(&self, affinity: &Affinity, bound: &Bound) -> Option<(Candidate, Why)> {
        let last = self.last?;
        let record = affinity.records.known(last)?;
        let fits = !affinity.settings.breaking.acts() || !affinity.is_overloaded(record, bound);
        fits.then_some((last, Why::Last))
    }
}

impl Affinity {
    /// Looks up how the session is tied, once.
    pub(super) fn own(&self, profile: &Profile, candidates: &Candidates<'_>, bound: &Bound) -> Own {
        let find = |wanted: Candidate| {
            let found = candidates.find(wanted.slot);
            found.filter(|found| *found == wanted)
        };
        let asked = self.settings.sessions.is_asked();
        let Some(tie) = asked.then(|| self.sessions.tie(profile.session)).flatten() else {
            let last = profile.last.and_then(find);
            return Own { first: None, last };
        };
        if self
            .records
            .look(tie.connection.slot)
            .is_some_and(|one| one.is_past(tie.connection))
        {
            self.sessions
                .break_up_to(profile.session, tie.connection, Strength::Pinned);
            return Own::default();
        }
        let idle = find(tie.connection);
        let first = idle.and_then(|own| self.first(profile, &tie, own, bound));
        let kept = idle.filter(|own| !self.breaks(profile, &tie, *own, bound));
        let last = kept.or_else(|| profile.last.and_then(find));
        Own { first, last }
    }

    /// Whether a tie is reason enough.
    fn first(
        &self,
        profile: &Profile,
        tie: &Tie,
        own: Candidate,
        bound: &Bound,
    ) -> Option<(Candidate, Why)> {
        if tie.strength.binds() {
            return Some((own, Why::Bound));
        }
        let record = self.records.known(own)?;
        let within = bound.allows(record.load.at(bound.epoch));
        if tie.strength < Strength::Medium || !within {
            return None;
        }
        let cached = &record.sketch;
        let there = tie.reason != Reason::StatementCache
            || cached.count() >= self.settings.many
                && (profile.statement == 0 || cached.has(profile.statement));
        there.then_some((own, Why::Medium))
    }

    /// Breaks a Weak tie to a connection that is used more than others. Returns whether it is broken.
    fn breaks(&self, profile: &Profile, tie: &Tie, own: Candidate, bound: &Bound) -> bool {
        let breaking = self.settings.breaking;
        if tie.strength != Strength::Weak || !breaking.is_asked() {
            return false;
        }
        let record = self.records.known(own);
        let over = record.is_some_and(|one| self.is_overloaded(one, bound));
        if over && breaking.acts() {
            self.sessions
                .break_up_to(profile.session, own, Strength::Weak);
        }
        over && breaking.acts()
    }
}
