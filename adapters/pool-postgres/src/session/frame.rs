//! What has to be in force for an operation, as text.

use crate::settings::{SettingError, Settings, is_free};
use crate::unit::{Isolation, Modes, Opening};
use pool_multiplex::{Access, Prelude};

/// A role is a setting to sessions, and a statement of its own to the server.
const ROLE: &str = "role";

/// The changes of a prelude, in an order in which each is allowed: out of the role first, since
/// another may not have the right to set what follows, and into it last.
///
/// In a transaction that is open already, the role is left as it is unless it is to change: it may be
/// another until the transaction ends.
///
/// What is reset gets back what the connection began with: its `baseline` is what a warm-up has set,
/// which the server would not give back.
pub(crate) fn settings(
    prelude: &Prelude,
    baseline: &[(String, String)],
    in_transaction: bool,
) -> Result<Settings, SettingError> {
    let mut text = Settings::new();
    let (had, wants) = (prelude.has.get(ROLE), prelude.wants.get(ROLE));
    let (had, mut wants) = match in_transaction && had == wants {
        true => (None, None),
        false => (had, wants),
    };
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
    let reset = prelude.settings.reset.iter().filter(|name| !is_role(name));
    let (to_baseline, to_server): (Vec<_>, Vec<_>) =
        reset.partition(|name| of(baseline, name).is_some());
    for name in to_server {
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
    for name in to_baseline {
        if let Some(value) = of(baseline, name) {
            text.set(name, value)?;
        }
    }
    if let Some(role) = wants {
        text.role(role)?;
    }
    Ok(text)
}

/// The value that a connection began with.
pub(crate) fn of<'a>(baseline: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut known = baseline.iter();
    let known = known.find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, value)| &value[..])
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
    match decides_on_transactions(prelude) {
        true => Opening::behind(modes, settings),
        false => Opening::new(modes, settings),
    }
}

/// Whether it changes how transactions begin.
fn decides_on_transactions(prelude: &Prelude) -> bool {
    let changed = prelude.settings.set.iter().map(|(name, _)| name);
    let mut changed = changed.chain(&prelude.settings.reset);
    changed.any(|name| {
        let start = name.get(..20).unwrap_or_default();
        start.eq_ignore_ascii_case("default_transaction_")
    })
}

const fn isolation(isolation: pool_multiplex::Isolation) -> Isolation {
    match isolation {
        pool_multiplex::Isolation::ReadUncommitted => Isolation::ReadUncommitted,
        pool_multiplex::Isolation::ReadCommitted => Isolation::ReadCommitted,
        pool_multiplex::Isolation::RepeatableRead => Isolation::RepeatableRead,
        pool_multiplex::Isolation::Serializable => Isolation::Serializable,
    }
}
