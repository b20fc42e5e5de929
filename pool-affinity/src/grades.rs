//! How each connection did each kind of work.
//!
//! The history is bounded: of a connection and a class, successes and failures are counted, both
//! halved when there are many, and the length of the work is a mean in which the latest counts for a
//! tenth; of a class, there is a histogram of 64 half octaves of which half is forgotten after 4,096.
//! Nothing is locked: a count that is lost to another thread is a sample less.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use pool_core::Candidate;

use crate::number::Fraction;
use crate::per_slot::PerSlot;
use crate::score::{Features, NotAPart, part};
use crate::{Class, ClassStatistics};

mod histogram;

use histogram::Histogram;

/// What the latest counts for beside all before it.
const GAIN: f32 = 0.1;
/// After so many, half of a connection's successes and failures of a class are forgotten.
const REMEMBERED: u32 = 256;
/// Success and speed in the efficiency of a connection.
const EFFICIENCY: (f64, f64) = (0.6, 0.4);

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Grades {
    connections: PerSlot<Grade>,
    classes: [Totals; Class::COUNT],
    rejected: AtomicU64,
    unclassified: AtomicU64,
}

/// Of one connection.
#[derive(Debug, Default)]
struct Grade {
    /// Of the connection, and one more; 0 before the first.
    number: AtomicU64,
    /// What is missing to full health, so that it begins there.
    illness: Fraction,
    age: Fraction,
    classes: [Cell; Class::COUNT],
}

/// Of one class, on one connection.
#[derive(Debug, Default)]
struct Cell {
    succeeded: AtomicU32,
    failed: AtomicU32,
    /// In seconds; 0 if nothing is known.
    takes: Fraction,
}

/// Of one class, on all.
#[derive(Debug, Default)]
struct Totals {
    succeeded: AtomicU64,
    failed: AtomicU64,
    takes: Fraction,
    lengths: Histogram,
}

impl Cell {
    fn note(&self, took: f32, succeeded: bool) {
        let (ok, failed) = (&self.succeeded, &self.failed);
        let count = if succeeded { ok } else { failed };
        count.fetch_add(1, Ordering::Relaxed);
        let (good, bad) = (ok.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
        if good.saturating_add(bad) > REMEMBERED {
            ok.store(good / 2, Ordering::Relaxed);
            failed.store(bad / 2, Ordering::Relaxed);
        }
        approach(&self.takes, took);
    }

    /// How often it succeeds, as far as one can tell: the mean of the posterior of Beta(1, 1).
    fn success(&self) -> f64 {
        let succeeded = f64::from(self.succeeded.load(Ordering::Relaxed));
        let failed = f64::from(self.failed.load(Ordering::Relaxed));
        (succeeded + 1.0) / (succeeded + failed + 2.0)
    }

    fn count(&self) -> u32 {
        let succeeded = self.succeeded.load(Ordering::Relaxed);
        succeeded.saturating_add(self.failed.load(Ordering::Relaxed))
    }
}

impl Totals {
    /// 1 takes no time, 0 takes the 95th percentile and longer. What is unknown takes what is usual.
    fn speed(&self, takes: f32) -> f64 {
        let takes = if takes > 0.0 {
            takes
        } else {
            self.takes.load()
        };
        let slow = self.lengths.p95();
        if slow > 0.0 && takes > 0.0 {
            1.0 - f64::from(takes / slow).min(1.0)
        } else {
            0.5
        }
    }
}

fn approach(mean: &Fraction, took: f32) {
    let before = mean.load();
    let after = if before > 0.0 {
        before + GAIN * (took - before)
    } else {
        took
    };
    mean.store(after);
}

impl Grades {
    /// What is kept of this connection, begun anew if the slot had another.
    fn begin(&self, connection: Candidate) -> Option<&Grade> {
        let grade = self.connections.of(connection.slot)?;
        let number = connection.connection.wrapping_add(1);
        let known = grade.number.load(Ordering::Relaxed);
        if known > number {
            return None;
        }
        let order = Ordering::Relaxed;
        if known < number
            && grade
                .number
                .compare_exchange(known, number, order, order)
                .is_ok()
        {
            grade.illness.store(0.0);
            grade.age.store(0.0);
            for cell in &grade.classes {
                cell.succeeded.store(0, order);
                cell.failed.store(0, order);
                cell.takes.store(0.0);
            }
        }
        Some(grade)
    }

