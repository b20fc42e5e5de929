//! Criterion's samples as series of a record.
//!
//! Criterion keeps the samples of each bench in a folder of its own, below `target/criterion`, and
//! never clears away those of benches that no longer exist; so only samples of the run at hand are
//! taken, which are told by when they were written.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, de::DeserializeOwned};

use super::{catalogue::MICRO, error::Error, store};
use crate::record::{Better, Series};

/// Who takes part in criterion's benches.
pub const OURS: &str = "ours";

/// The part of `benchmark.json` that is needed.
#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

/// The part of `sample.json` that is needed: how often, and how many nanoseconds in all.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// The samples below `folder` that were written at `since` (seconds since 1970) or later, in the
/// order of their names.
///
/// # Errors
/// When there are none, or a file cannot be read.
pub fn series(folder: &Path, since: u64) -> Result<Vec<Series>, Error> {
    // A moment that no clock can show is later than all samples.
    let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since));
    let mut found = Vec::new();
    for samples in sample_files(folder) {
        let written = fs::metadata(&samples).and_then(|facts| facts.modified());
        if written.is_ok_and(|written| since.is_some_and(|since| written >= since)) {
            found.push(one(&samples)?);
        }
    }
    if found.is_empty() {
        return Err(Error::NoSamples {
            path: folder.display().to_string(),
        });
    }
    found.sort_by(|left, right| left.variant.cmp(&right.variant));
    Ok(found)
}

/// `<bench>/new/sample.json`, or one folder further down where benches are in groups.
fn sample_files(folder: &Path) -> Vec<PathBuf> {
    let folders = |of: &Path| {
        let entries = fs::read_dir(of).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let benches = folders(folder);
    let grouped = benches.iter().flat_map(|bench| folders(bench));
    let all: Vec<PathBuf> = benches.iter().cloned().chain(grouped).collect();
    let samples = all.iter().map(|bench| bench.join("new/sample.json"));
    samples.filter(|path| path.is_file()).collect()
}

fn one(samples: &Path) -> Result<Series, Error> {
    let Benchmark { full_id } = json(&samples.with_file_name("benchmark.json"))?;
    let Sample { iters, times } = json(samples)?;
    let each = times
        .iter()
        .zip(&iters)
        .map(|(time, count)| (*count > 0.0).then(|| time / count));
    Ok(Series {
        scenario: MICRO.to_owned(),
        variant: full_id,
        contestant: OURS.to_owned(),
        metric: "time".to_owned(),
        unit: "ns".to_owned(),
        better: Better::Lower,
        values: each.collect(),
    })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_str(&store::read_text(path)?).map_err(|cause| Error::Malformed {
        path: path.display().to_string(),
        cause,
    })
}
