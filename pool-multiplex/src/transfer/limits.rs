//! How much of everything a blob may carry.
//!
//! Far more than a session has that was not made to hurt. The same check runs on both sides: before
//! anything is signed, and again on what was read, since a signature says who wrote it and not that
//! it is sane.

use std::time::Duration;

use crate::transfer::error::TransferError;
use crate::transfer::snapshot::{PreparedStatement, Settings, Snapshot, Tag};

/// Bytes of a whole blob unless told otherwise: a thousand statements of a kilobyte.
pub const MAX_BLOB: usize = 1 << 20;

/// How long a blob may be valid. For so long an importer must remember it.
pub const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) const SETTINGS: usize = 1024;
pub(super) const STATEMENTS: usize = 10_000;
pub(super) const TYPES: usize = 65_535;
pub(super) const TAGS: usize = 256;
pub(super) const CHANNELS: usize = 1024;
pub(super) const DATA: usize = 256;

const IDENTITY_BYTES: usize = 256;
const NAME_BYTES: usize = 128;
const VALUE_BYTES: usize = 8 << 10;
const TEXT_BYTES: usize = 1 << 20;
const DATA_BYTES: usize = 64 << 10;

type Checked = Result<(), TransferError>;

/// Refuses the first thing that is too much.
pub(super) fn check(snapshot: &Snapshot) -> Checked {
    length(snapshot.identity.len(), IDENTITY_BYTES, || {
        "the identity".to_owned()
    })?;
    settings(&snapshot.baseline, "settings of the baseline")?;
    settings(&snapshot.settings, "settings")?;
    count(snapshot.statements.len(), STATEMENTS, "statements")?;
    for (at, one) in snapshot.statements.iter().enumerate() {
        statement(at, one)?;
    }
    count(snapshot.tags.len(), TAGS, "tags")?;
    snapshot.tags.iter().try_for_each(tag)?;
    count(snapshot.channels.len(), CHANNELS, "channels")?;
    for channel in &snapshot.channels {
        name(channel, "the name of a channel")?;
    }
    data(snapshot)
}

fn settings(settings: &Settings, what: &'static str) -> Checked {
    count(settings.len(), SETTINGS, what)?;
    for (key, value) in settings {
        name(key, "the name of a setting")?;
        length(value.len(), VALUE_BYTES, || {
            format!("the value of setting {key:?}")
        })?;
    }
    Ok(())
}

fn statement(at: usize, statement: &PreparedStatement) -> Checked {
    let which = || format!("statement {at} (0 was used last)");
    length(statement.text.len(), TEXT_BYTES, || {
        format!("the text of {}", which())
    })?;
    length(statement.scope.len(), VALUE_BYTES, || {
        format!("the scope of {}", which())
    })?;
    count(
        statement.types.len(),
        TYPES,
        "declared types of a statement",
    )
}

fn tag(tag: &Tag) -> Checked {
    name(&tag.kind, "the kind of a tag")?;
    name(&tag.key, "the key of a tag")?;
    length(tag.value.len(), VALUE_BYTES, || {
        format!("the value of tag {:?}", tag.key)
    })
}

fn data(snapshot: &Snapshot) -> Checked {
    count(snapshot.data.len(), DATA, "entries of application data")?;
    for (key, value) in &snapshot.data {
        name(key, "the name of application data")?;
        length(value.len(), DATA_BYTES, || {
            format!("application data {key:?}")
        })?;
    }
    Ok(())
}

const fn count(found: usize, most: usize, what: &'static str) -> Checked {
    if found > most {
        return Err(TransferError::TooMany { what, most });
    }
    Ok(())
}

// One that is too long is not repeated in the message.
fn name(name: &str, what: &'static str) -> Checked {
    length(name.len(), NAME_BYTES, || what.to_owned())
}

fn length(bytes: usize, most: usize, what: impl FnOnce() -> String) -> Checked {
    if bytes > most {
        let what = what();
        return Err(TransferError::TooLong { what, bytes, most });
    }
    Ok(())
}
