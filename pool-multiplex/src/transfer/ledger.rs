//! Which blobs were taken.
//!
//! One ordered map, earliest expiry first: what may be forgotten stands in front. A blob is known by
//! its expiry and its id together; both are signed, so a replay has the same.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::transfer::error::TransferError;
use crate::transfer::time::UnixSeconds;

/// How many expired entries one call forgets. More than the one it adds, so that they get fewer; and
/// not all of them, so that nobody waits for it.
const FORGOTTEN_AT_ONCE: usize = 64;

/// When a blob is refused at the latest, the skew of the clocks included, and its id.
pub(super) type Ticket = (UnixSeconds, u128);

pub(super) struct Ledger {
    /// Entries.
    capacity: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    blobs: BTreeMap<Ticket, State>,
    /// Every blob that was forgotten was refused from here on, or earlier. So is every other that
    /// may have been among them, even if the clock goes back.
    forgotten_until: UnixSeconds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reserved,
    Imported,
}

impl Ledger {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            taken: Arc::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.taken).blobs.len()
    }

    /// Keeps the blob from everybody else until the reservation is confirmed or dropped.
    pub(super) fn reserve(
        &self,
        ticket: Ticket,
        now: UnixSeconds,
    ) -> Result<Reservation, TransferError> {
        let mut taken = lock(&self.taken);
        taken.forget(now);
        if ticket.0 <= taken.forgotten_until.max(now) {
            return Err(TransferError::Expired {
                expires: ticket.0,
                now: taken.forgotten_until.max(now),
            });
        }
        match taken.blobs.get(&ticket) {
            Some(State::Imported) => return Err(TransferError::AlreadyImported),
            Some(State::Reserved) => return Err(TransferError::ImportUnderWay),
            None => {}
        }
        taken.room(self.capacity)?;
        taken.blobs.insert(ticket, State::Reserved);
        Ok(Reservation {
            taken: Arc::clone(&self.taken),
            ticket,
        })
    }
}

impl Taken {
    fn forget(&mut self, now: UnixSeconds) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            match self.blobs.first_entry() {
                Some(first) if first.key().0 <= now => {
                    self.forgotten_until = self.forgotten_until.max(first.key().0);
                    first.remove();
                }
                _ => return,
            }
        }
    }

    fn room(&self, capacity: usize) -> Result<(), TransferError> {
        if self.blobs.len() < capacity {
            return Ok(());
        }
        let first = self.blobs.first_key_value();
        Err(TransferError::LedgerFull {
            remembered: self.blobs.len(),
            until: first.map_or(UnixSeconds(u64::MAX), |((until, _), _)| *until),
        })
    }
}

// What it holds is counted and not listed: it may be much.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("capacity", &self.capacity)
            .field("remembered", &self.len())
            .finish()
    }
}

/// A blob that nobody else can take. Dropped, it can be taken again.
pub(super) struct Reservation {
    taken: Arc<Mutex<Taken>>,
    ticket: Ticket,
}

impl Reservation {
    /// It was taken, and stays so until it has expired.
    pub(super) fn confirm(self) {
        // If it is gone, it expired meanwhile: nobody takes it again either.
        if let Some(state) = lock(&self.taken).blobs.get_mut(&self.ticket) {
            *state = State::Imported;
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reservation").field(&self.ticket).finish()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if taken.blobs.get(&self.ticket) == Some(&State::Reserved) {
            taken.blobs.remove(&self.ticket);
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    // No step leaves the map half changed, so that a panic elsewhere is no reason to stop.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
