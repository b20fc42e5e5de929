//! The content of a blob: a snapshot in JSON, written and read within limits.
//!
//! Reading keeps one thing more than a list may have and skips the rest without keeping it. What is
//! read is then at most a small multiple of the bytes it was read from, and the check behind it
//! still sees that there was too much, and of what.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;

use crate::transfer::error::TransferError;
use crate::transfer::limits;
use crate::transfer::snapshot::{Data, Snapshot};

/// Appends the snapshot to `to`, and fails if that would have more than `most` bytes then. It can
/// fail for nothing else: all keys are strings, and all values have a form in JSON.
pub(super) fn write(snapshot: &Snapshot, to: &mut Vec<u8>, most: usize) -> serde_json::Result<()> {
    serde_json::to_writer(Limited { to, most }, snapshot)
}

/// Reads a snapshot of version 1 and checks it against the limits.
pub(super) fn read(bytes: &[u8], version: u16) -> Result<Snapshot, TransferError> {
    // The reader's own words are left out: they repeat what they stumbled over.
    let malformed = |error: serde_json::Error| TransferError::Malformed {
        version,
        line: error.line(),
        column: error.column(),
    };
    let snapshot = serde_json::from_slice(bytes).map_err(malformed)?;
    limits::check(&snapshot)?;
    Ok(snapshot)
}

/// Stops at a limit instead of growing to the size of what is refused afterwards.
struct Limited<'a> {
    to: &'a mut Vec<u8>,
    most: usize,
}

impl io::Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most.saturating_sub(self.to.len()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.to.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A list of which no more than `MOST` and one are kept.
pub(super) fn list<'de, D, T, const MOST: usize>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    from.deserialize_seq(List::<T, MOST>(PhantomData))
}

struct List<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while list.len() <= MOST {
            let Some(element) = from.next_element()? else {
                return Ok(list);
            };
            list.push(element);
        }
        while from.next_element::<IgnoredAny>()?.is_some() {}
        Ok(list)
    }
}

/// A map of which no more than `MOST` and one are kept, and in which no name occurs twice.
pub(super) fn map<'de, D, T, const MOST: usize>(from: D) -> Result<BTreeMap<Arc<str>, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    from.deserialize_map(Map::<T, MOST>(PhantomData))
}

struct Map<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Map<T, MOST> {
    type Value = BTreeMap<Arc<str>, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while map.len() <= MOST {
            let Some((name, value)) = from.next_entry()? else {
                return Ok(map);
            };
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a name occurs twice"));
            }
        }
        while from.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(map)
    }
}

/// Application data, which need not be text, as text.
pub(super) fn write_data<S: Serializer>(data: &Data, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(
        data.iter()
            .map(|(name, bytes)| (name, URL_SAFE_NO_PAD.encode(bytes))),
    )
}

/// And back.
pub(super) fn read_data<'de, D: Deserializer<'de>>(from: D) -> Result<Data, D::Error> {
    let encoded: BTreeMap<Arc<str>, String> = map::<_, _, { limits::DATA }>(from)?;
    let decode = |(name, text): (Arc<str>, String)| {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        Ok((name, Arc::from(bytes)))
    };
    encoded.into_iter().map(decode).collect()
}