    fn known(&self, connection: Candidate) -> Option<&Grade> {
        let number = connection.connection.wrapping_add(1);
        let grade = self.connections.look(connection.slot)?;
        (grade.number.load(Ordering::Relaxed) == number).then_some(grade)
    }

    pub(crate) fn completed(
        &self,
        connection: Candidate,
        class: u32,
        took: Duration,
        succeeded: bool,
    ) {
        let Some(class) = Class::from_id(class) else {
            self.unclassified.fetch_add(1, Ordering::Relaxed);
            return;
        };
        // Never 0, which stands for unknown.
        let took = took.as_secs_f32().max(1e-9);
        let totals = &self.classes[class.index()];
        let count = if succeeded {
            &totals.succeeded
        } else {
            &totals.failed
        };
        count.fetch_add(1, Ordering::Relaxed);
        approach(&totals.takes, took);
        totals.lengths.note(took);
        if let Some(grade) = self.begin(connection) {
            grade.classes[class.index()].note(took, succeeded);
        }
    }

    pub(crate) fn rated(
        &self,
        connection: Candidate,
        health: f64,
        age: f64,
    ) -> Result<(), NotAPart> {
        let parts = part(health).and_then(|health| Ok((health, part(age)?)));
        let (health, age) = parts.inspect_err(|_| {
            self.rejected.fetch_add(1, Ordering::Relaxed);
        })?;
        if let Some(grade) = self.begin(connection) {
            grade.illness.store((1.0 - health) as f32);
            grade.age.store(age as f32);
        }
        Ok(())
    }

    /// How well a connection does as a whole; 1 unless somebody has said otherwise.
    pub(crate) fn health(&self, connection: Candidate) -> f64 {
        let illness = self
            .known(connection)
            .map_or(0.0, |grade| grade.illness.load());
        1.0 - f64::from(illness)
    }

    pub(crate) fn age(&self, connection: Candidate) -> f64 {
        self.known(connection)
            .map_or(0.0, |grade| f64::from(grade.age.load()))
    }

    /// All but what it has cached and how much it is used.
    pub(crate) fn features(
        &self,
        connection: Candidate,
        class: Class,
    ) -> Result<Features, NotAPart> {
        let totals = &self.classes[class.index()];
        let Some(grade) = self.known(connection) else {
            return Features::default().speed(totals.speed(0.0));
        };
        let cell = &grade.classes[class.index()];
        Features::default()
            .success(cell.success())?
            .speed(totals.speed(cell.takes.load()))?
            .health(1.0 - f64::from(grade.illness.load()))?
            .age(f64::from(grade.age.load()))
    }

    /// How well a connection does its work, beside others at the same work: from 0 to 1.
    pub(crate) fn efficiency(&self, connection: Candidate) -> Option<f64> {
        let grade = self.known(connection)?;
        let (mut sum, mut count) = (0.0, 0.0);
        for (cell, totals) in grade.classes.iter().zip(&self.classes) {
            let weight = f64::from(cell.count());
            let speed = totals.speed(cell.takes.load());
            sum += weight * (EFFICIENCY.0 * cell.success() + EFFICIENCY.1 * speed);
            count += weight;
        }
        (count > 0.0).then(|| sum / count)
    }

    pub(crate) fn class(&self, class: Class) -> ClassStatistics {
        let totals = &self.classes[class.index()];
        ClassStatistics {
            succeeded: totals.succeeded.load(Ordering::Relaxed),
            failed: totals.failed.load(Ordering::Relaxed),
            mean: Duration::try_from_secs_f32(totals.takes.load()).unwrap_or(Duration::MAX),
            p95: Duration::try_from_secs_f32(totals.lengths.p95()).unwrap_or(Duration::MAX),
        }
    }

    /// Numbers that were refused, and work of no class.
    pub(crate) fn refused(&self) -> (u64, u64) {
        let rejected = self.rejected.load(Ordering::Relaxed);
        (rejected, self.unclassified.load(Ordering::Relaxed))
    }
}
