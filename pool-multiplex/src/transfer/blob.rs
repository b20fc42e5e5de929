//! The envelope: what stands around the content of a blob.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::transfer::error::TransferError;
use crate::transfer::keys::{Keys, MAC};
use crate::transfer::time::UnixSeconds;

/// The version of the form that this build writes, and the newest that it reads.
pub const VERSION: u16 = 1;

const MAGIC: [u8; 8] = *b"POOLSESS";

/// Bytes in front of the content.
pub(super) const HEADER: usize = 42;

/// An exported session, signed and ready to be sent.
///
/// Signed and **not encrypted**: whoever sees it can read it. See [the module](super).
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    bytes: Vec<u8>,
    id: u128,
    expires: UnixSeconds,
}

impl Blob {
    /// What is to be sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The same in URL-safe base64 without padding, a third longer, for where only text can go.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.bytes)
    }

    /// What tells it from all others: what the exporter was given.
    #[must_use]
    pub const fn id(&self) -> u128 {
        self.id
    }

    /// The first second in which it is not valid any more, skew of the clocks not included.
    #[must_use]
    pub const fn expires(&self) -> UnixSeconds {
        self.expires
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("bytes", &self.bytes.len())
            .field("id", &format_args!("{:032x}", self.id))
            .field("expires", &self.expires)
            .finish()
    }
}

/// The bytes of a text, of which there may be `most`.
pub(super) fn decode(text: &str, most: usize) -> Result<Vec<u8>, TransferError> {
    let bytes = base64::decoded_len_estimate(text.len());
    // The estimate is up to two bytes above the truth, which `Envelope::read` looks at again.
    if bytes > most.saturating_add(3) {
        return Err(TransferError::TooLarge { bytes, most });
    }
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TransferError::NotText)
}

/// Writes the envelope around what `content` appends. That is told how many bytes there may be
/// before the signature, and fails if they are too few.
pub(super) fn seal<E>(
    keys: &Keys,
    id: u128,
    expires: UnixSeconds,
    most: usize,
    content: impl FnOnce(&mut Vec<u8>, usize) -> Result<(), E>,
) -> Result<Blob, TransferError> {
    let does_not_fit = TransferError::DoesNotFit { most };
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend(keys.signs_with().to_be_bytes());
    bytes.extend(expires.0.to_be_bytes());
    bytes.extend(id.to_be_bytes());
    let length_at = bytes.len();
    bytes.extend(0_u32.to_be_bytes());
    let written = content(&mut bytes, most.saturating_sub(MAC));
    let length = written
        .ok()
        .and_then(|()| u32::try_from(bytes.len() - HEADER).ok());
    let length = length.ok_or(does_not_fit)?;
    bytes[length_at..HEADER].copy_from_slice(&length.to_be_bytes());
    let mac = keys.sign(&bytes);
    bytes.extend(mac);
    Ok(Blob { bytes, id, expires })
}

/// What the header says, and the content behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    pub(super) version: u16,
    pub(super) expires: UnixSeconds,
    pub(super) id: u128,
    pub(super) content: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes a blob of at most `most` bytes apart, if it is signed with one of the keys. Nothing is
    /// copied, and the content is not looked at.
    pub(super) fn read(bytes: &'a [u8], keys: &Keys, most: usize) -> Result<Self, TransferError> {
        if bytes.len() > most {
            let bytes = bytes.len();
            return Err(TransferError::TooLarge { bytes, most });
        }
        let mut rest = Rest::new(bytes)?;
        let version = u16::from_be_bytes(rest.take()?);
        if version == 0 || version > VERSION {
            return Err(TransferError::UnknownVersion {
                found: version,
                known: VERSION,
            });
        }
        let key = u32::from_be_bytes(rest.take()?);
        let expires = UnixSeconds(u64::from_be_bytes(rest.take()?));
        let id = u128::from_be_bytes(rest.take()?);
        let length = u32::from_be_bytes(rest.take()?);
        let (content, mac) = rest.content(length as usize)?;
        let signed = &bytes[..bytes.len() - MAC];
        keys.verify(key, signed, mac)?;
        Ok(Self {
            version,
            expires,
            id,
            content,
        })
    }
}

/// The part of a blob that was not read yet.
struct Rest<'a> {
    all: usize,
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, TransferError> {
        let seen = bytes.len().min(MAGIC.len());
        if bytes[..seen] != MAGIC[..seen] {
            return Err(TransferError::NotABlob);
        }
        let all = bytes.len();
        let mut rest = Self { all, bytes };
        rest.take::<{ MAGIC.len() }>()?;
        Ok(rest)
    }

    fn take<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], TransferError> {
        let (taken, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or_else(|| self.too_short(0))?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// The content of this length and the signature, if they are what is left. The length is only
    /// ever compared: nothing is reserved on its word.
    fn content(self, length: usize) -> Result<(&'a [u8], &'a [u8]), TransferError> {
        let expected = length.saturating_add(HEADER + MAC);
        if self.all > expected {
            let bytes = self.all;
            return Err(TransferError::TrailingBytes { bytes, expected });
        }
        let behind = self.bytes.split_at_checked(length);
        behind
            .filter(|(_, mac)| mac.len() == MAC)
            .ok_or_else(|| self.too_short(length))
    }

    const fn too_short(&self, length: usize) -> TransferError {
        TransferError::Truncated {
            bytes: self.all,
            expected: length.saturating_add(HEADER + MAC),
        }
    }
}
