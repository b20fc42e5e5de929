//! What has to be in force for an operation, as text.

use crate::settings::{SettingError, Settings, is_free};
use crate::unit::{Isolation, Modes, Opening};
use pool_multiplex::{Access, Prelude};

/// A role is a setting to sessions, and a statement of its own to the server.
const ROLE: &str = "role";

/// The role of nobody but the user who logged in. Others may be called so in capitals.
pub(crate) const NO_ROLE: &str = "none";

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
    let began_with = of(baseline, ROLE);
    let had = prelude.has.get(ROLE).map(|role| &role[..]).or(began_with);
    let wants = prelude.wants.get(ROLE).map(|role| &role[..]).or(began_with);
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
    let is_in_one = had.is_some_and(|role| role != NO_ROLE);
    if is_in_one && needs_rights || had.is_some() && wants.is_none() {
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
        text.set_or_role(ROLE, role)?;
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

/// Whether a timeout of the connection's may hit the BEGIN, or another's does not concern the session:
/// a statement sent behind a BEGIN that was cancelled runs without a transaction, and with the settings
/// that the connection has. Settings hold only for the next request, so it is the old value that counts.
///
/// Of a timeout of the session's own, only one that is short enough to be over by chance matters.
pub(crate) fn may_time_out(prelude: &Prelude, baseline: &[(String, String)]) -> bool {
    const TIMEOUT: &str = "statement_timeout";
    let of_baseline = of(baseline, TIMEOUT);
    let has = prelude.has.get(TIMEOUT).map(|value| &value[..]);
    let wants = prelude.wants.get(TIMEOUT).map(|value| &value[..]);
    let (has, wants) = (has.or(of_baseline), wants.or(of_baseline));
    let is_there = |timeout: &&str| {
        let digits = timeout.trim_start_matches('0');
        digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
    };
    has.filter(is_there)
        .is_some_and(|has| Some(has) != wants || is_short(has))
}

/// Whether a timeout is shorter than what a server may stand still for; as the server spells it, or
/// as a number of milliseconds.
fn is_short(timeout: &str) -> bool {
    const SHORT: u32 = 100;
    let milliseconds = timeout.strip_suffix("ms").unwrap_or(timeout).trim();
    milliseconds
        .parse::<u32>()
        .is_ok_and(|milliseconds| milliseconds < SHORT)
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

#[cfg(test)]
mod tests {
    use super::{may_time_out, settings};
    use pool_multiplex::{Difference, Interner, Prelude};

    fn prelude(has: &[(&str, &str)], wants: &[(&str, &str)]) -> Prelude {
        let interner = Interner::new(10);
        let has = interner.intern(has.iter().copied());
        let wants = interner.intern(wants.iter().copied());
        Prelude {
            settings: Difference::between(&has, &wants),
            has,
            wants,
            begin: None,
        }
    }

    #[test]
    fn only_a_timeout_that_is_anothers_or_short_is_waited_for() {
        const NAME: &str = "statement_timeout";
        let asks = |has: Option<&str>, wants: Option<&str>, of_warm_up: Option<&str>| {
            let has: Vec<_> = has.map(|value| (NAME, value)).into_iter().collect();
            let wants: Vec<_> = wants.map(|value| (NAME, value)).into_iter().collect();
            let baseline: Vec<_> = of_warm_up
                .map(|value| (NAME.to_owned(), value.to_owned()))
                .into_iter()
                .collect();
            may_time_out(&prelude(&has, &wants), &baseline)
        };
        assert!(asks(Some("5s"), None, None));
        assert!(asks(Some("5s"), Some("6s"), None));
        assert!(asks(Some("20ms"), Some("20ms"), None));
        assert!(asks(None, None, Some("99")));
        assert!(!asks(Some("100ms"), Some("100ms"), None));
        assert!(!asks(Some("1min"), Some("1min"), None));
        assert!(!asks(Some("0"), Some("5s"), None));
        assert!(!asks(None, Some("1ms"), None));
        assert!(!asks(None, None, Some("5s")));
    }

    #[test]
    fn no_role_is_not_the_role_that_a_connection_began_with() {
        let of_warm_up = [("role".to_owned(), "low".to_owned())];
        let text = |has: &[(&str, &str)], wants: &[(&str, &str)], baseline: &[(String, String)]| {
            let prelude = prelude(has, wants);
            settings(&prelude, baseline, false).map(|text| text.as_sql().to_owned())
        };
        let two = [("role", "two")];
        let none = [("role", "none")];
        assert_eq!(text(&two, &[], &[]).as_deref(), Ok("RESET ROLE; "));
        assert_eq!(
            text(&two, &[], &of_warm_up).as_deref(),
            Ok("SET ROLE \"low\"; ")
        );
        assert_eq!(
            text(&[], &none, &of_warm_up).as_deref(),
            Ok("SET ROLE NONE; ")
        );
        assert_eq!(text(&none, &[], &[]).as_deref(), Ok("RESET ROLE; "));
        assert_eq!(
            text(&[], &[("role", "None")], &[]).as_deref(),
            Ok("SET ROLE \"None\"; ")
        );
    }
}
