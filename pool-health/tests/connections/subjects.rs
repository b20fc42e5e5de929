//! Connections as a policy sees them.

use std::time::Duration;

use pool_core::{Candidate, ErrorClass, Errors, Place, Pulse, Subject};

pub(crate) const fn connection(slot: u32, connection: u64) -> Candidate {
    Candidate::new(slot, connection)
}

/// An idle connection that was opened at the origin and never used.
pub(crate) fn subject(connection: Candidate) -> Subject {
    Subject {
        connection,
        place: Place::Idle,
        opened: Duration::ZERO,
        used: Duration::ZERO,
        uses: 0,
        reported: 0,
        passed: None,
        quarantined: false,
        pulse: Pulse::default(),
    }
}

/// A number of those, in slots from 0 on.
pub(crate) fn subjects(count: u32) -> Vec<Subject> {
    (0..count)
        .map(|slot| subject(connection(slot, 1 + u64::from(slot))))
        .collect()
}

/// So many errors of a class.
pub(crate) fn errors(count: u32, class: ErrorClass) -> Errors {
    (0..count).fold(Errors::default(), |errors, _| errors.plus(class))
}
