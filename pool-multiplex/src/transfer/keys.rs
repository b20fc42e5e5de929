//! The secrets that blobs are signed with.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::transfer::error::TransferError;

/// How many keys may be known at a time. More than two are old ones that nobody took away.
pub const MAX_KEYS: usize = 16;

/// As long as the hash: a shorter secret would be the weakest part of the signature.
const LEAST_SECRET: usize = 32;

/// Bytes of a signature.
pub(super) const MAC: usize = 32;

/// The key that signs, and those whose signatures are still believed.
///
/// To change a secret without losing a blob on its way: let all processes accept the new one; then
/// let them sign with it and accept the old one; and when the last blob signed with the old one has
/// expired, take that away.
///
/// ```
/// use pool_multiplex::transfer::Keys;
///
/// let (new, old) = ([1_u8; 32], [2_u8; 32]); // from where secrets are kept
/// let keys = Keys::new(2, new)?.also_accept(1, old)?;
/// assert_eq!(format!("{keys:?}"), "Keys { signs_with: 2, accepts: [2, 1] }");
/// # Ok::<(), pool_multiplex::transfer::TransferError>(())
/// ```
///
/// The secrets are overwritten when this is dropped; the caller's own copies are the caller's. They
/// are never shown.
pub struct Keys {
    /// The first signs.
    keys: Vec<Key>,
}

struct Key {
    id: u32,
    secret: Zeroizing<Box<[u8]>>,
}

impl Keys {
    /// One key that signs and is believed. The id travels in the clear and names the secret on the
    /// other side.
    ///
    /// # Errors
    ///
    /// [`TransferError::ShortSecret`] below 32 bytes.
    pub fn new(id: u32, secret: impl AsRef<[u8]>) -> Result<Self, TransferError> {
        let key = Key::new(id, secret.as_ref())?;
        Ok(Self { keys: vec![key] })
    }

    /// One more key that is believed, and does not sign.
    ///
    /// # Errors
    ///
    /// [`TransferError::ShortSecret`] below 32 bytes, [`TransferError::DuplicateKey`] for an id that
    /// is there already, [`TransferError::TooMany`] beyond [`MAX_KEYS`].
    pub fn also_accept(mut self, id: u32, secret: impl AsRef<[u8]>) -> Result<Self, TransferError> {
        if self.find(id).is_some() {
            return Err(TransferError::DuplicateKey { key: id });
        }
        if self.keys.len() == MAX_KEYS {
            return Err(TransferError::TooMany {
                what: "keys",
                most: MAX_KEYS,
            });
        }
        self.keys.push(Key::new(id, secret.as_ref())?);
        Ok(self)
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn signs_with(&self) -> u32 {
        self.signer().id
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; MAC] {
        self.signer().mac(bytes).finalize().into_bytes().into()
    }

    /// Whether the key signed these bytes, in a time that does not depend on where they differ.
    pub(super) fn verify(&self, id: u32, bytes: &[u8], mac: &[u8]) -> Result<(), TransferError> {
        let key = self.find(id).ok_or(TransferError::UnknownKey { key: id })?;
        let verified = key.mac(bytes).verify_slice(mac);
        verified.map_err(|_| TransferError::Tampered { key: id })
    }

    fn signer(&self) -> &Key {
        self.keys
            .first()
            .expect("keys are made with one, and none is ever taken away")
    }

    fn find(&self, id: u32) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }
}

impl Key {
    fn new(id: u32, secret: &[u8]) -> Result<Self, TransferError> {
        if secret.len() < LEAST_SECRET {
            return Err(TransferError::ShortSecret {
                key: id,
                bytes: secret.len(),
                least: LEAST_SECRET,
            });
        }
        let secret = Zeroizing::new(Box::from(secret));
        Ok(Self { id, secret })
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.secret);
        mac.expect("HMAC takes a key of any length")
            .chain_update(bytes)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<u32> = self.keys.iter().map(|key| key.id).collect();
        f.debug_struct("Keys")
            .field("signs_with", &self.signs_with())
            .field("accepts", &ids)
            .finish()
    }
}
