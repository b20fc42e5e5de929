//! Whom servers run as, and how their programs are started.

use std::env;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{User, geteuid};

use super::error::ServerError;

/// The account of a server: that of this process, or an unprivileged one when that is root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account(Option<Ids>);

#[derive(Clone, Copy, Debug)]
struct Ids {
    user: u32,
    group: u32,
}

impl Account {
    pub(crate) fn for_servers() -> Result<Self, ServerError> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        let found = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten());
        let user = found.ok_or(ServerError::NoAccount)?;
        Ok(Self(Some(Ids {
            user: user.uid.as_raw(),
            group: user.gid.as_raw(),
        })))
    }

    /// A command that runs `program` as this account, in `folder` and in its own process group, so
    /// that an interrupt from the keyboard ends the tests and not the server.
    pub(crate) fn command(self, program: impl AsRef<Path>, folder: &Path) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir(folder)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .process_group(0);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some(ids) = self.0 {
            command.uid(ids.user).gid(ids.group);
        }
        command
    }

    /// Makes it the owner of `path`.
    pub(crate) fn give(self, path: &Path) -> Result<(), ServerError> {
        let Some(ids) = self.0 else {
            return Ok(());
        };
        chown(path, Some(ids.user), Some(ids.group)).map_err(ServerError::file(path))
    }
}
