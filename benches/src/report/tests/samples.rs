//! What criterion leaves behind.

use std::{fs, path::Path};

use crate::report::{criterion::series, error::Error};

fn bench(folder: &Path, place: &str, id: &str, sample: &str) {
    let folder = folder.join(place).join("new");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let id = format!(r#"{{"full_id":"{id}","title":"x"}}"#);
    fs::write(folder.join("benchmark.json"), id).expect("it can be written");
    fs::write(folder.join("sample.json"), sample).expect("it can be written");
}

#[test]
fn samples_are_nanoseconds_per_iteration_of_benches_and_of_groups() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let sample = r#"{"sampling_mode":"Linear","iters":[10.0,0.0,20.0],"times":[50.0,1.0,60.0]}"#;
    bench(folder.path(), "b", "b", sample);
    bench(folder.path(), "group/a", "group/a", sample);
    let series = series(folder.path(), 0).expect("there are samples");
    let names: Vec<&str> = series.iter().map(|one| one.variant.as_str()).collect();
    assert_eq!(names, ["b", "group/a"]);
    assert_eq!(series[0].values, [Some(5.0), None, Some(3.0)]);
    assert_eq!(series[0].unit, "ns");
}

#[test]
fn samples_of_an_earlier_run_are_left_out() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    bench(folder.path(), "b", "b", r#"{"iters":[1.0],"times":[1.0]}"#);
    // Later than any run of this test, and later than any clock can show.
    for since in [1 << 40, u64::MAX] {
        let none = series(folder.path(), since).expect_err("nothing is as new as that");
        assert!(matches!(none, Error::NoSamples { .. }));
    }
}

#[test]
fn broken_samples_are_told_with_their_path() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    bench(folder.path(), "b", "b", r#"{"iters":[1.0"#);
    let error = series(folder.path(), 0).expect_err("the samples are cut short");
    assert!(error.to_string().contains("sample.json"), "{error}");
}
