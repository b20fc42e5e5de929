//! Connections without a pool, for policies that choose among them.
//!
//! What a pool does about a choice is a few lines: the idle ones stand in the order of their slots, the
//! eight lowest are listed, any is found by its slot, and a choice that is not idle is overruled by the
//! lowest. So a million choices take a second, and they are made by the code that a pool asks.

use std::sync::Arc;

use pool_affinity::Affinity;
use pool_core::{Candidate, Candidates, Placement, Profile, RequestInfo};
use pool_testkit::simulation::Chance;

use super::row::{Contender, Trial};

/// Who chooses.
pub(crate) enum Chooser {
    /// The pool's policy.
    Policy(Arc<Affinity>),
    /// Any idle connection.
    Chance(Chance),
}

/// The connections that are idle.
pub(crate) struct Floor {
    idle: Vec<Candidate>,
    chooser: Chooser,
}

impl Chooser {
    /// The policy with its defaults, or chance.
    pub(crate) fn of(trial: Trial) -> Self {
        match trial.contender {
            Contender::Ours => Self::Policy(policy()),
            Contender::Baseline(_) => Self::Chance(Chance::new(trial.seed, "choices")),
        }
    }
}

fn policy() -> Arc<Affinity> {
    let affinity = Affinity::builder().build();
    Arc::new(affinity.expect("the defaults are sound"))
}

/// A request with this profile.
pub(crate) fn request(profile: Profile) -> RequestInfo {
    let mut request = RequestInfo::default();
    request.profile = Some(profile);
    request
}

impl Floor {
    /// So many connections, all idle.
    pub(crate) fn new(connections: u32, chooser: Chooser) -> Self {
        let idle = (0..connections).map(|slot| Candidate::new(slot, u64::from(slot) + 1));
        Self {
            idle: idle.collect(),
            chooser,
        }
    }

    /// Whether this one is idle.
    pub(crate) fn has(&self, connection: Candidate) -> bool {
        self.place(connection).is_ok()
    }

    fn place(&self, connection: Candidate) -> Result<usize, usize> {
        self.idle
            .binary_search_by_key(&connection.slot, |idle| idle.slot)
    }

    /// A connection, if one is idle.
    pub(crate) fn take(&mut self, request: &RequestInfo) -> Option<Candidate> {
        let lowest = *self.idle.first()?;
        let chosen = match &mut self.chooser {
            Chooser::Chance(chance) => Some(self.idle[chance.below(self.idle.len())].slot),
            Chooser::Policy(affinity) => affinity.choose(request, &Candidates::new(&self.idle)),
        };
        let chosen = chosen.and_then(|slot| self.place(Candidate::new(slot, 0)).ok());
        let taken = self.idle.remove(chosen.unwrap_or(0));
        debug_assert!(lowest.slot <= taken.slot, "the idle ones are in order");
        self.begin(request, taken);
        Some(taken)
    }

    /// A lease begins of one that was not idle: it is handed over.
    pub(crate) fn begin(&self, request: &RequestInfo, connection: Candidate) {
        if let Chooser::Policy(affinity) = &self.chooser {
            affinity.acquired(request, connection);
        }
    }

    /// A lease ends.
    pub(crate) fn end(&self, request: &RequestInfo, connection: Candidate) {
        if let Chooser::Policy(affinity) = &self.chooser {
            affinity.released(request, connection);
        }
    }

    /// It is idle from now on.
    pub(crate) fn put(&mut self, connection: Candidate) {
        if let Err(place) = self.place(connection) {
            self.idle.insert(place, connection);
        }
    }

    /// A statement was left in a cache, and another dropped for it.
    pub(crate) fn cached(&self, connection: Candidate, statement: u32, dropped: Option<u32>) {
        if let Chooser::Policy(affinity) = &self.chooser {
            affinity.cached(connection, statement);
            if dropped.is_some() {
                affinity.uncached(connection, dropped);
            }
        }
    }
}
