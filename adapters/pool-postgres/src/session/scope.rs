//! What names in a statement mean.

use pool_multiplex::Settings;

/// What decides which objects the names in a text stand for: the search path, the role, which is in
/// the search path as `"$user"`, and how literals are read. Two statements of the same text are the
/// same only where this is the same; empty for what the connection began with.
pub(crate) fn scope(settings: &Settings) -> String {
    const DECIDING: [&str; 3] = ["search_path", "role", "standard_conforming_strings"];
    let mut scope = String::new();
    for name in DECIDING {
        if let Some(value) = settings.get(name) {
            scope.push_str(name);
            scope.push('=');
            scope.push_str(value);
            scope.push('\0');
        }
    }
    scope
}

#[cfg(test)]
mod tests {
    use super::scope;
    use pool_multiplex::Interner;

    #[test]
    fn only_what_decides_on_names_is_in_it_and_nothing_runs_together() {
        let interner = Interner::new(10);
        let of = |settings: &[(&str, &str)]| scope(&interner.intern(settings.iter().copied()));
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
    }
}
