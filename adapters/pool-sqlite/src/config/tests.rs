use super::*;

fn problems(builder: Builder) -> Vec<ConfigProblem> {
    match builder.build() {
        Err(Error::Config(error)) => error.problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

fn file(path: &str) -> Builder {
    Builder::new(Location::File(PathBuf::from(path)))
}

#[test]
fn a_path_that_names_no_file_is_refused() {
    let folder = std::env::temp_dir();
    assert_eq!(problems(file("")), [ConfigProblem::EmptyPath]);
    assert_eq!(
        problems(file(&folder.to_string_lossy())),
        [ConfigProblem::Folder(folder)]
    );
    assert_eq!(
        problems(file(":memory:")),
        [ConfigProblem::SpecialPath(":memory:".into())]
    );
    assert_eq!(
        problems(file("file:a?mode=memory")),
        [ConfigProblem::SpecialPath("file:a?mode=memory".into())]
    );
    assert_eq!(
        problems(file("/no/such/folder/a.db")),
        [ConfigProblem::MissingFolder("/no/such/folder/a.db".into())]
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let builder = file("")
        .busy_timeout(Duration::from_secs(u64::from(u32::MAX)))
        .statement_cache_size(10_001)
        .pragma("cache size", "1")
        .pragma("cache_size", "1; DROP TABLE t")
        .pragma("Foreign_Keys", "off");
    assert_eq!(
        problems(builder),
        [
            ConfigProblem::EmptyPath,
            ConfigProblem::BusyTimeout(Duration::from_secs(u64::from(u32::MAX))),
            ConfigProblem::StatementCacheSize(10_001),
            ConfigProblem::PragmaName("cache size".into()),
            ConfigProblem::PragmaValue("cache_size".into()),
            ConfigProblem::PragmaHasOption("foreign_keys".into()),
        ]
    );
}

#[test]
fn the_value_of_a_pragma_is_not_shown() {
    let secret = "hunter2";
    let builder = file("a.db").pragma("key", secret);
    assert!(!format!("{builder:?}").contains(secret));
    let error = file("").pragma("key", format!("{secret};")).build();
    let error = error.expect_err("both options are wrong");
    assert!(!format!("{error} {error:?}").contains(secret));
}
