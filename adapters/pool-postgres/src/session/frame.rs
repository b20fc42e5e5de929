//! What has to be in force for an operation, as text.

use crate::settings::{SettingError, Settings, is_free};
use crate::unit::{Isolation, Modes, Opening};
use pool_multiplex::{Access, Prelude};

/// A role is a setting to sessions, and a statement of its own to the server.
const ROLE: &str = "role";

/// The changes of a prelude, in an order in which each is allowed: out of the role first, since
/// another may not have the right to set what follows, and into it last.
pub(crate) fn settings(prelude: &Prelude) -> Result<Settings, SettingError> {
    let mut text = Settings::new();
    let (had, mut wants) = (prelude.has.get(ROLE), prelude.wants.get(ROLE));
    if prelude.settings.is_empty() {
        return Ok(text);
    }
    let changes = &prelude.settings;
    let names = changes
        .reset
        .iter()
        .chain(changes.set.iter().map(|(name, _)| name));
    // Another role may not have the right to change them. To take a role, or to give it up, none
    // is needed.
    let needs_rights = names
        .filter(|name| !is_role(name))
        .any(|name| !is_free(name));
    if had.is_some() && (needs_rights || wants.is_none()) {
        text.reset_role();
    } else if had == wants {
        wants = None;
    }
    for name in prelude.settings.reset.iter().filter(|name| !is_role(name)) {
        text.reset(name)?;
    }
    for (name, value) in prelude
        .settings
        .set
        .iter()
        .filter(|(name, _)| !is_role(name))
    {
        text.set(name, value)?;
    }
    if let Some(role) = wants {
        text.role(role)?;
    }
    Ok(text)
}

pub(crate) const fn is_role(name: &str) -> bool {
    name.eq_ignore_ascii_case(ROLE)
}

/// The beginning of a transaction.
pub(crate) fn opening(prelude: &Prelude, settings: &Settings) -> Opening {
    let modes = prelude.begin.unwrap_or_default();
    let modes = Modes {
        isolation: modes.isolation.map(isolation),
        read_only: modes.access.map(|access| access == Access::ReadOnly),
        deferrable: modes.deferrable,
    };
    Opening::new(modes, settings)
}

const fn isolation(isolation: pool_multiplex::Isolation) -> Isolation {
    match isolation {
        pool_multiplex::Isolation::ReadUncommitted => Isolation::ReadUncommitted,
        pool_multiplex::Isolation::ReadCommitted => Isolation::ReadCommitted,
        pool_multiplex::Isolation::RepeatableRead => Isolation::RepeatableRead,
        pool_multiplex::Isolation::Serializable => Isolation::Serializable,
    }
}
