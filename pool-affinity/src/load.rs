//! How much each connection is used, beside the mean.
//!
//! *Load* is the number of leases, of which older ones count less: after each *epoch* of 16 acquires
//! per connection, all loads shrink by a sixteenth, so that what counts is the last 250 or so leases
//! of each. There are no clocks in it: a pool that stands still forgets nothing. Every connection's
//! load is its own word; what is shared is one counter of acquires and a few numbers that are
//! written once an epoch. The load of others shrinks when it is looked at.
//!
//! The *bound* is that of consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam): who
//! would be above 1.25 times the mean is passed over. It is never less than eight leases above the
//! mean: a pool that has only begun has no imbalance to speak of. So somebody is always below it.
//!
//! The mean needs to know how many connections there are, and nobody says when one is closed. So they
//! are counted as they are met, leased or idle, in each epoch; a connection that has not been met for
//! an epoch counts no more.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::number::Fraction;

/// Acquires per connection in an epoch.
const EPOCH: u64 = 16;
/// The longest epoch, in acquires, however many connections there are.
const LONGEST: u64 = 1 << 20;
/// Leases above the mean that are nothing but chance.
const SLACK: f32 = 8.0;
/// What is left of a load after an epoch.
const KEPT: f32 = 1.0 - 1.0 / 16.0;

/// What is known of all loads.
#[derive(Debug)]
pub(crate) struct Loads {
    /// Acquires ever. The one word that every acquire writes.
    acquires: CachePadded<AtomicU64>,
    epoch: AtomicU32,
    /// Acquires before this epoch.
    before: AtomicU64,
    /// Acquires at its end.
    until: AtomicU64,
    /// The sum of loads at its beginning.
    sum: AtomicU64,
    /// Connections met in this epoch so far, and in the one before.
    met: AtomicU32,
    met_before: AtomicU32,
    turning: Mutex<()>,
    factor: f32,
}

/// The load of one connection.
#[derive(Debug, Default)]
pub(crate) struct Load {
    value: Fraction,
    epoch: AtomicU32,
    /// The epoch in which it was met last, and one more.
    met: AtomicU32,
    /// Acquires of the pool at the last one of this.
    used: AtomicU64,
}

/// How things stand, for one choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) epoch: u32,
    pub(crate) acquires: u64,
    pub(crate) mean: f32,
    /// Nobody whose load would be above this.
    pub(crate) cap: f32,
    pub(crate) connections: u32,
}

impl Bound {
    /// Whether one more keeps within the bound.
    pub(crate) fn allows(&self, load: f32) -> bool {
        load + 1.0 <= self.cap
    }

    /// Whether a load is by more than this part above the mean, and not by chance.
    pub(crate) fn exceeds(&self, load: f32, part: f64) -> bool {
        load > self.mean + SLACK && f64::from(self.relative(load)) > 1.0 + part
    }

    /// A load beside the mean: 1 is as much.
    pub(crate) fn relative(&self, load: f32) -> f32 {
        if self.mean > 0.0 {
            load / self.mean
        } else {
            0.0
        }
    }
}

impl Loads {
    pub(crate) fn new(factor: f64) -> Self {
        Self {
            acquires: CachePadded::default(),
            epoch: AtomicU32::new(0),
            before: AtomicU64::new(0),
            until: AtomicU64::new(EPOCH),
            sum: AtomicU64::new(0f64.to_bits()),
            met: AtomicU32::new(0),
            met_before: AtomicU32::new(0),
            turning: Mutex::new(()),
            factor: narrow(factor),
        }
    }

    pub(crate) fn bound(&self) -> Bound {
        let acquires = self.acquires.load(Ordering::Relaxed);
        let since = acquires.saturating_sub(self.before.load(Ordering::Relaxed));
        let connections = self.connections();
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed)) + since as f64;
        let mean = narrow(sum / f64::from(connections.max(1)));
        let after = narrow((sum + 1.0) / f64::from(connections.max(1)));
        Bound {
            epoch: self.epoch.load(Ordering::Relaxed),
            acquires,
            mean,
            cap: (self.factor * after).max(mean + SLACK),
            connections,
        }
    }

    fn connections(&self) -> u32 {
        let met = self.met.load(Ordering::Relaxed);
        met.max(self.met_before.load(Ordering::Relaxed))
    }

    /// Another lease of the connection with this load.
    pub(crate) fn add(&self, load: &Load) {
        let acquires = self.acquires.fetch_add(1, Ordering::Relaxed) + 1;
        let epoch = self.epoch.load(Ordering::Relaxed);
        let value = load.at(epoch) + 1.0;
        load.value.store(value);
        load.epoch.store(epoch, Ordering::Relaxed);
        load.used.store(acquires, Ordering::Relaxed);
        self.meet(load);
        if acquires >= self.until.load(Ordering::Relaxed) {
            self.turn(acquires);
        }
    }

    /// The connection with this load is there. Writes once an epoch.
    pub(crate) fn meet(&self, load: &Load) {
        let now = self.epoch.load(Ordering::Relaxed).wrapping_add(1);
        if load.met.load(Ordering::Relaxed) != now && load.met.swap(now, Ordering::Relaxed) != now {
            self.met.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Its connection is gone, another has taken its place.
    pub(crate) fn clear(&self, load: &Load) {
        let value = load.at(self.epoch.load(Ordering::Relaxed));
        load.value.store(0.0);
        let less = |sum: u64| Some((f64::from_bits(sum) - f64::from(value)).max(0.0).to_bits());
        let _ = self
            .sum
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Begins the next epoch, unless somebody does.
    #[cold]
    fn turn(&self, acquires: u64) {
        let Ok(_turning) = self.turning.try_lock() else {
            return;
        };
        if acquires < self.until.load(Ordering::Relaxed) {
            return;
        }
        let since = acquires.saturating_sub(self.before.load(Ordering::Relaxed));
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed)) + since as f64;
        let kept = sum * f64::from(KEPT);
        self.sum.store(kept.to_bits(), Ordering::Relaxed);
        self.before.store(acquires, Ordering::Relaxed);
        let connections = u64::from(self.connections().max(1));
        let length = (EPOCH * connections).min(LONGEST);
        self.until.store(acquires + length, Ordering::Relaxed);
        let met = self.met.swap(0, Ordering::Relaxed);
        self.met_before.store(met, Ordering::Relaxed);
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }
}

impl Load {
    /// As it is in this epoch.
    pub(crate) fn at(&self, epoch: u32) -> f32 {
        let value = self.value.load();
        match epoch.wrapping_sub(self.epoch.load(Ordering::Relaxed)) {
            0 => value,
            passed if passed < 1 << 30 => {
                value * KEPT.powi(i32::try_from(passed).unwrap_or(i32::MAX))
            }
            // Written by somebody who is an epoch ahead.
            _ => value,
        }
    }

    /// Whether its connection was met in this epoch or one of the two before.
    pub(crate) fn met_lately(&self, epoch: u32) -> bool {
        epoch
            .wrapping_add(1)
            .wrapping_sub(self.met.load(Ordering::Relaxed))
            <= 2
    }

    /// How many acquires of the pool ago it was used.
    pub(crate) fn unused_for(&self, acquires: u64) -> u64 {
        acquires.saturating_sub(self.used.load(Ordering::Relaxed))
    }
}

/// Loads are compared with a tolerance of a quarter.
const fn narrow(value: f64) -> f32 {
    value as f32
}
