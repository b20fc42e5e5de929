//! The parts that are built apart, in the review.

use std::time::Duration;

use pool_core::{Candidate, Orders};

use super::part::{Part, Round};
use crate::{Ageing, HealthStatistics, Prediction, Recycler};

/// Ages are told in seconds at the finest.
const SELDOM: Duration = Duration::from_secs(1);

impl Part for Ageing {
    fn review(&mut self, round: &Round<'_>, orders: &mut Orders) -> Option<Duration> {
        Self::review(self, round.now, round.subjects, orders);
        (!round.subjects.is_empty()).then_some(SELDOM)
    }
}

impl Part for Recycler {
    fn review(&mut self, round: &Round<'_>, orders: &mut Orders) -> Option<Duration> {
        for (connection, score) in scores(round) {
            self.observe(connection, score);
        }
        Self::review(self, round.now, round.subjects, orders);
        None
    }
}

impl Part for Prediction {
    fn review(&mut self, round: &Round<'_>, orders: &mut Orders) -> Option<Duration> {
        for (connection, score) in scores(round) {
            self.observe(round.now, connection, score);
        }
        Self::review(self, round.now, round.subjects, orders);
        None
    }

    fn count(&self, statistics: &mut HealthStatistics) {
        statistics.predictions_made += self.stats().predicted;
    }
}

/// The connections of which anything is known.
fn scores<'a>(round: &'a Round<'_>) -> impl Iterator<Item = (Candidate, f32)> + 'a {
    round.subjects.iter().filter_map(|subject| {
        let score = round.score(subject.connection);
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
        let value = score.value() as f32;
        score.is_known().then_some((subject.connection, value))
    })
}
