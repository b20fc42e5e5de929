//! Where PgBouncer's program is.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::postgres::ServerError;
use crate::postgres::install::{self, Package};

/// Where packages put it; folders of system services are often missing on PATH.
const FOLDERS: [&str; 4] = [
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
];

/// Which PgBouncer [`PgBouncer::start`](super::PgBouncer::start) would run, say `1.18.0`; `install` as
/// [there](super::PgBouncerOptions::install).
///
/// # Errors
///
/// [`ServerError::MissingBouncer`] or [`ServerError::Install`] when there is none, and
/// [`ServerError::Run`] when it does not start.
pub fn version(install: bool) -> Result<String, ServerError> {
    let output = Command::new(path(install)?)
        .arg("--version")
        .output()
        .map_err(ServerError::run("pgbouncer"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next().unwrap_or_default();
    Ok(first.trim_start_matches("PgBouncer").trim().to_owned())
}

/// The program; installs it when `may_install` and possible.
pub(super) fn path(may_install: bool) -> Result<PathBuf, ServerError> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if may_install && install::is_possible() {
        install::exclusively(Package::PgBouncer, || find().is_some())?;
    }
    find().ok_or(ServerError::MissingBouncer)
}

fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| Path::is_file(program))
}
