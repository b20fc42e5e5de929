//! From a snapshot to a blob.

use std::time::Duration;

use crate::pins::Pins;
use crate::transfer::blob::{self, Blob};
use crate::transfer::content;
use crate::transfer::error::TransferError;
use crate::transfer::keys::Keys;
use crate::transfer::limits::{self, MAX_BLOB, MAX_LIFETIME};
use crate::transfer::snapshot::Snapshot;

/// A move takes seconds; five minutes leave room for one that is tried again.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Writes sessions down.
///
/// ```
/// use pool_multiplex::transfer::{Exporter, Importer, Keys, Snapshot, UnixSeconds};
///
/// # let (secret, random_id) = ([7_u8; 32], 0x5eed_u128);
/// let keys = Keys::new(1, secret)?;
/// let now = UnixSeconds(1_800_000_000);
/// let mut session = Snapshot::new("app@shop", 17, now);
/// session.settings.insert("work_mem".into(), "64MB".into());
/// let blob = Exporter::new().seal(&session, &keys, random_id)?;
///
/// let importer = Importer::new();
/// let import = importer.open(blob.as_bytes(), &keys, "app@shop", now)?;
/// // … the session is set up from `import.snapshot()`; when it stands:
/// assert_eq!(import.confirm(), session);
/// assert!(importer.open(blob.as_bytes(), &keys, "app@shop", now).is_err(), "it was taken");
/// # Ok::<(), pool_multiplex::transfer::TransferError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exporter {
    max_blob: usize,
    lifetime: Duration,
}

impl Default for Exporter {
    fn default() -> Self {
        Self::new()
    }
}

impl Exporter {
    /// Blobs of at most 1 MiB, valid for 5 minutes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_blob: MAX_BLOB,
            lifetime: LIFETIME,
        }
    }

    /// How large a blob may be, in bytes, everything included. The importer has a limit of its own.
    #[must_use]
    pub const fn max_blob(mut self, bytes: usize) -> Self {
        self.max_blob = bytes;
        self
    }

    /// For how long a blob is valid, in whole seconds from [`Snapshot::exported`] on.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Refuses a session that something holds fast on its connection, and names all of it.
    ///
    /// # Errors
    ///
    /// [`TransferError::NotExportable`] unless `pins` is empty.
    pub const fn permit(pins: Pins) -> Result<(), TransferError> {
        if pins.is_empty() {
            return Ok(());
        }
        Err(TransferError::NotExportable { reasons: pins })
    }

    /// Writes the session down and signs it. `id` must be another one for each blob: a random
    /// number is. An importer that has seen it takes no other blob of that id and expiry.
    ///
    /// # Errors
    ///
    /// [`TransferError::TooMany`], [`TransferError::TooLong`] or [`TransferError::DoesNotFit`] when
    /// there is more of something than a blob may carry, [`TransferError::LivesTooLong`] beyond
    /// [`MAX_LIFETIME`].
    pub fn seal(&self, snapshot: &Snapshot, keys: &Keys, id: u128) -> Result<Blob, TransferError> {
        if self.lifetime > MAX_LIFETIME {
            return Err(TransferError::LivesTooLong {
                seconds: self.lifetime.as_secs(),
                most: MAX_LIFETIME.as_secs(),
            });
        }
        limits::check(snapshot)?;
        let expires = snapshot.exported.plus(self.lifetime);
        blob::seal(keys, id, expires, self.max_blob, |to, most| {
            content::write(snapshot, to, most)
        })
    }
}
