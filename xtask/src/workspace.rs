//! Where things are, whichever folder the command was given in.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The workspace this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    metadata: Metadata,
}

impl Workspace {
    /// Finds the workspace by the folder of this crate, never by the current folder.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let own = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own
            .parent()
            .context("the folder of xtask has no parent: run it from a clone of the repository")?
            .to_path_buf();
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .other_options(["--offline".to_owned()])
            .exec()
            .context("cargo metadata cannot read the workspace: a manifest is broken")?;
        Ok(Self { root, metadata })
    }

    /// The folder of the workspace's manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target folder, `CARGO_TARGET_DIR` included.
    pub(crate) fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// The members of the workspace.
    pub(crate) fn packages(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// A path below the root as people write it: relative, with forward slashes.
    pub(crate) fn place(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        relative.to_string_lossy().replace('\\', "/")
    }

    /// The file a command logs to; the folder is made when it is missing.
    pub(crate) fn log(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.target().join("xtask").join(format!("{name}.log"));
        let folder = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(path)
    }

    /// Cargo, started in the root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo_here();
        command.current_dir(&self.root);
        command
    }
}

/// Cargo, started in the user's current folder.
///
/// The variables that cargo sets for the program it runs are removed: build scripts that watch
/// them would otherwise be run again each time a crate is built from here and from a shell in turn.
pub(crate) fn cargo_here() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(set_by_cargo_run) {
            command.env_remove(name);
        }
    }
    command
}

fn set_by_cargo_run(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}
