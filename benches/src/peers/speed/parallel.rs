//! Tasks on workers of their own, with more connections than tasks: does a second core help?
//!
//! The figure is wall time by operations of all tasks together, so that it halves where two cores do
//! twice as much as one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::laps::{Laps, MakeTrack, Track, Until};
use super::{DEADLINE, WITHOUT, note_overlap, setup};
use crate::peers::contestant::{About, Contestant};
use crate::peers::scenario::{Outcome, Round, Scenario, intact};
use crate::peers::workers::{Beat, Busy, Crew, cores, sample};
use crate::record::Better;

/// Connections, if there are not more tasks.
const SIZE: usize = 16;
/// Most tasks: as many as the plain bitmap has places.
const MOST: usize = 64;
/// How long a sample takes, after a quarter of it to warm up.
const TIME: Duration = Duration::from_millis(24);

/// A task on each of 1, 2, 4, ... cores, never waiting for each other.
#[derive(Debug)]
pub struct Parallel;

/// Tasks and deadline of each variant.
fn cases() -> Vec<(usize, Option<Duration>)> {
    let mut cases = vec![(1, Some(DEADLINE)), (2, Some(DEADLINE)), (2, None)];
    if cores() > 2 {
        cases.push((cores().min(MOST), Some(DEADLINE)));
    }
    cases
}

impl Scenario for Parallel {
    const NAME: &'static str = "parallel";
    const TITLE: &'static str = "a task on each of so many cores, acquire and drop, pool of 16";

    fn variants() -> Vec<String> {
        let name = |(tasks, deadline)| match (tasks, deadline) {
            (1, _) => "1 task".to_owned(),
            (tasks, Some(_)) => format!("{tasks} tasks"),
            (tasks, None) => format!("{tasks} tasks, {WITHOUT}"),
        };
        cases().into_iter().map(name).collect()
    }

    fn admits(_about: &About, _variant: usize) -> bool {
        true
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        measure(Track::of::<C>, round)
    }
}

fn measure(make: MakeTrack, round: &Round) -> Outcome {
    let (tasks, deadline) = cases()[round.variant];
    let time = round.time(TIME);
    // One task, too, has an idle worker beside it: that is where it would be in a program.
    let crew = Crew::Workers(tasks.max(2));
    Outcome::of(sample(crew, async move |beat| {
        let setup = setup(SIZE.max(tasks), deadline);
        let track = make(&setup).await;
        stretch(&track, &beat, tasks, time / 4).await;
        let mut outcome = stretch(&track, &beat, tasks, time).await;
        outcome.faults(intact(&track.pool, &setup).await);
        outcome
    }))
}

/// Lets `tasks` tasks do laps for `time`.
async fn stretch(track: &Track, beat: &Arc<Beat>, tasks: usize, time: Duration) -> Outcome {
    let over = Arc::new(AtomicBool::new(false));
    let busy = Busy::start();
    let running: Vec<_> = (0..tasks)
        .map(|_| tokio::spawn(track.laps(beat, Until::Over(Arc::clone(&over)))))
        .collect();
    thread::sleep(time);
    over.store(true, Ordering::Relaxed);
    let (_, overlap) = busy.end(tasks);
    let mut done: Vec<Laps> = Vec::new();
    for task in running {
        done.push(task.await.expect("a contestant does not panic"));
    }
    let rate: f64 = done
        .iter()
        .map(|laps| laps.operations as f64 / laps.took.as_nanos() as f64)
        .sum();
    let mut outcome = Outcome::default();
    outcome.value("time", "ns/op", Better::Lower, 1.0 / rate);
    note_overlap(&mut outcome, overlap);
    if done.iter().any(|laps| laps.refused > 0) {
        outcome.faults(["refused an acquire though connections were idle".to_owned()]);
    }
    outcome
}
