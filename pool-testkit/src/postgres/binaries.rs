//! Where the server's programs are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::ServerError;
use super::install::{self, Package};

/// Folders that hold one folder per version, each with its `bin`.
const VERSIONED: [&str; 4] = [
    "/usr/lib/postgresql",
    "/usr/local/lib/postgresql",
    "/opt/homebrew/opt",
    "/usr/local/opt",
];

/// Folders that hold the programs themselves.
const PLAIN: [&str; 4] = [
    "/usr/pgsql/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/bin",
    "/usr/libexec/postgresql",
];

/// The folder of `postgres` and `initdb`; installs them when `may_install` and possible.
pub(super) fn folder(may_install: bool) -> Result<PathBuf, ServerError> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if may_install && install::is_possible() {
        install::exclusively(Package::Postgres, || find().is_some())?;
    }
    find().ok_or(ServerError::Missing)
}

fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .find_map(|folder| complete(&folder))
        .or_else(|| VERSIONED.iter().find_map(|root| newest(Path::new(root))))
        .or_else(|| PLAIN.iter().find_map(|folder| complete(Path::new(folder))))
}

/// The real folder of both programs, when `folder` has them: a link on PATH leads to the folder
/// in which they find each other.
fn complete(folder: &Path) -> Option<PathBuf> {
    let real = folder.join("postgres").canonicalize().ok()?;
    let folder = real.parent()?;
    folder.join("initdb").is_file().then(|| folder.to_owned())
}

/// The highest version below `root`.
pub(super) fn newest(root: &Path) -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(root)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let digits = name.to_str()?.trim_start_matches("postgresql@");
            let version = digits.split('.').next()?.parse().ok()?;
            Some((version, complete(&entry.path().join("bin"))?))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, folder)| folder)
}
