//! Why a session was not exported, or not imported.

use crate::pins::Pins;
use crate::transfer::time::UnixSeconds;

/// Why a session was not exported, or not imported. Nothing was changed on either side.
///
/// Messages name what was refused and what helps. They contain names of settings, never their
/// values, and ids of keys, never their secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The session has something that lives on its connection only.
    #[error(
        "the session cannot leave its connection: {reasons}; end all of these before the export"
    )]
    NotExportable {
        /// All that hold it.
        reasons: Pins,
    },
    /// The session has more of something than a blob may carry.
    #[error("more than {most} {what}; drop some before the export")]
    TooMany {
        /// Of what, in the plural.
        what: &'static str,
        /// How many a blob may carry.
        most: usize,
    },
    /// One thing is longer than a blob may carry.
    #[error("{what} has {bytes} bytes, of at most {most}; shorten or drop it before the export")]
    TooLong {
        /// Which thing.
        what: String,
        /// How long it is, in bytes.
        bytes: usize,
        /// How long it may be, in bytes.
        most: usize,
    },
    /// All in all the session is larger than a blob may be.
    #[error(
        "the session does not fit into a blob of {most} bytes; raise max_blob on both sides, or \
         drop statements or application data"
    )]
    DoesNotFit {
        /// How large a blob may be, in bytes.
        most: usize,
    },
    /// A blob would be valid for longer than any may be.
    #[error(
        "valid for {seconds} s, of at most {most}; export with a shorter lifetime, or look at the \
         clocks of both sides"
    )]
    LivesTooLong {
        /// How long it would be valid from now on, in seconds.
        seconds: u64,
        /// How long it may be, in seconds.
        most: u64,
    },
    /// The bytes do not begin like a blob.
    #[error("not an exported session; pass the bytes of the export unchanged")]
    NotABlob,
    /// More bytes than a blob may have. None of them was looked at.
    #[error("{bytes} bytes, of at most {most}; raise max_blob if it is an exported session")]
    TooLarge {
        /// How many there are.
        bytes: usize,
        /// How many there may be.
        most: usize,
    },
    /// The blob was written in a form that this build does not read.
    #[error(
        "the blob has version {found}, this build reads versions 1 to {known}; update this process \
         before it imports from newer ones"
    )]
    UnknownVersion {
        /// What the blob says.
        found: u16,
        /// The newest that this build reads.
        known: u16,
    },
    /// The blob ends too early.
    #[error("the blob has {bytes} bytes of {expected}; it was cut off, send it again")]
    Truncated {
        /// How many there are.
        bytes: usize,
        /// How many there must be, at least.
        expected: usize,
    },
    /// The blob goes on behind its end.
    #[error("the blob has {bytes} bytes and must have {expected}; pass one blob and nothing else")]
    TrailingBytes {
        /// How many there are.
        bytes: usize,
        /// How many there must be.
        expected: usize,
    },
    /// The text is not URL-safe base64 without padding.
    #[error(
        "not the text of an exported session; pass it unchanged, without spaces or line breaks"
    )]
    NotText,
    /// The blob was signed with a key that is not among the known ones.
    #[error("signed with key {key}, which is not known here; add it with also_accept")]
    UnknownKey {
        /// The id of that key.
        key: u32,
    },
    /// The signature is not that of the content.
    #[error(
        "the signature with key {key} does not match: the blob was changed, or this key has another \
         secret on the other side"
    )]
    Tampered {
        /// The id of the key.
        key: u32,
    },
    /// The blob is not valid any more.
    #[error(
        "expired at {expires}, and it is {now}; export again, with a longer lifetime if need be, or \
         look at the clocks of both sides"
    )]
    Expired {
        /// From when on it is refused here, the allowed skew of the clocks included.
        expires: UnixSeconds,
        /// The time here.
        now: UnixSeconds,
    },
    /// The content is signed and still cannot be read: another build wrote it under this version.
    #[error(
        "signed content that is no session of version {version} (line {line}, byte {column}); the \
         two sides run builds that do not agree"
    )]
    Malformed {
        /// The version that the blob says it has.
        version: u16,
        /// The line of the content, from 1 on; 0 if it is not known.
        line: usize,
        /// The byte in that line.
        column: usize,
    },
    /// The session belongs to somebody else.
    #[error("the session does not belong to {expected:?}; import it where it does")]
    WrongIdentity {
        /// Who takes up sessions here.
        expected: String,
    },
    /// The blob was imported here before.
    #[error("imported here already; a blob is good for one import, export the session again")]
    AlreadyImported,
    /// The blob is being imported by somebody else at this moment.
    #[error("being imported at this moment; ask again only if that import fails")]
    ImportUnderWay,
    /// As many imports are remembered as may be, and none of them may be forgotten yet.
    #[error(
        "{remembered} imports are remembered and none may be forgotten before {until}; wait, raise \
         remember, or export with shorter lifetimes"
    )]
    LedgerFull {
        /// How many are remembered.
        remembered: usize,
        /// When the first may be forgotten.
        until: UnixSeconds,
    },
    /// A secret is too short to sign with.
    #[error("the secret of key {key} has {bytes} bytes; use at least {least} random ones")]
    ShortSecret {
        /// The id of the key.
        key: u32,
        /// How many bytes the secret has.
        bytes: usize,
        /// How many it must have.
        least: usize,
    },
    /// Two keys have the same id.
    #[error("key {key} is there already; give each secret an id of its own")]
    DuplicateKey {
        /// That id.
        key: u32,
    },
}
