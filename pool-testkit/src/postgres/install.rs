//! Gets servers onto a bare Debian or Ubuntu.
//!
//! The distribution's packages create and start a server of their own when they are installed:
//! PostgreSQL a default cluster on port 5432, PgBouncer a service on port 6432. Nobody asked for
//! those, so they are switched off first.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use super::error::{ServerError, tail};

const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.conf";
/// Asked by the package manager before it starts a service; 101 means that it must not.
const START_POLICY: &str = "/usr/sbin/policy-rc.d";

/// What can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Package {
    Postgres,
    PgBouncer,
}

/// Whether this process is root on a system with Debian's package manager.
pub(crate) fn is_possible() -> bool {
    geteuid().is_root()
        && Path::new("/etc/debian_version").exists()
        && Path::new("/usr/bin/apt-get").exists()
}

/// Installs the package unless `is_done` says, once no other process is at it, that it is there.
pub(crate) fn exclusively(package: Package, is_done: impl Fn() -> bool) -> Result<(), ServerError> {
    let path = env::temp_dir().join("pool-testkit-install.lock");
    let lock = File::create(&path).map_err(ServerError::file(&path))?;
    lock.lock().map_err(ServerError::file(&path))?;
    if is_done() {
        return Ok(());
    }
    match package {
        Package::Postgres => {
            disable_default_cluster()?;
            install("postgresql")
        }
        Package::PgBouncer => {
            let _policy = NoStart::new()?;
            install("pgbouncer")
        }
    }
}

fn install(package: &str) -> Result<(), ServerError> {
    apt(&["update", "--quiet"])?;
    apt(&[
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        // Keeps settings that were written before without a question.
        "--option=Dpkg::Options::=--force-confold",
        package,
    ])
}

/// While this lives, no package starts a service; a policy that is there already is left alone.
struct NoStart {
    is_ours: bool,
}

impl NoStart {
    fn new() -> Result<Self, ServerError> {
        let path = Path::new(START_POLICY);
        if path.exists() {
            return Ok(Self { is_ours: false });
        }
        fs::write(path, "#!/bin/sh\nexit 101\n")
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
            .map_err(ServerError::file(path))?;
        Ok(Self { is_ours: true })
    }
}

impl Drop for NoStart {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = fs::remove_file(START_POLICY)
        {
            eprintln!("pool-testkit: {START_POLICY} could not be removed: {error}");
        }
    }
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
