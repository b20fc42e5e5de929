//! What is counted.

use std::time::Duration;

use pool_core::CloseReason;
use pool_testkit::simulation::Account;

use super::connection::Connection;

/// What a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The far end has closed it, and says so.
    Reset,
    /// What is sent is lost, and nothing comes.
    BlackHole,
    /// The same, of all connections at once.
    Outage,
}

/// A connection that failed, once it is closed or the run is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// How it failed.
    pub(crate) class: Class,
    /// It was in use, and much so.
    pub(crate) hot: bool,
    /// It was so before, and fell idle then.
    pub(crate) fell_idle: bool,
    /// From the fault until it was out of rotation.
    pub(crate) took: Duration,
    /// To how many callers it was given meanwhile.
    pub(crate) handed: u32,
}

/// All that is counted in a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Callers, from coming to leaving.
    pub(crate) callers: Account,
    /// Connection-seconds with callers.
    pub(crate) leased: f64,
    /// Connection-seconds held by checks.
    pub(crate) checking: f64,
    /// Of these, held by checks that passed.
    pub(crate) passing: f64,
    /// Checks.
    pub(crate) checks: u64,
    /// Failed connections.
    pub(crate) found: Vec<Found>,
    /// Queries that met a benign pause.
    pub(crate) pauses: u64,
    /// Times that a well connection was put in quarantine while it was leased.
    pub(crate) quarantined: u64,
    /// Well connections that were closed as if they were not.
    pub(crate) closed_well: u64,
    /// Well connections that were closed as a precaution, with a successor.
    pub(crate) replaced: u64,
    /// Orders to flush.
    pub(crate) flushes: u64,
    /// Times a policy was asked.
    pub(crate) reviews: u64,
}

impl Tally {
    /// A connection is closed.
    pub(super) fn closed(&mut self, now: Duration, conn: &Connection, reason: CloseReason) {
        let Some(fault) = conn.fault else {
            match reason {
                CloseReason::Lifetime => self.replaced += 1,
                // Its caller had no patience with a long pause; no policy had a part in it.
                CloseReason::InFlight => {}
                _ => self.closed_well += 1,
            }
            return;
        };
        self.found.push(Found {
            class: fault.class,
            hot: fault.hot,
            fell_idle: fault.was_hot && !fault.hot,
            took: fault.out.unwrap_or(now).saturating_sub(fault.at),
            handed: fault.handed,
        });
    }
}
