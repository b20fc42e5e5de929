//! One task, nobody else: what a pool costs when there is always something idle.

use std::sync::Arc;
use std::time::Duration;

use super::laps::{MakeTrack, Track, Until};
use super::{DEADLINE, WITHOUT, setup};
use crate::peers::contestant::{About, Contestant};
use crate::peers::scenario::{Outcome, Round, Scenario, intact};
use crate::peers::workers::{Beat, Crew, sample};
use crate::record::Better;

/// Connections.
const SIZE: usize = 10;
/// How long a sample takes, after a tenth of it to warm up.
const TIME: Duration = Duration::from_millis(10);

/// The variants: who runs it, and whether there is a deadline.
const VARIANTS: [(&str, Crew, Option<Duration>); 4] = [
    ("current_thread", Crew::Current, Some(DEADLINE)),
    ("2 workers", Crew::Workers(2), Some(DEADLINE)),
    ("current_thread", Crew::Current, None),
    ("2 workers", Crew::Workers(2), None),
];

/// One acquire after another from a pool that always has a connection.
#[derive(Debug)]
pub struct Free;

impl Scenario for Free {
    const NAME: &'static str = "free";
    const TITLE: &'static str = "1 task, acquire and drop, pool of 10";

    fn variants() -> Vec<String> {
        let name = |(crew, _, deadline): &(&str, _, Option<_>)| match deadline {
            Some(_) => (*crew).to_owned(),
            None => format!("{crew}, {WITHOUT}"),
        };
        VARIANTS.iter().map(name).collect()
    }

    fn admits(_about: &About, _variant: usize) -> bool {
        true
    }

    fn run<C: Contestant>(round: &Round) -> Outcome {
        measure(Track::of::<C>, round)
    }
}

fn measure(make: MakeTrack, round: &Round) -> Outcome {
    let (_, crew, deadline) = VARIANTS[round.variant];
    let time = round.time(TIME);
    Outcome::of(sample(crew, async move |beat| {
        let setup = setup(SIZE, deadline);
        let track = make(&setup).await;
        let pool = track.pool.clone();
        let mut outcome = match crew {
            Crew::Current => alone(track, beat, time).await,
            Crew::Workers(_) => {
                let task = tokio::spawn(alone(track, beat, time));
                task.await.expect("a contestant does not panic")
            }
        };
        outcome.faults(intact(&pool, &setup).await);
        outcome
    }))
}

async fn alone(track: Track, beat: Arc<Beat>, time: Duration) -> Outcome {
    track.laps(&beat, Until::Past(time / 10)).await;
    let laps = track.laps(&beat, Until::Past(time)).await;
    let mut outcome = Outcome::default();
    let each = laps.took.as_nanos() as f64 / laps.operations as f64;
    outcome.value("time", "ns/op", Better::Lower, each);
    if laps.refused > 0 {
        outcome.faults(["refused an acquire though connections were idle".to_owned()]);
    }
    outcome
}
