//! Files and names that will not do.

use std::fs;

use super::{record, throughput};
use crate::report::store::{Name, Store, check_folder, read, write};

fn name(text: &str) -> Name {
    text.parse().expect("the name will do")
}

fn message<T: std::fmt::Debug>(result: Result<T, impl std::fmt::Display>) -> String {
    result.expect_err("this must fail").to_string()
}

#[test]
fn a_name_is_letters_digits_and_three_signs_and_nothing_that_leads_elsewhere() {
    for good in ["main", "v1.2_x-3", "7"] {
        assert_eq!(name(good).as_str(), good);
    }
    let long = "x".repeat(65);
    for bad in [
        "", "../x", "a/b", "a\\b", ".hidden", "-x", "a b", "ü", "a\0", &long,
    ] {
        let message = message(bad.parse::<Name>());
        assert!(message.contains(&format!("`{bad}`")), "{message}");
        assert!(message.contains("use letters, digits"), "{message}");
    }
}

#[test]
fn a_saved_record_comes_back_as_it_was_and_replaces_an_older_one() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Store::new(folder.path().join("not/yet/there"));
    let mut record = record();
    store.save(&name("a"), &record).expect("it can be saved");
    throughput(&mut record, "ours", &[1.5, 2.5]);
    store.save(&name("a"), &record).expect("it can be saved");
    let loaded = store.load(&name("a")).expect("it can be loaded");
    assert_eq!(loaded.series[0].values, [Some(1.5), Some(2.5)]);
    assert_eq!(loaded.contestants, record.contestants);
}

#[test]
fn a_missing_name_lists_those_that_exist() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Store::new(folder.path().to_path_buf());
    let none = message(store.load(&name("old")));
    assert!(
        none.contains("`old`") && none.contains("`--save NAME`"),
        "{none}"
    );
    store.save(&name("b"), &record()).expect("it can be saved");
    store.save(&name("a"), &record()).expect("it can be saved");
    fs::write(folder.path().join("notes.txt"), "no record").expect("it can be written");
    let some = message(store.load(&name("old")));
    assert!(some.ends_with("saved are: a, b"), "{some}");
}

#[test]
fn a_file_that_is_cut_short_or_something_else_is_told_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("r.json");
    write(&path, &record()).expect("it can be written");
    let whole = fs::read_to_string(&path).expect("it can be read");
    for bad in [
        &whole[..whole.len() / 2],
        "",
        "[]",
        "{\"version\":1}",
        "\u{0}",
    ] {
        fs::write(&path, bad).expect("it can be written");
        let message = message(read(&path));
        assert!(message.contains("r.json holds no record"), "{message}");
        assert!(message.contains("run it again"), "{message}");
    }
}

#[test]
fn a_record_of_another_format_is_told_from_a_broken_one() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("r.json");
    fs::write(&path, r#"{"version": 2, "something": "new"}"#).expect("it can be written");
    let message = message(read(&path));
    assert!(
        message.contains("format 2") && message.contains("format 1"),
        "{message}"
    );
}

#[test]
fn a_file_that_is_not_there_is_told_with_its_path() {
    let message = message(read("no/such/file.json".as_ref()));
    assert!(
        message.contains("cannot read no/such/file.json"),
        "{message}"
    );
    assert!(message.contains("--json FILE"), "{message}");
}

#[test]
fn a_file_in_a_folder_that_does_not_exist_is_refused_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    assert!(check_folder(&folder.path().join("new.html")).is_ok());
    assert!(check_folder("new.html".as_ref()).is_ok());
    for bad in [
        folder.path().join("no/new.html"),
        folder.path().to_path_buf(),
    ] {
        let message = message(check_folder(&bad));
        assert!(message.contains("a folder that exists"), "{message}");
    }
}
