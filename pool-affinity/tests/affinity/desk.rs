//! Idle connections, and a policy that chooses among them.

use std::cell::Cell;
use std::sync::Arc;

use pool_affinity::{Affinity, AffinityBuilder};
use pool_core::{Candidate, Candidates, Placement, Profile, RequestInfo};

/// What a pool would do about choices.
pub(crate) struct Desk {
    pub(crate) affinity: Arc<Affinity>,
    pub(crate) idle: Vec<Candidate>,
    /// Choices that were not idle, or not made.
    pub(crate) overruled: Cell<u64>,
}

pub(crate) fn request(profile: Profile) -> RequestInfo {
    let mut request = RequestInfo::default();
    request.profile = Some(profile);
    request
}

pub(crate) fn at(slot: u32) -> Candidate {
    Candidate::new(slot, u64::from(slot) + 1)
}

impl Desk {
    pub(crate) fn new(connections: u32, builder: AffinityBuilder) -> Self {
        Self {
            affinity: Arc::new(builder.build().expect("the settings are sound")),
            idle: (0..connections).map(at).collect(),
            overruled: Cell::new(0),
        }
    }

    /// What is chosen, if anything.
    pub(crate) fn choose(&self, profile: Profile) -> Option<u32> {
        let candidates = Candidates::new(&self.idle);
        self.affinity.choose(&request(profile), &candidates)
    }

    /// Takes what is chosen, or else the first.
    pub(crate) fn take(&mut self, profile: Profile) -> Candidate {
        let chosen = self.choose(profile);
        let place = chosen.and_then(|slot| self.idle.iter().position(|one| one.slot == slot));
        if place.is_none() {
            self.overruled.set(self.overruled.get() + 1);
        }
        let taken = self.idle.remove(place.unwrap_or(0));
        self.affinity.acquired(&request(profile), taken);
        taken
    }

    pub(crate) fn give(&mut self, profile: Profile, connection: Candidate) {
        self.affinity.released(&request(profile), connection);
        let place = self.idle.partition_point(|one| one.slot < connection.slot);
        self.idle.insert(place, connection);
    }

    /// A lease from beginning to end.
    pub(crate) fn lease(&mut self, profile: Profile) -> Candidate {
        let connection = self.take(profile);
        self.give(profile, connection);
        connection
    }

    /// A lease of this connection, by whomever.
    pub(crate) fn lease_of(&mut self, profile: Profile, connection: Candidate) {
        self.affinity.acquired(&request(profile), connection);
        self.affinity.released(&request(profile), connection);
    }

    /// Leases all connections equally often, so that loads are even.
    pub(crate) fn even(&mut self, times: u32) {
        for _ in 0..times {
            for connection in self.idle.clone() {
                self.lease_of(Profile::default(), connection);
            }
        }
    }
}
