//! A session on its way from one process to another.
//!
//! A session whose physical connections stay behind is nothing but what is known about it: its
//! settings, the statements it prepares, its tags and subscriptions. That can be written down, sent,
//! and taken up elsewhere. This module says how it is written and when it is refused. It opens no
//! file and no socket, reads no clock and draws no chance: bytes, time and blob ids come from the
//! caller. It knows neither sessions nor registries, so that a store on another machine can use the
//! same form.
//!
//! # What a blob protects, and what it does not
//!
//! **A blob is signed, not encrypted.** Whoever sees it reads every setting, every statement and all
//! application data in it. Settings can be secrets (`app.token`, say): send blobs over an encrypted
//! channel, keep them where secrets are kept, and keep them short-lived. Encryption is left out on
//! purpose: it needs nonces that must never repeat and keys with a life of their own, and the channel
//! between two processes usually has both already.
//!
//! The signature says that somebody with a known secret wrote the blob, and that nothing in it was
//! changed, its expiry and id included. It is HMAC-SHA-256, compared in constant time, and checked
//! before one byte of the content is parsed: a stranger reaches a header of 42 bytes and nothing
//! behind it. Those who hold a secret are trusted to write sessions, not to be free of mistakes:
//! every limit is checked again behind the signature.
//!
//! # Form
//!
//! All numbers are big-endian.
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 8 | `POOLSESS` |
//! | 8 | 2 | version of the form, now [`VERSION`] |
//! | 10 | 4 | id of the key |
//! | 14 | 8 | expiry, Unix seconds |
//! | 22 | 16 | id of the blob |
//! | 38 | 4 | length of the content |
//! | 42 | … | content: a [`Snapshot`] in JSON |
//! | end | 32 | HMAC-SHA-256 over everything before it |
//!
//! The first ten bytes keep their place in all versions, so that an older reader can say "too new"
//! and not "tampered". A new field is a new version: a reader that does not know it refuses the blob
//! instead of dropping a part of a session in silence (unknown fields are refused too, for the same
//! reason). A newer reader reads older versions. In a rolling update, then, sessions move from old
//! processes to new ones, and not back.
//!
//! Why JSON: what travels is text already, so a binary form saves little; it has no length prefixes,
//! so nothing can be allocated on the word of a number; fields have names, so that a mistake of two
//! builds shows as an error and not as a shifted value, and an operator can read a blob that was
//! refused. `postcard` is shorter and knows no names; CBOR knows them, but announces
//! lengths, and needs a reader that nobody here has otherwise. Application data is base64 in it.
//!
//! # Limits
//!
//! | | at most | each at most |
//! | --- | --- | --- |
//! | the whole blob | 1 MiB ([`MAX_BLOB`]), adjustable | |
//! | identity | 1 | 256 bytes |
//! | settings; baseline | 1,024 each | name 128 bytes, value 8 KiB |
//! | statements | 10,000 | text 1 MiB, scope 8 KiB, 65,535 declared types |
//! | tags | 256 | kind and key 128 bytes, value 8 KiB |
//! | channels | 1,024 | 128 bytes |
//! | application data | 256 | name 128 bytes, value 64 KiB |
//! | life of a blob | | 7 days ([`MAX_LIFETIME`]); 5 minutes unless told otherwise |
//! | keys | 16 ([`MAX_KEYS`]) | secret at least 32 bytes |
//! | remembered imports | 100,000, adjustable | |
//!
//! # Once
//!
//! An [`Importer`] takes a blob once. It remembers the id until the blob has expired, and never
//! forgets one earlier: when its memory is full of blobs that have not, it refuses. Taking is two
//! steps, so that a failure between them loses nothing: [`Importer::open`] reserves the blob, and
//! [`Import::confirm`] says that the session stands; an [`Import`] that is dropped instead gives the
//! blob back. "Once" holds for this importer. Another process has another memory, and so has this
//! one after a restart: a short life is the limit to that.
//!
//! # Time
//!
//! A blob is taken up to the second before its expiry plus the allowed skew of the clocks
//! ([`Importer::skew`], 30 s unless told otherwise), and refused from that second on. An importer
//! whose clock is behind takes it that much longer; one whose clock goes back does not take what it
//! has already forgotten.

mod blob;
mod content;
mod error;
mod export;
mod import;
mod keys;
mod ledger;
mod limits;
mod snapshot;
#[cfg(test)]
mod tests;
mod time;

pub use blob::{Blob, VERSION};
pub use error::TransferError;
pub use export::Exporter;
pub use import::{Import, Importer};
pub use keys::{Keys, MAX_KEYS};
pub use limits::{MAX_BLOB, MAX_LIFETIME};
pub use snapshot::{Data, PreparedStatement, Settings, Snapshot, Tag};
pub use time::UnixSeconds;
