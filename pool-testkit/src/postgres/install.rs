//! Gets PostgreSQL onto a bare Debian or Ubuntu.
//!
//! The distribution's package creates and starts a default cluster on port 5432 when it is
//! installed. Nobody asked for that one, so it is switched off first.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use super::error::{ServerError, tail};

const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.conf";

/// Whether this process is root on a system with Debian's package manager.
pub(super) fn is_possible() -> bool {
    geteuid().is_root()
        && Path::new("/etc/debian_version").exists()
        && Path::new("/usr/bin/apt-get").exists()
}

/// Installs the package unless `is_done` says, once no other process is at it, that it is there.
pub(super) fn exclusively(is_done: impl Fn() -> bool) -> Result<(), ServerError> {
    let path = env::temp_dir().join("pool-testkit-install.lock");
    let lock = File::create(&path).map_err(ServerError::file(&path))?;
    lock.lock().map_err(ServerError::file(&path))?;
    if is_done() {
        return Ok(());
    }
    disable_default_cluster()?;
    apt(&["update", "--quiet"])?;
    apt(&[
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        // Keeps the settings written above without a question.
        "--option=Dpkg::Options::=--force-confold",
        "postgresql",
    ])
}

fn disable_default_cluster() -> Result<(), ServerError> {
    let path = Path::new(CLUSTER_SETTINGS);
    let folder = path.parent().expect("a constant with a folder");
    fs::create_dir_all(folder).map_err(ServerError::file(folder))?;
    let mut settings = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(ServerError::file(path))?;
    settings
        .write_all(b"\n# Written before installing: only the server is wanted.\ncreate_main_cluster = false\n")
        .map_err(ServerError::file(path))
}

fn apt(arguments: &[&str]) -> Result<(), ServerError> {
    let output = Command::new("apt-get")
        .args(arguments)
        .arg("--option=DPkg::Lock::Timeout=300")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .map_err(ServerError::run("apt-get"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ServerError::Install {
        command: format!("apt-get {}", arguments.join(" ")),
        output: tail(&[output.stdout, output.stderr].concat()),
    })
}
