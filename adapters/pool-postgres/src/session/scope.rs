//! What names in a statement mean.

use pool_multiplex::Settings;
use std::fmt::Write as _;

const DECIDING: [&str; 3] = ["search_path", "role", "standard_conforming_strings"];

/// No setting is called so.
const LOCAL: &str = "local:";

/// What decides which objects the names in a text stand for: the search path, the role, which is in
/// the search path as `"$user"`, and how literals are read. Two statements of the same text are the
/// same only where this is the same; empty for what the connection began with.
///
/// A transaction that may have a search path of its own has a number, `local`, and a scope of its own.
pub(crate) fn scope(settings: &Settings, local: u64) -> String {
    let mut scope = String::new();
    for name in DECIDING {
        if let Some(value) = settings.get(name) {
            scope.push_str(name);
            scope.push('=');
            scope.push_str(value);
            scope.push('\0');
        }
    }
    if local > 0 {
        let _ = write!(scope, "{LOCAL}{local}");
    }
    scope
}

/// Whether a scope is that of one transaction alone.
pub(crate) fn is_local(scope: &str) -> bool {
    let last = scope.rsplit('\0').next().unwrap_or_default();
    last.starts_with(LOCAL)
}

/// Whether a setting decides what names mean.
pub(crate) fn decides(name: &str) -> bool {
    DECIDING.iter().any(|one| one.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::{is_local, scope};
    use pool_multiplex::Interner;

    #[test]
    fn only_what_decides_on_names_is_in_it_and_nothing_runs_together() {
        let interner = Interner::new(10);
        let of = |settings: &[(&str, &str)]| scope(&interner.intern(settings.iter().copied()), 0);
        assert_eq!(of(&[("work_mem", "1MB"), ("app.id", "7")]), "");
        assert_ne!(of(&[("search_path", "a")]), of(&[("search_path", "b")]));
        assert_ne!(
            of(&[("search_path", "a"), ("role", "b")]),
            of(&[("search_path", "a")])
        );
        assert_ne!(
            of(&[("search_path", "arole=b")]),
            of(&[("search_path", "a"), ("role", "b")])
        );
        let path = interner.intern([("search_path", "local:1")]);
        assert!(!is_local(&scope(&path, 0)) && is_local(&scope(&path, 1)));
        assert_ne!(scope(&path, 1), scope(&path, 2));
    }
}
