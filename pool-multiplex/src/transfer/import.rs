//! From a blob to a snapshot, once.

use std::time::Duration;

use crate::transfer::blob::{self, Envelope};
use crate::transfer::content;
use crate::transfer::error::TransferError;
use crate::transfer::keys::Keys;
use crate::transfer::ledger::{Ledger, Reservation};
use crate::transfer::limits::{MAX_BLOB, MAX_LIFETIME};
use crate::transfer::snapshot::Snapshot;
use crate::transfer::time::UnixSeconds;

/// Clocks that are kept by NTP differ by less; one that differs by more is worth an error.
const SKEW: Duration = Duration::from_secs(30);

/// About 8 MB when full: 300 imports a second with the exporter's default lifetime.
const REMEMBERED: usize = 100_000;

/// Takes up sessions, each blob once. A registry of sessions has one.
#[derive(Debug)]
pub struct Importer {
    max_blob: usize,
    skew: Duration,
    ledger: Ledger,
}

impl Default for Importer {
    fn default() -> Self {
        Self::new()
    }
}

impl Importer {
    /// Blobs of at most 1 MiB, clocks that differ by 30 s, 100,000 imports remembered.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_blob: MAX_BLOB,
            skew: SKEW,
            ledger: Ledger::new(REMEMBERED),
        }
    }

    /// How large a blob may be, in bytes, everything included.
    #[must_use]
    pub const fn max_blob(mut self, bytes: usize) -> Self {
        self.max_blob = bytes;
        self
    }

    /// How far the clock here may be ahead of the exporter's, in whole seconds: for so long after
    /// its expiry a blob is still taken.
    #[must_use]
    pub const fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// How many imports are remembered at a time, about 80 bytes each. When all of them are of blobs
    /// that have not expired, the next is refused. What was remembered so far is forgotten: set it
    /// before the first import.
    #[must_use]
    pub fn remember(mut self, imports: usize) -> Self {
        self.ledger = Ledger::new(imports);
        self
    }

    /// How many imports are remembered now, those under way included.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.ledger.len()
    }

    /// Reads the blob and keeps it from everybody else until the import is confirmed or dropped.
    ///
    /// In this order: size, form, version, lengths, signature, expiry, content, limits, identity,
    /// and at last whether it was taken before.
    ///
    /// # Errors
    ///
    /// See [`TransferError`]. Nothing is remembered of a blob that was refused.
    pub fn open(
        &self,
        bytes: &[u8],
        keys: &Keys,
        identity: &str,
        now: UnixSeconds,
    ) -> Result<Import, TransferError> {
        let envelope = self.envelope(bytes, keys, now)?;
        let snapshot = take_out(&envelope, identity)?;
        let ticket = (self.refused_from(&envelope), envelope.id);
        let reservation = self.ledger.reserve(ticket, now)?;
        Ok(Import {
            snapshot,
            reservation,
        })
    }

    /// The same for what [`Blob::to_text`](super::Blob::to_text) gave.
    ///
    /// # Errors
    ///
    /// See [`TransferError`].
    pub fn open_text(
        &self,
        text: &str,
        keys: &Keys,
        identity: &str,
        now: UnixSeconds,
    ) -> Result<Import, TransferError> {
        let bytes = blob::decode(text, self.max_blob)?;
        self.open(&bytes, keys, identity, now)
    }

    /// Reads the blob without asking whether it was taken before, and without taking it: for a
    /// store that hands out each blob once itself.
    ///
    /// # Errors
    ///
    /// See [`TransferError`].
    pub fn peek(
        &self,
        bytes: &[u8],
        keys: &Keys,
        identity: &str,
        now: UnixSeconds,
    ) -> Result<Snapshot, TransferError> {
        take_out(&self.envelope(bytes, keys, now)?, identity)
    }

    fn envelope<'a>(
        &self,
        bytes: &'a [u8],
        keys: &Keys,
        now: UnixSeconds,
    ) -> Result<Envelope<'a>, TransferError> {
        let envelope = Envelope::read(bytes, keys, self.max_blob)?;
        let expires = self.refused_from(&envelope);
        if expires <= now {
            return Err(TransferError::Expired { expires, now });
        }
        // Otherwise a mistake in an exporter's clock would fill the memory for years.
        let most = MAX_LIFETIME.saturating_add(self.skew);
        if envelope.expires > now.plus(most) {
            return Err(TransferError::LivesTooLong {
                seconds: envelope.expires.0.saturating_sub(now.0),
                most: most.as_secs(),
            });
        }
        Ok(envelope)
    }

    const fn refused_from(&self, envelope: &Envelope<'_>) -> UnixSeconds {
        envelope.expires.plus(self.skew)
    }
}

fn take_out(envelope: &Envelope<'_>, identity: &str) -> Result<Snapshot, TransferError> {
    let snapshot = content::read(envelope.content, envelope.version)?;
    if &*snapshot.identity != identity {
        let expected = identity.to_owned();
        return Err(TransferError::WrongIdentity { expected });
    }
    Ok(snapshot)
}

/// A session that is being taken up. Dropped, the blob can be imported again; confirmed, it cannot.
#[derive(Debug)]
#[must_use = "dropped, it was no import; confirm it when the session stands"]
pub struct Import {
    snapshot: Snapshot,
    reservation: Reservation,
}

impl Import {
    /// What to set up.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The session stands: its blob is used up.
    pub fn confirm(self) -> Snapshot {
        self.reservation.confirm();
        self.snapshot
    }
}
