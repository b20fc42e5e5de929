//! Records as files: those that a run wrote, and those kept under a name to compare with later.
//!
//! A record is read in two steps, its version first, so that a record of another format is told apart
//! from a broken one. A saved record is written beside its place and then renamed: a run that is broken
//! off while it saves leaves the older record whole.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::Deserialize;

use super::error::Error;
use crate::record::{Record, VERSION};

/// The longest file that is read, in bytes; a full run writes about one megabyte.
const MAX_LENGTH: u64 = 64 << 20;
/// The longest name of a saved record, in characters.
const MAX_NAME: usize = 64;

/// The part of a record that every format has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads a record.
///
/// # Errors
/// When the file cannot be read, is no record, or is one of another format.
pub fn read(path: &Path) -> Result<Record, Error> {
    let shown = || path.display().to_string();
    let text = read_text(path)?;
    let malformed = |cause| Error::Malformed {
        path: shown(),
        cause,
    };
    let Versioned { version } = serde_json::from_str(&text).map_err(malformed)?;
    if version != VERSION {
        return Err(Error::Version {
            path: shown(),
            found: version,
        });
    }
    serde_json::from_str(&text).map_err(malformed)
}

/// Reads a text of bounded length.
pub(super) fn read_text(path: &Path) -> Result<String, Error> {
    let failed = |cause| Error::Read {
        path: path.display().to_string(),
        cause,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let length = file
        .take(MAX_LENGTH + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if length as u64 > MAX_LENGTH {
        return Err(Error::TooLong {
            path: path.display().to_string(),
            limit: MAX_LENGTH,
        });
    }
    Ok(text)
}

/// Writes a record as JSON.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, record: &Record) -> Result<(), Error> {
    let json = serde_json::to_string(record).map_err(|cause| Error::Write {
        path: path.display().to_string(),
        cause: cause.into(),
    })?;
    write_text(path, &json)
}

/// Writes a text.
///
/// # Errors
/// When the file cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|cause| Error::Write {
        path: path.display().to_string(),
        cause,
    })
}

/// Whether a file can be written at `path`, as far as its folder tells: asked before a run, not after.
///
/// # Errors
/// When the folder does not exist, or `path` is one itself.
pub fn check_folder(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    };
    let kind = if path.is_dir() {
        io::ErrorKind::IsADirectory
    } else if folder.is_dir() {
        return Ok(());
    } else {
        io::ErrorKind::NotFound
    };
    Err(Error::Write {
        path: path.display().to_string(),
        cause: kind.into(),
    })
}

/// A name under which a record can be kept: safe as the name of a file on every system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl FromStr for Name {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let reason = if name.is_empty() {
            "it is empty"
        } else if name.len() > MAX_NAME {
            "it is too long"
        } else if !name.chars().all(allowed) {
            "it has a character that is not allowed"
        } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            "it begins with a sign"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(Error::Name {
            name: name.to_owned(),
            reason,
        })
    }
}

impl Name {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The folder of saved records.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Records are kept in `folder`, which is made when the first one is saved.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a record, in place of an older one of this name.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, name: &Name, record: &Record) -> Result<PathBuf, Error> {
        let place = self.place(name);
        let failed = |cause| Error::Write {
            path: place.display().to_string(),
            cause,
        };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let partial = self.folder.join(format!("{}.json.partial", name.as_str()));
        write(&partial, record)?;
        fs::rename(&partial, &place).map_err(failed)?;
        Ok(place)
    }

    /// The record kept under `name`.
    ///
    /// # Errors
    /// When there is none (the error lists those that exist), or it cannot be read.
    pub fn load(&self, name: &Name) -> Result<Record, Error> {
        match read(&self.place(name)) {
            Err(Error::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                Err(Error::Unknown {
                    name: name.as_str().to_owned(),
                    saved: self.describe(),
                })
            }
            other => other,
        }
    }

    /// The names of all saved records, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension() == Some(OsStr::new("json")))
            .filter_map(|path| path.file_stem()?.to_str()?.parse::<Name>().ok())
            .map(|name| name.0)
            .collect();
        names.sort();
        names
    }

    fn describe(&self) -> String {
        let names = self.names();
        if names.is_empty() {
            return "none is saved yet: add `--save NAME` to a run".to_owned();
        }
        format!("saved are: {}", names.join(", "))
    }

    fn place(&self, name: &Name) -> PathBuf {
        self.folder.join(format!("{}.json", name.as_str()))
    }
}
