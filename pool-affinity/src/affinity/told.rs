//! What the pool and the drivers tell.

use std::sync::atomic::{AtomicU64, Ordering};

use pool_core::{Candidate, Profile};

use super::Affinity;
use crate::record::Counts;

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Affinity {
    /// A connection is there.
    pub(super) fn meet(&self, connection: Candidate) {
        self.homes.meet(connection.slot);
        if let Some(record) = self.records.of(connection.slot) {
            self.loads.meet(&record.load);
        }
    }

    pub(super) fn lease_began(&self, profile: Option<&Profile>, connection: Candidate) {
        self.homes.meet(connection.slot);
        let Some(record) = self.records.begin(connection, &self.loads) else {
            return;
        };
        if let Some(profile) = profile {
            let cached = record.sketch.has(profile.statement);
            Self::compare(profile, connection, cached, &record.counts);
            if self.settings.sessions.is_asked() {
                self.sessions.acquired(profile.session, connection);
            }
        }
        record.learned.store(0, Ordering::Relaxed);
        self.loads.add(&record.load);
    }

    /// Counts what was wanted and is there.
    fn compare(profile: &Profile, connection: Candidate, cached: bool, counts: &Counts) {
        if profile.statement != 0 {
            count(if cached {
                &counts.statement_hits
            } else {
                &counts.statement_misses
            });
        }
        if profile.label != 0 {
            let same = connection.label == profile.label;
            count(if same {
                &counts.label_hits
            } else {
                &counts.label_misses
            });
        }
    }

    pub(super) fn lease_ends(&self, profile: Option<&Profile>, connection: Candidate) {
        let Some(record) = self.records.known(connection) else {
            return;
        };
        if connection.label != 0 && self.settings.routing.is_asked() {
            self.whereabouts.note(connection.label, connection.slot);
        }
        if let Some(profile) = profile.filter(|_| self.settings.sessions.is_asked()) {
            let learned = record.learned.load(Ordering::Relaxed);
            self.sessions.released(profile.session, connection, learned);
        }
    }

    pub(super) fn statement_cached(&self, connection: Candidate, statement: u32) {
        let Some(record) = self.records.begin(connection, &self.loads) else {
            return;
        };
        if record.sketch.add(statement) {
            record.learned.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn statement_dropped(&self, connection: Candidate, statement: Option<u32>) {
        if let Some(record) = self.records.known(connection) {
            match statement {
                Some(statement) => record.sketch.remove(statement),
                None => record.sketch.clear(),
            }
        }
    }
}
